"""The year, its first weeks: made by the flow alone, with people who repair; and a second load is refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from exceptions.models import Case, Problem
from exceptions.policies import BILLING, CONTROL, PLATFORM, SALES, SYSTEMS
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors import registry
from q2c.contracts import stored
from q2c.contracts.documents import OrderDocument
from q2c.demo import customers, lately
from q2c.demo.deals import DEALS_A_YEAR
from q2c.demo.items import move_item
from q2c.demo.platforms import Platforms
from q2c.demo.year import CLOSING_DAY, Year
from q2c.engine import wake
from q2c.models import Invoice, InvoiceLine, ItemMapping, Order, Step, Transition

pytestmark = pytest.mark.django_db(transaction=True)

ENDS_AT = dt.datetime(2026, 11, 25, 13, tzinfo=dt.UTC)


def test_the_first_weeks_are_made_by_the_flow_and_put_right_by_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    said: list[str] = []
    year = Year(ENDS_AT, say=said.append)
    year.found()
    assert f"{DEALS_A_YEAR} deals to close" in said[-1]
    year.agenda.ends_at = dt.datetime.combine(year.first_day + dt.timedelta(days=56), dt.time(), dt.UTC)
    found = year.live()
    assert not clock.is_moved()
    assert Platforms().control("zuora", "state", method="GET")["now"][:10] == clock.today().isoformat()
    move_item(year.platforms, "STORAGE")
    there = {item["body"]["itemId"] for item in Platforms().records("netsuite", "item")}
    assert there >= set(ItemMapping.objects.values_list("item", flat=True)) > {"ITEM-STORAGE-N"}
    assert found.orders == Order.objects.count() > 10
    assert found.posted == Invoice.objects.filter(state="posted").count() > 5
    # Nothing was written by hand: each posted journal has its step, each order its event.
    assert JournalEntry.objects.filter(state="posted").count() == Step.objects.filter(
        stage="post_journal", state="done"
    ).count()  # fmt: skip
    reasons = Counter(Case.objects.values_list("reason", flat=True))
    assert "internal_error" not in reasons
    # Of a year one document in fifteen fails; the wrong month that is closed in the ERP weighs more in eight weeks.
    assert 1 / 30 < reasons.total() / (found.orders + found.invoices) < 1 / 4
    overage = list(_billed_usage())
    assert overage and all(used > included > 0 for used, included in overage)
    assert Case.objects.filter(state="resolved", resolution="fixed_by_replay", assignee__isnull=False).exists()
    assert not Step.objects.filter(state__in=("running", "unknown")).exists()
    assert "December 2025: " in said[-1]
    # Nothing carries the machine's time.
    assert not Transition.objects.filter(at__gt=ENDS_AT).exists()

    with pytest.raises(CommandError, match="holds data already"):
        call_command("load_demo")


def _billed_usage() -> Iterator[tuple[Decimal, Decimal]]:
    """Of each line of usage that costs something: what was used, and what its order includes."""
    for line in InvoiceLine.objects.filter(kind="usage", net_minor__gt=0).select_related("invoice__order"):
        sold = stored.read(line.invoice.order.document, OrderDocument).lines
        (terms,) = (one.usage for one in sold if (one.product, one.group) == (line.product, line.invoice.group))
        yield Decimal(line.quantity), Decimal(terms.included_quantity)


def test_who_opens_the_queue_finds_a_working_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven weeks that end as the year does: of many causes and owners, most in time, some of this morning, some old.

    They begin within the first days of a month, when the month before would be closed.
    """
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    year = Year(ENDS_AT, say=lambda line: None, days=50)
    assert year.first_day.day < CLOSING_DAY
    year.found()
    year.live()
    with clock.at(ENDS_AT):
        open_ = list(Case.objects.exclude(state__in=("resolved", "closed_without_fix")))
        late = [case for case in open_ if case.state != "snoozed" and case.due_at < ENDS_AT]
        ages = sorted(ENDS_AT - case.opened_at for case in open_)
    reasons = {case.reason for case in open_}
    assert len(open_) >= 20 and len(reasons) >= 13
    assert {"tax_nexus_missing", "event_conflict", "invoice_changed", "credit_refused"} <= reasons
    # Beside the credit hold: a closed period, an inactive cost centre, a missing item mapping, a duplicate, a lost answer.
    ever = set(Case.objects.values_list("reason", flat=True))
    assert {"period_closed", "dimension_inactive", "item_mapping_missing", "invoice_mismatch"} <= ever
    assert Transition.objects.filter(machine="q2c_step", target="unknown").exists()
    assert {case.owner_team_id for case in open_} >= {SALES, BILLING, SYSTEMS, CONTROL, PLATFORM}
    assert len({case.assignee_id for case in open_}) >= 5
    assert 1 <= len(late) <= len(open_) // 3
    assert ages[0] < dt.timedelta(hours=1) and ages[-1] > dt.timedelta(days=9)
    assert {"open", "in_progress", "awaiting_approval", "snoozed"} == {case.state for case in open_}
    solved = Case.objects.filter(state="resolved")
    assert solved.filter(resolved_at__lte=F("due_at")).count() > solved.filter(resolved_at__gt=F("due_at")).count()
    assert Problem.objects.filter(kind="connection", state="open", connection="credit").exists()
    waiting = Step.objects.filter(stage="accept_order", state="waiting", waiting_for="credit")
    assert waiting.count() == len(lately.DURING_THE_OUTAGE)


def test_scale_plans_so_many_times_the_deals() -> None:
    registry.close_all()
    said: list[str] = []
    Year(ENDS_AT, scale=2, say=said.append).found()
    assert said[-1] == f"systems: 5 sandboxes, {len(customers.accounts(2))} accounts, {2 * DEALS_A_YEAR} deals to close"


def test_scale_is_one_or_more() -> None:
    with pytest.raises(CommandError, match="1 or more"):
        call_command("load_demo", scale=0)
