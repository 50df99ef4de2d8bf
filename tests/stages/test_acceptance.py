"""accept_order with its services: silence, approvals, versions of a deal.

Acme may owe 20,000 softly and 50,000 at most; discounts up to 20 % need nobody.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from exceptions.models import Case, Problem
from q2c import clock, states
from q2c.connectors.http import Http, in_context
from q2c.engine import breaker, gates, wake
from q2c.engine import desk as cases
from q2c.models import (
    Attempt,
    Breaker,
    Connection,
    Customer,
    OrderGroup,
    OrderLine,
    Step,
)
from q2c.stages.controls.world import customers
from tests.connectors.credit import limits
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk, tell

pytestmark = pytest.mark.django_db(transaction=True)


def seats(quantity: int, **changes: Any) -> dict[str, Any]:
    """Seats at 100.00 a month for a year, and no set-up."""
    line = document()["lines"][0] | {"quantity": str(quantity), "amount_minor": quantity * 120_000} | changes
    return {"lines": [line]}


def discounted(percent: int, quantity: int = 10) -> dict[str, Any]:
    gross = quantity * 120_000
    given = gross * percent // 100
    return seats(quantity, discount_minor=given, amount_minor=gross - given)


# Accepted ------------------------------------------------------------------------------------------------------------


def test_a_sound_deal_is_accepted_at_once_with_everything_it_says(desk: Desk) -> None:
    desk.comes()
    desk.works()
    order = desk.order
    assert (order.state, order.number, order.total_minor, order.tax_estimate_minor) == (
        "accepted", "SO-1001", 1_250_000, 125_000,
    )  # fmt: skip
    assert (order.contract_entity, order.payer_key, order.term_months) == ("US", "C-ACME", 12)
    group = OrderGroup.objects.get()
    assert (group.entity, group.bill_to, group.currency, group.total_minor) == ("US", "C-ACME", "USD", 1_250_000)
    assert list(OrderLine.objects.values_list("line", "amount_minor")) == [(1, 1_200_000), (2, 50_000)]
    assert desk.emitted() == ["OrderAccepted"]
    assert not Case.objects.exists()


def test_the_lineage_of_many_customers_is_one_question(desk: Desk, django_assert_num_queries: Any) -> None:
    for i in range(30):
        Customer.objects.create(key=f"K-{i}", name=f"K {i}", parent_key=f"K-{i + 1}" if i < 29 else "")
    Customer.objects.create(key="L-1", name="L 1", parent_key="L-2")
    Customer.objects.create(key="L-2", name="L 2", parent_key="L-1")
    with django_assert_num_queries(1):
        found = customers(["K-0", "L-1", "nobody"])
    assert set(found) == {f"K-{i}" for i in range(30)} | {"L-1", "L-2"}


# Services that do not answer ------------------------------------------------------------------------------------------


SERVICES = pytest.mark.parametrize("service", ["credit", "avatax"])


def control_of(desk: Desk, service: str) -> Any:
    return desk.credit if service == "credit" else desk.tax


@SERVICES
def test_a_service_that_is_down_pauses_its_orders_and_wakes_them_when_it_is_back(
    desk: Desk, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known to be down after five silences: from then on nobody tries, whatever the budget, and one problem says so."""
    control_of(desk, service).fault("unavailable")
    desk.comes()
    for hours in range(14):
        with desk.waits(60 * hours):
            desk.works()
    step = desk.step
    assert (step.state, step.attempts, step.waiting_for) == ("waiting", 5, service)
    # It is in the list as received, when its deal was, and nothing follows from it.
    assert (desk.order.state, desk.order.received_at, desk.emitted()) == ("received", step.event.received_at, [])
    assert Breaker.objects.get(connection=service).opened_at is not None
    [problem] = Problem.objects.filter(kind="connection")
    assert not Case.objects.exclude(step_id=None).exists()
    assert breaker.waiting_for(service)["count"] == 1
    woken: list[str] = []
    monkeypatch.setattr(wake, "send", woken.append)
    cache.delete("q2c:awake:accept_order")
    control_of(desk, service).calm()
    with desk.waits(60 * 15):
        assert breaker.probe_due() == [service]
        assert woken == ["accept_order"]
        desk.works()
    assert (desk.step.state, desk.step.waiting_for, desk.order.state) == ("done", "", "accepted")
    assert Problem.objects.get(pk=problem.pk).state != problem.state


@SERVICES
def test_an_order_that_does_not_wait_for_the_silent_service_goes_on(desk: Desk, service: str) -> None:
    """Only what asks it again is paused: the rest of the stage works."""
    Breaker.objects.create(connection=service, opened_at=clock.now(), probe_at=clock.now(), failures=5)
    desk.comes()
    desk.works()
    assert (desk.step.state, desk.order.state) == ("done", "accepted")


def test_no_platform_is_called_while_a_transaction_is_open(desk: Desk) -> None:
    """As a whole run of a real stage inside somebody's transaction would: nothing leaves, nothing is lost."""
    desk.comes()
    with pytest.raises(gates.InTransaction), transaction.atomic():
        desk.works()
    assert (desk.step.state, desk.step.attempts, Attempt.objects.count()) == ("waiting", 0, 0)
    desk.works()
    assert desk.step.state == "done"
    assert Attempt.objects.count() > 0


@pytest.mark.parametrize("where", ["here", "in_context"])
def test_nor_by_anybody_else(where: str) -> None:
    """Whoever talks HTTP, past the engine: in the transaction's own thread, or by one that is about to begin."""
    http = Http(limits.config())
    with pytest.raises(gates.InTransaction), transaction.atomic():
        http.send("GET", "/v1/status") if where == "here" else in_context(http.send)
    assert http.send("GET", "/v1/status").status == 401


@SERVICES
def test_a_service_that_is_busy_means_waiting_then_a_person_never_acceptance(desk: Desk, service: str) -> None:
    """Tried for the policy's budget. What else is wrong is told with it."""
    control_of(desk, service).fault("too_many", value=1)
    desk.comes(**seats(10, amount_minor=1_200_001))
    with desk.waits(0):
        desk.works()
    first = desk.step
    assert (first.state, first.reason, first.attempts) == ("waiting", "platform_busy", 1)
    assert not Case.objects.exclude(step_id=None).exists()
    for hours in range(1, 40):
        with desk.waits(60 * hours):
            desk.works()
    assert desk.step.state == "failed"
    case = Case.objects.exclude(step_id=None).get()
    assert [finding["reason"] for finding in case.context["findings"]] == ["platform_busy", "price_mismatch"]
    assert desk.order.state == "received"
    assert desk.emitted() == []


def test_slower_than_its_time_limit_is_no_answer_and_then_it_goes_on_by_itself(desk: Desk) -> None:
    Connection.objects.filter(name="credit").update(time_limit_s=0.3)
    desk.credit.fault("latency", value=1500)
    desk.comes()
    desk.works()
    assert (desk.step.state, desk.step.reason) == ("waiting", "platform_unavailable")
    desk.credit.calm()
    with desk.waits(5):
        desk.works()
    assert (desk.step.state, desk.order.state) == ("done", "accepted")
    assert not Case.objects.exists()
    assert Breaker.objects.get(connection="credit").failures == 0


def test_without_a_service_nothing_is_accepted(desk: Desk) -> None:
    Connection.objects.filter(name="avatax").update(active=False)
    desk.comes()
    desk.works()
    assert desk.step.state == "waiting"


def test_credit_over_the_hard_limit_and_a_tax_refusal_are_told_together(desk: Desk) -> None:
    desk.tax.seed(bad_addresses=[{"country": "US", "region": "CA", "postal_code": "94607", "message": "No such ZIP."}])
    desk.comes(**seats(50))
    desk.works()
    findings = {finding["reason"]: finding for finding in desk.case.context["findings"]}
    assert set(findings) == {"credit_refused", "tax_refused"}
    assert findings["credit_refused"]["seen"] == "USD 60,000.00"
    assert (findings["tax_refused"]["pointer"], desk.order.state) == ("/groups/0/ship_to", "received")


# Versions of a deal ---------------------------------------------------------------------------------------------------


def test_a_deal_that_changes_while_it_waits_takes_its_own_place(desk: Desk) -> None:
    desk.comes("v1", **discounted(25))
    desk.works()
    waiting, case, asked = desk.step, desk.case, desk.asked()
    with desk.waits(10):
        desk.comes("v2", **discounted(10))
        waiting, case, asked = (type(row).objects.get(pk=row.pk) for row in (waiting, case, asked))
        assert (waiting.state, waiting.reason, case.state, case.resolution, asked.state) == (
            "abandoned", "superseded", "resolved", "superseded", "withdrawn",
        )  # fmt: skip
        desk.works()
    assert (desk.order.state, desk.order.total_minor) == ("accepted", 1_080_000)
    assert desk.emitted() == ["OrderAccepted"], "what was overtaken is not rejected: its deal goes on"


def test_an_older_version_that_comes_late_changes_nothing(desk: Desk) -> None:
    with desk.waits(10):
        desk.comes("v2", **seats(12))
        desk.works()
    with desk.waits(0):
        desk.comes("v1", **seats(10))
    with desk.waits(11):
        desk.works()
    assert (desk.order.total_minor, desk.step.state, desk.step.reference) == (1_440_000, "done", "superseded")
    assert desk.emitted() == ["OrderAccepted"]


def test_a_deal_that_changes_after_acceptance_needs_a_person_the_same_again_does_not(desk: Desk) -> None:
    desk.comes("v1")
    desk.works()
    with desk.waits(10):
        tell("OrderReceived", "again", "mirror", document())
        desk.works()
        lines = [line | {"list_price": "999"} for line in document()["lines"]]
        tell("OrderReceived", "with another price list", "webshop", document(lines=lines))
        desk.works()
        assert (desk.step.state, desk.step.document) == ("done", "SO-1001")
        assert not Case.objects.exists()
        desk.comes("v2", **seats(99))
        desk.works()
    assert (desk.step.state, desk.case.reason, desk.case.field) == ("failed", "order_changed", "/order_number")
    assert desk.case.text.startswith("Order SO-1001 came again in another version after it was accepted here; it is ")
    assert (desk.order.state, desk.order.total_minor) == ("accepted", 1_250_000)
    assert desk.emitted() == ["OrderAccepted"]


def test_an_order_of_another_system_under_the_same_number_takes_the_place_of_none(desk: Desk) -> None:
    """The discount is moved into the price, by a system whose deal it is not: who must sign, still must."""
    desk.comes("v1", **discounted(25))
    desk.works()
    assert desk.order.state == "awaiting_approval"
    with desk.waits(10):
        tell("OrderReceived", "w1", "rogue", document(**seats(10, unit_price="75", amount_minor=900_000)))
        desk.works()
    # Told at once: whoever owns the other deal need not wait for this one's signature.
    assert Case.objects.get(source="rogue").reason == "order_number_taken"
    mine = Step.objects.get(event__source="webshop")
    assert (mine.state, desk.order.state, desk.order.source, desk.asked().state) == (
        "failed", "awaiting_approval", "webshop", "requested",
    )  # fmt: skip
    cases.approve(person("bea"), [desk.asked().id], "strategic account")
    with desk.waits(20):
        desk.works()
    assert (desk.order.state, desk.order.source) == ("accepted", "webshop")
    other = Case.objects.get(source="rogue")
    assert (other.reason, other.state) == ("order_number_taken", "open")


def test_what_is_refused_for_its_number_leaves_the_order_of_the_other_system_as_it_is(desk: Desk) -> None:
    """Also where nothing holds it back any more: its step was given up, the order still waits for its signature."""
    desk.comes("v1", **discounted(25))
    desk.works()
    states.move(Step, "abandon", [desk.step.id])
    with desk.waits(10):
        tell("OrderReceived", "w1", "rogue", document(**seats(10, unit_price="75", amount_minor=900_000)))
        desk.works()
    assert Case.objects.get(source="rogue").reason == "order_number_taken"
    line = json.loads(desk.order.document)["lines"][0]
    assert (desk.order.source, desk.order.state, line["discount_minor"]) == ("webshop", "awaiting_approval", 300_000)


def test_a_number_that_another_system_has_is_told(desk: Desk) -> None:
    """Also where the other order came to nothing."""
    desk.comes("v1", closed_on="2020-01-01")
    desk.works()
    cases.close_without_fix(person("ann"), [desk.case.id], "a test", "test_data")
    cases.approve(person("bea"), [desk.asked().id], "agreed")
    with desk.waits(10):
        tell("OrderReceived", "w1", "crm", document())
        desk.works()
    told = Case.objects.get(source="crm")
    assert (told.reason, told.field) == ("order_number_taken", "/order_number")
    assert "is there from another system; crm sent another under the same number" in told.text
    assert desk.order.source == "webshop"


# What is given away ----------------------------------------------------------------------------------------------------


def test_what_is_given_away_needs_a_second_person(desk: Desk) -> None:
    desk.comes(**seats(10, unit_price="0", amount_minor=0))
    desk.works()
    assert (desk.case.reason, desk.order.state) == ("discount_approval_required", "awaiting_approval")
    assert desk.case.text == "Line 1 gives 100 % discount; 20 % need no approval"


def test_nothing_is_no_quantity(desk: Desk) -> None:
    desk.comes(**seats(0))
    desk.works()
    found = [(finding["reason"], finding["pointer"]) for finding in desk.case.context["findings"]]
    assert ("price_mismatch", "/lines/0/quantity") in found
    assert desk.order.state == "received"
