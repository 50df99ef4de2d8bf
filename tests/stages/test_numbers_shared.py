"""Two deals under one order number: the first to come has it, the other is told at once, and neither undoes the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exceptions.models import Case
from q2c.engine import desk as cases
from q2c.engine import gates, record, run
from q2c.engine.claim import claim_these
from q2c.engine.intake import Sender
from q2c.engine.lease import Lease
from q2c.engine.submit import item_of, submit
from q2c.models import Connection, Order, Step
from q2c.stages import STAGES
from q2c.stages.verb import Work
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk, tell
from tests.stages.test_acceptance import discounted
from tests.stages.test_cancelled_while_waiting import cancel

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = {"closed_on": "2020-01-01"}


def comes(id_: str, source: str, **changes: Any) -> None:
    tell("OrderReceived", id_, source, document(**changes))
    run.drain("accept_order")


def step(source: str, id_: str = "") -> Step:
    return Step.objects.get(stage="accept_order", event__source=source, event__source_id__startswith=id_)


def orders() -> list[tuple[str, str]]:
    return list(Order.objects.values_list("source", "state"))


def test_the_second_is_told_at_once_even_where_the_first_failed(desk: Desk) -> None:
    comes("1", "shop", **WRONG)
    comes("2", "crm-of-the-north")
    assert (step("shop").reason, step("crm-of-the-north").reason) == ("term_invalid", "order_number_taken")
    assert Case.objects.filter(state="open").count() == 2


def test_cancelling_one_leaves_the_other_its_case(desk: Desk) -> None:
    comes("1", "shop", **WRONG)
    comes("2", "crm-of-the-north")
    cancel()
    assert orders() == [("shop", "cancelled")]
    assert (step("shop").state, step("crm-of-the-north").state) == ("abandoned", "failed")
    assert Case.objects.get(state="open").source == "crm-of-the-north"


def test_cancelling_does_not_wait_for_the_other(desk: Desk) -> None:
    comes("1", "shop")
    desk.credit.fault("unavailable")
    tell("OrderReceived", "2", "crm-of-the-north", document(**discounted(5)))
    Step.objects.filter(event__source="crm-of-the-north").update(sent_at="2026-01-05T09:00Z")
    cancel()
    assert orders() == [("shop", "cancelled")]


def test_who_waits_for_an_answer_is_not_told_of_another_systems_order(desk: Desk) -> None:
    comes("1", "shop", **discounted(25))
    sent = document(order_number="SO-1001")
    answer = submit(item_of(encoded(sent), "webshop"), Sender(system="webshop", actor="api:webshop"))
    assert (answer.status, answer.order) == ("refused", None)
    assert [finding["reason"] for finding in answer.findings] == ["order_number_taken"]
    again = submit(item_of(encoded(document(order_number="SO-2")), "webshop"), Sender(system="webshop", actor="api:w"))
    assert (again.status, again.order and again.order.number) == ("accepted", "SO-2")


def encoded(sent: dict[str, Any]) -> bytes:
    return json.dumps(sent).encode()


@pytest.fixture
def salesforce() -> None:
    Connection.objects.create(
        name="sf", title="Salesforce", vendor="salesforce", service="crm", base_url="sandbox://sf"
    )


def test_two_deals_of_one_sales_platform_are_two(desk: Desk, salesforce: None) -> None:
    """A cloned opportunity keeps the order number: the first one's signature is still asked for, the clone is told."""
    comes("006A:1", "sf", **discounted(25))
    comes("006B:1", "sf")
    assert (step("sf", "006A").state, desk.order.state) == ("failed", "awaiting_approval")
    clone = step("sf", "006B")
    assert clone.reason == "order_number_taken"
    assert "deal 006A of sf; deal 006B of sf sent another under the same number" in clone.text
    with desk.waits(10):
        comes("006A:2", "sf", **discounted(10))
    assert (orders(), desk.order.total_minor) == ([("sf", "accepted")], 1_080_000)
    assert Step.objects.get(event__source_id="006A:1").state == "abandoned"
    assert step("sf", "006B").state == "failed"


def test_an_equal_clone_of_an_accepted_deal_is_told_too(desk: Desk, salesforce: None) -> None:
    comes("006A:1", "sf")
    comes("006B:1", "sf")
    assert (step("sf", "006A").state, step("sf", "006B").reason) == ("done", "order_number_taken")


def asked_for(source: str, id_: str = "") -> list[Work]:
    """A worker that has its answers and has recorded nothing yet."""
    steps = claim_these("accept_order", [step(source, id_).id])
    works, open_gates, stage = run.load(steps), gates.Gates(), STAGES["accept_order"]
    run.prepare(stage, works, open_gates)
    run.call(stage, works, open_gates, Lease(steps))
    return works


@pytest.mark.parametrize("apart", [True, False], ids=["two workers", "one batch"])
def test_two_that_come_at_the_same_moment_make_one_order(desk: Desk, apart: bool) -> None:
    tell("OrderReceived", "1", "shop", document())
    tell("OrderReceived", "2", "crm-of-the-north", document(**discounted(10)))
    if apart:
        first, second = asked_for("shop"), asked_for("crm-of-the-north")
        for works in (first, second):
            record.record(STAGES["accept_order"], works, [], gates.Gates())
        assert step("crm-of-the-north").state == "waiting"
    run.drain("accept_order")
    assert orders() == [("shop", "accepted")]
    assert (step("shop").state, step("crm-of-the-north").reason) == ("done", "order_number_taken")
    assert Order.objects.get().lines.count() == 2


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one after the other"])
def test_one_order_that_two_systems_tell_of_is_accepted_once(desk: Desk, at_once: bool) -> None:
    tell("OrderReceived", "1", "shop", document())
    if not at_once:
        run.drain("accept_order")
    tell("OrderReceived", "2", "mirror", document())
    run.drain("accept_order")
    assert (step("shop").state, step("mirror").state, orders()) == ("done", "done", [("shop", "accepted")])
    assert not Case.objects.exists()


def test_closing_the_other_case_frees_nothing(desk: Desk) -> None:
    comes("1", "shop")
    comes("2", "crm-of-the-north", **discounted(5))
    told = Case.objects.get(source="crm-of-the-north")
    cases.close_without_fix(person("ann"), [told.id], "sent by mistake", "duplicate")
    cases.approve(person("bea"), [desk.asked().id], "agreed")
    assert (orders(), step("crm-of-the-north").state) == ([("shop", "accepted")], "abandoned")
