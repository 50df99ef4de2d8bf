"""POST /api/v1/orders: the order is accepted, parked or refused while the caller waits."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.engine import run
from q2c.models import ApiKey, Attempt, Customer, Event, IdempotencyRecord, ItemMapping, Order, Step
from tests.api.conftest import Caller
from tests.connectors.control import Control
from tests.intake import company
from tests.intake.documents import event, order

ORDERS = "/api/v1/orders"
SCOPES = ["q2c.add_order", "q2c.add_event"]
MONDAY = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
# Platforms are called between transactions, so the tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    """What is sold has a term, and it is over some day."""
    with clock.at(MONDAY):
        yield


@pytest.fixture
def services() -> tuple[Control, Control]:
    company.found()
    return company.services()


@pytest.fixture
def shop(services: Any) -> Caller:
    return Caller(ApiKey.make("webshop", ["q2c.add_order"])[1])


def send(shop: Caller, document: Any, query: str = "", **headers: str) -> Any:
    return shop.post(ORDERS + query, document, "application/json", **headers)


def dear(**changes: Any) -> dict[str, Any]:
    """Over the soft credit limit of 20,000."""
    document = order(**changes)
    document["lines"][0] |= {"unit_price": "200", "amount_minor": 2_400_000}
    return document


def test_accepted(shop: Caller) -> None:
    answer = send(shop, order())
    assert answer.status_code == 201, answer.content
    body, kept = answer.json(), Order.objects.get()
    assert body["status"] == kept.state == "accepted"
    assert answer["Location"] == f"/api/v1/orders/{kept.id}"
    assert (body["order"]["total_minor"], body["order"]["tax_estimate_minor"]) == (1_250_000, 125_000)
    assert body["event_id"] == str(kept.event_id)
    assert body["correlation_id"] == answer["X-Correlation-Id"] == str(kept.correlation_id)
    assert Event.objects.filter(type="OrderAccepted").count() == 1
    again = send(shop, order())
    assert (again.status_code, again.json()["order"]["id"]) == (200, str(kept.id))
    assert Event.objects.filter(type="OrderReceived").count() == 1


def test_it_waits_for_a_second_person(shop: Caller) -> None:
    answer = send(shop, dear())
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["status"] == body["order"]["state"] == "awaiting_approval"
    assert [each["reason"] for each in body["approvals"]] == ["credit_approval_required"]
    assert body["case"]["number"] == Case.objects.get().shown
    assert send(shop, dear()).json()["status"] == "awaiting_approval"
    assert Case.objects.get().attempts == 1, "asking again is no new failure"


def test_every_failed_check_is_listed(shop: Caller) -> None:
    document = order(starts_on="2026-02-01", term_months=12)
    document["groups"][0]["currency"] = "EUR"
    document["lines"][0]["amount_minor"] = 1
    document["lines"][1]["product"] = "P-NONE"
    answer = send(shop, document)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    found = {each["reason"]: each for each in body["errors"]}
    assert {"currency_not_allowed", "price_mismatch", "product_unknown"} <= set(found)
    for each in body["errors"]:
        assert each["pointer"].startswith("/")
        assert each["detail"]
        assert each["remedy"]
    assert found["price_mismatch"]["pointer"] == "/lines/0/amount_minor"
    assert found["product_unknown"]["seen"] == "P-NONE"
    case = Case.objects.get(id=body["case"]["id"])
    assert (case.stage, case.business_key) == ("accept_order", "SO-1001")


def test_put_right_it_is_accepted_and_the_case_ends(shop: Caller) -> None:
    wrong = order()
    wrong["lines"][0]["amount_minor"] = 1
    assert send(shop, wrong).status_code == 422
    assert send(shop, order()).status_code == 201
    assert Case.objects.get().resolution == "superseded"


def test_an_accepted_order_is_changed_by_nobody_who_sends_it(shop: Caller) -> None:
    assert send(shop, order()).status_code == 201
    answer = send(shop, order(description="b"))
    (error,) = answer.json()["errors"]
    number = order()["order_number"]
    assert (answer.status_code, error["reason"]) == (422, "order_changed")
    assert error["detail"].startswith(
        f"Order {number} came again in another version after it was accepted here; it is "
    )
    assert error["remedy"] == (
        "Send it as it was accepted, or under a new order number; cancel this order if it stands"
    )


def test_a_change_is_taken_back(shop: Caller) -> None:
    """A, B, A: the third is a version of its own with the content of the first; each sent twice is a repeat."""
    first, change = order(description="a"), order(description="b")
    said = []
    for n, document in enumerate((first, first, change, first, first, change, change, first)):
        with clock.at(MONDAY + clock.seconds(60 * n)):
            answer = send(shop, document)
            said.append((answer.status_code, answer.json().get("status")))
            versions = Event.objects.filter(type="OrderReceived").count()
            said[-1] += (versions,)
    back, refused = (201, "accepted"), (422, 422)
    assert said == [
        (*back, 1), (200, "accepted", 1), (*refused, 2), (*back, 3), (200, "accepted", 3), (*refused, 4), (*refused, 4),
        (*back, 5),
    ]  # fmt: skip
    assert Order.objects.get().state == "accepted"
    assert not Case.objects.exclude(state="resolved").exists()


def test_a_change_is_taken_back_before_it_was_accepted(shop: Caller) -> None:
    for n, document in enumerate((dear(description="a"), dear(description="b"), dear(description="a"))):
        with clock.at(MONDAY + clock.seconds(60 * n)):
            answer = send(shop, document)
            assert (answer.status_code, answer.json()["status"]) == (201, "awaiting_approval"), answer.content
    kept = Order.objects.get()
    assert '"description":"a"' in kept.document
    assert list(Step.objects.order_by("seq").values_list("state", flat=True)) == ["abandoned", "abandoned", "failed"]


def test_of_two_versions_with_one_time_the_later_received_counts(shop: Caller) -> None:
    wrong = order()
    wrong["lines"][0]["amount_minor"] = 1
    with clock.at(MONDAY):
        assert send(shop, wrong).status_code == 422
        answer = send(shop, order())
    assert (answer.status_code, answer.json()["status"]) == (201, "accepted"), answer.content
    assert Case.objects.get().resolution == "superseded"


def test_sent_again_after_master_data_was_put_right(shop: Caller) -> None:
    ItemMapping.objects.filter(product__code="P-SETUP").delete()
    first = send(shop, order())
    assert (first.status_code, first.json()["errors"][0]["reason"]) == (422, "item_mapping_missing")
    assert send(shop, order()).status_code == 422
    mapping = ItemMapping.objects.get()
    ItemMapping.objects.create(
        product=company.Product.objects.get(code="P-SETUP"),
        connection="erp",
        item="I",
        effective_from=mapping.effective_from,
    )
    assert send(shop, order()).status_code == 200
    assert Order.objects.get().state == "accepted"
    assert Case.objects.get().state == "resolved"


@pytest.mark.parametrize("which", [0, 1], ids=["tax", "credit"])
def test_a_silent_service_is_no_silent_pass(which: int, services: tuple[Control, Control], shop: Caller) -> None:
    services[which].fault("unavailable")
    answer = send(shop, order())
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert body["status"] == "waiting"
    assert body["order"]["state"] == "received" and body["failed_so_far"] == []
    assert answer["Location"] == f"/api/v1/events/{body['event_id']}"
    assert Step.objects.get().state == "waiting"
    services[which].calm()
    Step.objects.update(next_at=Event.objects.get().received_at)
    run.drain("accept_order")
    assert send(shop, order()).json()["status"] == "accepted"


def test_what_fails_whatever_a_silent_service_says_is_told_at_once(
    services: tuple[Control, Control], shop: Caller
) -> None:
    services[1].fault("unavailable")
    wrong = order()
    wrong["lines"][0]["amount_minor"] = 1
    answer = send(shop, wrong)
    assert (answer.status_code, answer.json()["failed_so_far"]) == (202, ["price_mismatch"])
    assert "is refused then for price_mismatch: dry_run=true tells" in answer.json()["detail"]
    assert Step.objects.get().state == "waiting"


def test_dry_run_keeps_nothing(shop: Caller, services: tuple[Control, Control]) -> None:
    cases: list[tuple[dict[str, Any], int, str]] = [
        (order(), 200, "accepted"),
        (dear(), 200, "awaiting_approval"),
        (order(currency="XXX"), 422, ""),
    ]
    for document, status, said in cases:
        answer = send(shop, document, "?dry_run=true")
        assert answer.status_code == status, answer.content
        assert answer.json().get("status") == (said or 422)
    wrong = order()
    wrong["lines"][0]["amount_minor"] = 1
    answer = send(shop, wrong, "?dry_run=true", **{"Idempotency-Key": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (422, "price_mismatch")
    services[0].fault("unavailable")
    answer = send(shop, order(), "?dry_run=true")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:q2c:problem:service-silent")
    assert answer.json()["remedy"].startswith("Ask again later")
    for model in (Event, Step, Order, Case, Customer, Attempt, IdempotencyRecord):
        assert not model.objects.exists(), model


def test_a_parameter_that_is_there_twice_books_nothing(shop: Caller) -> None:
    answer = send(shop, order(), "?dry_run=true&dry_run=false")
    assert (answer.status_code, answer.json()["detail"]) == (400, "dry_run is there more than once")
    assert not Event.objects.exists()


@pytest.mark.parametrize("misspelt", ["dryrun=true", "dry-run=true&dry_run=false"])
def test_a_misspelt_parameter_books_nothing(shop: Caller, misspelt: str) -> None:
    answer = send(shop, order(), f"?{misspelt}")
    assert answer.status_code == 400 and "There is no parameter dry" in answer.json()["detail"]
    assert answer.json()["remedy"] == "Send dry_run=true, or none"
    assert not Event.objects.exists()


def test_a_malformed_order_is_answered_and_not_kept(shop: Caller) -> None:
    document = order()
    del document["lines"][1]["product"]
    document["lines"][0]["quantity"] = "-1"
    answer = send(shop, document)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (
        422, ["/lines/0/quantity", "/lines/1/product"],
    )  # fmt: skip
    assert send(shop, b"{").status_code == 400
    assert send(shop, b"[]").status_code == 422
    assert not Event.objects.exists()


def test_idempotency_key(shop: Caller) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = send(shop, order(), **key)
    again = send(shop, order(), **key)
    assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (201, first.content, "true")
    assert again["Location"] == first["Location"] != ""
    assert send(shop, order(term_months=3), **key).status_code == 422


def test_needs_its_own_right(services: Any) -> None:
    other = Caller(ApiKey.make("feed", ["q2c.add_event"])[1])
    answer = send(other, order())
    assert (answer.status_code, answer.json()["right"]) == (403, "q2c.add_order")


# Order numbers that are taken -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["accepted", "awaiting_approval", "received"])
@pytest.mark.parametrize("way", ["order", "dry run", "event"])
def test_a_number_that_another_system_has_tells_nothing_of_its_order(shop: Caller, taken: str, way: str) -> None:
    """Two strangers, one after the other: to neither is the number free, and neither hears whose it is or how it stands."""
    first = {"accepted": order(), "awaiting_approval": dear(), "received": order(closed_on="2020-01-01")}[taken]
    send(shop, first)
    assert Order.objects.get().state == taken
    for system in ("cpq", "reseller"):
        stranger = Caller(ApiKey.make(system, SCOPES)[1])
        with clock.at(MONDAY + clock.seconds(60)):
            told = _sends(stranger, system, way, order(payment_term_days=45))
        assert [each["reason"] for each in told["errors"]] == ["order_number_taken"]
        assert told["errors"][0]["pointer"] == "/order_number"
        said = json.dumps(told).replace("order_number_taken", "")
        assert not [
            word for word in ("webshop", taken, "active", "changed", str(Order.objects.get().id)) if word in said
        ]
        assert told.get("order") is None
    kept = Order.objects.get()
    assert (kept.source, kept.state) == ("webshop", taken)


def _sends(stranger: Caller, system: str, way: str, document: dict[str, Any]) -> dict[str, Any]:
    """What the sender is answered; of an event, what its own case says afterwards."""
    if way != "event":
        answer = send(stranger, document, "?dry_run=true" if way == "dry run" else "")
        assert answer.status_code == 422, answer.content
        found: dict[str, Any] = answer.json()
        return found
    answer = stranger.post("/api/v1/events", event(f"{system}-1", document, source=system))
    assert answer.status_code == 202, answer.content
    run.drain("accept_order")
    case = Case.objects.latest("opened_at")
    return {"errors": case.context["findings"], "text": case.text}
