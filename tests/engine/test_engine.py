"""One step's way through the engine: sent once, retried by reason, looked up before it is sent again, held."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case, Policy
from q2c import states
from q2c.connectors import calls
from q2c.connectors.outcomes import Accepted, Blocker, NotFound, Posted, Rejected, Unavailable, Unknown
from q2c.engine import record, replay, retry, run
from q2c.models import Attempt, Breaker, Connection, Step, Transition
from q2c.reasons import TRANSIENT, Reason
from tests.engine.scripted import NOW, Scripted, arrive, fresh, path, work

pytestmark = pytest.mark.django_db(transaction=True)
# The connection's time limit and settle time: from then on a search that finds nothing proves it.
SETTLED_S = 40


def test_done_at_once(verb: Scripted) -> None:
    (step,) = arrive("1")
    seen = []
    verb.on_call = lambda work: seen.append(fresh(step).sent_at)
    assert work() == 1
    step = fresh(step)
    assert (step.state, step.reference, step.document, step.attempts) == ("done", "doc-1", "J1", 1)
    assert path(step) == ["waiting", "running", "done"]
    assert seen == [NOW], "that it may have been sent is committed before the first byte leaves"
    assert verb.calls == [("call", "1")]


def test_unavailable_waits_longer_each_time_then_asks_a_person(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unavailable(text="503")] * 100
    moment = 0.0
    for tries in range(1, 14):
        work(moment)
        step = fresh(step)
        if step.state == "failed":
            break
        assert (step.state, step.attempts, step.sent_at) == ("waiting", tries, None)
        wait_s = (step.next_at - (NOW + dt.timedelta(seconds=moment))).total_seconds()
        assert 0 < wait_s <= min(5 * 2**tries, 900)
        # Other steps would trip the breaker; here it is this one, so it is closed by hand.
        Breaker.objects.all().delete()
        moment += wait_s
    assert (step.state, step.reason) == ("failed", "platform_unavailable")
    assert step.attempts == retry.Budgets().of(Reason.PLATFORM_UNAVAILABLE).attempts + 1
    assert Case.objects.get(step_id=step.id).reason == "platform_unavailable"


def test_the_platform_says_when(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unavailable(text="429", reason=Reason.PLATFORM_BUSY, retry_after_s=17)]
    work()
    assert fresh(step).next_at == NOW + dt.timedelta(seconds=17)
    assert work(16.9) == 0
    assert work(17) == 1
    assert fresh(step).state == "done"


@pytest.mark.parametrize("said_s", [315_360_000, 99999999999999999999, float("inf"), float("nan")])
def test_no_platform_makes_a_step_wait_longer_than_its_policy(verb: Scripted, said_s: float) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unavailable(text="429", reason=Reason.PLATFORM_BUSY, retry_after_s=said_s)] * 100
    most_s = retry.Budgets().of(Reason.PLATFORM_BUSY).most_s
    work()
    assert fresh(step).next_at <= NOW + dt.timedelta(seconds=most_s)
    for tries in range(1, 30):
        work(most_s * tries)
    assert Case.objects.get(step_id=step.id).reason == "platform_busy"


def test_a_policy_without_measure_waits_a_day(verb: Scripted) -> None:
    Policy.objects.filter(reason=Reason.PLATFORM_BUSY).update(retry_max_s=2**31 - 1)
    (step,) = arrive("1")
    verb.says["1"] = [Unavailable(text="429", reason=Reason.PLATFORM_BUSY, retry_after_s=1e300)]
    work()
    assert fresh(step).next_at == NOW + dt.timedelta(days=1)


def test_a_job_asked_for_in_ten_thousand_years_is_asked_for_tomorrow(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Accepted(handle="job", poll_after_s=1e20)]
    work()
    assert (fresh(step).state, fresh(step).next_at) == ("accepted", NOW + dt.timedelta(days=1))


def test_a_refusal_fails_at_once_with_its_case(verb: Scripted) -> None:
    (step,) = arrive("1")
    blocker = Blocker(connection="erp-test", object_type="fiscal_period", object_key="2026-03", condition="closed")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="It is closed", code="P1", blocker=blocker)]
    work()
    step = fresh(step)
    assert (step.state, step.reason, step.text, step.sent_at) == ("failed", "period_closed", "It is closed", None)
    case = Case.objects.get(step_id=step.id)
    assert (case.reason, case.blocker_key, case.amount_minor, case.currency) == (
        "period_closed",
        "2026-03",
        12_500,
        "USD",
    )
    assert case.state == "open"


def test_step_and_case_are_one_transaction(verb: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(record.cases, "open_for", broken)
    with pytest.raises(RuntimeError, match="disk"):
        work()
    assert fresh(step).state == "running", "no failed step without its case"
    assert not Case.objects.exists()


def test_one_empty_search_proves_nothing(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the connection dropped")]
    work()
    assert fresh(step).state == "unknown"
    moment = 0.0
    while (at := (fresh(step).next_at - NOW).total_seconds()) < SETTLED_S:
        moment = at
        work(moment)
        assert fresh(step).state == "unknown"
        assert verb.names().count("call") == 1, "not sent again before the platform's time for committing is over"
    work(max(at, SETTLED_S))
    step = fresh(step)
    assert step.state == "done"
    assert verb.names().count("call") == 2
    assert verb.names()[-2:] == ["look_up", "call"], "every retry looks first"
    searches = [search["at"] for search in step.proof["searches"]]
    assert searches == sorted(searches)
    assert len(searches) == len(set(searches)) >= 2, "one search is told once"


def test_what_was_committed_after_all_is_found(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="timed out")]
    nothing = NotFound(searched_at=NOW)
    found = Posted(reference="doc-1", document="J1", found=True, proof={"found_at": "later"})
    verb.finds["1"] = [nothing, found]
    work()
    for _ in range(2):
        work((fresh(step).next_at - NOW).total_seconds())
    step = fresh(step)
    assert (step.state, step.document) == ("done", "J1")
    assert verb.names().count("call") == 1
    assert step.proof["found_at"] == "later"
    assert path(step) == ["waiting", "running", "unknown", "running", "unknown", "running", "done"]


def test_a_platform_that_works_on_it_is_polled(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Accepted(handle="job-7", poll_after_s=3)]
    verb.polls["1"] = [Accepted(handle="job-7", poll_after_s=3), Posted(reference="doc-1")]
    work()
    assert (fresh(step).state, fresh(step).handle) == ("accepted", "job-7")
    assert work(2.9) == 0
    work(3)
    work(6)
    assert fresh(step).state == "done"
    assert verb.names() == ["call", "poll", "poll"]


def test_asking_about_a_job_uses_nothing_of_the_budget(verb: Scripted) -> None:
    """A job of a minute, asked about each second, then one 503: it is asked about again."""
    (step,) = arrive("1")
    going_on = Accepted(handle="job-7", poll_after_s=1)
    verb.says["1"] = [Unavailable(text="503"), going_on]
    verb.polls["1"] = [*[going_on] * 30, Unavailable(text="503"), going_on, Unavailable(text="503")]
    work()
    for _ in range(34):
        work((fresh(step).next_at - NOW).total_seconds())
        assert fresh(step).state == "accepted"
    step = fresh(step)
    assert step.failures == {"platform_unavailable": 1}, "what went on in between took the earlier ones back"
    assert step.attempts == 4, "for people: sent twice, twice nobody answered"
    work((step.next_at - NOW).total_seconds())
    assert (fresh(step).state, fresh(step).reference) == ("done", "job-7")


def test_a_job_that_nobody_answers_for_uses_the_budget_up(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Accepted(handle="job-7", poll_after_s=1)]
    verb.polls["1"] = [Unavailable(text="503")] * 100
    work()
    while fresh(step).state == "accepted":
        Breaker.objects.all().delete()
        work((fresh(step).next_at - NOW).total_seconds())
    assert (fresh(step).state, fresh(step).reason) == ("failed", "platform_unavailable")
    assert verb.names().count("poll") == retry.Budgets().of(Reason.PLATFORM_UNAVAILABLE).attempts + 1


def test_each_kind_of_failure_is_counted_by_itself(verb: Scripted) -> None:
    """Turned away as often as the policy allows, then once not answered: that is the first of its kind."""
    (step,) = arrive("1")
    busy, silent = Unavailable(text="429", reason=Reason.PLATFORM_BUSY, retry_after_s=1), Unavailable(text="503")
    allowed = retry.Budgets().of(Reason.PLATFORM_BUSY).attempts
    verb.says["1"] = [*[busy] * allowed, silent, busy]
    for tries in range(allowed + 1):
        work(tries * 2)
    assert fresh(step).state == "waiting"
    assert fresh(step).failures == {"platform_busy": allowed, "platform_unavailable": 1}
    work(3600)
    assert (fresh(step).state, fresh(step).reason) == ("failed", "platform_busy"), "another kind takes nothing back"
    replay.replay([step.id], "ann")
    assert (fresh(step).failures, fresh(step).attempts) == ({}, 0)


def test_looking_up_uses_nothing_of_the_budget(verb: Scripted) -> None:
    """A settle time of two hours: it is searched for to its end, whatever the budget of lost answers."""
    Connection.objects.update(settle_s=7200)
    (step,) = arrive("1")
    verb.says["1"] = [Unknown(text="the connection dropped")]
    work()
    while (at := (fresh(step).next_at - NOW).total_seconds()) < 7210:
        work(at)
        assert fresh(step).state == "unknown"
    searches = verb.names().count("look_up")
    assert searches > retry.Budgets().of(Reason.OUTCOME_UNKNOWN).attempts
    assert fresh(step).failures == {"outcome_unknown": 1}
    work(at)
    assert fresh(step).state == "done"


@pytest.mark.parametrize("accepted_between", [False, True])
def test_an_answer_that_is_lost_each_time_comes_to_a_person(verb: Scripted, accepted_between: bool) -> None:
    """Sent, lost, searched for, sent again …: searches do not count, lost answers do, whatever went on between."""
    (step,) = arrive("1")
    lost = Unknown(text="the connection dropped")
    verb.says["1"] = [Accepted(handle="job-7")] * 100 if accepted_between else [lost] * 100
    verb.polls["1"] = [lost] * 100
    for _ in range(500):
        Breaker.objects.all().delete()
        work((fresh(step).next_at - NOW).total_seconds())
        if fresh(step).state == "failed":
            break
    assert (fresh(step).state, fresh(step).reason) == ("failed", "outcome_unknown")
    assert verb.names().count("call") == retry.Budgets().of(Reason.OUTCOME_UNKNOWN).attempts + 1


def test_a_connector_that_breaks_leaves_the_outcome_open(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [ZeroDivisionError("in the connector")]
    work()
    assert fresh(step).state == "unknown", "a byte may have left"
    assert "ZeroDivisionError" in fresh(step).text


def test_one_broken_step_does_not_take_the_batch_along(verb: Scripted) -> None:
    steps = arrive("1", "2", "3")

    def prepare(work: Any) -> None:
        if work.request == "2":
            raise KeyError("no such thing")

    verb.on_prepare = prepare
    work()
    assert [fresh(step).state for step in steps] == ["done", "failed", "done"]
    assert Case.objects.get().reason == "internal_error"
    assert ("call", "2") not in verb.calls


def test_a_broken_record_fails_only_its_own(verb: Scripted) -> None:
    steps = arrive("1", "2", "3")

    def recorded(work: Any) -> None:
        if work.request == "2":
            raise KeyError("no such thing")

    verb.on_record = recorded
    work()
    assert [fresh(step).state for step in steps] == ["done", "failed", "done"]
    # On replay it is looked up, since it was sent.
    verb.on_record = lambda work: None
    verb.finds["2"] = [Posted(reference="doc-2", found=True)]
    replay.replay([steps[1].id], "ann")
    work()
    assert fresh(steps[1]).state == "done"
    assert verb.there["2"] == 1


def test_what_cannot_be_recorded_undoes_no_neighbour(verb: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three breaks the transaction of the batch, past what its stage records."""
    settle = record._settle

    def settled(work: Any, *rest: Any) -> None:
        settle(work, *rest)
        if work.request == "2":
            work.step.proof["spoilt"] = "yes"
            raise OverflowError("date value out of range")

    monkeypatch.setattr(record, "_settle", settled)
    steps = arrive("1", "2", "3")
    verb.says["3"] = [Unavailable(text="503")]
    work()
    assert [fresh(step).state for step in steps] == ["done", "failed", "waiting"]
    assert [fresh(step).attempts for step in steps] == [1, 1, 1]
    broken = fresh(steps[1])
    assert (broken.reason, broken.text) == ("internal_error", "OverflowError: date value out of range")
    assert broken.sent_at is not None, "it may have been done"
    assert "spoilt" not in broken.proof
    assert Case.objects.get().step_id == broken.id
    monkeypatch.setattr(record, "_settle", settle)
    verb.finds["2"] = [Posted(reference="doc-2", found=True)]
    replay.replay([broken.id], "ann")
    work(1)
    assert fresh(broken).state == "done"
    assert verb.there["2"] == 1


def test_a_verb_that_breaks_on_a_failure_does_not_hide_it(verb: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(works: Any) -> None:
        raise KeyError("no such order")

    monkeypatch.setattr(verb, "failed", failed)
    steps = arrive("1", "2")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]
    work()
    assert [fresh(step).state for step in steps] == ["failed", "done"]
    assert Case.objects.get().reason == "internal_error"


def test_a_dead_platform_pauses_its_steps_without_burning_tries(verb: Scripted) -> None:
    steps = arrive(*map(str, range(8)))
    for step in steps:
        verb.says[step.business_key] = [Unavailable(text="connection refused")]
    run.run_stage("scripted", 5)
    assert Breaker.objects.get().is_open
    assert run.run_stage("scripted") == 0, "paused"
    assert work(3600) == 0
    assert max(fresh(step).attempts for step in steps) == 1
    Breaker.objects.all().delete()
    assert work(3600) == 8


def test_every_call_is_kept_with_its_step(verb: Scripted) -> None:
    """Attempts are what connectors/http.py recorded during the call."""
    (step,) = arrive("1")

    def call(work: Any) -> None:
        who = calls.current()
        calls.note(
            calls.Attempt(
                connection="erp-test", operation="post", correlation_id=who.correlation_id, step_id=who.step_id, at=NOW,
                method="POST", url="http://erp/journal", request_headers={}, request_body="{}", status=204,
                response_headers={}, response_body="", duration_ms=12,
            )
        )  # fmt: skip

    verb.on_call = call
    work()
    attempt = Attempt.objects.get()
    assert attempt.step_id == step.id
    assert attempt.correlation_id == step.correlation_id
    assert attempt.status == 204


def test_delays_grow_and_are_drawn(verb: Scripted) -> None:
    budget = retry.Budgets().of(Reason.PLATFORM_UNAVAILABLE)
    for tries in (0, 3, 30):
        drawn = [retry.delay_s(budget, tries) for _ in range(200)]
        most = min(budget.first_s * 2 ** min(tries, 20), budget.most_s)
        assert max(drawn) <= most
        assert min(drawn) < most / 4 < most * 3 / 4 < max(drawn), "full jitter"


def test_only_transient_reasons_have_a_budget(verb: Scripted) -> None:
    budgets = retry.Budgets()
    assert {reason for reason in Reason if budgets.of(reason).attempts} == TRANSIENT


def test_a_changed_policy_counts_at_once(verb: Scripted) -> None:
    Policy.objects.filter(reason=Reason.PLATFORM_UNAVAILABLE).update(retry_attempts=0)
    (step,) = arrive("1")
    verb.says["1"] = [Unavailable(text="503")]
    work()
    assert fresh(step).state == "failed"
    Policy.objects.filter(reason=Reason.PLATFORM_UNAVAILABLE).update(retry_attempts=12)


def test_who_and_why_stand_on_each_move(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="2026-03 is closed")]
    work()
    replay.replay([step.id], "ann", "the period is open again")
    failed, replayed = Transition.objects.filter(record_id=step.id, source__in=("running", "failed")).order_by("id")
    assert (failed.actor, failed.why) == ("q2c", "2026-03 is closed")
    assert (replayed.actor, replayed.why) == ("ann", "the period is open again")
    assert states.initial(Step) == "waiting"
