"""Two people, two workers, a worker that dies: real threads and real transactions, one document."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection, connections, transaction

from exceptions import problems
from exceptions.errors import NotPossible
from exceptions.failures import Failure
from exceptions.models import Case, Problem, ReplayBatch, ReplayItem
from exceptions.routing import policies_for
from q2c import clock, keys, states
from q2c.engine import desk, run, sweep
from tests.engine import makers
from tests.engine.makers import case, issue, order, person, run_all

pytestmark = pytest.mark.django_db(transaction=True)


def refused(books: Any, *numbers: str) -> list[Case]:
    books["erp-de"].inactive.add(("cost_center", "CC-410"))
    sold = order()
    for number in numbers:
        issue(number, sold)
    run_all()
    return [case(number) for number in numbers]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Each act on a thread and a connection of its own, started together; results or exceptions, in order."""
    start, results = threading.Barrier(len(acts)), [None] * len(acts)

    def go(place: int, act: Callable[[], Any]) -> None:
        try:
            start.wait(10)
            results[place] = act()
        except Exception as error:
            results[place] = error  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_two_people_press_replay_at_once(committed: Any) -> None:
    [stuck] = refused(committed, "INV-1")
    committed["erp-de"].inactive.clear()
    committed["erp-de"].slow_s = 0.05
    people = [person(name) for name in ("ann", "bob", "cleo", "dan")]
    results = at_once(*(lambda who=who: desk.replay_one(who, stuck.id) for who in people))
    batches = [result for result in results if isinstance(result, ReplayBatch)]
    assert all(isinstance(result, ReplayBatch | NotPossible) for result in results), results
    sent = ReplayItem.objects.filter(batch__in=[b.id for b in batches], outcome="sent").count()
    assert sent == 1
    at_once(*(lambda: run.drain("post_journal") for _ in range(3)))
    assert committed["erp-de"].writes == 1
    assert case("INV-1").document == "JE-1"
    assert not ReplayBatch.objects.filter(state__in=("queued", "running")).exists()


def test_two_batches_over_the_same_cases_and_two_sweepers(committed: Any) -> None:
    cases = refused(committed, *(f"INV-{n}" for n in range(12)))
    committed["erp-de"].inactive.clear()
    ann, bob = person("ann"), person("bob")
    batches = [desk.plan(who, [c.id for c in cases]) for who in (ann, bob)]
    results = at_once(
        lambda: desk.send(ann, batches[0].id),
        lambda: desk.send(bob, batches[1].id),
        sweep.sweep,
        sweep.sweep,
    )
    # Whoever is second is told that the other one sends them.
    (second,) = [result for result in results if isinstance(result, Exception)]
    assert isinstance(second, NotPossible) and "Nothing is left to send" in second.text
    at_once(*(lambda: run.drain("post_journal") for _ in range(2)), sweep.sweep)
    sweep.sweep()
    assert committed["erp-de"].writes == 12
    assert set(Case.objects.values_list("state", flat=True)) == {"resolved"}
    assert ReplayItem.objects.filter(outcome="confirmed").count() == 12
    assert set(ReplayBatch.objects.values_list("state", flat=True)) == {"finished", "dry_run"}


def test_a_worker_dies_between_the_document_and_its_record(committed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    [stuck] = refused(committed, "INV-1")
    committed["erp-de"].inactive.clear()
    batch = desk.replay_one(person("ann"), stuck.id)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("q2c.engine.record.record", _dies)
        run.drain("post_journal")
    assert committed["erp-de"].writes == 1
    assert Case.objects.get().state == "replaying"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE q2c_step SET lease_until = lease_until - interval '1 hour' WHERE state = 'running'")
    assert sweep.sweep()["lost"] == 1
    run_all()
    assert committed["erp-de"].writes == 1
    resolved = Case.objects.get()
    assert (resolved.state, resolved.document) == ("resolved", "JE-1")
    assert ReplayBatch.objects.get(id=batch.id).state == "finished"


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_worker_dies_while_it_sends_a_replay(committed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = refused(committed, "INV-1", "INV-2")
    committed["erp-de"].inactive.clear()
    ann = person("ann")
    batch = desk.plan(ann, [c.id for c in cases])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("q2c.engine.replay.replay", _dies)
        desk.send(ann, batch.id)
    # Nothing of it happened: not the batch, not the cases, not the steps.
    assert ReplayBatch.objects.get(id=batch.id).state == "dry_run"
    assert set(Case.objects.values_list("state", flat=True)) == {"open"}
    desk.send(ann, batch.id)
    run_all()
    assert committed["erp-de"].writes == 2


def test_approving_and_replaying_the_same_case_at_once(committed: Any) -> None:
    [stuck] = refused(committed, "INV-1")
    committed["erp-de"].inactive.clear()
    ann, bob, cleo = (person(name) for name in ("ann", "bob", "cleo"))
    desk.close_without_fix(ann, [stuck.id], "Not needed", "other")
    asked = stuck.approvals.get()
    results = at_once(lambda: desk.approve(bob, [asked.id]), lambda: desk.replay_one(cleo, stuck.id))
    run_all()
    ended = Case.objects.get()
    step = makers.step("INV-1", "post_journal")
    assert (ended.state, step.state, committed["erp-de"].writes) in {
        ("closed_without_fix", "abandoned", 0), ("resolved", "done", 1),
    }, results  # fmt: skip
    assert not transaction.get_connection().in_atomic_block


@pytest.mark.parametrize("opens", ["open_again", "ensure"])
def test_two_who_open_one_problem_again_at_once(committed: Any, monkeypatch: pytest.MonkeyPatch, opens: str) -> None:
    """Two cases of one cause that is over: each finds its problem resolved, and neither waits for the other in vain."""
    failures = [Failure(step_id=keys.new_id(), reason="period_closed")]
    policies = policies_for(["period_closed"])
    [id_] = problems.ensure(failures, policies, clock.now()).values()
    states.move(Problem, "resolve", [id_], resolved_at=clock.now())
    both, plain = threading.Barrier(2), states.move

    def move(*given: Any, **more: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return plain(*given, **more)

    monkeypatch.setattr(states, "move", move)

    def again() -> None:
        with transaction.atomic():
            problems.ensure(failures, policies, clock.now()) if opens == "ensure" else problems.open_again([id_])

    assert at_once(again, again) == [None, None]
    assert Problem.objects.get().state == "open"
