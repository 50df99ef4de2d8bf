"""The controls on an order's page: each with what it found, what was signed, and nothing of what is put right."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.engine import desk
from q2c.models import ItemMapping, Order
from q2c.reading import controls
from q2c.reasons import Reason
from q2c.stages import accept_order
from q2c.stages.verb import Finding
from tests import flow_makers as make
from tests.ui.people import boss, page

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def test_the_controls_name_reasons_an_order_can_fail_by():
    named = {reason for _, reasons in controls.CONTROLS for reason in reasons}
    members = list(Reason)
    of_orders = members[members.index(Reason.CUSTOMER_UNKNOWN) : members.index(Reason.CUSTOMER_REFUSED)]
    # One that is not named stands under its policy's title.
    # A missing rate keeps orders and journals alike.
    assert named <= {*of_orders, Reason.FX_RATE_MISSING}


def test_a_failed_control_says_what_where_and_what_to_do(client):
    make.company()
    line = make.order_document("O-4").lines[0]
    make.deal("O-4", lines=(msgspec.structs.replace(line, product="NOPE"),))
    make.run("accept_order")
    client.force_login(boss())
    text = page(client, f"/orders/{Order.objects.get().id}")
    finding = text.split("Products are known")[1].split("</li>")[0]
    assert "NOPE" in finding and "/lines/0/product" in finding
    assert "stopped" in text.split("What comes next")[1].split("</section>")[0] and "Sales ops" in text


def test_what_failed_once_stands_beside_no_control_that_passed(client):
    make.company()
    mappings = list(ItemMapping.objects.filter(product__code="PLATFORM"))
    ItemMapping.objects.filter(product__code="PLATFORM").delete()
    make.deal("O-4")
    make.run("accept_order")
    rosa = boss()
    client.force_login(rosa)
    address = f"/orders/{Order.objects.get().id}"

    def control():
        return page(client, address).split("Products have an item")[1].split("</li>")[0]

    assert "PLATFORM" in control()
    ItemMapping.objects.bulk_create(mappings)
    desk.replay_one(rosa, Case.objects.get().id)
    make.run("accept_order")
    assert Order.objects.get().state == "accepted"
    assert "PLATFORM" not in control() and "finding" not in control()


def test_what_a_control_finds_under_a_name_of_its_own_is_shown_by_its_policys_title(client, monkeypatch):
    def refused(order, world):
        yield Finding(reason=Reason.REQUEST_REFUSED, text="Sold by nobody", pointer="/customer")

    monkeypatch.setattr(accept_order, "CONTROLS", (refused,))
    make.company()
    make.deal("O-7")
    make.run("accept_order")
    client.force_login(boss())
    text = page(client, f"/orders/{Order.objects.get().id}")
    finding = text.split("Request refused")[1].split("</li>")[0]
    assert "Sold by nobody" in finding and "/customer" in finding
