"""A lease never ends under a living worker, and without one nothing is sent or recorded."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from q2c import clock
from q2c.connectors.outcomes import Posted
from q2c.engine import gates, lease, run, sweep
from q2c.engine.claim import claim
from q2c.models import Breaker, Step, Transition
from tests.engine import scripted
from tests.engine.scripted import NOW, arrive, in_own_connection, later

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_slow_batch_keeps_its_lease(
    monkeypatch: pytest.MonkeyPatch, settings: Any, closing_connections: None
) -> None:
    """40 steps on 32 threads, a second and a half each, under a lease of one second; the sweeper is at work."""
    verb = scripted.install(monkeypatch)
    settings.LEASE_S = 1
    verb.on_call = lambda work: time.sleep(1.5)
    steps = arrive(*map(str, range(40)))
    over, lost = threading.Event(), list[int]()

    def sweeper() -> None:
        while not over.wait(0.1):
            lost.append(sweep.sweep()["lost"])

    thread = threading.Thread(target=in_own_connection, args=[sweeper])
    thread.start()
    try:
        assert run.run_stage("scripted") == 40
    finally:
        over.set()
        thread.join()
    assert sum(lost) == 0 and len(lost) > 10
    assert set(Step.objects.filter(id__in=[s.id for s in steps]).values_list("state", "attempts")) == {("done", 1)}
    assert (len(verb.calls), set(verb.there.values())) == (40, {1})


def test_a_renewal_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, settings: Any, closing_connections: None
) -> None:
    verb = scripted.install(monkeypatch)
    settings.LEASE_S = 1
    verb.on_call = lambda work: time.sleep(1.5)
    (step,) = arrive("1")
    renew, tries = lease.Lease.renew, list[float]()

    def shaky(self: lease.Lease) -> None:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise OSError("the database is away")
        renew(self)

    monkeypatch.setattr(lease.Lease, "renew", shaky)
    run.run_stage("scripted")
    assert len(tries) >= 3
    assert scripted.fresh(step).state == "done"


def test_a_worker_without_its_lease_calls_nobody_and_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped for two minutes; meanwhile another worker took its steps over, and one of them failed to start."""
    verb = scripted.install(monkeypatch)
    with clock.at(NOW):
        first, second = arrive("1", "2")
        claimed = claim("scripted")
    verb.finds["1"] = [Posted(reference="theirs", document="J1", found=True)]
    verb.finds["2"] = [Posted(reference="theirs", document="J2", found=True)]
    with later(1):
        works, open_gates = run.load(claimed), gates.Gates()
        run.prepare(scripted.STAGES["scripted"], works, open_gates)
    mine = lease.Lease(claimed)
    with later(121):
        sweep.sweep()
        assert run.drain("scripted") == 2
        before = list(verb.calls)
        for renewed in (False, True):
            if renewed:
                mine.renew()
            assert not any(mine.holds(step.id) for step in (first, second))
            answers = gates.on_threads(works, lambda work: verb.call(open_gates.open, work), mine)
            assert [answer.text for answer, _ in answers] == [gates.OVER] * 2
        for work, (outcome, _) in zip(works, answers, strict=True):
            work.outcome = outcome
        run.record.record(scripted.STAGES["scripted"], works, [], open_gates)
    assert verb.calls == before
    assert {scripted.fresh(step).reference for step in (first, second)} == {"theirs"}
    assert Transition.objects.filter(record_id__in=[first.id, second.id], target="done").count() == 2
    assert not Breaker.objects.filter(failures__gt=0).exists(), "that it sent nothing says nothing about the platform"


def test_what_was_taken_over_is_lost_and_the_rest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted.install(monkeypatch)
    with clock.at(NOW):
        first, second = arrive("1", "2")
        mine = lease.Lease(claim("scripted"))
    with later(100):
        Step.objects.filter(id=first.id).update(lease_until=NOW)
        sweep.sweep()
        mine.renew()
        assert (mine.holds(first.id), mine.holds(second.id)) == (False, True)
        assert scripted.fresh(first).lease_until is None
    with later(219):
        assert mine.holds(second.id)
    with later(221):
        assert not mine.holds(second.id)
