"""Another system tells of an invoice first and it is booked; what billing has of it is compared with the books all the
same: by legal entity and month, differences, what was decided and what is still to be booked come to billing less books.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. INV-1 is worth EUR 1,390.00.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger.models import FiscalPeriod, JournalEntry
from q2c.contracts.documents import InvoiceDocument
from q2c.models import CancelledInvoice, Event, Invoice, Step
from q2c.reading import (
    after_reversal,
    billing_now,
    close,
    decided_items,
    given_up,
    left_open,
    recorded_otherwise,
    unbooked,
    unread,
    what_stays,
)
from q2c.reading.differences import SIGNED
from q2c.stages import in_billing
from q2c.stages.taken_back_there import all_booked_as, known_as
from q2c.ui import case_views
from tests.engine.makers import case, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_given_up_twice import WRONG, boss, decides, elsewhere
from tests.stages.test_invoices_and_journals import SOUND, record
from tests.stages.test_reversals import _reverse
from tests.ui.people import read

pytestmark = pytest.mark.django_db
__all__ = ["boss"]
OCT, NOV = ("DE01", "2026-10", "EUR"), ("DE01", "2026-11", "EUR")
FIRST, *REST = SOUND.lines
DEARER = replace(
    SOUND, lines=(replace(FIRST, net_minor=FIRST.net_minor + 10_000), *REST), total_minor=SOUND.total_minor + 10_000
)
MOVED = replace(SOUND, issued_on=SOUND.issued_on + dt.timedelta(days=30))
# What billing has made of it, what it has more than the books by month, and what is told of that on its page.
CHANGES = pytest.mark.parametrize(
    ("now", "apart", "what"),
    [
        (DEARER, {OCT: 10_000}, "its total was EUR 1,390.00 and is EUR 1,490.00"),
        (MOVED, {OCT: -139_000, NOV: 139_000}, "its issue date was 2026-10-"),
    ],
    ids=["dearer", "moved"],
)
FIRST_OR_LATER = pytest.mark.parametrize("first", [True, False], ids=["from the start", "corrected"])


def billing_less_books() -> dict[tuple[str, str, str], int]:
    """The newest version of each document that billing told, less what stands in the books."""
    newest: dict[str, Any] = {}
    for event in Event.objects.filter(type="InvoiceIssued", source="zuora").order_by("occurred_at", "id"):
        document = json.loads(event.payload)
        newest[document["billing_reference"]] = document
    found: Counter[tuple[str, str, str]] = Counter()
    for one in newest.values():
        found[one["legal_entity"], one["issued_on"][:7], one["currency"]] += one["total_minor"]
    for entry in JournalEntry.objects.exclude(state="superseded").select_related("entity", "period"):
        found[entry.entity.code, entry.period.name, entry.currency] -= entry.worth_minor
    return {month: minor for month, minor in found.items() if minor}


def told(user: Any) -> dict[tuple[str, str, str], int]:
    """Differences, what was decided, and what is still to be booked."""
    months = {(one.entity.code, one.name) for one in FiscalPeriod.objects.select_related("entity")}
    found: Counter[tuple[str, str, str]] = Counter()
    for month, sums in given_up.by_month(user, months).items():
        for kind in sums.kinds:
            for minor, currency in sums.each(kind) if kind in SIGNED or kind == "invoice" else ():
                found[*month, currency] += minor
    for month, sides in decided_items.by_month(user, months).items():
        for _, some in sides.each():
            for one in some:
                found[*month, one.worth.currency] += one.worth.minor
    for month, to_book in unbooked.by_month(user, months, close.NOT_POSTED).items():
        for minor, currency in to_book.sums:
            found[*month, currency] += minor
    return {month: minor for month, minor in found.items() if minor}


def agrees(user: Any, expected: dict[tuple[str, str, str], int]) -> None:
    assert told(user) == billing_less_books() == expected


def kept(user: Any, name: str = "2026-10") -> str:
    """What a closing of the month keeps as open."""
    return left_open.of(user, FiscalPeriod.objects.get(entity__code="DE01", name=name, subledger="receivables"))


def both_told(now: InvoiceDocument, first: bool) -> Invoice:
    """back-office told of it and it is posted; billing tells otherwise of it, `first` or after it told the same."""
    elsewhere()
    if not first:
        record(SOUND)
    record(now)
    run_all()
    return Invoice.objects.get(source="back-office", state="posted")


@FIRST_OR_LATER
@CHANGES
def test_what_billing_has_otherwise_is_a_difference_from_the_start_until_it_is_put_back(
    boss: Any, now: InvoiceDocument, apart: dict[Any, int], what: str, first: bool
) -> None:
    invoice = both_told(now, first)
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.state) == ("invoice_changed", "open")
    assert stuck.text.startswith("Invoice INV-1 is booked as back-office told of it, and zuora has it otherwise: ")
    assert what in stuck.text and "number at its source" not in stuck.text
    agrees(boss, apart)
    give_up(stuck, "other")
    agrees(boss, apart)
    assert all("Nothing is open" not in kept(boss, name) for _, name, _ in apart)
    record(SOUND)
    agrees(boss, {})
    assert billing_now.of_invoice(invoice) is None and recorded_otherwise.of(boss) == []


@FIRST_OR_LATER
@CHANGES
def test_put_back_in_billing_its_open_case_ends(
    boss: Any, now: InvoiceDocument, apart: dict[Any, int], what: str, first: bool
) -> None:
    both_told(now, first)
    record(SOUND)
    assert Case.objects.get().state == "resolved"
    agrees(boss, {})


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
@CHANGES
def test_its_journal_reversed_the_books_lack_what_billing_has(
    boss: Any, now: InvoiceDocument, apart: dict[Any, int], what: str, closed: bool
) -> None:
    both_told(now, first=False)
    stuck = Case.objects.get()
    if closed:
        give_up(stuck, "other")
    _reverse(JournalEntry.objects.get())
    # The mirror entry stands in November: what billing has less nothing, in all.
    there = billing_less_books()
    assert sum(there.values()) == now.total_minor and told(boss) == there
    stuck.refresh_from_db()
    assert ("its journal was reversed" in stuck.text) is not closed
    record(SOUND)
    agrees(boss, billing_less_books())
    assert sum(told(boss).values()) == SOUND.total_minor


@CHANGES
def test_the_pages_of_the_invoice_and_of_the_case_say_what_billing_has(
    boss: Any, now: InvoiceDocument, apart: dict[Any, int], what: str
) -> None:
    invoice = both_told(now, first=True)
    said = billing_now.of_invoice(invoice)
    assert said is not None and said.now is not None
    assert (said.where, said.now.minor) == ("zuora", now.total_minor)
    assert (said.cut_off is not None) is (len(apart) == 2)
    (one,) = given_up.of_invoice(boss, invoice)
    assert (one.where, one.case) == ("zuora", Case.objects.get())
    stuck = Case.objects.get()
    assert billing_now.invoice_of(stuck) == invoice
    client = Client()
    client.force_login(boss)
    of_invoice = read(client, f"/invoices/{invoice.id}")
    assert "Billing has it otherwise" in of_invoice and "It is booked as back-office told of it" in of_invoice
    assert "Billing has changed it" not in of_invoice
    event = Event.objects.get(id=stuck.event_id)
    beside = case_views._booked(boss, stuck, event, json.loads(event.payload))
    for changes in (client.get(f"/invoices/{invoice.id}").context["changes"], beside["changes"]):
        assert changes and "billing_reference" not in {one.at for one in changes}
    assert what_stays.will(stuck).startswith("INV-1 stays in the books")
    (entry,) = JournalEntry.objects.all()
    assert "zuora has it otherwise than it is booked" in after_reversal.of(boss, [entry])[entry.id].text


def test_under_another_number_it_is_the_same_document_and_not_booked_again(boss: Any) -> None:
    invoice = both_told(replace(SOUND, invoice_number="INV-9"), first=False)
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.field) == ("invoice_changed", "/billing_reference")
    assert billing_now.invoice_of(stuck) == invoice
    agrees(boss, {})
    give_up(stuck, "other")
    agrees(boss, {})
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("closed", [True, False], ids=["given up", "open"])
def test_what_billing_told_before_the_other_system_did_is_compared_too(boss: Any, closed: bool) -> None:
    """It stopped for a reason of its own."""
    record(replace(DEARER, account="OTHER-EUR"))
    if closed:
        give_up(case("INV-1"), "other")
    elsewhere()
    if closed:
        decides("approve")
    run_all()
    assert Invoice.objects.get().source == "back-office"
    agrees(boss, {OCT: 10_000})


@pytest.mark.parametrize("first", ["back-office", "zuora"])
def test_the_booked_one_voided_what_billing_has_by_now_is_still_to_be_booked(
    boss: Any, company: Any, first: str
) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    if first == "zuora":
        record(SOUND)
    else:
        elsewhere()
    run_all()
    record(DEARER)
    agrees(boss, {OCT: 10_000})
    give_up(Case.objects.get(stage="post_journal"), "duplicate")
    assert Invoice.objects.get().state == "voided"
    agrees(boss, {OCT: DEARER.total_minor})
    give_up(Case.objects.get(stage="record_invoice"), "other", ("zoe", "zac"))
    agrees(boss, {OCT: DEARER.total_minor})


def test_what_differs_in_no_amount_and_no_date_is_no_difference(boss: Any) -> None:
    record(WRONG)
    elsewhere()
    assert recorded_otherwise.of(boss) == [] and not unbooked.came(Step.objects.all(), unread.instead(boss)).exists()


def test_what_another_system_has_otherwise_of_what_billing_told_stays_a_duplicate(boss: Any) -> None:
    record(SOUND)
    elsewhere(due_on=SOUND.due_on + dt.timedelta(days=1))
    assert Case.objects.get().reason == "invoice_duplicate"
    agrees(boss, {})


def test_a_second_document_of_billing_is_no_version_unless_billing_took_back_the_first(boss: Any) -> None:
    invoice = both_told(replace(DEARER, billing_reference="b-2"), first=False)
    assert Case.objects.get().reason == "invoice_duplicate"
    assert in_billing.documents_of([invoice]) == {invoice.id: "invoice:zuora:b-1"}
    CancelledInvoice.objects.create(
        source="zuora", reference="b-1", entity="DE01", number="INV-1", cancelled_at=invoice.recorded_at, text="gone"
    )
    assert in_billing.documents_of([invoice]) == {invoice.id: "invoice:zuora:b-2"}


def test_what_billing_calls_it_is_known_though_it_had_it_otherwise_from_the_start(boss: Any) -> None:
    invoice = both_told(DEARER, first=True)
    assert all_booked_as([("zuora", "b-1")]) == {("zuora", "b-1"): invoice}
    assert list(known_as("zuora", ["b-1"])) == [invoice] and not Approval.objects.exists()
