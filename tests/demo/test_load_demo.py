"""The year, its first weeks: made by the flow alone, with people who repair; and a second load is refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from django.core.management import CommandError, call_command

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors import registry
from q2c.demo.platforms import Platforms
from q2c.demo.year import Year
from q2c.engine import wake
from q2c.models import Invoice, Order, Step

pytestmark = pytest.mark.django_db(transaction=True)

ENDS_AT = dt.datetime(2026, 11, 25, 13, tzinfo=dt.UTC)


def test_the_first_weeks_are_made_by_the_flow_and_put_right_by_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    said: list[str] = []
    year = Year(ENDS_AT, say=said.append)
    year.found()
    year.agenda.ends_at = dt.datetime.combine(year.first_day + dt.timedelta(days=56), dt.time(), dt.UTC)
    found = year.live()
    assert not clock.is_moved()
    assert Platforms().control("zuora", "state", method="GET")["now"][:10] == clock.today().isoformat()
    assert found.orders == Order.objects.count() > 10
    assert found.posted == Invoice.objects.filter(state="posted").count() > 5
    # Nothing was written by hand: each posted journal has its step, each order its event.
    assert JournalEntry.objects.filter(state="posted").count() == Step.objects.filter(
        stage="post_journal", state="done"
    ).count()  # fmt: skip
    reasons = Counter(Case.objects.values_list("reason", flat=True))
    assert reasons and "internal_error" not in reasons
    assert Case.objects.filter(state="resolved", resolution="fixed_by_replay", assignee__isnull=False).exists()
    assert not Step.objects.filter(state__in=("running", "unknown")).exists()
    assert "December 2025: " in said[-1]

    with pytest.raises(CommandError, match="holds data already"):
        call_command("load_demo")


def test_scale_is_one_or_more() -> None:
    with pytest.raises(CommandError, match="1 or more"):
        call_command("load_demo", scale=0)
