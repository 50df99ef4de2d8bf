"""Workers that die, meet or are slow, facts that come twice, people who press at once: still each thing once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from q2c import keys
from q2c.connectors.outcomes import Accepted, Posted, Rejected, Unknown
from q2c.engine import emit, replay, run, sweep
from q2c.engine.claim import claim
from q2c.models import Event, Step, Transition
from q2c.reasons import Reason
from tests.engine import scripted
from tests.engine.scripted import NOW, Scripted, arrive, fresh, in_own_connection, later, path, work

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lost_worker_that_had_not_sent(verb: Scripted) -> None:
    (step,) = arrive("1")
    claim("scripted")
    assert work(119) == 0
    with later(121):
        assert sweep.sweep()["lost"] == 1
    assert (fresh(step).state, fresh(step).lease) == ("waiting", None)
    work(121)
    assert fresh(step).state == "done"


def test_a_lost_worker_that_may_have_sent(verb: Scripted) -> None:
    (step,) = arrive("1")

    class Killed(BaseException):
        pass

    def die(work: Any) -> None:
        verb.there["1"] += 1
        raise Killed

    verb.on_call = die
    with pytest.raises(Killed):
        work()
    verb.on_call = lambda work: None
    verb.finds["1"] = [Posted(reference="doc-1", document="J1", found=True)]
    with later(121):
        sweep.sweep()
    assert fresh(step).state == "unknown"
    work(121)
    assert (fresh(step).state, verb.there["1"]) == ("done", 1)


def test_a_worker_whose_lease_was_taken_over_records_nothing(verb: Scripted) -> None:
    (step,) = arrive("1")

    def slow(work: Any) -> None:
        # While it waits for the platform, its lease runs out and another worker finds the document and finishes.
        verb.on_call = lambda work: None
        verb.finds["1"] = [Posted(reference="theirs", document="J1", found=True)]
        done = threading.Thread(target=in_own_connection, args=[other_worker])
        done.start()
        done.join()

    def other_worker() -> None:
        with later(121):
            sweep.sweep()
            run.drain("scripted")

    verb.on_call = slow
    work()
    step = fresh(step)
    assert (step.state, step.reference) == ("done", "theirs")
    assert path(step) == ["waiting", "running", "unknown", "running", "done"]
    assert Transition.objects.filter(record_id=step.id, target="done").count() == 1


def test_two_workers_never_claim_the_same(verb: Scripted) -> None:
    arrive(*map(str, range(200)))
    claimed: list[list[Any]] = [[], []]
    barrier = threading.Barrier(2)

    def worker(mine: list[Any]) -> None:
        barrier.wait()
        while steps := claim("scripted", 7):
            mine.extend(step.id for step in steps)

    threads = [threading.Thread(target=in_own_connection, args=[lambda mine=mine: worker(mine)]) for mine in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed[0]) + len(claimed[1]) == 200
    assert not set(claimed[0]) & set(claimed[1])


def test_facts_are_stored_once(verb: Scripted) -> None:
    payload = scripted._fact("1")

    def incoming(raw: bytes) -> emit.Incoming:
        return emit.Incoming(
            type="JournalPosted", version=1, source="test", source_id="1", correlation_id=keys.new_id(),
            causation_id=None, occurred_at=NOW, raw=raw, payload=payload,
        )  # fmt: skip

    raw = scripted.msgspec.json.encode(payload)
    (first,) = emit.store([incoming(raw)])
    (again,) = emit.store([incoming(raw)])
    (other,) = emit.store([incoming(raw.replace(b"12500", b"12501"))])
    assert [first.status, again.status, other.status] == ["stored", "duplicate", "conflict"]
    assert first.id == again.id == other.id
    assert (Event.objects.count(), Step.objects.count()) == (1, 1)


def test_the_same_fact_twice_in_one_batch(verb: Scripted) -> None:
    payload = scripted._fact("1")
    raw = scripted.msgspec.json.encode(payload)
    twins = [
        emit.Incoming(
            type="JournalPosted", version=1, source="test", source_id="1", correlation_id=keys.new_id(),
            causation_id=None, occurred_at=NOW, raw=body, payload=payload,
        )
        for body in (raw, raw, raw.replace(b"12500", b"12501"))
    ]  # fmt: skip
    assert [stored.status for stored in emit.store(twins)] == ["stored", "duplicate", "conflict"]
    assert Step.objects.count() == 1


def test_two_people_replay_at_once(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]
    work()
    moved: list[Any] = []
    barrier = threading.Barrier(2)

    def press(who: str) -> None:
        barrier.wait()
        moved.append(replay.replay([step.id], who))

    threads = [threading.Thread(target=in_own_connection, args=[lambda who=who: press(who)]) for who in ("ann", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, moved)) == [0, 1]
    work()
    assert (fresh(step).state, fresh(step).replays, verb.there["1"]) == ("done", 1, 1)


def test_the_sweeper_wakes_what_a_wiped_redis_forgot(verb: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive("1")
    woken: list[str] = []
    monkeypatch.setattr("q2c.engine.wake.send", woken.append)
    monkeypatch.setattr("q2c.engine.wake.cache.add", lambda *_, **__: True)
    sweep.sweep()
    assert woken == ["scripted"]


def test_what_a_look_up_refuses_stays_sent_until_the_platform_refuses_the_send(verb: Scripted) -> None:
    """Found with other content: the platform holds it. Only a refusal of the send itself says that nothing is there."""
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the line dropped"), Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]
    verb.finds["1"] = [
        Rejected(reason=Reason.CONTENT_DIFFERS, text="other amounts", held=True),
        Rejected(reason=Reason.CREDENTIALS_REFUSED, text="no"),
    ]
    work()
    work(60)
    assert (fresh(step).state, fresh(step).reason, fresh(step).sent_at) == ("failed", "content_differs", NOW)
    with later(70):
        replay.replay([step.id], "ann")
    work(70)
    assert (fresh(step).reason, fresh(step).sent_at) == ("credentials_refused", NOW)
    with later(80):
        replay.replay([step.id], "ann")
    work(80)
    # Looked up after the settle time, none found, sent again, and refused.
    assert (fresh(step).reason, fresh(step).sent_at) == ("period_closed", None)
    assert verb.names() == ["call", "look_up", "look_up", "look_up", "call"]


def test_what_was_sent_stays_sent_when_it_cannot_be_prepared(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the line dropped")]
    verb.finds["1"] = [Rejected(reason=Reason.CONTENT_DIFFERS, text="other amounts", held=True)]
    work()
    work(60)

    def fails(work: Any) -> None:
        raise ValueError("not now")

    verb.on_prepare = fails
    with later(70):
        replay.replay([step.id], "ann")
    work(70)
    assert (fresh(step).reason, fresh(step).sent_at) == ("internal_error", NOW)


def test_a_read_back_that_differs_stays_sent(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Rejected(reason=Reason.CONTENT_DIFFERS, text="other amounts", held=True)]
    work()
    assert (fresh(step).state, fresh(step).sent_at) == ("failed", NOW)


def test_what_was_there_before_anything_was_sent_is_not_of_this_step(verb: Scripted) -> None:
    """Refused, replayed, looked up, and somebody else's is found under our key: nothing of ours may be there."""
    (step,) = arrive("1")
    verb.says["1"] = [
        Rejected(reason=Reason.PERIOD_CLOSED, text="closed"),
        Rejected(reason=Reason.CONTENT_DIFFERS, text="the number is taken", held=True, was_there=True),
    ]
    verb.finds["1"] = [Rejected(reason=Reason.CONTENT_DIFFERS, text="somebody else's", held=True)]
    work()
    for seconds in (10, 20):
        with later(seconds):
            replay.replay([step.id], "ann")
        work(seconds)
        assert (fresh(step).state, fresh(step).reason, fresh(step).sent_at) == ("failed", "content_differs", None)
    assert verb.names() == ["call", "look_up", "look_up", "call"]


def test_what_the_number_of_an_earlier_send_is_taken_by_may_be_that(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [
        Unknown(text="the line dropped"),
        Rejected(reason=Reason.CONTENT_DIFFERS, text="the number is taken", held=True, was_there=True),
    ]
    work()
    work(60)
    assert verb.names().count("call") == 2
    assert (fresh(step).state, fresh(step).sent_at) == ("failed", NOW)


@pytest.mark.parametrize("lost_before", [False, True])
def test_a_job_that_fails_as_its_number_is_taken(verb: Scripted, lost_before: bool) -> None:
    """Taken by something else, unless an earlier order of this step got lost: that one may have come through."""
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the line dropped")] * lost_before + [Accepted(handle="job-1")]
    verb.polls["1"] = [Rejected(reason=Reason.CONTENT_DIFFERS, text="the number is taken", held=True, was_there=True)]
    for seconds in (0, 60, 70):
        work(seconds)
    assert (fresh(step).state, verb.names()[-1]) == ("failed", "poll")
    assert (fresh(step).sent_at is None) == (not lost_before)


def test_a_second_send_that_is_lost_has_the_whole_settle_time_again(verb: Scripted) -> None:
    """The platform may take 40 seconds; sent again at 50, it is not sent a third time at 60."""
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the line dropped"), Unknown(text="again")]
    work()
    work(50)
    assert (fresh(step).state, verb.names().count("call")) == ("unknown", 2)
    work(60)
    assert (fresh(step).state, verb.names().count("call")) == ("unknown", 2)
    work(91)
    assert (fresh(step).state, verb.names().count("call")) == ("done", 3)
