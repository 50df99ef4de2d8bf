"""Whoever decides has the right to decide and that of the thing itself, over the pages as over the API.

It is 3 November 2026. Acme may owe 20,000 softly and 50,000 at most; discounts up to 20 % need nobody.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.errors import Refused
from exceptions.models import Approval, Case, CaseEvent
from q2c.engine import after_all
from q2c.engine import desk as cases
from q2c.models import ListPrice, Product
from tests.engine.makers import case, issue, order, person, run_all
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats
from tests.stages.test_posted_after_all import closed
from tests.ui.people import page, signed_in

__all__ = ["closed"]

DECIDES = ("view_case", "view_problem", "approve_case", "view_order")
ORDERS = {
    "discount_approval_required": discounted(25),
    "credit_approval_required": seats(20),
    "list_price_missing": seats(10),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", list(ORDERS))
def test_an_order_over_a_limit_is_approved_by_who_may_approve_orders(desk: Desk, action: str) -> None:
    if action == "list_price_missing":
        ListPrice.objects.create(
            product=Product.objects.get(code="P-SEATS"), unit_price=92, currency="EUR", price_period="month",
            effective_from=dt.date(2025, 1, 1),
        )  # fmt: skip
    desk.comes(**ORDERS[action])
    desk.works()
    asked = desk.asked()
    assert asked.action == action
    yan = person("yan", DECIDES)
    for decide in (lambda: cases.approve(yan, [asked.id], "ok"), lambda: cases.refuse(yan, [asked.id], "no")):
        with pytest.raises(Refused, match=r"q2c\.approve_order is missing") as refused:
            decide()
        assert refused.value.right == "q2c.approve_order"
    told = CaseEvent.objects.filter(case=asked.case, kind="refused", actor="yan")
    assert [one.data["right"] for one in told] == ["q2c.approve_order"] * 2
    assert desk.order.state == "awaiting_approval"
    client = signed_in(yan)
    for address in ("/approvals", f"/cases/{asked.case_id}"):
        assert "(q2c.approve_order)" in page(client, address)
    answer = client.post(f"/approvals/{asked.id}/decide", {"verb": "approve"})
    assert answer.status_code == 403 and "q2c.approve_order" in answer.content.decode()
    answer = client.post(f"/api/v1/approvals/{asked.id}/approve", {}, content_type="application/json")
    assert answer.status_code == 403 and "q2c.approve_order" in answer.json()["remedy"]
    assert Approval.objects.get(id=asked.id).state == "requested"
    bea = person("bea", (*DECIDES, "approve_order"))
    assert "(q2c.approve_order)" not in page(signed_in(bea), "/approvals")
    assert cases.approve(bea, [asked.id], "fine").done == [asked.id]


@pytest.mark.django_db
def test_what_was_given_up_is_posted_by_two_who_may_replay(company: Any, closed: Case) -> None:
    """Neither asks nor agrees who may not replay it."""
    after_all.ask(person("zoe"), closed.id, "it is owed")
    asked, yan = Approval.objects.get(state="requested"), person("yan", ("view_case", "approve_case"))
    with pytest.raises(Refused, match=r"exceptions\.replay_case is missing"):
        cases.approve(yan, [asked.id], "ok")
    asked.refresh_from_db()
    assert (asked.state, company["erp-de"].writes) == ("requested", 0)
    assert "(exceptions.replay_case)" in page(signed_in(yan), "/approvals")
    assert cases.approve(person("bo", ("view_case", "approve_case", "replay_case")), [asked.id]).done == [asked.id]


@pytest.mark.django_db
def test_of_several_those_beyond_the_right_are_left_on_the_record(company: Any, closed: Case) -> None:
    after_all.ask(person("zoe"), closed.id, "it is owed")
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-2", order("ORD-2"))
    run_all()
    cases.close_without_fix(person("cleo"), [case("INV-2").id], "billed twice", "duplicate")
    waiting = Approval.objects.filter(state="requested")
    posting, closing = waiting.get(action="post_after_all"), waiting.get(action="close_without_fix")
    decided = cases.approve(person("yan", ("view_case", "approve_case", "close_case")), [posting.id, closing.id])
    assert decided.done == [closing.id]
    assert decided.left == {posting.id: "the right exceptions.replay_case is missing"}
    told = CaseEvent.objects.get(case=posting.case, kind="refused", actor="yan")
    assert told.data["right"] == "exceptions.replay_case"
