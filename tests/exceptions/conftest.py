"""People, rights, time and failures for the stories of this folder."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from exceptions.cases import Failure, open_for
from exceptions.models import Case
from q2c import clock, keys

# A Tuesday, 10:00 UTC: inside business hours.
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
RIGHTS = (
    "view_case", "view_problem", "work_case", "replay_case", "bulk_replay", "close_case", "approve_case", "approve_order",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _noon(db: None) -> Iterator[None]:
    with clock.at(NOW):
        yield


@pytest.fixture
def person(db: None) -> Callable[..., Any]:
    """person("ann") with every right; person("eve", rights=("view_case",)) with these."""

    def make(name: str, rights: tuple[str, ...] = RIGHTS, teams: tuple[str, ...] = ()) -> Any:
        user = get_user_model().objects.create_user(name, password="a long enough word")
        of = ("exceptions", "q2c")
        user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=of, codename__in=rights))
        user.teams.set(teams)
        return user

    return make


def failure(**given: Any) -> Failure:
    """A journal for DE that met the closed October."""
    defaults: dict[str, Any] = {
        "step_id": keys.new_id(),
        "event_id": keys.new_id(),
        "stage": "post_journal",
        "part": "DE",
        "reason": "period_closed",
        "text": "Period 2026-10 of DE is closed",
        "code": "PERIOD_CLOSED",
        "blocker": ("erp-de", "period", "2026-10", "closed"),
        "amount_minor": 482_100,
        "currency": "EUR",
        "entity": "DE",
        "period": "2026-10",
        "business_key": "INV-1",
        "customer": "Acme GmbH",
        "customer_key": "A-1",
        "source": "zuora",
        "target": "erp-de",
        "connection": "erp-de",
    }
    return Failure(**(defaults | given))


def opened(**given: Any) -> Case:
    """One open case."""
    one = failure(**given)
    return Case.objects.get(id=open_for([one], "engine")[one.step_id])


def again(case: Case, **given: Any) -> Case:
    """The same step fails once more."""
    assert case.step_id is not None
    open_for([failure(step_id=case.step_id, **given)], "engine")
    return fresh(case)


def fresh(record: Any) -> Any:
    """The record as the database has it."""
    return type(record).objects.get(pk=record.pk)


def kinds(case: Case) -> list[str]:
    """What its timeline tells, in order."""
    return list(case.events.order_by("id").values_list("kind", flat=True))


def moves(record_id: uuid.UUID) -> list[tuple[str, str]]:
    """The transition rows of a record."""
    from django.apps import apps

    transition = apps.get_model("q2c", "Transition")
    return list(transition.objects.filter(record_id=record_id).order_by("id").values_list("source", "target"))
