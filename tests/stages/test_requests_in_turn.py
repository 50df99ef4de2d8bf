"""Of two requests to cancel one order, one is half done: the other waits for it, whichever came first, and none for ever.

SO-1 sold groups US and DE; billing cancels S-SO-1-US and fails at S-SO-1-DE.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exceptions.models import Case
from q2c.connectors.outcomes import Rejected
from q2c.engine import replay, run
from q2c.engine.intake import Item, Sender, take
from q2c.models import Breaker, Step
from q2c.reasons import Reason
from q2c.stages import endings
from tests.scenarios.conftest import Story
from tests.stages.conftest import tell
from tests.stages.test_cancelled_in_part import HALF_HERE, goes_silent, here, is_back, refuses, requested, sold
from tests.stages.test_provisioning import cancel

__all__ = ["sold"]
pytestmark = pytest.mark.django_db(transaction=True)


def keys_of() -> list[str]:
    return list(Step.objects.filter(stage="cancel_order").order_by("seq").values_list("order_key", flat=True))


def asked(id_: str, day: str, at: str) -> None:
    data = msgspec.json.encode({"order_number": "SO-1", "effective_on": day, "reason": "x"})
    said = {"specversion": "1.0", "id": id_, "source": "back-office", "type": "OrderCancelRequested", "time": at}
    (one,) = take(
        [Item(body=data, content_type="application/json", attributes=said)],
        Sender(system="back-office", actor="back-office"),
    )
    assert one.status == "stored", one


def test_one_for_a_later_day_that_came_first_holds_not_the_half_done_one(
    sold: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-20", "12:00"):
        asked("r-later", "2026-04-10", "2026-03-20T11:59:00Z")
        sold.flow.work()
        refuses(sold, monkeypatch)
        # Said before the other, and delivered after it.
        asked("r-now", "2026-03-20", "2026-03-20T11:50:00Z")
        sold.flow.work()
    assert requested() == ["waiting", "failed"] and here() == HALF_HERE
    with sold.on("2026-04-10", "12:00"):
        sold.flow.work()
    assert requested() == ["waiting", "failed"] and keys_of()[0] == ""
    monkeypatch.undo()
    with sold.on("2026-04-11", "12:00"):
        replay.replay([Case.objects.get(stage="cancel_order").step_id], "ann")
        sold.flow.work()
    with sold.on("2026-04-12", "12:00"):
        sold.flow.work()
    assert requested() == ["done", "done"] and here()["order"] == "cancelled"


def test_one_that_failed_and_is_replayed_beside_a_half_done_one_waits_for_it(
    sold: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = endings.cancel

    def refused_while_another_comes(open_port: Any, work: Any) -> Any:
        monkeypatch.setattr(endings, "cancel", true)
        goes_silent(sold, monkeypatch)
        tell(
            "OrderCancelRequested", "c-2", "crm", {"order_number": "SO-1", "effective_on": "2026-03-20", "reason": "x"}
        )
        return Rejected(reason=Reason.REQUEST_REFUSED, text="no")

    with sold.on("2026-03-20", "12:00"):
        monkeypatch.setattr(endings, "cancel", refused_while_another_comes)
        cancel(sold, on="2026-03-20")
        assert requested() == ["failed", "waiting"] and here() == HALF_HERE
        is_back(sold)
        replay.replay([Case.objects.get(state="open").step_id], "ann")
        run.run_stage("cancel_order")
    for hour in range(13, 16):
        with sold.on("2026-03-20", f"{hour}:00"):
            Breaker.objects.all().delete()
            sold.flow.work()
    assert set(requested()) == {"done"} and here()["order"] == "cancelled"
    assert not Case.objects.exclude(state="resolved").exists()
