"""What a poll did is told in words that people read, wherever its actor stands."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from exceptions.failures import RawItem
from q2c import clock, keys, states
from q2c.engine import intake
from q2c.models import Connection, Order, Step
from q2c.reading import actors, coming
from tests import flow_makers as make
from tests.ui.people import boss, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


def test_a_case_and_an_order_say_who_polled_whom(client: Client) -> None:
    with clock.at(NOW):
        make.company()
        item = RawItem(body=b"{}", source="zuora", text="It cannot be read", content_type="application/json")
        (case_id,) = intake.keep_raw([item], "poll:zuora")
        order = make.through("O-1", "INV-1")
        with states.acting("poll:salesforce", "Lost there"):
            states.move(Order, "cancel", [order.id])
        client.force_login(boss())
        for address, told in (
            (f"/cases/{case_id}?view=timeline", "Polling Zuora"),
            (f"/cases/{case_id}?view=history", "Polling Zuora"),
            (f"/orders/{order.id}", "Polling Salesforce"),
        ):
            text = read(client, address)
            assert told in text and "poll:" not in text, address


def test_what_a_poll_gave_up_says_so_in_its_sentence() -> None:
    with clock.at(NOW):
        make.company()
        order = make.through("O-1", "INV-1")
        make.bill(order, "INV-2")
        make.run("record_invoice")
        step = Step.objects.get(business_key="INV-2", stage="post_journal")
        with states.acting("poll:zuora", "Cancelled there"):
            states.move(Step, "abandon", [step.id])
        (said,) = coming.next_of([Step.objects.get(id=step.id)], {})
    assert said.text.startswith("Closed without fix by polling Zuora on 2026-11-03: Cancelled there")


def test_one_that_has_no_title_or_is_gone_goes_by_its_name() -> None:
    Connection.objects.create(name="crm", vendor="salesforce", service="crm", base_url="sandbox://salesforce")
    found = actors.names(["poll:crm", "poll:old", "q2c", f"urn:q2c:person:{keys.new_id()}"])
    assert [found["poll:crm"], found["poll:old"], found["q2c"]] == ["Polling crm", "Polling old", "q2c"]
