"""What belongs to a case or a problem is seen with it."""

from __future__ import annotations

from q2c.visible import VisibleQuerySet


class OfCase(VisibleQuerySet):
    """What belongs to a case is seen by whoever sees cases."""

    right = "exceptions.view_case"


class OfProblem(VisibleQuerySet):
    """What belongs to a problem is seen by whoever sees problems."""

    right = "exceptions.view_problem"
