"""A worker that dies with a step in its hands: once is nothing, again and again is somebody's case."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors.outcomes import NotFound, Posted, Unavailable
from q2c.engine import gates, lost_workers, record, replay, run, sweep
from q2c.engine.claim import claim
from q2c.models import Step
from q2c.reasons import Reason
from q2c.stages import STAGES
from tests.engine import makers
from tests.engine.scripted import NOW, Scripted, arrive, fresh, path

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = dt.timedelta(seconds=125)


def work(at: dt.datetime) -> None:
    with clock.at(at):
        run.drain("scripted")


def dies(at: dt.datetime, *, sent: bool = False) -> list[str]:
    """A worker claims what is due and is killed; the sweeper comes by after the lease. Returns what it had taken."""
    with clock.at(at):
        steps = claim("scripted")
        if sent:
            run.prepare(STAGES["scripted"], run.load(steps), gates.Gates())
    with clock.at(at + LEASE):
        sweep.sweep()
    return [step.business_key for step in steps]


def test_once_is_nothing(verb: Scripted) -> None:
    (step,) = arrive("1")
    assert dies(NOW) == ["1"]
    left = fresh(step)
    assert (left.state, left.text, left.failures) == ("waiting", "its worker was lost", {"worker_lost": 1})
    # It is late, and stays so: whoever watches for late work sees it.
    assert left.next_at <= NOW
    work(NOW + LEASE)
    assert fresh(step).state == "done" and not Case.objects.exists()


@pytest.mark.parametrize("sent", [False, True])
def test_again_and_again_is_a_case_and_takes_no_other_with_it(verb: Scripted, sent: bool) -> None:
    """Whoever has step 2 in its hands dies; 1 and 3 came with it in one batch."""
    steps = dict(zip("123", arrive("1", "2", "3"), strict=True))
    deaths = 0
    for n in range(12):
        at = NOW + n * LEASE
        with clock.at(at):
            # Of what is claimed, only what comes without step 2 is done.
            while taken := claim("scripted"):
                works = run.load(taken)
                run.prepare(STAGES["scripted"], works, gates.Gates())
                if any(step.business_key == "2" for step in taken):
                    deaths += 1
                    if not sent:
                        Step.objects.filter(id__in=[step.id for step in taken]).update(sent_at=None)
                else:
                    for work_ in works:
                        work_.outcome = Posted(reference="there")
                    record.record(STAGES["scripted"], works, [], gates.Gates())
        with clock.at(at + LEASE):
            sweep.sweep()
    assert deaths == lost_workers.LOST_MAX
    bad = fresh(steps["2"])
    assert (bad.state, bad.reason, bad.failures["worker_lost"]) == ("failed", "internal_error", 4)
    assert (bad.sent_at is not None) == sent
    case = Case.objects.get()
    assert (case.step_id, case.reason, case.amount_minor) == (bad.id, "internal_error", bad.amount_minor)
    assert "lost 5 times in a row" in case.text and ("may have been done" in case.text) == sent
    assert {fresh(steps[name]).state for name in "13"} == {"done"}


def test_one_that_cannot_even_fail_keeps_no_other_from_its_case(
    verb: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep gives up so many; what breaks it comes after the others next time."""
    steps = arrive("1", "2")
    with clock.at(NOW):
        assert len(claim("scripted")) == 2
    for number, step in enumerate(steps):
        ended = NOW + dt.timedelta(seconds=number)
        Step.objects.filter(id=step.id).update(lease_until=ended, failures={"worker_lost": lost_workers.LOST_MAX - 1})
    real = record.give_up

    def breaks(stage: Any, work_: Any, *more: Any) -> Any:
        if work_.step.id == steps[0].id:
            raise RuntimeError("not even that")
        return real(stage, work_, *more)

    monkeypatch.setattr(record, "give_up", breaks)
    monkeypatch.setattr(lost_workers, "_HOPELESS", lost_workers._HOPELESS.replace("LIMIT 100", "LIMIT 1"))
    with clock.at(NOW + LEASE):
        for _ in range(2):
            sweep.sweep()
    assert [fresh(step).state for step in steps] == ["running", "failed"]
    assert Case.objects.get().step_id == steps[1].id


def test_its_replay_looks_first_where_something_had_left(verb: Scripted) -> None:
    (step,) = arrive("1")
    for n in range(lost_workers.LOST_MAX):
        dies(NOW + n * LEASE, sent=n == 0)
    assert fresh(step).state == "failed"
    later = NOW + 10 * LEASE
    with clock.at(later):
        replay.replay([step.id], "ann")
    work(later)
    assert fresh(step).state == "done"
    assert next(what for what, _ in verb.calls) == "look_up"
    assert Case.objects.get().resolution == "fixed_by_replay"
    assert path(step)[-1] == "done"


def test_a_try_that_ends_takes_the_count_back(verb: Scripted) -> None:
    """Platforms may be away in between: what counts is in a row."""
    (step,) = arrive("1")
    lost = lost_workers.LOST_MAX - 1
    for n in range(3):
        at = NOW + n * dt.timedelta(hours=1)
        for k in range(lost):
            dies(at + k * LEASE)
        assert fresh(step).failures["worker_lost"] == lost
        verb.says["1"] = [Unavailable(text="away", reason=Reason.PLATFORM_BUSY)]
        work(at + lost * LEASE)
        assert fresh(step).failures == {"platform_busy": n + 1}
    assert not Case.objects.exists()


def test_a_search_between_two_sends_takes_nothing_back(verb: Scripted) -> None:
    """Its send takes its worker down each time; that it was looked up in between ends nothing of that."""
    (step,) = arrive("1")
    dies(NOW, sent=True)
    verb.finds["1"] = [NotFound(searched_at=NOW + LEASE)]
    work(NOW + LEASE)
    assert fresh(step).failures == {"worker_lost": 1}


def test_its_journal_is_blocked(company: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person must look: it does not stay as if it were on its way."""
    makers.issue("INV-1", makers.order())
    run.drain("record_invoice")
    for n in range(lost_workers.LOST_MAX):
        with clock.at(makers.NOW + n * LEASE):
            run.prepare(STAGES["post_journal"], run.load(claim("post_journal")), gates.Gates())
            if n == 0:
                assert JournalEntry.objects.get().state == "posting"
        with clock.at(makers.NOW + (n + 1) * LEASE):
            sweep.sweep()
    assert Step.objects.get(stage="post_journal").state == "failed"
    assert JournalEntry.objects.get().state == "blocked"
