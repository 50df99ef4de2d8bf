"""The nouns of what goes wrong, one file each."""

from exceptions.models.approval import Approval
from exceptions.models.batch import ReplayBatch, ReplayItem
from exceptions.models.case import Case, RawBody
from exceptions.models.case_event import CaseEvent, Comment
from exceptions.models.offer import Offer
from exceptions.models.policy import Policy
from exceptions.models.problem import Facet, Problem, ProblemAmount
from exceptions.models.team import Holiday, Team

__all__ = [
    "Approval",
    "Case",
    "CaseEvent",
    "Comment",
    "Facet",
    "Holiday",
    "Offer",
    "Policy",
    "Problem",
    "ProblemAmount",
    "RawBody",
    "ReplayBatch",
    "ReplayItem",
    "Team",
]
