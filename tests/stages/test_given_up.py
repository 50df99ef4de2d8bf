"""Journals that are given up, and what may take their place. DE01 sold ORD-1 to Acme in October 2026; it is 3 November."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c.engine import desk
from q2c.models import Invoice, Step
from q2c.reading import given_up, what_stays
from q2c.stages import withdrawn
from tests.engine.makers import case, issue, order, person, run_all
from tests.stages.test_invoices_and_journals import SOUND, _remap, lost_for_good, record
from tests.stages.test_reversals import _reverse, posted

pytestmark = pytest.mark.django_db


def give_up(stuck: Case, root_cause: str, by: tuple[str, str] = ("ann", "bea")) -> None:
    """The first of two new people asks that the case be closed without fix, the other approves."""
    asks, approves = map(person, by)
    desk.close_without_fix(asks, [stuck.id], "nobody needs it", root_cause)
    asked = Approval.objects.get(state="requested", case=stuck)
    desk.approve(approves, [asked.id], "agreed")
    assert Case.objects.get(id=stuck.id).state == "closed_without_fix"


def test_a_mirror_that_was_given_up_makes_room_for_another(company: Any) -> None:
    """Its cost centre is switched off in the ledger; the reversal is asked for again once it is back."""
    original = posted(company)
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    _reverse(original)
    first = JournalEntry.objects.get(reverses=original)
    stuck = Case.objects.get(stage="post_journal")
    assert (first.state, stuck.reason) == ("blocked", "dimension_inactive")
    give_up(stuck, "platform_setup")
    assert JournalEntry.objects.get(id=first.id).state == "superseded"
    assert JournalEntry.objects.get(id=original.id).state == "posted"
    company["erp-de"].inactive.clear()
    _reverse(original, name="r-2")
    second = JournalEntry.objects.exclude(state="superseded").get(reverses=original)
    assert (second.state, JournalEntry.objects.get(id=original.id).state) == ("posted", "reversed")
    assert company["erp-de"].writes == 2
    assert sum(line.amount_minor for line in second.lines.all()) == 0


@pytest.mark.parametrize(("root_cause", "invoice", "entry"), [
    ("duplicate", "voided", "superseded"), ("test_data", "voided", "superseded"), ("other", "recorded", "blocked"),
])  # fmt: skip
def test_an_invoice_that_never_was_one_is_voided_with_its_journal(
    company: Any, root_cause: str, invoice: str, entry: str
) -> None:
    """Any other stands in the books: people may book it by hand, and nothing may take its place unseen."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    give_up(case("INV-1"), root_cause)
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == (invoice, entry)


def test_the_true_invoice_takes_the_place_of_a_duplicate_that_was_given_up(company: Any) -> None:
    of = order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", of)
    run_all()
    give_up(case("INV-1"), "duplicate")
    company["erp-de"].inactive.clear()
    issue("INV-2", of)
    run_all()
    assert Invoice.objects.get(number="INV-2").state == "posted"
    assert company["erp-de"].writes == 1


def test_what_was_given_up_unrecorded_and_put_right_in_billing_is_asked_about(company: Any) -> None:
    """Unlike what is still somebody's case: of that the newer version takes the place."""
    order()
    reader = get_user_model().objects.create_superuser("reader")
    record(replace(SOUND, account="OTHER-EUR"))
    closed = case("INV-1")
    give_up(closed, "other")
    closed = Case.objects.get(id=closed.id)
    step = Step.objects.get()
    left = given_up.of_step(reader, step)
    assert left is not None and (left.kind, left.case) == ("invoice", closed)
    record(SOUND)
    run_all()
    asked = Case.objects.get(reason="invoice_given_up")
    assert (asked.state, Invoice.objects.count()) == ("awaiting_approval", 0)
    assert asked.text.endswith("changed in zuora since: its account was OTHER-EUR and is ACME-EUR")
    assert given_up.of_step(reader, step) is None and asked.shown in what_stays.has(reader, closed)
    desk.approve(person("cleo"), [Approval.objects.get(state="requested").id], "right now")
    run_all()
    assert Invoice.objects.get().state == "posted" and "booked after all" in what_stays.has(reader, closed)


def test_a_change_that_was_given_up_leaves_the_booked_invoice_its_own(company: Any) -> None:
    """Closed was the case of the change: billing withdraws the invoice before it is sent, and posts it again."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    record(SOUND)
    run_all()
    record(replace(SOUND, due_on=SOUND.due_on + dt.timedelta(days=9)))
    give_up(Case.objects.get(reason="invoice_changed"), "other")
    assert withdrawn.invoice("zuora", "b-1", "poll:zuora", "canceled there")
    assert Invoice.objects.get().state == "voided"
    company["erp-de"].inactive.clear()
    record(SOUND)
    run_all()
    assert sorted(Invoice.objects.values_list("state", flat=True)) == ["posted", "voided"]


def test_what_the_ledger_may_hold_stays_as_it_is(company: Any) -> None:
    lost_for_good(company)
    stuck = case("INV-1")
    assert Step.objects.get(id=stuck.step_id).sent_at is not None
    give_up(stuck, "duplicate")
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("recorded", "blocked")


def test_a_ledger_that_says_no_and_keeps_it_gets_no_second_document(company: Any) -> None:
    """As one whose own script breaks after it has saved. The mapping is changed meanwhile: other content is sent."""
    book = company["erp-de"]
    book.refuse_all, book.keeps_what_it_refuses = "Error in script", True
    issue("INV-1", order())
    run_all()
    assert case("INV-1").reason == "journal_refused"
    book.refuse_all, book.keeps_what_it_refuses = "", False
    _remap("CC-420")
    ann = person("ann")
    desk.replay_one(ann, case("INV-1").id)
    run_all()
    stuck = case("INV-1")
    assert (stuck.state, stuck.reason) == ("open", "content_differs")
    assert "JE-1" in stuck.text
    assert (len(book.documents), book.writes) == (1, 0)
    # Reversed or deleted there, the new one is sent.
    book.documents.clear()
    book.numbers.clear()
    desk.replay_one(ann, stuck.id)
    run_all()
    assert JournalEntry.objects.get(state="posted").document_number == "JE-1"
