"""The one place through which records of every room reach pages and the API."""

from __future__ import annotations

import functools
import operator
from typing import Any, Self

from django.db import models
from django.db.models import Q


def from_its_own(rows: Any, user: Any) -> Any:
    """For the key of a system that does not read every system's: what came from its own source, or from below it.

    A model says in `came_from` which columns name where a row came from; one that says nothing comes from no system.
    """
    system, columns = getattr(user, "reads_only", ""), getattr(rows.model, "came_from", ())
    if not system or not columns:
        return rows
    own = [Q(**{column: system}) | Q(**{f"{column}__startswith": f"{system}/"}) for column in columns]
    return rows.filter(functools.reduce(operator.or_, own))


class VisibleQuerySet(models.QuerySet[Any]):
    """`Order.objects.visible_to(user)`: everything with the view right, nothing without; for the key of a system, what
    came of what it sent itself.

    `right` is another noun's where a record belongs to that. Rights per legal entity narrow it here, and only here.
    """

    right = ""

    def visible_to(self, user: Any) -> Self:
        meta = self.model._meta
        if user.is_active and user.has_perm(self.right or f"{meta.app_label}.view_{meta.model_name}"):
            return from_its_own(self, user)  # type: ignore[no-any-return]
        return self.none()
