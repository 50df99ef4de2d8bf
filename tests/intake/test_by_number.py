"""Billing's callouts name an invoice by its number alone: it is the same invoice as under its id, and has one case."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import CALLED
from q2c import clock, keys
from q2c.engine import callouts, desk, intake, poll
from q2c.models import Callout, Connection, Event
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import Tenant
from tests.engine.makers import person
from tests.intake import platforms
from tests.intake.platforms import JAN
from tests.intake.test_poll import bill

pytestmark = pytest.mark.django_db


class Billed:
    """One posted invoice, and what its subscription says of the order."""

    def __init__(self, tenant: Tenant) -> None:
        self.connection: Connection = platforms.zuora()
        bill(tenant)
        self.control = tenant.control
        (self.subscription,) = self.control.records("subscription")
        (invoice,) = self.control.records("invoice")
        self.id, self.number, self.items = invoice["id"], invoice["number"], invoice["body"]["items"]
        self.minutes = 0

    def names(self, order: str) -> None:
        custom = self.subscription["body"]["custom"] | {"Q2C_Order__c": order}
        self.control.edit("subscription", self.subscription["id"], custom=custom)

    def change(self, **fields: Any) -> None:
        self.control.clock((JAN + clock.seconds(60 * self.minutes + 30)).isoformat())
        self.control.edit("invoice", self.id, **fields)

    def read(self, way: str) -> None:
        """A minute after the last time."""
        self.minutes += 1
        with clock.at(JAN + clock.seconds(60 * self.minutes)):
            if way == "poll":
                poll.poll(self.connection)
            elif way == "number":
                callouts.call_out(self.connection, [self.number], keys.new_id())
            callouts.fetch_called_out()


@pytest.fixture
def billed(tenant: Tenant) -> Billed:
    return Billed(tenant)


def told(**chosen: Any) -> list[tuple[str, str]]:
    """As billing calls each; the key of its case is its number where that is known."""
    return list(Case.objects.filter(**chosen).order_by("id").values_list(CALLED, "state"))


def kept_under(billed: Billed, reason: Reason = Reason.INVOICE_ORDER_UNKNOWN, **more: Any) -> Case:
    """A case as it was kept before the invoice's own id was known."""
    item = RawItem(
        body=b"by number", source="billing", text="not read", reason=reason, business_key=billed.number, **more
    )  # fmt: skip
    intake.keep_raw([item], "poll:billing")
    return Case.objects.get(business_key=billed.number)


@pytest.mark.parametrize("ways", [("number", "poll"), ("poll", "number"), ("number", "number")], ids="-".join)
def test_it_has_one_case_and_that_ends(billed: Billed, ways: tuple[str, str]) -> None:
    billed.names("")
    for way in ways:
        billed.read(way)
    case = Case.objects.get()
    assert (case.business_key, case.state, case.reason) == (billed.number, "open", "invoice_order_unknown")
    billed.names("SO-1001")
    billed.change(dueDate="2026-03-01")
    billed.read(ways[1])
    assert told() == [(billed.id, "resolved")] and Event.objects.filter(type="InvoiceIssued").count() == 1


def test_read_again_it_is_read_under_its_id(billed: Billed) -> None:
    billed.names("")
    billed.read("number")
    billed.names("SO-1001")
    with clock.at(JAN):
        desk.read_again(person("ann"), Case.objects.get().id)
    billed.read("")
    assert told() == [(billed.id, "resolved")]


@pytest.mark.parametrize("way", ["poll", "number"])
@pytest.mark.parametrize("entity", ["", "US01"])
def test_what_was_kept_under_the_number_ends_when_it_can_be_read(billed: Billed, way: str, entity: str) -> None:
    """Also where it names another entity by now."""
    case = kept_under(billed, entity=entity)
    billed.read(way)
    billed.read("")
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")
    assert case.proof["event"] == str(Event.objects.get(type="InvoiceIssued").id)
    assert not Callout.objects.filter(done_at=None).exists()


def test_what_could_not_be_had_by_its_number_for_long_ends_when_it_comes(billed: Billed) -> None:
    case = kept_under(billed, Reason.PLATFORM_UNAVAILABLE)
    billed.read("number")
    case.refresh_from_db()
    assert case.state == "resolved"


@pytest.mark.parametrize("way", ["poll", "number"])
def test_what_still_cannot_be_read_is_told_under_its_id_alone(billed: Billed, way: str) -> None:
    case = kept_under(billed)
    billed.names("")
    billed.read(way)
    if way == "poll":
        callouts.call_out(billed.connection, [billed.number], keys.new_id())
        billed.read("")
    case.refresh_from_db()
    assert (case.state, case.resolution, told(state="open")) == ("resolved", "superseded", [(billed.id, "open")])


@pytest.mark.parametrize("by", ["id", "number"])
def test_what_billing_cancels_is_nobodys_under_either_name(billed: Billed, by: str) -> None:
    if by == "number":
        kept_under(billed)
    else:
        billed.names("")
        billed.read("poll")
    billed.change(status="Canceled")
    billed.read("number")
    assert {state for _, state in told()} == {"resolved"}


def test_an_invoice_that_names_a_subscription_which_is_not_there_is_somebodys(billed: Billed) -> None:
    """The invoice is there: it is owed, and not booked."""
    lost = [item | {"subscriptionName": "A-S-GONE"} for item in billed.items]
    billed.change(items=lost)
    billed.read("poll")
    case = Case.objects.get()
    assert (case.business_key, case.state, case.reason) == (billed.number, "open", "invoice_mismatch")
    assert "cannot be read whole" in case.text
    billed.change(items=billed.items)
    billed.read("poll")
    assert told() == [(billed.id, "resolved")]


def test_what_is_not_there_is_nobodys(billed: Billed) -> None:
    with clock.at(JAN):
        callouts.call_out(billed.connection, ["INV99999999"], keys.new_id())
        assert callouts.fetch_called_out() == 1
    assert not Case.objects.exists()
