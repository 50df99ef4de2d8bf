"""Under Documents a case about an invoice says what billing has of it: posted, or taken back.

DE01 sells O-1 to Acme on 3 November 2026, and billing issues INV-1; what else comes is wrong in one way or another.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from exceptions.models import Case
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.connectors.ports import NOT_POSTED
from q2c.models import Order
from q2c.reasons import Reason
from q2c.stages import withdrawn
from tests import flow_makers as make
from tests.ui.people import boss, read, signed_in
from tests.ui.test_given_up_told import NOW, _later, give_up, unposted, unrecorded
from tests.ui.test_unread_invoices import KNOWN, answers, gives

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(make, "BILLING", "zuora")
    with clock.at(NOW):
        make.company()
        yield make.through("O-1", "INV-1")


@pytest.fixture
def client() -> Client:
    return signed_in(boss())


def theirs(client: Client, case: Case) -> str:
    return read(client, f"/cases/{case.id}?view=documents").split("Theirs", 1)[1].split("Runbook", 1)[0]


def changed(order: Order) -> Case:
    make.arrive("InvoiceIssued", "zuora", "8adINV-1:2", _later(order.invoices.get().event), order.correlation_id)
    make.run("record_invoice")
    return Case.objects.get(business_key="INV-1")


def unreadable(order: Order) -> Case:
    return gives("8ad7", KNOWN)


@pytest.mark.parametrize("of", [unrecorded, unposted, changed, unreadable])
def test_billing_has_it_posted(order: Order, client: Client, of: Any) -> None:
    case = of(order)
    assert f"Zuora has {case.business_key}, posted" in theirs(client, case)
    give_up(case)
    assert f"Zuora has {case.business_key}, posted" in theirs(client, case)


@pytest.mark.parametrize(("of", "reference"), [(unrecorded, "8adINV-2"), (unposted, "8adINV-3")])
@pytest.mark.parametrize("given_up", [False, True])
def test_what_billing_took_back_it_had(order: Order, client: Client, of: Any, reference: str, given_up: bool) -> None:
    case = of(order)
    if given_up:
        give_up(case, "duplicate")
    assert withdrawn.invoice("zuora", reference, "zuora", "canceled there")
    assert f"Zuora had {case.business_key}, and has taken it back" in theirs(client, case)


def test_taken_back_after_it_was_booked_it_had_as_well(order: Order, client: Client) -> None:
    answers("8adINV-1", Rejected(reason=Reason.INVOICE_MISMATCH, text="INV-1 is Canceled", field=NOT_POSTED))
    assert "Zuora had INV-1, and has taken it back" in theirs(client, Case.objects.get())


def test_a_case_of_an_order_names_its_subscription_there(order: Order, client: Client) -> None:
    case = unposted(order)
    assert f"Zuora has subscription {order.subscriptions.get().number}" in theirs(client, case)


def test_what_no_billing_system_sent_is_no_document_of_one(client: Client) -> None:
    """`urn:zuora:eu` is nobody's connection: what it holds nobody here knows."""
    with clock.at(NOW):
        make.company()
        case = unrecorded(make.through("O-1", "INV-1"))
        assert "urn:zuora:eu has" not in theirs(client, case) and "posted" not in theirs(client, case)
