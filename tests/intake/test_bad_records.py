"""One record that cannot be read, or that its platform does not give, is its own case and stops no other."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Case, RawBody
from q2c import clock
from q2c.connectors.zuora import reading
from q2c.engine import poll
from q2c.models import Event, PollCursor
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
    endless = two_invoices(tenant)[0]
    items = endless["body"]["items"]
    forever = [{**item, "serviceEndDate": "9999-12-31"} for item in items]
    tenant.control.edit("invoice", endless["id"], items=forever)
    with clock.at(JAN):
        assert poll.poll(connection) == 1
        assert poll.poll(connection) == 0
    case = Case.objects.get()
    assert (case.business_key, case.field, case.reason) == (endless["id"], "serviceEndDate", "invoice_mismatch")
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
    assert (case.business_key, case.reason, case.code) == (broken["id"], "event_malformed", "AttributeError")
    assert "cannot be read: AttributeError" in case.text
