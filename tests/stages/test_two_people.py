"""An order over a limit takes two people: whoever sent it does not sign, and a limit raised meanwhile frees nothing.

Acme may owe 20,000 softly and 50,000 at most; discounts up to 20 % need nobody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exceptions.errors import Refused
from exceptions.models import Approval
from q2c import clock
from q2c.engine import desk as cases
from q2c.engine import replay
from q2c.models import ApiKey, CommercialPolicy
from tests.api.conftest import Caller
from tests.engine.makers import person
from tests.intake.documents import event
from tests.intake.documents import order as document
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats
from tests.stages.test_signatures import owes

pytestmark = pytest.mark.django_db(transaction=True)

SCOPES = ["q2c.add_event", "q2c.add_order"]


def _sends(secret: str, path: str, **changes: Any) -> int:
    body = document(**changes)
    kind = "application/json" if path == "orders" else "application/cloudevents+json"
    sent = body if path == "orders" else event("evt-1", body, source="webshop/eu", time=clock.now().isoformat())
    return int(Caller(secret).post(f"/api/v1/{path}", sent, kind).status_code)


@pytest.mark.parametrize(("path", "status"), [("orders", 201), ("events", 202)])
@pytest.mark.parametrize("changes", [seats(20), discounted(30)], ids=["credit", "discount"])
def test_whose_key_sent_an_order_does_not_sign_it(desk: Desk, path: str, status: int, changes: dict[str, Any]) -> None:
    carla, bea = person("carla"), person("bea")
    secret = ApiKey.make("webshop", SCOPES, created_by=carla)[1]
    ApiKey.make("webshop", SCOPES, created_by=bea)
    assert _sends(secret, path, **changes) == status
    desk.works()
    assert (desk.order.state, desk.asked().requested_by) == ("awaiting_approval", carla)
    with pytest.raises(Refused, match="own request"):
        cases.approve(carla, [desk.asked().id])
    cases.approve(bea, [desk.asked().id], "fine")
    desk.works()
    assert desk.order.state == "accepted"


def test_a_key_of_nobody_is_named_and_who_makes_keys_of_its_system_does_not_sign(desk: Desk) -> None:
    carla = person("carla")
    key, secret = ApiKey.make("webshop", SCOPES)
    ApiKey.make("webshop", SCOPES, created_by=carla)
    assert _sends(secret, "orders", **discounted(30)) == 201
    asked = desk.asked()
    assert (asked.requested_by, asked.data["sent_with"]) == (None, f"the key {key.prefix}… of webshop")
    with pytest.raises(Refused):
        cases.approve(carla, [asked.id])
    assert cases.approve(person("bea"), [asked.id], "fine").done == [asked.id]


def test_a_limit_that_is_raised_frees_no_order_that_was_asked_for(desk: Desk) -> None:
    """One controller sets the policy to 99 % and presses Replay: a second person still decides."""
    desk.comes("v1", **discounted(30))
    desk.works()
    bea = person("bea")
    CommercialPolicy.objects.update_or_create(entity="", defaults={"discount_limit_percent": 99})
    CommercialPolicy.objects.exclude(entity="").update(discount_limit_percent=99)
    (seen,) = replay.dry_run([desk.step.id])
    assert not seen.would_pass and [one["reason"] for one in seen.findings] == ["discount_approval_required"]
    for _ in range(2):
        cases.replay_one(bea, desk.case.id)
        desk.works()
        assert (desk.order.state, desk.asked().action) == ("awaiting_approval", "discount_approval_required")
    assert desk.asked().data["findings"][0]["measure"]["limit"] == "20"
    assert not Approval.objects.filter(state="approved").exists()
    cases.approve(person("cleo"), [desk.asked().id], "agreed")
    desk.works()
    assert desk.order.state == "accepted"


@pytest.mark.parametrize(("percent", "state"), [(33, "awaiting_approval"), (29, "awaiting_approval"), (20, "accepted")])
def test_a_changed_document_is_held_to_the_limit_that_was_asked_about(desk: Desk, percent: int, state: str) -> None:
    """Of a deal that was asked about at 30 %, one percent less is no other question once somebody raised the limit."""
    desk.comes("v1", **discounted(30))
    desk.works()
    CommercialPolicy.objects.update_or_create(entity="", defaults={"discount_limit_percent": 35})
    with desk.waits(10):
        desk.comes("v2", **discounted(percent))
        desk.works()
    assert desk.order.state == state
    if state != "accepted":
        (finding,) = desk.asked().data["findings"]
        assert (finding["measure"]["value"], finding["measure"]["limit"]) == (f"{percent}.0000", "20")


@pytest.mark.parametrize(("seats_then", "state"), [(24, "awaiting_approval"), (3, "accepted")])
def test_nor_does_a_deal_that_gives_a_little_less_escape_its_credit(desk: Desk, seats_then: int, state: str) -> None:
    desk.comes("v1", **seats(25))
    desk.works()
    asked = desk.asked().data["findings"][0]["measure"]
    limits = {"soft_limit": "90000.00", "hard_limit": "99000.00", "currency": "USD"}
    desk.credit.seed(customers=[{"id": "C-ACME", "exposure": "0.00", **limits}])
    with desk.waits(10):
        desk.comes("v2", **seats(seats_then))
        desk.works()
    assert desk.order.state == state
    if state != "accepted":
        (finding,) = desk.asked().data["findings"]
        assert finding["measure"]["limit"] == asked["limit"]
        assert Decimal(finding["measure"]["value"]) < Decimal(asked["value"])


@pytest.mark.parametrize(
    ("limit", "exposure", "state"),
    [("49000.00", "0.00", "awaiting_approval"), ("49000.00", "20000.00", "awaiting_approval")],
    ids=["raised", "raised, and owed more"],
)
def test_a_raised_credit_limit_frees_none_either(desk: Desk, limit: str, exposure: str, state: str) -> None:
    desk.comes("v1", **seats(25))
    desk.works()
    assert desk.order.state == "awaiting_approval"
    limits = {"soft_limit": limit, "hard_limit": "60000.00", "currency": "USD"}
    desk.credit.seed(customers=[{"id": "C-ACME", "exposure": exposure, **limits}])
    cases.replay_one(person("bea"), desk.case.id)
    desk.works()
    assert desk.order.state == state


def test_a_credit_that_was_paid_off_needs_nobody_any_more(desk: Desk) -> None:
    owes(desk, "19000.00")
    desk.comes("v1", **seats(5))
    desk.works()
    assert desk.order.state == "awaiting_approval"
    owes(desk, "0.00")
    cases.replay_one(person("bea"), desk.case.id)
    desk.works()
    assert (desk.order.state, Approval.objects.get().state) == ("accepted", "withdrawn")
