"""The storm of test_storm.py while every platform fails at random and two of the deals are cancelled in its middle.

Answers are lost before and after the deed, platforms are down, slow, busy, commit late and find late. In the end each
document is there once on every platform, the books are those of a calm day, and nobody had to do anything.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models import Q

from exceptions.models import Case, Policy
from q2c import clock
from q2c import tasks as _wakes_workers  # noqa: F401
from q2c.connectors import registry
from q2c.demo.platforms import Platforms
from q2c.engine import breaker, poll, sweep
from q2c.engine.intake import Item, Sender, take
from q2c.local.processes import QUEUES
from q2c.models import Attempt, Connection, Step
from q2c.models.step import OPEN
from q2c.reasons import TRANSIENT
from tests.conftest import emptied
from tests.scenarios.conftest import Story, founded_today, order
from tests.scenarios.test_storm import SENDERS, books, deals, documents, gapless, once, sent  # noqa: F401
from tests.scenarios.workers import until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

# What a platform does wrong, and how much of it: seconds, but for latency.
FAULTS = {
    "unavailable": 0, "drop_before": 0, "drop_after": 0, "late_commit": 3, "too_many": 1, "latency": 400, "search_lag": 1,
}  # fmt: skip
RENEWED = ("salesforce", "zuora")
# What is asked of each on the way of a deal.
ASKED = {
    "salesforce": ("query", "update"),
    "zuora": (
        "create_account",
        "read_account",
        "create_order_async",
        "read_job",
        "read_order",
        "create_order",
        "activate",
    ),
    "netsuite": ("suiteql", "create_journal", "create_customer"),
    "avatax": ("create",),
    "credit": ("check",),
}
STRIKES, AT_FIRST, EVERY_S = 70, 40, 0.15
CANCELLED = ("SO-5901", "SO-5902")
STAND = ("lines", "invoices", "entries")


def test_platforms_that_fail_at_random_and_deals_that_are_cancelled(
    once: tuple[dict[str, Any], list[Item], set[tuple[str, str]]],  # noqa: F811
    tmp_path: Path,
    closing_connections: None,
) -> None:
    in_order, outside, erp = once
    emptied()
    registry.close_all()
    story = founded_today()
    impatient()
    training = deals()[-1]
    story.sales.close([*deals(), *[replace(training, number=number) for number in CANCELLED]])
    storm = [item for item in outside for _ in range(3)]
    random.Random(8).shuffle(storm)
    log = tmp_path / "workers.log"
    with worker(*QUEUES, log=log, name="one"), worker(*QUEUES, log=log, name="two"):
        with ThreadPoolExecutor(SENDERS + 3) as pool:
            running = [pool.submit(sent, storm[i::SENDERS]) for i in range(SENDERS)]
            running += [pool.submit(alone, strike), pool.submit(alone, cancel), pool.submit(alone, read)]
            for each in running:
                each.result()
        until(quiet, 180, unfinished)
    found = books()
    assert {part: found[part] for part in STAND} == {part: in_order[part] for part in STAND}
    assert documents(story) == erp and gapless()
    assert {order(number).state for number in CANCELLED} == {"cancelled"}
    assert_once_in_billing(story)
    assert not Case.objects.exclude(state="resolved").exists()
    assert Attempt.objects.filter(Q(status=None) | Q(status__gte=429)).count() > 10, "the platforms did fail"


def impatient() -> None:
    """The budgets and pauses of a day, told in seconds."""
    Policy.objects.filter(reason__in=TRANSIENT).update(retry_attempts=500, retry_first_s=1, retry_max_s=1)
    Connection.objects.update(time_limit_s=2, settle_s=2)


def alone(act: Callable[[], None]) -> None:
    try:
        act()
    finally:
        connections.close_all()


def strike() -> None:
    """One call of one operation of one platform goes wrong, again and again; which, is drawn."""
    platforms, drawn = Platforms(), random.Random(15)
    # What makes a document is struck for certain.
    for vendor, operation in (
        ("zuora", "create_order_async"),
        ("zuora", "create_order"),
        ("netsuite", "create_journal"),
    ):
        platforms.fault(vendor, "drop_after", operation, times=1)
    for i in range(STRIKES):
        vendor = drawn.choice([vendor for vendor, operations in ASKED.items() for _ in operations])
        name = drawn.choice([*FAULTS, *(["token_expired"] if vendor in RENEWED else [])])
        platforms.fault(vendor, name, drawn.choice(ASKED[vendor]), value=FAULTS.get(name, 0), times=1)
        if i > AT_FIRST:
            time.sleep(EVERY_S)


def cancel() -> None:
    """Each is asked for three times, as soon as somebody can know of the order."""
    for number in CANCELLED:
        until(lambda number=number: Step.objects.filter(stage="accept_order", business_key=number).exists())  # type: ignore[misc]
        data = {"order_number": number, "effective_on": clock.today().isoformat(), "reason": "withdrawn"}
        attributes = {
            "specversion": "1.0", "id": f"c-{number}", "source": "back-office", "type": "OrderCancelRequested",
            "time": clock.now().isoformat(),
        }  # fmt: skip
        item = Item(body=json.dumps(data).encode(), attributes=attributes, content_type="application/json")
        for _ in range(3):
            take([item], Sender(system="back-office", actor="api:back-office"))


def read() -> None:
    """The sales platform is polled as the beat does; its deals come in this way, too."""
    while Step.objects.filter(stage="accept_order", business_key__in=CANCELLED).count() < len(CANCELLED):
        poll.poll_sources()
        time.sleep(0.3)


def quiet() -> bool:
    """Nothing waits any more; meanwhile the sweeper does its work, and no pause is longer than it has to be."""
    breaker.probe_due()
    sweep.sweep()
    return not Step.objects.filter(state__in=OPEN).exists() and bool(Step.objects.filter(stage="post_journal").count())


def unfinished() -> str:
    rows = Step.objects.filter(state__in=OPEN).values_list("stage", "business_key", "state", "reason", "text")
    return "; ".join(" ".join(row) for row in rows)


def assert_once_in_billing(story: Story) -> None:
    """One account a payer and currency, one order a subscription, and one that cancels it where it was cancelled."""
    names = Counter(row["number"] for row in story.platforms.records("zuora", "account"))
    assert set(names.values()) == {1}, names
    made = Counter(row["number"] for row in story.platforms.records("zuora", "order"))
    assert set(made.values()) == {1}, made
    subscriptions = {number for number in made if number.startswith("O-")}
    undone = {number for number in made if number.startswith("X-")}
    assert {number.removeprefix("X-") for number in undone} == {
        number.removeprefix("O-") for number in subscriptions if any(each in number for each in CANCELLED)
    }
    assert len(subscriptions - {f"O-{number.removeprefix('X-')}" for number in undone}) == 7
