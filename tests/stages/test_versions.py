"""Versions of one deal that meet: in one batch, in two transactions at once, while an older one is being worked on.

Only the newest goes on, and it never waits behind a failed older one. The first version below cannot be accepted.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from exceptions.models import Case
from q2c.engine import gates, record, run
from q2c.engine.claim import claim
from q2c.engine.intake import Item, Sender, take
from q2c.engine.lease import Lease
from q2c.models import Step
from q2c.stages import STAGES
from q2c.stages.deals import VERSIONS
from q2c.stages.versions import TURNS
from tests.engine.scripted import in_own_connection
from tests.intake.documents import order as document
from tests.stages.conftest import MONDAY, Desk

pytestmark = pytest.mark.django_db(transaction=True)

# Its end lies before its beginning.
BAD = {"closed_on": "2020-01-01"}
ORDERS = pytest.mark.parametrize("arriving", [("old", "new"), ("new", "old")], ids=["in order", "newer first"])


def version(id_: str, **changes: Any) -> Item:
    minutes = {"old": 0, "new": 5}[id_]
    attributes = {
        "specversion": "1.0", "id": id_, "source": "webshop", "type": "OrderReceived",
        "time": (MONDAY + dt.timedelta(minutes=minutes)).isoformat(),
    }  # fmt: skip
    changes = changes or (BAD if id_ == "old" else {})
    return Item(body=json.dumps(document(**changes)).encode(), attributes=attributes, content_type="application/json")


def arrive(*ids: str) -> None:
    taken = take([version(id_) for id_ in ids], Sender(system="webshop", actor="api:webshop"))
    assert [one.status for one in taken] == ["stored"] * len(ids)


def step(id_: str) -> Step:
    return Step.objects.get(stage="accept_order", event__source_id=id_)


def the_newer_is_accepted(desk: Desk) -> None:
    with desk.waits(10):
        desk.works()
    assert (step("new").state, desk.order.state, desk.order.event_id) == ("done", "accepted", step("new").event_id)
    assert not Case.objects.exclude(state="resolved").exists()
    assert desk.emitted() == ["OrderAccepted"]


@ORDERS
def test_two_versions_in_one_batch(desk: Desk, arriving: tuple[str, str]) -> None:
    arrive(*arriving)
    old = step("old")
    assert (old.state, old.reason) == ("abandoned", "superseded")
    the_newer_is_accepted(desk)
    assert not Case.objects.exists()


def test_of_two_with_one_time_in_one_batch_the_later_counts(desk: Desk) -> None:
    twins = [version("new", **BAD), version("new")]
    twins[0].attributes["id"] = "first"  # type: ignore[index]
    take(twins, Sender(system="webshop", actor="api:webshop"))
    assert step("first").state == "abandoned"
    the_newer_is_accepted(desk)


@ORDERS
def test_two_versions_in_two_transactions_at_once(
    desk: Desk, arriving: tuple[str, str], closing_connections: None
) -> None:
    first, second = arriving
    with waiting_behind(lambda: arrive(first), lambda: arrive(second)):
        pass
    assert step("old").state == "abandoned"
    the_newer_is_accepted(desk)


def test_a_newer_one_that_comes_while_the_older_is_checked(desk: Desk) -> None:
    arrive("old")
    finish = begin()
    arrive("new")
    assert step("old").state == "running"
    finish()
    assert (step("old").state, step("old").reference) == ("done", "superseded")
    assert not Case.objects.exists()
    the_newer_is_accepted(desk)


def test_a_newer_one_that_comes_while_the_older_is_recorded_as_failed(desk: Desk, closing_connections: None) -> None:
    arrive("old")
    finish = begin()
    with waiting_behind(finish, lambda: arrive("new")):
        assert step("old").state == "failed"
    assert (step("old").state, step("old").reason) == ("abandoned", "superseded")
    assert Case.objects.get().resolution == "superseded"
    the_newer_is_accepted(desk)


def test_a_newer_one_that_comes_while_the_older_waits_for_a_silent_service(desk: Desk) -> None:
    """It was being tried when the newer came; its next try is its end, whatever the service says by then."""
    desk.credit.fault("unavailable")
    arrive("old")
    finish = begin()
    arrive("new")
    finish()
    assert step("old").state == "waiting"
    with desk.waits(5):
        desk.works()
    assert (step("old").state, step("old").reference) == ("done", "superseded")
    desk.credit.calm()
    the_newer_is_accepted(desk)


def test_an_older_one_that_comes_while_the_newer_waits_for_a_person(desk: Desk) -> None:
    take([version("new", **BAD)], Sender(system="webshop", actor="api:webshop"))
    desk.works()
    arrive("old")
    assert (step("old").state, step("new").state) == ("abandoned", "failed")
    assert Case.objects.get().state == "open"


def test_a_batch_of_ten_thousand_deals_takes_a_bounded_number_of_locks(desk: Desk) -> None:
    arrive("old")
    with transaction.atomic(), connection.cursor() as cursor:
        VERSIONS.supersede_older(f"SO-{i}" for i in range(10_000))
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (TURNS,)


def begin() -> Callable[[], None]:
    """Claims and prepares what is due, as a worker does; what is returned asks the services and records."""
    stage, open_gates = STAGES["accept_order"], gates.Gates()
    steps = claim("accept_order")
    works = run.load(steps)
    run.prepare(stage, works, open_gates)

    def finish() -> None:
        attempts: list[Any] = []
        if not connection.in_atomic_block:
            attempts = run.call(stage, [work for work in works if work.is_open], open_gates, Lease(steps))
        record.record(stage, works, attempts, open_gates)

    return finish


@contextmanager
def waiting_behind(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """`first` is done and not committed; `second`, on another connection, waits for that, and is done after it."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            second()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=in_own_connection, args=[guarded])
    with transaction.atomic():
        first()
        thread.start()
        thread.join(0.7)
        waits = thread.is_alive()
        yield
    thread.join(20)
    assert waits, "it did not wait"
    assert not errors and not thread.is_alive(), errors
