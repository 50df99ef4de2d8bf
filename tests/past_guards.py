"""What tests need the owner's maintenance transaction, or a second person, for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction

from exceptions.models import Approval
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock, states
from tests.application_role import as_owner


@contextmanager
def past_guards() -> Iterator[None]:
    """Change what nobody may, as its owner: an order as a story wants it, without the deals that would lead there."""
    with as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL q2c.maintenance = 'on'")
        yield
        cursor.execute("SET LOCAL q2c.maintenance = 'off'")


def signed(period: FiscalPeriod) -> Approval:
    """One asked that a period be reopened, another agreed."""
    people = get_user_model().objects
    asks, signs = (people.get_or_create(username=name)[0] for name in ("who-asks", "who-signs"))
    asked = Approval.objects.create(
        subject_type="fiscal_period", subject_id=period.key, action="reopen_period", reason="late",
        requested_by=asks, requested_at=clock.now(),
    )  # fmt: skip
    decided: dict[str, Any] = {"decided_by_id": signs.pk, "decided_at": clock.now(), "decision": "agreed"}
    states.move(Approval, "approve", [asked.id], **decided)
    return asked


def reopened(period: FiscalPeriod, *, by: str, why: str) -> FiscalPeriod:
    """As desk.approve() has it done."""
    with transaction.atomic():
        signed(period)
        return periods.reopen(period, by=by, why=why)
