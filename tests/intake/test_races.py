"""Senders that meet: the same facts from several at once are stored once, and nobody waits for ever."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from exceptions.models import Case
from q2c.engine import intake
from q2c.engine.intake import Item, Sender
from q2c.models import ApiKey, Event, IdempotencyRecord, Step
from tests.api.conftest import Caller
from tests.intake.documents import event, order

pytestmark = pytest.mark.django_db(transaction=True)
SENDER = Sender(system="webshop", actor="test")


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """The results of the acts, begun together on threads of their own."""
    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = acts[i]()
        except Exception as error:
            results[i] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[i]) for i in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def items(count: int) -> list[Item]:
    return [Item(body=json.dumps(event(f"evt-{n}", order(order_number=f"SO-{n}"))).encode()) for n in range(count)]


def test_two_identical_batches_from_two_threads() -> None:
    batch = [*items(200), Item(body=b"broken"), Item(body=json.dumps(event("evt-0", order(term_months=3))).encode())]
    first, second = at_once(lambda: intake.take(batch, SENDER), lambda: intake.take(batch, SENDER))
    statuses = Counter(one.status for one in [*first, *second])
    assert statuses == {"stored": 200, "duplicate": 200, "refused": 2, "conflict": 2}
    for one, other in zip(first, second, strict=True):
        assert (one.event_id, one.case_id) == (other.event_id, other.case_id)
    assert (Event.objects.count(), Step.objects.count()) == (200, 200)
    assert sorted(Case.objects.values_list("attempts", flat=True)) == [2, 2]


def test_batches_in_opposite_order_do_not_lock_each_other_out() -> None:
    batch = items(100)
    results = at_once(*[lambda n=n: intake.take(batch[:: 1 if n % 2 else -1], SENDER) for n in range(4)])
    assert not [one for one in results if isinstance(one, Exception)]
    assert Counter(one.status for each in results for one in each) == {"stored": 100, "duplicate": 300}


def test_versions_of_one_deal_from_two_senders() -> None:
    versions = [
        [Item(body=json.dumps(event(f"v{n}-{i}", order(term_months=n + 1))).encode()) for i in range(20)]
        for n in range(2)
    ]
    results = at_once(*[lambda n=n: intake.take(versions[n], SENDER) for n in range(2)])
    assert not [one for one in results if isinstance(one, Exception)]
    assert Event.objects.count() == 40


def test_the_same_request_under_one_key_twice_at_once() -> None:
    secret = ApiKey.make("webshop", ["q2c.add_event"])[1]
    body = json.dumps([event("a"), {"broken": 1}]).encode()
    kind = "application/cloudevents-batch+json"
    answers = at_once(
        *[lambda: Caller(secret).post("/api/v1/events", body, kind, **{"Idempotency-Key": "k"}) for _ in range(3)]
    )
    assert len({answer.content for answer in answers}) == 1
    assert [answer.status_code for answer in answers] == [202] * 3
    assert (IdempotencyRecord.objects.count(), Case.objects.get().attempts, Event.objects.count()) == (1, 1, 1)


def test_one_that_the_database_refuses_does_not_spoil_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    store = intake.emit.store

    def picky(batch: Any) -> Any:
        from django.db import connection

        if any(one.source_id == "evt-1" for one in batch):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return store(batch)

    monkeypatch.setattr(intake.emit, "store", picky)
    taken = intake.take(items(3), SENDER)
    assert [one.status for one in taken] == ["stored", "refused", "stored"]
    assert Case.objects.get().reason == "internal_error"
    monkeypatch.undo()
    assert [one.status for one in intake.take(items(3), SENDER)] == ["duplicate", "stored", "duplicate"]
    assert Case.objects.get().state == "resolved"


def test_of_two_under_one_id_in_a_batch_the_first_counts() -> None:
    """However the database likes to sort them."""
    first, second = ([Item(body=json.dumps(event(f"evt-{n}", order(term_months=months))).encode()) for n in range(300)]
                     for months in (12, 24))  # fmt: skip
    results = intake.take([*first, *second], SENDER)
    assert [one.status for one in results] == ["stored"] * 300 + ["conflict"] * 300
