"""What was reversed, or restored, in another month by decision reconciles billing and the books; it is no difference.

DE01 sells O-1 to Acme on 3 November 2026 and bills INV-1, which is booked. Ann asks for reversals, Cleo approves them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from exceptions.models import Approval
from ledger import periods
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk
from q2c.models import Invoice, Order
from q2c.reading import decided_items, given_up, left_open, reopening, reversed_items, unbooked
from q2c.reading.close import NOT_POSTED
from q2c.stages.asking import PERSON
from q2c.ui import decided
from tests import flow_makers as make
from tests.past_guards import reopened
from tests.ui.people import person, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_told import again, boss_of, dearer, take_back, turn
from tests.ui.test_given_up_told import ALL, _noon, closing, order, unrecorded
from tests.ui.test_redated_told import MONTHS, billing_less_books, journal, late, month, told

__all__ = ["_noon", "order"]
pytestmark = pytest.mark.django_db
NOV, DEC, JAN = (("DE01", name) for name in ("2026-11", "2026-12", "2027-01"))
DECEMBER, JANUARY = dt.date(2026, 12, 1), dt.date(2027, 1, 15)
TOTAL = 6_212_000
BOOKED = "1 invoice: booked in the month, reversed in December 2026 by decision, EUR -62,120.00"
REVERSED = "1 invoice: reversed in the month by decision, booked in November 2026, EUR +62,120.00"
WHO = "by {} on Dec 1, 2026: asked for by Ann, approved by Cleo on Nov 3, 2026: voided in billing"


@pytest.fixture
def people() -> tuple[Any, Any]:
    rights = (*(f"exceptions.{right}" for right in ALL), "ledger.redate_journalentry", "ledger.reverse_journalentry")
    return person("ann", *rights), person("cleo", *rights)


def reverse(entry: JournalEntry, people: tuple[Any, Any], day: dt.date) -> JournalEntry:
    asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=day, reason="voided in billing")
    make.arrive("JournalReversalRequested", f"{PERSON}{people[0].username}", str(keys.new_id()), asked)
    make.run("reverse_journal")
    desk.approve(people[1], [Approval.objects.get(state="requested").id])
    make.run("reverse_journal")
    make.run("post_journal")
    return JournalEntry.objects.get(reverses=entry, state="posted")


def booked(order: Order, number: str) -> Invoice:
    make.bill(order, number, net_minor=100_000)
    make.run("record_invoice")
    make.run("post_journal")
    return Invoice.objects.get(number=number)


def items() -> dict[tuple[str, str], list[tuple[str, str, str, int]]]:
    """By month: number, what is said, by which journal, and what billing has more than the books."""
    return {
        key: [
            (side.item.number, what, side.item.decision.journal, side.worth.minor)
            for what, found in sides.each()
            for side in found
        ]
        for key, sides in decided_items.by_month(boss_of(), MONTHS).items()
    }


def add_up() -> None:
    """Billing less books is, by month, what differs, what was decided and what is still to be booked."""
    differing, decided_ = told()
    both = Counter(differing)
    both.update(decided_)
    for (entity, name), came in unbooked.by_month(boss_of(), MONTHS, NOT_POSTED).items():
        both.update({(entity, name, currency): minor for minor, currency in came.sums})
    assert {key: minor for key, minor in both.items() if minor} == billing_less_books()


@pytest.mark.parametrize("first", ["voided", "reversed"])
def test_both_months_tell_a_reversal_in_another_month_as_decided(
    order: Order, people: tuple[Any, Any], first: str
) -> None:
    """In whichever order: November keeps what nobody owes, and December takes it back."""
    invoice = order.invoices.get()
    if first == "voided":
        take_back(invoice)
    mirror = reverse(journal(invoice), people, DECEMBER)
    if first == "reversed":
        assert given_up.by_month(boss_of(), MONTHS).keys() == {DEC} and items() == {}
        take_back(invoice)
    assert given_up.by_month(boss_of(), MONTHS) == {} and not given_up.of_open_months(boss_of())
    assert billing_less_books() == {(*NOV, "EUR"): -TOTAL, (*DEC, "EUR"): TOTAL}
    add_up()
    client, who = signed_in(boss_of()), WHO.format(mirror)
    for name, kind, other in (("2026-11", BOOKED, REVERSED), ("2026-12", REVERSED, BOOKED)):
        left = said(closing(client, name=name))
        assert kind in left and other not in left, name
        assert f"INV-1, EUR 62,120.00, {who} (taken back in billing)" in left, name
        assert "In another month by decision" in left and "a difference to billing or the ERP stays" not in left, name
        of_month = said(read(client, f"/differences/DE01/{name}"))
        assert kind.replace(": ", " ", 1).replace(", EUR", "EUR") in of_month and who in of_month, name
        assert "What billing and the books have otherwise in this month was decided." in of_month, name
    assert "by decision" not in closing(client, name="2027-01")
    assert "INV-1" not in read(client, "/queue?tab=todo") and "differences:" not in read(client, "/")


def test_the_invoice_and_both_journals_say_it_and_so_does_the_api(order: Order, people: tuple[Any, Any]) -> None:
    invoice = order.invoices.get()
    take_back(invoice)
    mirror = reverse(journal(invoice), people, DECEMBER)
    client = signed_in(boss_of())
    for address in (f"/invoices/{invoice.id}", f"/journals/{mirror.id}", f"/journals/{journal(invoice).id}"):
        shown = said(read(client, address))
        assert "Reversed in another month by decision" in shown, address
        assert "illing less books is EUR -62,120.00 in Nov 2026, EUR +62,120.00 in Dec 2026. It was reversed" in shown
        assert WHO.format(mirror) in shown and "neither has it any more" in shown, address
    (told_of,) = client.get(f"/api/v1/invoices/{invoice.id}").json()["reversed_elsewhere"]
    assert told_of["months"] == [
        {"period": "2026-11", "billing_less_books_minor": -TOTAL},
        {"period": "2026-12", "billing_less_books_minor": TOTAL},
    ]
    assert (told_of["journal"], told_of["journal_id"], told_of["entity"]) == (str(mirror), str(mirror.id), "DE01")
    assert (told_of["asked_by"], told_of["approved_by"], told_of["restores"]) == ("ann", "cleo", False)
    assert told_of["effective_on"] == "2026-12-01" and told_of["reason"] == "voided in billing"


def test_a_closing_keeps_it_and_whoever_reopens_reads_it(order: Order, people: tuple[Any, Any]) -> None:
    invoice = order.invoices.get()
    take_back(invoice)
    mirror = reverse(journal(invoice), people, DECEMBER)
    kept = left_open.of(boss_of(), month("2026-11"))
    line = "1 invoice, EUR -62,120.00 booked in the month, reversed in December 2026 by decision"
    assert kept == f"Nothing is open\nReversed in another month: {line} (INV-1 by {mirror}, as Ann and Cleo decided)"
    kept = left_open.of(boss_of(), month("2026-12"))
    assert (
        f"EUR 62,120.00 reversed in the month by decision, booked in November 2026 (INV-1 by {mirror}, as Ann and Cleo decided)"
        in kept
    )
    assert "Differences" not in kept
    periods.close(month("2026-11"), by="carla", why="November is done")
    assert any("Reversed in another month" in line for line in reopening.of(boss_of(), month("2026-11")).left)


def test_reversed_in_its_own_month_nothing_is_left(order: Order, people: tuple[Any, Any]) -> None:
    invoice = order.invoices.get()
    take_back(invoice)
    reverse(journal(invoice), people, dt.date(2026, 11, 20))
    assert items() == {} and given_up.by_month(boss_of(), MONTHS) == {} and not billing_less_books()
    assert "another month by decision" not in read(signed_in(boss_of()), f"/invoices/{invoice.id}")


def test_of_several_turns_each_two_months_stand_with_their_last_mirror(order: Order, people: tuple[Any, Any]) -> None:
    """Reversed in December, booked again in January: billing has it all the while. Then it is voided and reversed."""
    invoice = order.invoices.get()
    first = reverse(journal(invoice), people, DECEMBER)
    second = reverse(first, people, JANUARY)
    before = "reversed in the month by decision, booked again in January 2027 by decision"
    after = "booked again in the month by decision, reversed in December 2026 by decision"
    assert items() == {
        DEC: [("INV-1", before, str(second), TOTAL)],
        JAN: [("INV-1", after, str(second), -TOTAL)],
    }
    add_up()
    shown = said(read(signed_in(boss_of()), f"/invoices/{invoice.id}"))
    assert "EUR +62,120.00 in Dec 2026, EUR -62,120.00 in Jan 2027. What was reversed was booked again by" in shown
    # Billing changes it: as long as that is open, a difference of each month.
    again(invoice, "2", 1, **dearer(invoice, 5_000))
    assert items() == {}
    add_up()
    again(invoice, "3", 2)
    take_back(invoice)
    assert items() == {}
    add_up()
    third = reverse(second, people, JANUARY)
    assert items() == {
        NOV: [("INV-1", "booked in the month, reversed in December 2026 by decision", str(first), -TOTAL)],
        DEC: [("INV-1", "reversed in the month by decision, booked in November 2026", str(first), TOTAL)],
    }
    add_up()
    reverse(reverse(third, people, dt.date(2027, 1, 20)), people, dt.date(2027, 1, 25))
    assert set(items()) == {NOV, DEC}
    add_up()


def test_billing_less_books_is_what_differs_what_was_decided_and_what_is_to_be_booked(
    order: Order, people: tuple[Any, Any]
) -> None:
    invoices = {number: booked(order, f"INV-1{number}") for number in range(6)}
    # Voided and reversed later; reversed and restored; reversed later and not voided; voided alone; changed.
    take_back(invoices[0])
    reverse(journal(invoices[0]), people, DECEMBER)
    reverse(reverse(journal(invoices[1]), people, DECEMBER), people, JANUARY)
    reverse(journal(invoices[2]), people, DECEMBER)
    take_back(invoices[3])
    again(invoices[4], "4", 1, **dearer(invoices[4], 5_000))
    # Moved to December in billing and reversed in January.
    again(invoices[5], "5", 2, issued_on=dt.date(2026, 12, 3))
    reverse(journal(invoices[5]), people, JANUARY)
    add_up()
    # Re-dated to December: that alone; reversed in January as well; reversed and restored; reversed and voided.
    redated = {number: late(order, people, f"INV-2{number}") for number in range(4)}
    reverse(journal(redated[1]), people, JANUARY)
    reverse(reverse(journal(redated[2]), people, DECEMBER), people, JANUARY)
    reverse(journal(redated[3]), people, JANUARY)
    take_back(redated[3])
    reopened(month("2026-11"), by="carla", why="looked at")
    unrecorded(order, "INV-3")
    add_up()
    numbers = {number for found in items().values() for number, *_ in found}
    assert numbers == {"INV-10", "INV-11", "INV-20", "INV-21", "INV-22", "INV-23"}


def test_of_what_a_system_asked_for_only_the_one_who_approved_is_named(order: Order) -> None:
    invoice = order.invoices.get()
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        mirror = turn(journal(invoice))
        take_back(invoice)
        shown = said(read(signed_in(boss_of()), f"/invoices/{invoice.id}"))
    (item,) = reversed_items.of_invoice(Invoice.objects.get(id=invoice.id))
    assert (item.decision.asked_by, item.decision.approved_by) == ("", f"sig{journal(invoice)}")
    assert f"It was reversed by {mirror} on Dec 2, 2026: approved by" in shown and "asked for by" not in shown


def test_many_of_them_are_bounded_statements(
    order: Order, people: tuple[Any, Any], django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        invoice = booked(order, f"INV-1{number}")
        take_back(invoice)
        reverse(journal(invoice), people, DECEMBER)
    with django_assert_max_num_queries(12):
        sides = decided_items.by_month(boss_of(), [NOV])[NOV]
    with django_assert_max_num_queries(1):
        (row,) = decided.rows(sides, 2)
    assert (row["count"], row["more"], row["redated"]) == (3, 1, False)
