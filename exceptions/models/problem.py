"""One root cause, however many cases it has."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django_fsm import transition

from exceptions.models.policy import SEVERITIES
from exceptions.models.team import Team
from exceptions.visible import OfProblem
from q2c.states import StateField, StateRecord
from q2c.sums import SumMinor
from q2c.visible import VisibleQuerySet


class Problem(StateRecord):
    """A reason and what stands in the way; or, of kind `connection`, a platform that is down and has no cases.

    `fingerprint` (hex SHA-256) is made of reason and blocker, or of reason, connection and code where nothing
    blocks (exceptions/problems.py). A problem row is not touched by each failure, so a flood of failures of one
    cause does not queue up behind one row: counts, amounts, first and last seen are read from ProblemAmount.
    """

    why_column = "title"
    KINDS = ("cases", "connection")

    number = models.BigIntegerField(
        unique=True, db_default=models.Func(models.Value("exceptions_problem_number"), function="nextval")
    )
    state = StateField(default="open")
    kind = models.CharField(max_length=12, default="cases", choices=[(k, k) for k in KINDS])
    fingerprint = models.CharField(max_length=64, unique=True)
    reason = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    connection = models.CharField(max_length=60, blank=True)
    code = models.CharField(max_length=120, blank=True)
    blocker_connection = models.CharField(max_length=60, blank=True)
    blocker_type = models.CharField(max_length=60, blank=True)
    blocker_key = models.CharField(max_length=200, blank=True)
    blocker_condition = models.CharField(max_length=60, blank=True)
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="problems")
    severity = models.CharField(max_length=8, choices=[(s, s) for s in SEVERITIES])
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="Of a connection; that of cases is in their totals")
    resolved_at = models.DateTimeField(null=True)
    waiting = models.JSONField(default=dict, blank=True, help_text="Of a connection: noun, count, amounts by currency")

    objects = VisibleQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["owner_team", "last_seen_at"], condition=Q(state="open"), name="problem_open_of_team"),
            models.Index(fields=["-resolved_at", "-id"], condition=Q(state="resolved"), name="problem_resolved"),
        ]

    def __str__(self) -> str:
        return f"P-{self.number} {self.title}"

    @transition("state", source="open", target="resolved")
    def resolve(self) -> None:
        """None of its cases is unresolved; or the connection is up again."""

    @transition("state", source="resolved", target="open")
    def reopen(self) -> None:
        """The same cause struck again, or a case of it is taken up again."""


class ProblemAmount(models.Model):
    """How many cases of a problem stand where, and what they are worth; rows are differences, to be summed.

    The database writes them (migrations/0002): each statement that changes cases appends what it changed, so no
    two writers meet on a row; exceptions/tallies.py folds them together now and then.
    """

    problem = models.ForeignKey(Problem, on_delete=models.PROTECT, related_name="amounts")
    state = models.CharField(max_length=24)
    entity = models.CharField(max_length=20, blank=True)
    period = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    cases = models.BigIntegerField()
    amount_minor = SumMinor()
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)

    objects = OfProblem.as_manager()

    class Meta:
        default_permissions = ()


class Facet(models.Model):
    """How many cases there are by what people filter on; differences like ProblemAmount, to be summed."""

    state = models.CharField(max_length=24)
    reason = models.CharField(max_length=40)
    owner_team = models.CharField(max_length=40)
    severity = models.CharField(max_length=8)
    entity = models.CharField(max_length=20, blank=True)
    period = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    cases = models.BigIntegerField()
    amount_minor = SumMinor()

    objects = OfProblem.as_manager()

    class Meta:
        default_permissions = ()
