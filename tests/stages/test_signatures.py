"""What waits for a second person: what a signature grants, and what a refusal comes to.

Acme may owe 20,000 softly and 50,000 at most; discounts up to 20 % need nobody.
"""

from __future__ import annotations

from copy import deepcopy

import pytest

from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case
from q2c.engine import desk as cases
from q2c.models import CommercialPolicy, Event
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats

pytestmark = pytest.mark.django_db(transaction=True)


def owes(desk: Desk, exposure: str) -> None:
    limits = {"soft_limit": "20000.00", "hard_limit": "50000.00", "currency": "USD"}
    desk.credit.seed(customers=[{"id": "C-ACME", "exposure": exposure, **limits}])


def test_a_discount_over_the_limit_waits_for_a_second_person_and_is_accepted(desk: Desk) -> None:
    desk.comes(**discounted(25))
    desk.works()
    assert (desk.order.state, desk.case.state, desk.case.reason) == (
        "awaiting_approval", "awaiting_approval", "discount_approval_required",
    )  # fmt: skip
    assert desk.emitted() == []
    cases.approve(person("bea"), [desk.asked().id], "strategic account")
    assert desk.step.state == "waiting"
    desk.works()
    assert (desk.order.state, desk.order.total_minor, desk.case.state) == ("accepted", 900_000, "resolved")
    assert desk.emitted() == ["OrderAccepted"]


def test_credit_and_discount_are_two_signatures(desk: Desk) -> None:
    """30 seats with 25 % off are 27,000.00: between the soft and the hard limit."""
    desk.comes(**discounted(25, 30))
    desk.works()
    assert {finding["reason"] for finding in desk.case.context["findings"]} == {
        "discount_approval_required", "credit_approval_required",
    }  # fmt: skip
    bea = person("bea")
    first = desk.asked()
    cases.approve(bea, [first.id], "yes")
    desk.works()
    second = desk.asked()
    assert {first.action, second.action} == {"discount_approval_required", "credit_approval_required"}
    assert desk.order.state == "awaiting_approval"
    cases.approve(bea, [second.id], "yes, too")
    desk.works()
    assert (desk.order.state, desk.case.state) == ("accepted", "resolved")
    assert Case.objects.count() == 1


def test_what_needs_repair_is_not_asked_for_a_signature(desk: Desk) -> None:
    desk.comes(**(discounted(25) | {"closed_on": "2020-01-01"}))
    desk.works()
    assert (desk.order.state, desk.case.reason) == ("received", "term_invalid")
    assert not Approval.objects.exists()


def test_one_signature_grants_the_findings_that_it_shows_and_no_others(desk: Desk) -> None:
    """Two lines with 25 and 30 % off, on 30 seats: two findings of one reason, and credit besides."""
    first = discounted(25, 20)["lines"][0]
    second = discounted(30, 20)["lines"][0] | {"line": 2}
    desk.comes(lines=[first, second])
    desk.works()
    asked = desk.asked()
    assert asked.action == "discount_approval_required"
    shown = [(f["measure"]["of"], f["measure"]["value"], f["measure"]["limit"]) for f in asked.data["findings"]]
    assert shown == [("Line 1, P-SEATS", "25.0000", "20"), ("Line 2, P-SEATS", "30.0000", "20")]
    assert asked.data["findings"][1]["measure"]["amounts"] == [
        ["List price", 2_400_000, "USD"], ["Discount", 720_000, "USD"], ["Sold for", 1_680_000, "USD"],
    ]  # fmt: skip
    assert asked.data["besides"] == ["credit_approval_required"]
    cases.approve(person("bea"), [asked.id], "yes")
    desk.works()
    [credit] = desk.asked().data["findings"]
    assert desk.asked().action == "credit_approval_required"
    assert (credit["measure"]["value"], credit["measure"]["limit"], credit["measure"]["unit"]) == (
        "34800.00", "20000.00", "USD",
    )  # fmt: skip


def test_a_credit_that_grew_since_it_was_signed_is_asked_for_anew(desk: Desk) -> None:
    desk.comes(**seats(20))
    desk.works()
    bea = person("bea")
    first = desk.asked()
    cases.approve(bea, [first.id], "24,000 are fine")
    owes(desk, "10000.00")
    desk.works()
    second = desk.asked()
    assert (second.id != first.id, second.data["findings"][0]["seen"]) == (True, "USD 34,000.00")
    assert desk.order.state == "awaiting_approval"
    cases.approve(bea, [second.id], "34,000, too")
    owes(desk, "9000.00")
    desk.works()
    assert desk.order.state == "accepted", "less than what was signed is covered"


def test_refused_it_goes_back_to_sales_and_given_up_by_two_people_the_order_is_rejected(desk: Desk) -> None:
    desk.comes(**discounted(40))
    desk.works()
    ann, bea = person("ann"), person("bea")
    assert desk.case.owner_team_id == "controllers", "who can decide on it"
    cases.refuse(bea, [desk.asked().id], "forty percent is too much")
    desk.works()
    assert (desk.case.state, desk.order.state, desk.step.state) == ("open", "received", "failed")
    assert desk.case.owner_team_id == "sales-ops", "who can have the deal changed"
    assert desk.emitted() == []
    cases.close_without_fix(ann, [desk.case.id], "sales will not change it", "order_entry")
    with pytest.raises(Refused, match="own request"):
        cases.approve(ann, [desk.asked().id], "then close it")
    assert desk.order.state == "received"
    cases.approve(bea, [desk.asked().id], "agreed")
    assert (desk.order.state, desk.step.state, desk.case.state) == ("rejected", "abandoned", "closed_without_fix")
    assert desk.emitted() == ["OrderRejected"]
    with pytest.raises(NotPossible):
        cases.replay_one(ann, desk.case.id)


def test_refused_and_the_deal_is_changed_its_new_version_is_accepted(desk: Desk) -> None:
    desk.comes("v1", **discounted(40))
    desk.works()
    cases.refuse(person("bea"), [desk.asked().id], "twenty at most")
    case = desk.case
    with desk.waits(10):
        desk.comes("v2", **discounted(20))
        desk.works()
    assert desk.order.state == "accepted"
    assert Case.objects.get(pk=case.pk).resolution == "superseded"


@pytest.mark.parametrize("how", ["account renamed", "description", "list price"])
def test_refused_it_stays_asked_in_a_version_that_gives_as_much(desk: Desk, how: str) -> None:
    """Somebody alone raises the limit, and something else of the deal changes."""
    desk.comes("v1", **discounted(40))
    desk.works()
    cases.refuse(person("bea"), [desk.asked().id], "forty percent is too much")
    CommercialPolicy.objects.update_or_create(entity="", defaults={"discount_limit_percent": 50})
    again = deepcopy(discounted(40))
    if how == "account renamed":
        again["parties"] = deepcopy(document()["parties"])
        again["parties"][0]["name"] += " Inc"
    elif how == "description":
        again["lines"][0]["description"] = "Seats."
    else:
        again["lines"][0]["list_price"] = again["lines"][0]["unit_price"]
    with desk.waits(10):
        desk.comes("v2", **again)
        desk.works()
    (finding,) = desk.asked().data["findings"]
    assert (finding["measure"]["value"], finding["measure"]["limit"]) == ("40.0000", "20")
    assert desk.order.state == "awaiting_approval"


def test_refused_and_sent_again_as_it_is_it_is_asked_for_again(desk: Desk) -> None:
    desk.comes(**discounted(40))
    desk.works()
    ann = person("ann")
    cases.refuse(person("bea"), [desk.asked().id], "too much")
    cases.replay_one(ann, desk.case.id)
    desk.works()
    assert (desk.order.state, desk.case.state) == ("awaiting_approval", "awaiting_approval")
    assert Approval.objects.filter(state="requested").count() == 1


def test_refused_for_good_the_order_is_rejected_and_the_sales_platform_hears_why(desk: Desk) -> None:
    desk.comes(**discounted(40))
    desk.works()
    decision = cases.refuse(person("bea"), [desk.asked().id], "not with us", for_good=True)
    assert decision.closed_steps == [desk.step.id]
    assert (desk.order.state, desk.step.state, desk.case.state) == ("rejected", "abandoned", "closed_without_fix")
    assert (desk.case.resolution, desk.case.problem.state) == ("closed_without_fix", "resolved")
    assert desk.emitted() == ["OrderRejected"]
    [event] = Event.objects.filter(type="OrderRejected")
    assert "Refused by bea: not with us" in event.payload


def test_a_signature_holds_for_one_version_of_the_deal(desk: Desk) -> None:
    desk.comes("v1", **discounted(25))
    desk.works()
    cases.approve(person("bea"), [desk.asked().id], "yes")
    with desk.waits(1):
        desk.comes("v2", **discounted(60))
        desk.works()
        assert desk.order.state == "awaiting_approval"
        assert desk.asked().case.step_id == desk.step.id
        assert [f["seen"] for f in desk.case.context["findings"]] == ["60 %"]
