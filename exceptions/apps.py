"""What failed, who owns it, what it blocks, and how it is put right."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _sync_policies(**_: Any) -> None:
    from exceptions import routing

    routing.sync_policies()


class Exceptions(AppConfig):
    name = "exceptions"
    verbose_name = "Cases and problems"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_sync_policies, sender=self)
