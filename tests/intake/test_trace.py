"""Any identifier of any system leads to the whole journey."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from ledger.models import JournalEntry
from q2c import trace
from q2c.engine import intake, run
from q2c.engine.intake import Item, Sender
from q2c.models import Connection, CrossReference, Customer, Event, Invoice, Order, OrderGroup, Step, Subscription
from tests.engine.records import made
from tests.intake.documents import event, invoice, order
from tests.past_guards import past_guards

pytestmark = pytest.mark.django_db


def taken(document: dict[str, Any], system: str) -> Event:
    result = intake.take([Item(body=json.dumps(document).encode())], Sender(system=system, actor="test"))[0]
    return Event.objects.get(id=result.event_id)


@pytest.fixture
def person() -> Callable[..., Any]:
    def make(*rights: str) -> Any:
        user = get_user_model().objects.create_user("-".join(rights)[:150] or "nobody")
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        return user

    return make


@pytest.fixture
def journey() -> dict[str, Any]:
    """A deal, its order, subscription, invoice and journal, and one stranger of each."""
    closed = taken(event("006A:v1", source="salesforce"), "salesforce")
    row = made(
        Order, number="SO-1001", event=closed, correlation_id=closed.correlation_id, source_id="006A:v1",
        payer_key="C-ACME", customer_key="C-ACME", customer_name="Acme Inc",
    )  # fmt: skip
    made(Customer, key="C-ACME", name="Acme Inc")
    subscription = made(Subscription, order=row, number="S-1", reference="z-sub-1", account="C-ACME-USD")
    issued = taken(event("z-1:v1", invoice(), source="zuora", type="InvoiceIssued"), "zuora")
    bill = made(
        Invoice, order=row, number="INV-1", event=issued, correlation_id=issued.correlation_id,
        billing_reference="z-1", account="C-ACME-USD",
    )  # fmt: skip
    entry = made(JournalEntry, event_id=issued.id, correlation_id=issued.correlation_id, document_number="")
    made(CrossReference, connection="erp-us", kind="journal", our_key=str(entry.id), reference="4711", document="JE77")
    made(CrossReference, connection="zuora", kind="customer", our_key="C-ACME-USD", reference="z-acc-1")
    strange = taken(event("006B:v1", order(order_number="SO-2"), source="salesforce"), "salesforce")
    made(Order, number="SO-2", event=strange, correlation_id=strange.correlation_id, source_id="006B:v1", payer_key="X")
    return {"closed": closed, "order": row, "subscription": subscription, "issued": issued, "invoice": bill,
            "journal": entry}  # fmt: skip


ALL = ("view_event", "view_step", "view_order", "view_subscription", "view_invoice", "view_journalentry", "view_case",
       "view_attempt", "view_crossreference")  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found_as"),
    [
        ("SO-1001", "order number"),
        ("006A", "id in the sales platform"),
        ("006A:v1", "id in the sales platform"),
        ("INV-1", "invoice number"),
        ("z-1", "id in billing"),
        ("S-1", "subscription number"),
        ("z-sub-1", "subscription in billing"),
        ("4711", "journal in erp-us"),
        ("{order.id}", "order"),
        ("{invoice.id}", "invoice"),
        ("{journal.id}", "journal"),
        ("{journal.key}", "key in the ERP"),
        ("{closed.id}", "event"),
        ("{closed.correlation_id}", "correlation id"),
    ],
)
def test_every_identifier_leads_to_all_of_it(
    query: str, found_as: str, journey: dict[str, Any], person: Callable[..., Any]
) -> None:
    found = trace.find(person(*ALL), f"  {query.format(**journey)} ")
    assert found_as in found.found_as
    assert [o.number for o in found.orders] == ["SO-1001"]
    assert {e.id for e in found.events} == {journey["closed"].id, journey["issued"].id}
    assert [i.number for i in found.invoices] == ["INV-1"]
    assert [s.number for s in found.subscriptions] == ["S-1"]
    assert [j.id for j in found.journals] == [journey["journal"].id]
    assert {r.reference for r in found.references} == {"4711", "z-acc-1"}
    assert {s.stage for s in found.steps} == {"accept_order", "record_invoice"}
    times = [entry.at for entry in found.entries]
    assert times == sorted(times)


def test_an_invoice_is_on_the_journey_of_its_order(journey: dict[str, Any]) -> None:
    assert journey["issued"].correlation_id == journey["closed"].correlation_id


def test_nothing_is_found_for_nonsense_or_without_a_right(journey: dict[str, Any], person: Callable[..., Any]) -> None:
    everything = person(*ALL)
    for query in ("", "SO-9", "C-999", "%", "006_", "\x00", "x" * 5000, "12345678-1234-1234-1234-123456789012"):
        assert not trace.find(everything, query), query
    assert not trace.find(person(), "SO-1001")
    some = trace.find(person("view_order"), "SO-1001")
    assert [o.number for o in some.orders] == ["SO-1001"]
    assert not some.events
    assert not some.invoices


def test_a_failed_step_shows_its_case_and_is_found_by_it(journey: dict[str, Any], person: Callable[..., Any]) -> None:
    run.drain("accept_order")
    user = person(*ALL)
    case = next(c for c in trace.find(user, "SO-1001").cases)
    assert Step.objects.get(id=case.step_id).state == "failed"
    assert [c.id for c in trace.find(user, case.shown).cases] == [case.id]


def test_a_customer_has_orders_to_choose_from(journey: dict[str, Any], person: Callable[..., Any]) -> None:
    user = person(*ALL)
    assert [o.number for o in trace.find(user, "C-ACME").candidates] == ["SO-1001"]
    assert [o.number for o in trace.find(user, "acme inc").candidates] == ["SO-1001"]


def test_what_billing_calls_its_records_is_found_though_it_looks_like_ours(
    journey: dict[str, Any], person: Callable[..., Any]
) -> None:
    """Billing's own ids are 32 hexadecimal digits, as a UUID of ours may be written."""
    user, theirs = person(*ALL), "8a368c1e9012ab34019012ab34cd0001"
    bill = journey["invoice"]
    with past_guards():
        Invoice.objects.filter(id=bill.id).update(billing_reference=theirs)
    assert bill.id in [each.id for each in trace.find(user, theirs).invoices]


@pytest.mark.parametrize(("query", "found_as"), [("C-ACME-USD", "customer in zuora"), ("z-acc-1", "customer in zuora"),
                                                 ("c-acme-usd", "customer in zuora"), ("C-ACME", "")])  # fmt: skip
def test_an_account_has_no_journey_of_its_own_but_orders_to_choose_from(
    query: str, found_as: str, journey: dict[str, Any], person: Callable[..., Any]
) -> None:
    """Billing keeps one account per payer and currency; who asks by it is shown whatever is billed to it."""
    made(Connection, name="zuora", vendor="zuora", service="billing")
    made(OrderGroup, order=journey["order"], key="us", bill_to="C-ACME", currency="USD")
    elsewhere = taken(event("006C:v1", order(order_number="SO-3"), source="salesforce"), "salesforce")
    third = made(Order, number="SO-3", event=elsewhere, correlation_id=elsewhere.correlation_id, source_id="006C:v1",
                 customer_key="C-CHILD")  # fmt: skip
    made(OrderGroup, order=third, key="us", bill_to="C-ACME", currency="USD")
    found = trace.find(person(*ALL), query)
    assert [each.number for each in found.candidates] == ["SO-3", "SO-1001"] and not found.orders
    assert found.found_as == ([found_as] if found_as else [])
    assert not trace.find(person(), query)
