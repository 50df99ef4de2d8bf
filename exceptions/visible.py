"""The one place per noun through which records of this room reach pages and the API."""

from __future__ import annotations

from typing import Any, Self

from django.db import models


class VisibleQuerySet(models.QuerySet[Any]):
    """`Case.objects.visible_to(user)`: everything with the view right, nothing without.

    Rights per legal entity narrow it here, and only here.
    """

    right = ""

    def visible_to(self, user: Any) -> Self:
        meta = self.model._meta
        right = self.right or f"{meta.app_label}.view_{meta.model_name}"
        if user.is_active and user.has_perm(right):
            return self
        return self.none()


class OfCase(VisibleQuerySet):
    """What belongs to a case is seen by whoever sees cases."""

    right = "exceptions.view_case"


class OfProblem(VisibleQuerySet):
    """What belongs to a problem is seen by whoever sees problems."""

    right = "exceptions.view_problem"
