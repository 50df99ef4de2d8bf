"""The flow's Django app: guards and roles go into the database after every migrate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate, pre_migrate
from simple_history.signals import pre_create_historical_record

from q2c import clock


def _install(sender: AppConfig, **_: Any) -> None:
    from q2c import guards, roles

    guards.install(settings.DATABASE_APP_ROLE)
    roles.install()


def _lift(sender: AppConfig, plan: Sequence[Any] = (), **_: Any) -> None:
    """Only where something is migrated; what stops half-way is put back by the migrate that follows."""
    from q2c import guards

    if plan:
        guards.lift()


def _date(sender: Any, instance: Any, history_instance: Any, **_: Any) -> None:
    """A version is dated by the clock that all else goes by."""
    if not hasattr(instance, "_history_date"):
        history_instance.history_date = clock.now()


class Admin(AdminConfig):
    default_site = "q2c.ui.admin_site.Site"


class Q2C(AppConfig):
    name = "q2c"
    verbose_name = "Quote to cash"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from q2c import checks  # noqa: F401
        from q2c.connectors import calls
        from q2c.engine import callouts, gates, watch

        calls.before_each(gates.no_transaction)
        watch.listen()
        callouts.listen()
        pre_create_historical_record.connect(_date, dispatch_uid="q2c.history_date")

        pre_migrate.connect(_lift, sender=self)
        # q2c stands last in INSTALLED_APPS, so every table exists when its turn comes.
        post_migrate.connect(_install, sender=self)
