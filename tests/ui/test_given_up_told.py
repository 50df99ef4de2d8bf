"""What was closed without fix stays in sight: on its order, its case, the tower, the close and in the API.

DE01 sells O-1 to Acme on 3 November 2026; billing issues INV-2 with a product that nobody sold.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from django.urls import reverse

from exceptions.models import Approval, Case
from ledger.models import FiscalPeriod, JournalEntry
from ledger.models.period import SUBLEDGERS
from q2c import clock
from q2c.connectors.outcomes import Accepted, Rejected
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.engine import desk
from q2c.models import ApiKey, Invoice, Order, Step
from q2c.reasons import Reason
from q2c.stages import withdrawn
from tests import flow_makers as make
from tests.api.conftest import Caller
from tests.ui.people import boss, page, person, read, signed_in, with_rights

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
ALL = ("view_case", "close_case", "approve_case", "work_case")
WRONG = [InvoiceLine(line=1, product="NOPE", kind="one_time", charge="Nope", net_minor=10_000, tax_minor=1_900)]


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


@pytest.fixture
def order() -> Order:
    make.company()
    return make.through("O-1", "INV-1")


def unrecorded(order: Order, number: str = "INV-2") -> Case:
    make.bill(order, number, lines=WRONG)
    make.run("record_invoice")
    return Case.objects.get(business_key=number)


def unposted(order: Order) -> Case:
    make.bill(order, "INV-3")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.JOURNAL_REFUSED, text="no"))
    return Case.objects.get(business_key="INV-3")


def asked(case: Case, root_cause: str = "other") -> Approval:
    ann = person("ann", *(f"exceptions.{right}" for right in ALL))
    desk.close_without_fix(ann, [case.id], "credited there", root_cause)
    return Approval.objects.get(state="requested", case=case)


def give_up(case: Case, root_cause: str = "other") -> Case:
    bea = person("bea", *(f"exceptions.{right}" for right in ALL))
    desk.approve(bea, [asked(case, root_cause).id])
    return Case.objects.get(id=case.id)


def closing(client: Any, *subledgers: str, entity: str = "DE01", name: str = "2026-11") -> str:
    """The page that asks whether to close the month: its receivables, or these subledgers."""
    wanted = subledgers or ("receivables",)
    rows = FiscalPeriod.objects.filter(entity__code=entity, subledger__in=wanted, name=name)
    ids = ",".join(str(period.pk) for period in rows)
    return read(client, f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={ids}")


def test_an_invoice_given_up_stays_in_sight_until_billing_takes_it_back(order: Order) -> None:
    case = give_up(unrecorded(order))
    client = signed_in(boss())
    shown = read(client, f"/orders/{order.id}")
    assert "1 invoice stands apart: posted in billing, not in the books, EUR 119.00: see Invoices." in shown
    assert f"INV-2 EUR 119.00Posted in {make.BILLING}, not in the books" in shown
    assert "Nothing is open; 1 case was closed without a fix." in shown and case.shown in shown
    assert "Nothing has failed." not in shown
    assert "1 invoice posted in billing, not in the books, EUR 119.00" in read(client, "/")
    left = closing(client)
    assert "1 invoice: posted in billing, not in the books" in left and "119.00" in left
    assert "not booked or posted from here any more" in left and "Not all is done" not in left
    # Once, under the subledger that it is about.
    assert closing(client, *SUBLEDGERS).count("1 invoice: posted in billing, not in the books") == 1
    assert "posted in billing" not in closing(client, "general", "revenue")
    of_case = read(client, f"/cases/{case.id}")
    assert "Nothing was booked, and nothing will be: it was given up." in of_case and "still has it posted" in of_case
    assert "Nothing is booked for it yet" not in of_case
    queue = read(client, "/queue?tab=resolved&q=entity:DE01 period:2026-11 is:closed_without_fix stage:record_invoice")
    assert case.shown in queue
    # Billing cancels it: it stands nowhere any more.
    assert withdrawn.invoice(make.BILLING, "8adINV-2", "zuora", "canceled there")
    assert "not in the books" not in read(client, f"/orders/{order.id}")
    assert "not in the books" not in read(client, "/") and "1 invoice: posted" not in closing(client)
    assert "has taken it back" in read(client, f"/cases/{case.id}")


def test_taken_back_while_its_case_is_open_nothing_will_be_booked(order: Order) -> None:
    case = unrecorded(order)
    assert withdrawn.invoice(make.BILLING, "8adINV-2", "zuora", "canceled there")
    case.refresh_from_db()
    shown = " ".join(read(signed_in(boss()), f"/cases/{case.id}").split())
    assert case.resolution == "superseded" and "Nothing is booked for it yet" not in shown
    assert "EUR 119.00 then Nothing is booked for it, and nothing will be: billing has taken the invoice back." in shown


def test_only_what_the_books_hold_none_of_counts(order: Order) -> None:
    """The same document in another version: what was recorded first stands."""
    event = order.invoices.get().event
    first = order.invoices.get()
    make.arrive("InvoiceIssued", make.BILLING, "8adINV-1:2", _later(event), order.correlation_id)
    make.run("record_invoice")
    case, client = Case.objects.get(business_key="INV-1"), signed_in(boss())
    # One document: it is booked, and no second one came.
    shown = read(client, f"/orders/{order.id}")
    assert case.reason == "invoice_changed" and case.shown in shown and "not recorded" not in shown
    assert shown.split("Invoices of O-1")[1].split("Their journals")[0].count("INV-1") == 1
    assert "received but not recorded" not in read(client, "/")
    give_up(case)
    assert "not in the books" not in read(client, f"/orders/{order.id}")
    assert f"{first.number} stands as it was recorded" in read(client, f"/cases/{case.id}")


def _later(event: Any) -> Any:
    document = stored.read(event.payload, InvoiceDocument)
    return msgspec.structs.replace(document, issued_on=document.issued_on + dt.timedelta(days=3))


def test_a_journal_given_up_is_in_the_books_and_not_in_the_ledger(order: Order) -> None:
    case = give_up(unposted(order))
    assert JournalEntry.objects.get(business_document="invoice:INV-3").state == "blocked"
    client = signed_in(boss())
    assert "In the books here, not in erp-de01" in read(client, f"/orders/{order.id}")
    assert "1 journal in the books here, not in the ledger" in read(client, "/")
    assert "1 journal: in the books here, not in the ledger" in closing(client)
    assert "in the books here and not in erp-de01" in read(client, f"/cases/{case.id}")


def test_an_invoice_voided_as_a_duplicate_is_still_posted_in_billing(order: Order) -> None:
    case = give_up(unposted(order), "duplicate")
    assert Invoice.objects.get(number="INV-3").state == "voided"
    client = signed_in(boss())
    assert f"Posted in {make.BILLING}, not in the books" in read(client, f"/orders/{order.id}")
    assert "still has it posted" in read(client, f"/cases/{case.id}")


@pytest.mark.parametrize(("stuck", "cause", "said"), [
    (unrecorded, "other", "Nothing was booked for INV-2, and nothing will be. Billing (urn:zuora:eu) still has it posted"),
    (unposted, "other", "Invoice and journal stay in the books here, and are not posted to erp-de01"),
    (unposted, "duplicate", "invoice INV-3 is voided here, so the books hold none of it"),
])  # fmt: skip
def test_who_approves_reads_what_becomes_of_it(order: Order, stuck: Any, cause: str, said: str) -> None:
    case = stuck(order)
    # Whoever asks reads the same, as long as the cause is not chosen.
    assert cause != "other" or said in read(signed_in(boss()), f"/cases/{case.id}")
    asked(case, cause)
    cleo = with_rights("cleo", "view_case", "approve_case", "close_case")
    dialog = page(signed_in(cleo), "/approvals").partition('id="approve-')[2].partition("</dialog>")[0]
    assert said in dialog and "Of a journal" not in dialog


def test_a_subscription_that_billing_may_hold_all_the_same_says_so(client: Any) -> None:
    """The job was taken, and what it made could not be read."""
    make.company()
    make.deal("O-9")
    make.run("accept_order")
    make.run("sync_customer")
    make.run("provision_billing", lambda work: Accepted(handle="job-1"))
    Step.objects.filter(stage="provision_billing").update(next_at=NOW, sent_at=NOW)
    make.run("provision_billing", lambda work: Rejected(reason=Reason.REQUEST_REFUSED, text="no", held=True))
    case = give_up(Case.objects.get(stage="provision_billing"))
    told = "It was sent, and zuora may hold the subscription, and bill it from its day on: look there."
    client = signed_in(boss())
    for address in (f"/cases/{case.id}", f"/orders/{Order.objects.get().id}"):
        shown = read(client, address)
        assert told in shown and "is not made there by q2c" not in shown


def test_an_order_given_up_and_a_subscription_never_made_say_so(client: Any) -> None:
    make.company()
    make.deal("O-9")
    make.run("accept_order")
    make.run("sync_customer")
    make.run("provision_billing", lambda work: Rejected(reason=Reason.SUBSCRIPTION_REFUSED, text="no"))
    case = give_up(Case.objects.get(stage="provision_billing"))
    client = signed_in(boss())
    shown = read(client, f"/orders/{Order.objects.get().id}")
    assert "will not happen" in shown and "The subscription is not made there by q2c" in shown
    assert "Nothing is under way." not in shown
    assert "The subscription is not made there by q2c" in read(client, f"/cases/{case.id}")


def test_the_api_tells_the_same(order: Order) -> None:
    case = give_up(unrecorded(order))
    caller = Caller(ApiKey.make("auditor", ["q2c.view_order", "q2c.view_step", "exceptions.view_case",
                                               "q2c.read_every_system"])[1])  # fmt: skip
    (left,) = caller.get(f"/api/v1/orders/{order.id}").json()["given_up"]
    assert (left["kind"], left["number"], left["amount_minor"], left["currency"], left["entity"], left["period"]) == (
        "invoice", "INV-2", 11_900, "EUR", "DE01", "2026-11",
    )  # fmt: skip
    assert left["case"] == str(case.id)
    assert "nothing will be" in caller.get(f"/api/v1/cases/{case.id}").json()["stays"]
