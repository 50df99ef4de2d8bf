"""Every fact three times, out of order, from two senders to two workers at once: the same books as once and in order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from exceptions.models import Case
from ledger.models import JournalEntry, JournalLine
from q2c import clock
from q2c import tasks as _wakes_workers  # noqa: F401
from q2c.connectors import registry
from q2c.demo.customers import Account
from q2c.demo.deals import Deal, Line
from q2c.engine import breaker, sweep
from q2c.engine.intake import Item, Sender, take
from q2c.local.processes import QUEUES
from q2c.models import Event, Invoice, Order, Step, Subscription
from tests.conftest import emptied
from tests.scenarios.conftest import HARBOR, HARBOR_DE, LEEDS, Story, founded_today
from tests.scenarios.workers import until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

SENDERS = 2


def deals() -> list[Deal]:
    """Six orders of three customers; one bills in two entities."""
    # Begun in all of their entities, at whatever hour this runs.
    day = clock.today("America/Los_Angeles")

    def deal(number: int, customer: Account, *lines: Line, groups: dict[str, Account] | None = None) -> Deal:
        region = customer.region
        return Deal(
            number=f"SO-5{number:03d}", customer=customer, closed_on=day, starts_on=day, months=12,
            contract_entity=region, currency={"US": "USD", "DE": "EUR", "UK": "GBP"}[region],
            groups=groups or {region: customer}, lines=list(lines),
        )  # fmt: skip

    both = {"US": HARBOR, "DE": HARBOR_DE}
    return [
        deal(1, LEEDS, Line(product="PLATFORM", group="UK", quantity=30, frequency="monthly")),
        deal(2, LEEDS, Line(product="EDGE-BOX", group="UK", quantity=4), Line(product="TRAINING", group="UK")),
        deal(3, HARBOR, *(Line(product="IMPLEMENTATION", group=group) for group in both), groups=both),
        deal(4, HARBOR, Line(product="ANALYTICS", group="US", quantity=50, frequency="quarterly")),
        deal(5, HARBOR_DE, Line(product="SUPPORT-PLUS", group="DE", frequency="annual")),
        deal(6, HARBOR_DE, Line(product="TRAINING", group="DE", quantity=3)),
    ]


def books() -> dict[str, Any]:
    """What both ways must agree on. Numbers follow the order of arrival, so they are only counted."""
    lines = Counter(
        JournalLine.objects.values_list(
            "entry__business_document", "account__code", "amount_minor", "functional_minor", "group_minor",
            "customer", "entry__entity__code", "entry__effective_on",
        )
    )  # fmt: skip
    return {
        "lines": lines,
        "entries": Counter(JournalEntry.objects.values_list("state", flat=True)),
        "invoices": set(Invoice.objects.values_list("number", "total_minor", "currency", "entity", "state")),
        "orders": set(Order.objects.values_list("number", "state", "total_minor")),
        "subscriptions": set(Subscription.objects.values_list("number", "state")),
        "steps": Counter(Step.objects.values_list("stage", "state")),
        "events": Counter(Event.objects.values_list("type", flat=True)),
    }


def gapless() -> bool:
    """The numbers of each series run from one to as many as there are."""
    series: dict[str, list[int]] = {}
    for number in JournalEntry.objects.values_list("number", flat=True):
        prefix, digits = number[:-7], number[-7:]
        series.setdefault(prefix, []).append(int(digits))
    return all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in series.values())


def facts() -> list[Item]:
    """What came from outside, as it came."""
    outside = Event.objects.filter(type__in=("OrderReceived", "InvoiceIssued")).order_by("received_at", "id")
    return [
        Item(
            body=event.payload.encode(), content_type="application/json",
            attributes={
                "specversion": "1.0", "id": event.source_id, "source": event.source, "type": event.type,
                "time": event.occurred_at.isoformat(),
            },
        )
        for event in outside
    ]  # fmt: skip


@pytest.fixture
def once(today: Story) -> Iterator[tuple[dict[str, Any], list[Item], set[tuple[str, str]]]]:
    """Each fact once and in order: the books, the facts, and what the ERP holds."""
    today.close(*deals())
    today.bill()
    assert set(Step.objects.values_list("state", flat=True)) == {"done"}
    yield books(), facts(), documents(today)


def documents(story: Story) -> set[tuple[str, str]]:
    """(memo without our number, day) of each journal in the ERP: what the same fact must lead to."""
    found = [(doc["body"]["memo"].partition(" ")[2], doc["body"]["tranDate"]) for doc in story.documents()]
    assert len(found) == len(set(found))
    return set(found)


def test_three_times_out_of_order_from_two_at_once(
    once: tuple[dict[str, Any], list[Item], set[tuple[str, str]]], tmp_path: Path, closing_connections: None
) -> None:
    in_order, outside, erp = once
    emptied()
    registry.close_all()
    story = founded_today()
    # The deals stand in the sales platform again, under the same ids: their status is written back there.
    story.sales.close(deals())
    storm = [item for item in outside for _ in range(3)]
    random.Random(4).shuffle(storm)
    log = tmp_path / "workers.log"
    with worker(*QUEUES, log=log, name="one"), worker(*QUEUES, log=log, name="two"):
        with ThreadPoolExecutor(SENDERS) as pool:
            statuses = [s for part in pool.map(sent, (storm[0::SENDERS], storm[1::SENDERS])) for s in part]
        assert Counter(statuses) == {"stored": len(outside), "duplicate": 2 * len(outside)}
        until(_quiet, 120, _unfinished)
    assert books() == in_order
    assert gapless()
    assert documents(story) == erp
    assert not Case.objects.exclude(state="resolved").exists()


def sent(items: list[Item]) -> list[str]:
    """One sender: small batches, as they come."""
    try:
        found: list[str] = []
        for start in range(0, len(items), 3):
            batch = items[start : start + 3]
            by_system: dict[str, list[Item]] = {}
            for item in batch:
                by_system.setdefault(str(item.attributes["source"]), []).append(item)  # type: ignore[index]
            for system, those in by_system.items():
                found += [one.status for one in take(those, Sender(system=system, actor=f"poll:{system}"))]
        return found
    finally:
        connections.close_all()


def _unfinished() -> str:
    """For whoever reads why it did not become quiet."""
    rows = Step.objects.exclude(state="done").values_list("stage", "business_key", "state", "text")
    return "; ".join(" ".join(row) for row in rows)


def _quiet() -> bool:
    """Nothing waits any more; meanwhile the sweeper wakes what the storm left, as the beat does."""
    breaker.probe_due()
    sweep.sweep()
    return not Step.objects.exclude(state="done").exists() and bool(Step.objects.filter(stage="post_journal").count())
