"""What billing took back, told of by another system: not booked before a second person says so, nor left unseen.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. `billing` is the billing system, `shop` sends by the API.
"""

from __future__ import annotations

import importlib
from dataclasses import replace as replace_of
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from msgspec.structs import replace

from exceptions.models import Approval, Case
from exceptions.models.case import UNRESOLVED
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import CANCELLED_THERE, NOT_POSTED, InvoiceNotice
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, run
from q2c.engine.sources import Invoices
from q2c.models import CancelledInvoice, Invoice
from q2c.reading import billing_now, given_up, recorded_otherwise
from q2c.reasons import Reason
from tests.engine.makers import order, person, run_all
from tests.intake import platforms
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, arrives

pytestmark = pytest.mark.django_db
OTHER = replace(SOUND, billing_reference="other-1")
WRONG = replace(SOUND, account="OTHER-EUR")
GONE = Rejected(
    reason=Reason.INVOICE_MISMATCH, text="Invoice INV-1 is Canceled, not posted", field=NOT_POSTED, code=CANCELLED_THERE,
    about=About(reference="b-INV-1", number="INV-1", entity="DE01"),
)  # fmt: skip
DRAFT = Rejected(reason=Reason.INVOICE_MISMATCH, text="it is a draft", field=NOT_POSTED, about=GONE.about)
POSTED = replace(SOUND, billing_reference="b-INV-1")


@pytest.fixture
def billing(company: Any) -> Invoices:
    order()
    return Invoices(platforms.zuora())


def gives(billing: Invoices, found: Any, reference: str = "b-INV-1") -> None:
    """Billing is asked for it, and everything that follows is done."""
    billing.take_fetched(reference, found)
    works()


def shop_tells(document: InvoiceDocument = OTHER) -> None:
    arrives("InvoiceIssued", document, source="shop")
    works()


def works() -> None:
    run.drain("record_invoice")
    run_all()


def stand() -> list[tuple[str, str]]:
    """Invoices that are in the books, by who told of them."""
    rows = Invoice.objects.exclude(state="voided").order_by("source", "number")
    return list(rows.values_list("source", "state"))


def to_do() -> list[str]:
    return list(Case.objects.filter(state__in=UNRESOLVED).order_by("number").values_list("reason", flat=True))


def told(kind: str) -> list[int]:
    """What the months that are still open are told of that kind, in minor units."""
    user = get_user_model().objects.filter(username="boss").first()
    user = user or get_user_model().objects.create_superuser("boss", password="x")
    sums = given_up.of_open_months(user).values()
    return [minor for each in sums for minor, _ in each.of(kind)]


def decides(verb: str, name: str = "cleo") -> None:
    asked = Approval.objects.get(state="requested")
    getattr(desk, verb)(person(name), [asked.id], "looked at")
    works()


def test_what_billing_took_back_waits_for_a_second_person_whoever_tells_of_it(company: Any, billing: Invoices) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    gives(billing, POSTED)
    gives(billing, GONE)
    assert stand() == []
    company["erp-de"].inactive.clear()
    shop_tells()
    assert (stand(), to_do(), company["erp-de"].writes) == ([], ["invoice_cancelled"], 0)
    asked = Case.objects.get(reason="invoice_cancelled")
    assert "was cancelled in billing, as read there on 2026-11-03, and shop tells of it" in asked.text
    decides("refuse")
    assert (stand(), to_do(), told("invoice")) == ([], [], [])
    # Its own word is as good as ever.
    gives(billing, POSTED)
    assert (stand(), to_do(), CancelledInvoice.objects.count()) == ([("billing", "posted")], [], 0)


def test_signed_all_the_same_it_is_posted_and_told_as_in_the_books_and_not_in_billing(
    company: Any, billing: Invoices
) -> None:
    gives(billing, GONE)
    shop_tells()
    decides("approve")
    assert (stand(), to_do(), company["erp-de"].writes) == ([("shop", "posted")], [], 1)
    (gap,) = recorded_otherwise.of(get_user_model().objects.create_superuser("dee", password="x"))
    assert (gap.kind, gap.amount_minor, gap.where) == ("cancelled", -139_000, "billing")
    # Somebody has decided: billing that touches it asks nobody again.
    gives(billing, replace_of(GONE, text="Invoice INV-1 is Canceled, not posted, and was touched"))
    assert to_do() == []
    gives(billing, POSTED)
    assert (stand(), to_do(), told("cancelled")) == ([("shop", "posted")], [], [])


def test_what_another_system_told_first_is_found_by_its_number_as_billing_cancels_it(
    company: Any, billing: Invoices
) -> None:
    """It was issued and voided in billing between two polls."""
    shop_tells()
    gives(billing, GONE)
    case = Case.objects.get(reason="invoice_taken_back")
    assert (case.state, case.amount_minor, stand()) == ("open", -139_000, [("shop", "posted")])
    assert Invoice.objects.get().taken_back_at is not None and told("cancelled") == [-139_000]
    gives(billing, POSTED)
    case.refresh_from_db()
    assert (case.state, Invoice.objects.get().taken_back_at, told("cancelled")) == ("resolved", None, [])


def test_what_is_not_posted_yet_stays_and_its_case_says_what_to_do(company: Any, billing: Invoices) -> None:
    """Somebody else told of it, and was answered that it is here."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    shop_tells()
    gives(billing, GONE)
    assert (stand(), to_do()) == ([("shop", "recorded")], ["dimension_inactive", "invoice_taken_back"])
    case = Case.objects.get(reason="invoice_taken_back")
    assert "another system told of the invoice" in billing_now.what_to_do(case)


def test_a_waiting_case_of_another_system_says_so_and_asks_once_it_is_replayed(company: Any, billing: Invoices) -> None:
    gives(billing, replace(WRONG, billing_reference="b-INV-1"))
    shop_tells(replace(WRONG, billing_reference="other-1"))
    theirs = Case.objects.get(source="shop")
    gives(billing, GONE)
    gives(billing, replace_of(GONE, text="Invoice INV-1 is Canceled, and was touched"))
    (said,) = theirs.events.filter(kind="taken_back")
    assert said.text == "Invoice INV-1 is Canceled, not posted: billing took it back" and to_do() == [theirs.reason]
    shop_tells()
    assert to_do() == ["invoice_cancelled"] and stand() == []


def test_given_up_as_another_system_told_it_it_stands_in_billing_no_more(company: Any, billing: Invoices) -> None:
    shop_tells(replace(WRONG, billing_reference="other-1"))
    give_up(Case.objects.get(), "other")
    assert told("invoice") == [139_000]
    gives(billing, GONE)
    assert told("invoice") == []


def test_a_number_that_billing_uses_again_is_billed(company: Any, billing: Invoices) -> None:
    gives(billing, GONE)
    gives(billing, replace(POSTED, billing_reference="b-2", account="OTHER-EUR"), "b-2")
    # It stands there, whatever becomes of it here; and so it does when the old one is touched.
    gives(billing, replace_of(GONE, text="Invoice INV-1 is Canceled, and was touched"))
    shop_tells()
    assert (stand(), to_do()) == ([("shop", "posted")], ["invoice_mismatch"])
    gives(billing, replace_of(GONE, text="Invoice INV-1 is Canceled, and was touched again"))
    assert to_do() == ["invoice_mismatch"] and Invoice.objects.get().taken_back_at is None


@pytest.mark.parametrize(
    "found", [DRAFT, replace_of(GONE, about=About(number="INV-1", entity="US01"))], ids=["draft", "us"]
)
def test_a_draft_and_the_same_number_of_another_entity_take_nothing_back(
    company: Any, billing: Invoices, found: Rejected
) -> None:
    gives(billing, found)
    shop_tells()
    gives(billing, replace_of(found, text="touched"))
    assert (stand(), to_do()) == ([("shop", "posted")], [])


def test_what_a_system_that_is_no_billing_sends_takes_nothing_back(company: Any, billing: Invoices) -> None:
    """Given up by people or overtaken, it was taken back by nobody."""
    shop_tells(replace(WRONG, billing_reference="other-1"))
    give_up(Case.objects.get(), "test_data")
    assert not CancelledInvoice.objects.exists()
    gives(billing, POSTED)
    assert to_do() == ["invoice_given_up"]


@pytest.mark.parametrize("wrong", [True, False], ids=["waiting", "recorded"])
def test_what_billing_took_back_before_it_was_known_by_its_number_is_known(
    company: Any, billing: Invoices, wrong: bool
) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    gives(billing, replace(WRONG if wrong else SOUND, billing_reference="b-INV-1"))
    gives(billing, GONE)
    gives(billing, replace(WRONG, invoice_number="INV-2", billing_reference="b-2"), "b-2")
    CancelledInvoice.objects.all().delete()
    fill = importlib.import_module("q2c.migrations.0062_what_billing_cancelled_by_number").FILL
    with connection.cursor() as cursor:
        cursor.execute(fill)
    rows = CancelledInvoice.objects.values_list("source", "reference", "entity", "number")
    assert list(rows) == [("billing", "b-INV-1", "DE01", "INV-1")]


@pytest.mark.parametrize(
    "about",
    [
        About(number="INV-9", entity="Tern Software Deutschland GmbH"),
        About(number="N" * 65, entity="DE01"),
        About(number="INV\x009", entity="DE01"),
        About(number="INV-9", entity="DE\x0001"),
        About(number="INV-9", entity="FR01"),
    ],
)
def test_a_cancelled_invoice_of_an_odd_name_holds_up_no_other(
    company: Any, billing: Invoices, about: About, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"b-9": replace_of(GONE, about=about), "b-INV-1": POSTED}
    notices = [InvoiceNotice(reference=one, invoice_number="", changed_at=clock.now()) for one in answers]
    monkeypatch.setattr(Invoices, "fetch", lambda self, references: [answers[one] for one in references])
    assert billing.take(notices)[0] == 1
    assert not CancelledInvoice.objects.exists()
