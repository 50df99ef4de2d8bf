"""One record that cannot be read, or that its platform does not give, is its own case and stops no other."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case, RawBody
from ledger.models import LegalEntity
from q2c import clock, keys
from q2c.connectors.outcomes import ReadFailed, Rejected, Unavailable
from q2c.connectors.salesforce import client as salesforce
from q2c.connectors.zuora import reading
from q2c.engine import callouts, poll
from q2c.models import Breaker, Callout, Event, PollCursor
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import Tenant, provisioned, subscription
from tests.intake import platforms
from tests.intake.platforms import JAN, Org, numbers

pytestmark = pytest.mark.django_db


def test_a_deal_that_nobody_foresaw_stops_no_other(org: Org) -> None:
    """One line's phases are nested too deeply for any reader; another deal's lines are none at all."""
    org.close("SO-1", "SO-2", "SO-3")
    line = next(
        r for r in org.control.records("OpportunityLineItem") if r["body"]["OpportunityId"] == org.id_of("SO-2")
    )
    org.control.edit("OpportunityLineItem", line["id"], Phases__c="[" * 3000)
    assert org.poll() == 2
    assert sorted(numbers()) == ["SO-1", "SO-3"]
    case = Case.objects.get()
    assert (case.business_key, case.field, case.state) == (org.id_of("SO-2"), "Phases__c", "open")
    assert b"SO-2" in bytes(RawBody.objects.get().body)
    assert PollCursor.objects.get().text == ""
    org.control.edit("OpportunityLineItem", line["id"], Phases__c=None)
    org.control.edit("Opportunity", org.id_of("SO-2"), StageName="Closed Won")
    assert org.poll(60) == 1
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")


def test_a_deal_of_which_lines_do_not_come_holds_up_no_other(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own page of lines answers 5xx, for ever or until it is healed."""
    real, broken = salesforce.Salesforce._complete_lines, set[str]()

    def lines(self: Any, record: Any) -> None:
        if record["Id"] in broken:
            raise ReadFailed(Unavailable(text="Salesforce answers 500 for its lines"))
        real(self, record)

    monkeypatch.setattr(salesforce.Salesforce, "_complete_lines", lines)
    org.close("SO-1", "SO-2", "SO-3")
    broken.add(org.id_of("SO-2"))
    assert org.poll() == 2
    org.close("SO-4")
    assert org.poll(60) == 1
    assert sorted(numbers()) == ["SO-1", "SO-3", "SO-4"]
    cursor = PollCursor.objects.get()
    assert (cursor.text, cursor.seen_at) == ("", JAN + clock.seconds(60))
    assert [each.reference for each in Callout.objects.filter(done_at=None)] == [org.id_of("SO-2")]
    assert not Breaker.objects.filter(opened_at__isnull=False).exists()
    broken.clear()
    with clock.at(JAN + clock.seconds(300)):
        poll.poll_sources()
    assert sorted(numbers()) == ["SO-1", "SO-2", "SO-3", "SO-4"]
    assert not Callout.objects.filter(done_at=None).exists()


def test_deals_of_which_none_comes_are_an_outage(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(self: Any, record: Any) -> None:
        raise ReadFailed(Unavailable(text="Salesforce answers 500 for its lines"))

    org.close("SO-1", "SO-2", "SO-3")
    with monkeypatch.context() as patched:
        patched.setattr(salesforce.Salesforce, "_complete_lines", lines)
        assert org.poll() == 0
        cursor = PollCursor.objects.get()
        assert (cursor.seen_at, cursor.text) == (None, "Salesforce answers 500 for its lines")
    with clock.at(JAN + clock.seconds(60)):
        poll.poll_sources()
    assert sorted(numbers()) == ["SO-1", "SO-2", "SO-3"]


def two_invoices(tenant: Tenant) -> list[dict[str, Any]]:
    tenant.control.clock("2026-01-01T00:05:00Z")
    provisioned(tenant.client(), subscription(), subscription(key="S-SO-2-DE", order_number="SO-2", account="B-EUR"))
    tenant.run("2026-01-31")
    found: list[dict[str, Any]] = tenant.control.records("invoice")
    assert len(found) == 2
    return found


def test_an_invoice_for_ever_stops_no_other(tenant: Tenant) -> None:
    """Served until the last day there is: no day follows it."""
    connection = platforms.zuora()
    LegalEntity.objects.create(code="DE", name="Tern GmbH", functional_currency="EUR", country="DE")
    endless = two_invoices(tenant)[0]
    items = endless["body"]["items"]
    forever = [{**item, "serviceEndDate": "9999-12-31"} for item in items]
    tenant.control.edit("invoice", endless["id"], items=forever)
    with clock.at(JAN):
        assert poll.poll(connection) == 1
        assert poll.poll(connection) == 0
    case = Case.objects.get()
    assert (case.business_key, case.context["reference"]) == (endless["number"], endless["id"])
    assert (case.field, case.reason) == ("serviceEndDate", "invoice_mismatch")
    # What can be read of it tells where it belongs, and what it is worth.
    issued, worth = endless["body"]["invoiceDate"], endless["body"]["amount"]
    assert (case.entity, case.period, case.currency) == ("DE", issued[:7], "EUR")
    assert case.amount_minor == round(float(worth) * 100)
    cursor = PollCursor.objects.get()
    assert (cursor.text, cursor.seen_at) == ("", JAN)
    tenant.control.clock("2026-01-20T09:00:30Z")
    tenant.control.edit("invoice", endless["id"], items=items)
    with clock.at(JAN + clock.seconds(60)):
        assert poll.poll(connection) == 1
    case.refresh_from_db()
    assert (case.state, Event.objects.filter(type="InvoiceIssued").count()) == ("resolved", 2)


def test_an_invoice_that_breaks_our_reader_is_a_case_of_its_own(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = platforms.zuora()
    broken = two_invoices(tenant)[0]
    real = reading.invoices.invoice_of

    def breaks(found: Any, *more: Any) -> Any:
        return real(None if found["id"] == broken["id"] else found, *more)

    monkeypatch.setattr(reading.invoices, "invoice_of", breaks)
    with clock.at(JAN):
        assert poll.poll(connection) == 1
    case = Case.objects.get()
    assert (case.context["reference"], case.reason, case.code) == (broken["id"], "event_malformed", "AttributeError")
    assert "cannot be read: AttributeError" in case.text


class Poisoned:
    """A billing platform that gives some invoices not, and `says` why, for ever or until they are healed."""

    says: Unavailable | Rejected = Unavailable(text="Zuora answers 500 for it")

    def __init__(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tenant, self.names, self.asked = tenant, set[str](), list[str]()
        self.connection = platforms.zuora()
        real = reading.Reader.invoice

        def invoice(reader: reading.Reader, reference: str) -> Any:
            self.asked.append(reference)
            if reference in self.names:
                return self.says
            return real(reader, reference)

        monkeypatch.setattr(reading.Reader, "invoice", invoice)

    def bill(self, at: str, *numbers: str) -> list[str]:
        """The ids of the invoices that these orders' first month makes."""
        before = {record["id"] for record in self.tenant.control.records("invoice")}
        self.tenant.control.clock(at)
        made = [subscription(key=f"S-{n}-DE", order_number=n, account=f"B-{n}") for n in numbers]
        provisioned(self.tenant.client(), *made)
        self.tenant.run("2026-01-31")
        found = [record["id"] for record in self.tenant.control.records("invoice")]
        return [id_ for id_ in found if id_ not in before]

    def round(self, seconds: float) -> int:
        """What was called out, and the poll, as the worker does both. Returns how many facts are here."""
        with clock.at(JAN + clock.seconds(seconds)):
            poll.poll_sources()
        return Event.objects.filter(type="InvoiceIssued").count()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_invoices_that_never_come_hold_up_no_later_one_and_trip_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """In a chunk of their own, as the only ones that are still fresh."""
    billing = Poisoned(tenant, monkeypatch)
    ids = billing.bill("2026-01-20T08:50:00Z", "SO-1", "SO-2", "SO-3", "SO-4")
    billing.names = set(ids[:count])
    assert billing.round(0) == 4 - count
    here = [billing.round(20 * n) for n in range(1, 8)]
    assert set(here) == {4 - count}
    billing.bill("2026-01-20T09:03:00Z", "SO-5")
    assert billing.round(200) == 5 - count
    cursor = PollCursor.objects.get()
    assert (cursor.text, cursor.seen_at) == ("", JAN + clock.seconds(200))
    assert not Breaker.objects.filter(opened_at__isnull=False).exists()
    # Each at its own pace: 2 s, 10 s, 60 s, not with every poll.
    assert max(billing.asked.count(id_) for id_ in ids[:count]) <= 5
    billing.names = set()
    assert billing.round(800) == 5
    assert not Callout.objects.filter(done_at=None).exists()


def test_all_of_several_invoices_not_coming_is_an_outage_that_loses_none(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    billing = Poisoned(tenant, monkeypatch)
    billing.names = set(billing.bill("2026-01-20T08:50:00Z", "SO-1", "SO-2", "SO-3"))
    with clock.at(JAN):
        assert poll.poll(billing.connection) == 0
    cursor = PollCursor.objects.get()
    assert (cursor.seen_at, cursor.text) == (None, "Zuora answers 500 for it")
    assert Breaker.objects.get(connection="billing").failures == 1
    billing.names = set()
    assert billing.round(20) == 3


def test_an_invoice_that_does_not_come_for_long_is_somebodys(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    billing = Poisoned(tenant, monkeypatch)
    (id_,) = billing.bill("2026-01-20T08:50:00Z", "SO-1")
    billing.names = {id_}
    for seconds in (0, 1, 4, 20, 100, 500, 1500, 2500, 3500):
        billing.round(seconds)
    case = Case.objects.get()
    assert (case.business_key, case.reason, case.state) == (id_, "platform_unavailable", "open")
    billing.names = set()
    assert billing.round(4500) == 1
    case.refresh_from_db()
    assert case.state == "resolved"


BUSY = Unavailable(text="Zuora: too many requests", reason=Reason.PLATFORM_BUSY)
TRIES_S = (0, 1, 4, 20, 100, 500, 1500, 2500, 3500)


def test_its_case_says_why_it_does_not_come(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turned away it is no platform that is silent; once it is, that is the same case."""
    billing = Poisoned(tenant, monkeypatch)
    (id_,) = billing.bill("2026-01-20T08:50:00Z", "SO-1")
    billing.names, billing.says = {id_}, BUSY
    for pause in range(10):
        billing.round(2000 * pause)
    case = Case.objects.get()
    assert (case.business_key, case.reason, case.text) == (id_, "platform_busy", "Zuora: too many requests")
    billing.says = Poisoned.says
    billing.round(22_000)
    assert Case.objects.get().state == "open"
    billing.names = set()
    assert billing.round(24_000) == 1
    case.refresh_from_db()
    assert case.state == "resolved"


def test_credentials_that_are_refused_for_one_end_with_it(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    billing = Poisoned(tenant, monkeypatch)
    (id_,) = billing.bill("2026-01-20T08:50:00Z", "SO-1")
    refused = Rejected(reason=Reason.CREDENTIALS_REFUSED, code="401", text="Zuora: no right to this invoice")
    billing.names, billing.says = {id_}, refused
    billing.round(0)
    case = Case.objects.get()
    assert (case.reason, case.code, case.state) == ("credentials_refused", "401", "open")
    billing.names = set()
    with clock.at(JAN):
        callouts.read_again(billing.connection)
    assert billing.round(60) == 1
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")


def test_a_deal_that_is_not_given_says_why_by_now(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """First it is silent for it; then it refuses, which is for a person, who reads that."""
    org.close("SO-1")
    id_, real, says = org.id_of("SO-1"), salesforce.Salesforce.deal, list[Unavailable | Rejected]()
    says.append(Unavailable(text="Salesforce answers 500 for it"))

    def deal(self: Any, reference: str) -> Any:
        if says:
            raise ReadFailed(says[-1])
        return real(self, reference)

    monkeypatch.setattr(salesforce.Salesforce, "deal", deal)
    with clock.at(JAN):
        callouts.call_out(org.connection, [id_], keys.new_id())
    for seconds in TRIES_S:
        fetched(seconds)
    first = Case.objects.get()
    assert (first.reason, first.business_key) == ("platform_unavailable", id_)
    says.append(Rejected(reason=Reason.RECORD_MISSING, code="NOT_FOUND", text="Salesforce: it does not exist"))
    for seconds in (4500, 6000, 7500):
        fetched(seconds)
    second = Case.objects.get(state="open")
    assert (second.reason, second.code, second.business_key) == ("record_missing", "NOT_FOUND", id_)
    first.refresh_from_db()
    assert first.resolution == "superseded" and Case.objects.count() == 2
    says.clear()
    fetched(9000)
    second.refresh_from_db()
    assert (second.state, second.resolution) == ("resolved", "resolved_by_itself") and numbers() == ["SO-1"]


def fetched(seconds: int) -> None:
    with clock.at(JAN + dt.timedelta(seconds=seconds)):
        callouts.fetch_called_out()
