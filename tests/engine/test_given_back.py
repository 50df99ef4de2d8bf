"""Our own database says no in the middle of a step: it is due again at once, and nothing is sent twice for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from exceptions.models import Case
from q2c import clock
from q2c.connectors.outcomes import Posted
from q2c.engine import given_back, run, sweep
from q2c.engine.claim import claim
from q2c.reasons import Reason
from tests.engine.scripted import NOW, Scripted, arrive, fresh, in_own_connection, later, path

pytestmark = pytest.mark.django_db(transaction=True)
DEADLOCK = "deadlock detected"


def refuses(*numbers: str, times: int = 1) -> Any:
    """The database refuses whatever is done with one of these, so many times."""
    left = [times]

    def act(work: Any) -> None:
        if work.request in numbers and left[0]:
            left[0] -= 1
            raise OperationalError(DEADLOCK)

    return act


def work(at: dt.datetime) -> None:
    with clock.at(at), pytest.raises(OperationalError):
        run.drain("scripted")


def test_before_anything_was_sent_it_waits_no_longer_than_a_moment(verb: Scripted) -> None:
    steps = arrive("1", "2")
    verb.on_prepare = refuses("2")
    work(NOW)
    assert verb.calls == [] and not Case.objects.exists()
    for step in map(fresh, steps):
        assert (step.state, step.lease, step.failures) == ("waiting", None, {"worker_lost": 1})
        assert DEADLOCK in step.text and NOW <= step.next_at <= NOW + clock.seconds(given_back.FIRST_S)
    with later(given_back.FIRST_S):
        run.drain("scripted")
    assert [fresh(step).state for step in steps] == ["done", "done"] and verb.names() == ["call", "call"]
    assert [fresh(step).failures for step in steps] == [{}, {}]


def test_what_was_sent_is_looked_up_and_not_sent_again(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.on_record = refuses("1")
    work(NOW)
    assert (fresh(step).state, verb.there["1"]) == ("unknown", 1) and fresh(step).sent_at is not None
    verb.finds["1"] = [Posted(reference="doc-1", document="J1", found=True)]
    with later(given_back.FIRST_S):
        run.drain("scripted")
    assert (fresh(step).state, verb.there["1"]) == ("done", 1)
    assert path(step) == ["waiting", "running", "unknown", "running", "done"]


def test_a_step_that_provokes_it_itself_is_a_case_and_takes_no_other_with_it(verb: Scripted) -> None:
    steps = dict(zip("123", arrive("1", "2", "3"), strict=True))
    verb.on_prepare = refuses("2", times=99)
    at = NOW
    for _ in range(40):
        at += dt.timedelta(seconds=60)
        with clock.at(at):
            sweep.sweep()
            with contextlib.suppress(OperationalError):
                run.drain("scripted")
        if fresh(steps["2"]).state == "failed":
            break
    assert [fresh(steps[number]).state for number in "123"] == ["done", "failed", "done"]
    assert Case.objects.get().reason == Reason.INTERNAL_ERROR and verb.there == {"1": 1, "3": 1}


def test_who_has_taken_it_over_meanwhile_keeps_it(verb: Scripted) -> None:
    (step,) = arrive("1")
    steps = claim("scripted")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE q2c_step SET lease = gen_random_uuid() WHERE id = %s", [step.id])
    given_back.give_back(steps, OperationalError(DEADLOCK))
    assert (fresh(step).state, fresh(step).failures) == ("running", {}) and fresh(step).lease != steps[0].lease


@pytest.mark.parametrize("table", ["q2c_step", "q2c_transition"])
def test_a_lock_that_is_waited_for_too_long(verb: Scripted, table: str) -> None:
    """As while somebody changes a table: a real one, held by another session while the answer is recorded."""
    (step,) = arrive("1")
    held, over = threading.Event(), threading.Event()
    address = connection.get_connection_params()
    address.pop("cursor_factory", None)

    def hold() -> None:
        keys = {name: address[name] for name in ("host", "port", "dbname", "user", "password")}
        with psycopg.connect(**keys) as other:
            other.execute(f"LOCK TABLE {table} IN SHARE MODE")
            held.set()
            over.wait(3)
            other.rollback()

    holder = threading.Thread(target=in_own_connection, args=[hold])

    def begin(work: Any) -> None:
        holder.start()
        assert held.wait(10)

    verb.on_call = begin
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")
    try:
        with clock.at(NOW), pytest.raises(OperationalError, match="lock timeout"):
            run.drain("scripted")
    finally:
        over.set()
        holder.join()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    verb.on_call = lambda work: None
    verb.finds["1"] = [Posted(reference="doc-1", document="J1", found=True)] * 2
    with later(125):
        sweep.sweep()
        run.drain("scripted")
    assert (fresh(step).state, verb.there["1"]) == ("done", 1)
