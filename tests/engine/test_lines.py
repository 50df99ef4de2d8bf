"""Each outcome of a step is one log line under its correlation id, once it is committed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from q2c.connectors.outcomes import Posted, Rejected, Unavailable, Unknown
from q2c.engine import lines, record
from q2c.reasons import Reason
from tests.engine.scripted import Scripted, arrive, fresh, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, lines.__name__)
    return lambda: [one for one in caplog.records if one.name == lines.__name__]


def test_what_a_step_came_to_is_told_under_its_correlation_id(verb: Scripted, told: Any) -> None:
    steps = arrive("1", "2", "3", "4")
    verb.says["2"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="2026-03 is closed for Jane Doe")]
    verb.says["3"] = [Unknown(text="the connection dropped")]
    verb.says["4"] = [Unavailable(text="429", reason=Reason.PLATFORM_BUSY, retry_after_s=5)]
    work()
    found = {one.business_key: one for one in told()}
    assert {key: (one.levelname, one.getMessage(), one.state, one.reason) for key, one in found.items()} == {
        "1": ("INFO", "step done", "done", ""),
        "2": ("WARNING", "step failed", "failed", "period_closed"),
        "3": ("WARNING", "step unknown", "unknown", "outcome_unknown"),
        "4": ("INFO", "step waiting", "waiting", "platform_busy"),
    }
    for step in steps:
        one = found[step.business_key]
        assert (one.correlation_id, one.step, one.stage) == (str(step.correlation_id), str(step.id), "scripted")
        assert (one.connection, one.attempt, one.replays) == ("erp-test", 1, 0)
        assert one.duration_ms >= 0
    assert (found["1"].document, found["2"].document) == ("J1", "")
    assert not any("Jane" in str(vars(one)) for one in told()), "what it says stands on the step, not in the log"
    verb.finds["3"] = [Posted(reference="doc-3", document="J3", found=True)]
    work(60)
    again = [(one.state, one.document, one.attempt) for one in told() if one.business_key == "3"]
    assert again == [("unknown", "", 1), ("done", "J3", 2)]
    assert fresh(steps[3]).state == "done"


def test_what_was_not_committed_is_not_told(verb: Scripted, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive("1")
    verb.says["1"] = [Rejected(reason=Reason.PERIOD_CLOSED, text="closed")]

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(record.cases, "open_for", broken)
    with pytest.raises(RuntimeError, match="disk"):
        work()
    assert told() == []


def test_the_lines_ask_the_database_nothing(
    verb: Scripted, told: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    written = lines.recorded

    def counted(*given: Any) -> None:
        with django_assert_num_queries(0):
            written(*given)

    monkeypatch.setattr(lines, "recorded", counted)
    arrive(*map(str, range(20)))
    work()
    assert len(told()) == 20
