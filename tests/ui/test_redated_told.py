"""What two people booked in another month reconciles billing and the books at the close, and is no difference.

DE01 sells O-1 to Acme on 3 November 2026 and bills INV-1, which is booked. November is closed; INV-2, of EUR 4,760.00
and dated in November, comes after that. Ann asks that it be booked on 1 December, Cleo approves.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.engine import decisions, desk
from q2c.models import Event, Invoice, Order
from q2c.reading import decided_items, given_up, left_open
from q2c.reading.close import standing
from q2c.reading.differences import SIGNED
from q2c.ui import decided
from tests import flow_makers as make
from tests.past_guards import reopened
from tests.ui.people import person, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_told import again, boss_of, dearer, take_back, turn
from tests.ui.test_given_up_told import ALL, NOW, _noon, closing, order

__all__ = ["_noon", "order"]
pytestmark = pytest.mark.django_db
DECEMBER, JANUARY = dt.date(2026, 12, 1), dt.date(2027, 1, 15)
DATED = "1 invoice: dated in the month in billing, booked in December 2026 by decision, EUR +4,760.00"
BOOKED = "1 invoice: booked in the month by decision, dated in November 2026 in billing, EUR -4,760.00"
WHO = "on Dec 1, 2026 instead of Nov 3, 2026, as {}: asked for by Ann, approved by Cleo on Nov 3, 2026: billed late"
MONTHS = [("DE01", "2026-11"), ("DE01", "2026-12"), ("DE01", "2027-01")]


def month(name: str) -> FiscalPeriod:
    return FiscalPeriod.objects.select_related("entity").get(
        entity__code="DE01", subledger="receivables", name=name
    )  # fmt: skip


@pytest.fixture
def people() -> tuple[Any, Any]:
    rights = (*(f"exceptions.{right}" for right in ALL), "ledger.redate_journalentry")
    return person("ann", *rights), person("cleo", *rights)


def late(order: Order, people: tuple[Any, Any], number: str = "INV-2") -> Invoice:
    """It comes for the closed November, and is booked in December."""
    ann, cleo = people
    if month("2026-11").state == "open":
        periods.close(month("2026-11"), by="carla", why="November is done")
    make.bill(order, number, net_minor=400_000)
    make.run("record_invoice")
    case = Case.objects.get(business_key=number, reason="period_closed")
    decisions.ask_to_redate(ann, case.id, DECEMBER, "billed late")
    desk.approve(cleo, [Approval.objects.get(state="requested").id])
    make.run("record_invoice")
    make.run("post_journal")
    return Invoice.objects.get(number=number)


def journal(invoice: Invoice) -> JournalEntry:
    return JournalEntry.objects.get(event_id=invoice.event_id, reverses=None)


def billing_less_books() -> Counter[tuple[str, str, str]]:
    """By legal entity, month and currency, of the newest documents of billing and of the entries themselves."""
    found: Counter[tuple[str, str, str]] = Counter()
    newest = {}
    for event in Event.objects.filter(type="InvoiceIssued").order_by("occurred_at", "id"):
        document = json.loads(event.payload) if isinstance(event.payload, str) else event.payload
        newest[document["billing_reference"]] = document
    gone = Invoice.objects.filter(taken_back_at__isnull=False).values_list("billing_reference", flat=True)
    for reference, document in newest.items():
        if reference not in gone:
            found[document["legal_entity"], document["issued_on"][:7], document["currency"]] += document["total_minor"]
    for entry in JournalEntry.objects.exclude(state="superseded").select_related("entity", "period"):
        found[entry.entity.code, entry.period.name, entry.currency] -= entry.worth_minor
    return Counter({key: minor for key, minor in found.items() if minor})


def told() -> tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str, str]]]:
    """What the pages say of it: differences, and what was re-dated."""
    differing: Counter[tuple[str, str, str]] = Counter()
    for (entity, name), sums in given_up.by_month(boss_of(), MONTHS).items():
        for kind in sums.kinds:
            for minor, currency in sums.each(kind) if kind in SIGNED or kind == "invoice" else ():
                differing[entity, name, currency] += minor
    redated: Counter[tuple[str, str, str]] = Counter()
    for (entity, name), sides in decided_items.by_month(boss_of(), MONTHS).items():
        for side in (one for _, found in sides.each() for one in found):
            redated[entity, name, side.worth.currency] += side.worth.minor
    return differing, redated


def add_up() -> Counter[tuple[str, str, str]]:
    """That they do; returns what was re-dated."""
    differing, redated = told()
    both = Counter(differing)
    both.update(redated)
    assert {key: minor for key, minor in both.items() if minor} == billing_less_books()
    return redated


def test_both_months_and_the_invoice_tell_it_as_decided_and_nothing_as_a_difference(
    order: Order, people: tuple[Any, Any]
) -> None:
    invoice = late(order, people)
    assert (invoice.total_minor, invoice.issued_on, journal(invoice).period.name) == (476_000, NOW.date(), "2026-12")
    who, client = WHO.format(journal(invoice)), signed_in(boss_of())
    reopened(month("2026-11"), by="carla", why="looked at")
    for name, kind, other in (("2026-11", DATED, BOOKED), ("2026-12", BOOKED, DATED)):
        left = said(closing(client, name=name))
        assert kind in left and other not in left and f"INV-2, EUR 4,760.00, {who}" in left, name
        assert "posted in billing" not in left and "booked in another month" not in left, name
        assert "a difference to billing or the ERP stays" not in left, name
    shown = said(read(client, f"/invoices/{invoice.id}"))
    assert f"Booked on another day than its ownBy decision it is booked in Dec 2026, {who}" in shown
    assert "Differs from billing" not in shown
    redated = client.get(f"/api/v1/invoices/{invoice.id}").json()["redated"]
    assert (redated["booked_in"], redated["effective_on"]) == ("2026-12", DECEMBER.isoformat())
    assert redated["journal_id"] == str(journal(invoice).id) and redated["reason"] == "billed late"
    of_month = said(read(client, "/differences/DE01/2026-11"))
    assert DATED.replace(": dated", " dated").replace(", EUR", "EUR") in of_month and who in of_month
    assert "What billing and the books have otherwise in this month was decided." in of_month
    assert "re-dated by decision" not in closing(client, name="2027-01").lower()
    assert "another day than its own" not in read(client, f"/invoices/{Invoice.objects.get(number='INV-1').id}")
    # Nowhere else it counts.
    assert not given_up.of_open_months(boss_of()) and not given_up.by_month(boss_of(), MONTHS)
    assert "INV-2" not in read(client, "/queue?tab=all") and "differences:" not in read(client, "/")
    assert "stands apart" not in read(client, f"/orders/{order.id}")
    assert [one.decided for one in standing(boss_of(), [month("2027-01")])] == [None]


def test_what_a_closing_keeps_says_it_apart_from_what_is_open(order: Order, people: tuple[Any, Any]) -> None:
    late(order, people)
    kept = left_open.of(boss_of(), month("2026-11"))
    dated = "1 invoice, EUR 4,760.00 dated in the month in billing, booked in December 2026 by decision"
    assert kept == f"Nothing is open\nRe-dated: {dated} (INV-2, as Ann and Cleo decided)"
    kept = left_open.of(boss_of(), month("2026-12"))
    assert "Re-dated: 1 invoice, EUR -4,760.00 booked in the month by decision, dated in November 2026" in kept
    assert "of credits" not in kept and "Differences" not in kept


def test_billing_less_books_is_what_differs_and_what_was_re_dated(order: Order, people: tuple[Any, Any]) -> None:
    """INV-1 as it was booked, INV-2 re-dated, INV-3 changed, INV-4 re-dated and then dated in January by billing."""
    make.bill(order, "INV-3", net_minor=400_000)
    make.run("record_invoice")
    make.run("post_journal")
    late(order, people)
    moved = late(order, people, "INV-4")
    assert add_up() == {("DE01", "2026-11", "EUR"): 952_000, ("DE01", "2026-12", "EUR"): -952_000}
    changed = Invoice.objects.get(number="INV-3")
    again(changed, "3", 1, **dearer(changed, 5_000))
    again(moved, "4", 2, issued_on=JANUARY)
    assert billing_less_books() == {
        ("DE01", "2026-11", "EUR"): 481_000, ("DE01", "2026-12", "EUR"): -952_000, ("DE01", "2027-01", "EUR"): 476_000,
    }  # fmt: skip
    assert add_up() == {("DE01", "2026-11", "EUR"): 476_000, ("DE01", "2026-12", "EUR"): -476_000}


@pytest.mark.parametrize(
    ("changes", "stays", "moves"),
    [
        ({"issued_on": dt.date(2026, 11, 20)}, False, True),
        ({"issued_on": dt.date(2026, 12, 15)}, False, False),
        ({"issued_on": JANUARY}, False, True),
        ({"due_on": dt.date(2027, 2, 1)}, True, False),
    ],
)
def test_what_billing_changes_of_it_afterwards_still_adds_up(
    order: Order, people: tuple[Any, Any], changes: dict[str, Any], stays: bool, moves: bool
) -> None:
    """The decision is about a document of 3 November: of one that billing dates otherwise by now it says nothing."""
    invoice = late(order, people)
    again(invoice, "2", 1, **changes)
    assert bool(add_up()) == stays
    # It is booked on that day by decision all the same.
    shown = said(read(signed_in(boss_of()), f"/invoices/{invoice.id}"))
    assert "By decision it is booked in Dec 2026" in shown and "It is booked on Nov" not in shown
    of_case = said(read(signed_in(boss_of()), f"/cases/{Case.objects.get(reason='invoice_changed').id}"))
    (differs,) = given_up.of_invoice(boss_of(), invoice)
    assert (differs.cut_off is not None and differs.cut_off.booked_on == DECEMBER) == moves
    for told_of in (shown, of_case):
        assert ("It is booked on Dec 1, 2026, and billing dates it" in told_of) == moves


def test_what_billing_makes_dearer_or_takes_back_still_adds_up(order: Order, people: tuple[Any, Any]) -> None:
    invoice = late(order, people)
    again(invoice, "2", 1, **dearer(invoice, 5_000))
    assert add_up() == {("DE01", "2026-11", "EUR"): 481_000, ("DE01", "2026-12", "EUR"): -481_000}
    take_back(invoice)
    assert not add_up() and billing_less_books() == {("DE01", "2026-12", "EUR"): -476_000}
    assert "By decision it is booked in Dec 2026" in said(read(signed_in(boss_of()), f"/invoices/{invoice.id}"))


def test_reversed_it_is_missing_in_the_month_that_was_decided(order: Order, people: tuple[Any, Any]) -> None:
    invoice = late(order, people)
    with clock.at(NOW + dt.timedelta(days=35)):
        turn(journal(invoice))
        assert billing_less_books() == {("DE01", "2026-11", "EUR"): 476_000}
        assert add_up() == {("DE01", "2026-11", "EUR"): 476_000, ("DE01", "2026-12", "EUR"): -476_000}
        client = signed_in(boss_of())
        left = said(closing(client, name="2026-12"))
        assert "1 invoice: posted in billing, not in the books" in left and "billed late (reversed since)" in left
        of_month = said(read(client, "/differences/DE01/2026-12"))
        stands = "has it in Nov 2026, which counts in Dec 2026 by decision; booked in Dec 2026, reversed in Dec 2026"
        assert f"{stands}: in this month billing has EUR 4,760.00 and the books have nothing" in of_month
        assert "By decision it was booked in Dec 2026" in said(read(client, f"/invoices/{invoice.id}"))


def test_many_of_them_ask_for_their_people_once(
    order: Order, people: tuple[Any, Any], django_assert_num_queries: Any
) -> None:
    late(order, people)
    sides = decided_items.by_month(boss_of(), [("DE01", "2026-11")])["DE01", "2026-11"]
    sides.found = {key: found * 7 for key, found in sides.found.items()}
    with django_assert_num_queries(1):
        (row,) = decided.rows(sides, 6)
    assert (row["count"], row["more"], {each["by"]["asked_by"] for each in row["each"]}) == (7, 1, {"Ann"})


def test_whoever_signs_reads_that_its_own_month_is_open_again(order: Order, people: tuple[Any, Any]) -> None:
    ann, cleo = people
    periods.close(month("2026-11"), by="carla", why="November is done")
    make.bill(order, "INV-2", net_minor=400_000)
    make.run("record_invoice")
    decisions.ask_to_redate(ann, Case.objects.get(business_key="INV-2").id, DECEMBER, "billed late")
    told = "November 2026 is open again: refused, it is booked on its own day by a replay."
    assert told not in read(signed_in(cleo), "/approvals")
    reopened(month("2026-11"), by="carla", why="one more")
    assert read(signed_in(cleo), "/approvals").count(told) == 2, "the card and the dialog in which it is signed"
