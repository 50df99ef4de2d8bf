"""Steps of one order key run one after the other, in the order in which they came."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from q2c import bulk, clock
from q2c.connectors.outcomes import Accepted, Posted, Rejected, Unknown
from q2c.engine import claim, replay, run
from q2c.models import Step
from q2c.reasons import Reason
from tests.engine.scripted import NOW, Scripted, arrive, fresh, in_own_connection, work

pytestmark = pytest.mark.django_db(transaction=True)


def test_successors_are_held(verb: Scripted) -> None:
    verb.order_keys = {"1": "invoice:7", "2": "invoice:7", "3": ""}
    first, second, third = arrive("1", "2", "3")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]
    work()
    assert [fresh(s).state for s in (first, second, third)] == ["failed", "waiting", "done"]
    replay.replay([first.id], "ann")
    work()
    assert [fresh(s).state for s in (first, second)] == ["done", "done"]
    assert verb.calls.index(("call", "2")) > verb.calls.index(("call", "1"))


def test_what_is_given_up_holds_nobody(verb: Scripted) -> None:
    verb.order_keys = {"1": "invoice:7", "2": "invoice:7"}
    first, second = arrive("1", "2")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]
    work()
    replay.abandon([first.id], "ann", "written off")
    work()
    assert [fresh(s).state for s in (first, second)] == ["abandoned", "done"]


def commits_late(number: str, later: Step) -> Step:
    """The step of a fact that came before `later`, of which nobody knew until now."""
    (step,) = arrive(number)
    Step.objects.filter(id=step.id).update(seq=later.seq - 1)
    return step


@pytest.mark.parametrize(
    ("says", "in_the_middle", "then"),
    [
        (Unknown(text="connection reset"), "unknown", {"finds": [Posted(reference="there", found=True)]}),
        (Accepted(handle="job-1"), "accepted", {"polls": [Posted(reference="there")]}),
    ],
    ids=["unknown", "accepted"],
)
def test_a_later_one_that_is_in_the_middle_holds_an_earlier_one_that_was_late(
    verb: Scripted, says: Any, in_the_middle: str, then: dict[str, list[Any]]
) -> None:
    verb.order_keys = {"1": "invoice:7", "2": "invoice:7"}
    (second,) = arrive("2")
    verb.says["2"] = [says]
    run.run_stage("scripted")
    assert fresh(second).state == in_the_middle
    first = commits_late("1", second)
    getattr(verb, next(iter(then)))["2"] = next(iter(then.values()))
    # The question is not held by the earlier one, or both would wait for ever.
    work(40)
    assert [fresh(step).state for step in (second, first)] == ["done", "done"]
    assert verb.names().count("call") == 2
    assert verb.calls[-1] == ("call", "1")


def test_two_that_are_claimed_at_the_same_moment(
    verb: Scripted, monkeypatch: pytest.MonkeyPatch, closing_connections: None
) -> None:
    """The later one is found due, then the earlier one is committed and claimed by somebody else: one of them runs."""
    verb.order_keys = {"1": "invoice:7", "2": "invoice:7"}
    (second,) = arrive("2")
    there: list[Step] = []
    execute = bulk.execute

    def other_worker() -> None:
        with clock.at(NOW):
            there.append(commits_late("1", second))
            assert [step.id for step in claim.claim("scripted")] == [there[0].id]

    def slow(statement: str, parameters: Sequence[Any]) -> Any:
        found = execute(statement, parameters)
        if statement == claim._DUE and not there and threading.current_thread() is threading.main_thread():
            assert [id_ for id_, *_ in found] == [second.id]
            thread = threading.Thread(target=in_own_connection, args=[other_worker])
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(bulk, "execute", slow)
    assert claim.claim("scripted") == []
    assert [fresh(step).state for step in (there[0], second)] == ["running", "waiting"]
