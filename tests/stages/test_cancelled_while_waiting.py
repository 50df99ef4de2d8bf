"""An order is called off before billing knows of it: it waits for a service or a signature, is being checked, or was
accepted this moment.
"""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from exceptions.models import Approval, Case
from q2c.engine import intake, requests, run
from q2c.engine.envelope import Item, Sender
from q2c.models import ApiKey, Event, Step, Transition
from tests.engine.makers import person
from tests.stages.conftest import Desk, tell
from tests.stages.test_acceptance import discounted

pytestmark = pytest.mark.django_db(transaction=True)


def cancel(id_: str = "c-1", number: str = "SO-1001") -> None:
    tell(
        "OrderCancelRequested", id_, "back-office",
        {"order_number": number, "effective_on": "2026-01-31", "reason": "withdrawn"},
    )  # fmt: skip
    run.drain("cancel_order")


def the_cancel() -> Step:
    return Step.objects.filter(stage="cancel_order").latest("seq")


def test_an_order_that_waits_for_a_service_is_cancelled_at_once_and_stays_so(desk: Desk) -> None:
    desk.credit.fault("unavailable")
    desk.comes()
    desk.works()
    cancel()
    assert (the_cancel().state, desk.order.state) == ("done", "cancelled")
    desk.credit.calm()
    with desk.waits(20):
        desk.works()
    assert (desk.step.state, desk.order.state) == ("abandoned", "cancelled") and "OrderAccepted" not in desk.emitted()


def test_an_order_that_waits_for_approval_is_cancelled_and_nobody_is_asked_any_more(desk: Desk) -> None:
    desk.comes(**discounted(25))
    desk.works()
    checked = desk.step
    cancel()
    assert (desk.order.state, the_cancel().state) == ("cancelled", "done")
    assert not Approval.objects.filter(state="requested").exists()
    checked = Step.objects.get(pk=checked.pk)
    assert (checked.state, desk.case.state, desk.case.resolution) == ("abandoned", "resolved", "superseded")
    assert Event.objects.filter(type="OrderCancelled").count() == 1
    cancel("c-2")
    assert the_cancel().state == "done" and Event.objects.filter(type="OrderCancelled").count() == 1


def test_who_asked_on_a_page_and_her_reason_stand_on_the_case_that_this_ends(desk: Desk) -> None:
    desk.comes(**discounted(25))
    desk.works()
    checked, sofia = desk.step, person("sofia")
    sofia.user_permissions.add(Permission.objects.get(codename="cancel_order"))
    sofia = get_user_model().objects.get(pk=sofia.pk)
    requests.cancel_order(sofia, desk.order, dt.date(2026, 1, 31), "the customer thought again")
    run.drain("cancel_order")
    assert (desk.order.state, desk.case.resolution) == ("cancelled", "superseded")
    why = "sofia asked to cancel it: the customer thought again"
    last = desk.case.events.order_by("-id").first()
    assert last is not None and (last.kind, last.actor, last.text) == ("resolved", "sofia", why)
    for record in (desk.case.id, checked.pk, desk.order.id):
        moved = Transition.objects.filter(record_id=record).latest("id")
        assert (moved.actor, moved.why) == ("sofia", why), moved.target
    # What the engine does besides is its own.
    assert Transition.objects.filter(record_id=the_cancel().pk).latest("id").actor == "q2c"


def test_by_a_key_it_is_its_owner_or_else_the_system(desk: Desk) -> None:
    sofia = person("sofia")
    for id_, number, owner in (("c-1", "SO-1001", sofia), ("c-2", "SO-1002", None)):
        key, _ = ApiKey.make("back-office", ["q2c.add_event"], created_by=owner)
        desk.comes(f"v-{id_}", **discounted(25) | {"order_number": number})
        desk.works()
        told = {"order_number": number, "effective_on": "2026-01-31", "reason": "withdrawn"}
        line = {"specversion": "1.0", "id": id_, "source": "back-office", "type": "OrderCancelRequested", "data": told}
        sender = Sender(system="back-office", actor="api:back-office", api_key=key.pk, person=key.created_by_id)
        intake.take([Item(body=json.dumps(line).encode())], sender)
        run.drain("cancel_order")
        case = Case.objects.get(business_key=number)
        last = case.events.order_by("-id").first()
        assert last is not None and case.resolution == "superseded"
        name = f"sofia, by the key {key.prefix}… of back-office" if owner else f"the key {key.prefix}… of back-office"
        assert (last.actor, last.text) == (
            "sofia" if owner else "api:back-office", f"{name} asked to cancel it: withdrawn",
        )  # fmt: skip


def test_an_accepted_order_that_billing_never_saw_is_cancelled_here_and_never_provisioned(desk: Desk) -> None:
    desk.comes()
    desk.works()
    cancel()
    assert desk.order.state == "cancelled"


def test_a_deal_that_is_still_being_checked_is_cancelled_after_that(desk: Desk) -> None:
    desk.comes()
    cancel()
    assert (the_cancel().state, the_cancel().reason) == ("waiting", "platform_busy")
    with desk.waits(20):
        desk.works()
        assert desk.order.state == "accepted"
        run.drain("cancel_order")
    assert desk.order.state == "cancelled"


def test_an_order_that_nobody_knows_cannot_be_cancelled(desk: Desk) -> None:
    cancel(number="SO-9")
    assert (the_cancel().state, the_cancel().text) == ("waiting", "Order SO-9 is not known yet")
    for minutes in range(3, 30, 3):
        with desk.waits(minutes):
            run.drain("cancel_order")
    assert (the_cancel().state, desk.case.reason, desk.case.field) == ("failed", "record_missing", "/order_number")
