"""Two entities number their invoices alike: the pages of one show nothing of the other's."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.models import Invoice, Order
from tests import flow_makers as make
from tests.ui.people import boss

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture
def alike(client: Any) -> Any:
    """DE01 and US01 bill a 1001 each on 3 November; US01 books it, that of DE01 is on its way."""
    with clock.at(NOW):
        make.company()
        american = make.through("O-US", "1001", region="AMER")
        german = make.through("O-DE", "1000", customer="Beta AG")
        make.bill(german, "1001", billing_reference="8adDE1001")
        client.force_login(boss())
        yield german, american


def test_a_case_shows_what_its_own_entity_has(client: Any, alike: tuple[Order, Order]) -> None:
    for period in FiscalPeriod.objects.filter(entity__code="DE01", name="2026-11"):
        periods.close(period, by="cleo", why="Closed early")
    make.run("record_invoice")
    case = Case.objects.get(business_key="1001")
    assert (case.entity, case.reason) == ("DE01", "period_closed")
    found = client.get(f"/cases/{case.id}?view=documents").context["below"]
    addresses = {row["href"] for row in found["ours"]}
    hers = Invoice.objects.get(order=alike[1])
    theirs = {f"/invoices/{hers.id}", f"/orders/{alike[1].id}"}
    theirs |= {f"/journals/{one.id}" for one in JournalEntry.objects.filter(entity__code="US01")}
    assert len(theirs) > 2 and not addresses & theirs
    # What has no entity yet may be about either.
    Case.objects.filter(id=case.id).update(entity="")
    found = client.get(f"/cases/{case.id}?view=documents").context["below"]
    assert theirs <= {row["href"] for row in found["ours"]}


def test_an_order_shows_the_journals_of_its_own_invoices(client: Any, alike: tuple[Order, Order]) -> None:
    make.run("record_invoice")
    german, american = (client.get(f"/orders/{one.id}").context["found"].journals for one in alike)
    assert {one.entity.code for one in german} == {"DE01"} and {one.entity.code for one in american} == {"US01"}
