"""The ledger's Django app: double entry, periods, dimensions, posting rules."""

from __future__ import annotations

from django.apps import AppConfig


class Ledger(AppConfig):
    name = "ledger"
    verbose_name = "Ledger"
    default_auto_field = "django.db.models.BigAutoField"
