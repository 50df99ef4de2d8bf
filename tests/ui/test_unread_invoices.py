"""An invoice that billing gives and that cannot be read stays in sight at the close, whether its period is known or not.

DE01 sells O-1 to Acme on 3 November 2026; billing then gives invoices that say less than they must.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import NOT_POSTED
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine.reads import Read
from q2c.engine.sources import Invoices
from q2c.models import Connection
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, read, signed_in
from tests.ui.test_given_up_told import NOW, closing, give_up

pytestmark = pytest.mark.django_db
LOST = "1 invoice: posted in billing, not in the books"
KNOWN = About(entity="DE01", issued_on=dt.date(2026, 11, 2), amount_minor=11_900, currency="EUR")
NOWHERE = "1 invoice of billing cannot be read, and nobody knows its entity and period: it may belong to any close."


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        make.company()
        yield


def answers(reference: str, refused: Rejected) -> None:
    billing = Invoices.__new__(Invoices)
    billing.connection, billing.name = Connection.objects.get(name="zuora"), "zuora"
    billing.sender = type("Sender", (), {"actor": "poll:zuora", "system": "zuora"})()
    billing.take_fetched(reference, refused)


def gives(reference: str, about: About | None) -> Case:
    """Billing answers with a document whose lines cannot be read."""
    answers(reference, Rejected(reason=Reason.EVENT_MALFORMED, text=f"{reference}: no product", about=about))
    return Case.objects.get(business_key=reference)


def test_what_can_be_read_of_it_says_its_period(client: Any) -> None:
    case = gives("8ad1", KNOWN)
    assert (case.entity, case.period, case.amount_minor, case.currency) == ("DE01", "2026-11", 11_900, "EUR")
    client = signed_in(boss())
    assert "1 open case" in closing(client) and "cannot be read" not in closing(client)
    give_up(case)
    left = closing(client)
    assert LOST in left and case.shown not in left and "8ad1" in left
    assert LOST not in closing(client, name="2026-10")
    assert "8ad1" in read(client, "/")
    # Billing gives it so that it can be read: it stands in the flow, and is listed no more.
    with clock.at(NOW + dt.timedelta(minutes=5)):
        order = make.through("O-1", "INV-1")
        document = stored.read(order.invoices.get().event.payload, InvoiceDocument)
        again = msgspec.structs.replace(document, invoice_number="INV-8", billing_reference="8ad1")
        make.arrive("InvoiceIssued", "zuora", "8ad1:2", again, order.correlation_id)
    assert LOST not in closing(client)


@pytest.mark.parametrize("about", [None, About(issued_on=dt.date(2026, 11, 2)), About(entity="DE01")])
def test_one_without_entity_or_period_is_told_at_every_close(about: About | None) -> None:
    case, client = gives("8ad2", about), signed_in(boss())
    for name in ("2026-10", "2026-11"):
        assert f"{NOWHERE} {case.shown}." in closing(client, name=name)
    assert NOWHERE in read(client, "/")
    if not case.period:
        assert "Not known: what came says none that can be read." in read(client, f"/cases/{case.id}")
    give_up(case)
    assert f"{NOWHERE} {case.shown} (closed without a fix)." in closing(client)


@pytest.mark.parametrize("given_up", [True, False])
def test_what_billing_cancels_is_told_no_more(given_up: bool) -> None:
    case, client = gives("8ad3", None), signed_in(boss())
    if given_up:
        give_up(case)
    assert "cannot be read" in closing(client)
    answers("8ad3", Rejected(reason=Reason.INVOICE_MISMATCH, text="8ad3 is Canceled", field=NOT_POSTED))
    assert "cannot be read" not in closing(client)
    assert Case.objects.get().state == ("closed_without_fix" if given_up else "resolved")


def test_what_is_booked_is_where_the_books_have_it() -> None:
    invoice = make.through("O-1", "INV-1").invoices.get()
    billing = Invoices.__new__(Invoices)
    billing.name = invoice.source
    refused = Rejected(reason=Reason.EVENT_MALFORMED, text="its lines cannot be read")
    found = billing._refused(Read(reference=invoice.billing_reference, found=refused), refused)
    assert found is not None and (found.entity, found.period) == ("DE01", "2026-11")
