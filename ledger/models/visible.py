"""The one place per noun through which the ledger's records reach pages and the API."""

from __future__ import annotations

from typing import Any, Self

from django.db import models


class VisibleQuerySet(models.QuerySet[Any]):
    """`JournalEntry.objects.visible_to(user)`: everything with the view right, nothing without.

    Rights per legal entity narrow it here, and only here.
    """

    def visible_to(self, user: Any) -> Self:
        meta = self.model._meta
        if user.is_active and user.has_perm(f"{meta.app_label}.view_{meta.model_name}"):
            return self
        return self.none()
