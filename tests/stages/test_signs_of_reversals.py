"""What a reversal is about has the sign of its mirror entry: it takes a charge out of the books, and puts a credit back.

DE01 sold ORD-1 to Acme in October 2026; INV-1 is a charge of EUR 1,190.00, INV-2 a credit of EUR 119.00. It is
3 November.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from exceptions.models import Approval, Case, Facet
from ledger.models import JournalEntry
from q2c.contracts import stored
from q2c.contracts.events import JournalFact, JournalReversalRequested
from q2c.engine import desk, replay, run
from q2c.models import Event, Step
from tests.engine.makers import issue, order, run_all
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import arrives
from tests.stages.test_reversals import TODAY, controller

pytestmark = pytest.mark.django_db
CHARGE, CREDIT = 119_000, -11_900


@pytest.fixture
def books(company: Any) -> Any:
    sold = order()
    issue("INV-1", sold)
    run_all()
    issue("INV-2", sold, net=-10_000, tax=-1_900)
    run_all()
    assert set(JournalEntry.objects.values_list("state", "worth_minor")) == {("posted", CHARGE), ("posted", CREDIT)}
    return company["erp-de"]


def entry(number: str) -> JournalEntry:
    """The last turn of what books an invoice."""
    return JournalEntry.objects.filter(business_document=f"invoice:{number}", mirrors=None).get()


def ask(number: str) -> Step:
    """Someone asks to have it reversed, and a second person is asked."""
    last = entry(number)
    request = JournalReversalRequested(journal_id=str(last.id), effective_on=TODAY, reason="billed in error")
    arrives("JournalReversalRequested", request, f"r-{last.id}", "back-office")
    run.drain("reverse_journal")
    return Step.objects.filter(stage="reverse_journal", business_key=number).latest("seq")


def sign() -> None:
    desk.approve(controller("cleo"), [Approval.objects.get(state="requested").id], "seen")
    run.drain("reverse_journal")
    run.drain("post_journal")


def blocked_mirror(books: Any, number: str) -> Step:
    """It is asked for and signed, and the ledger does not take its mirror."""
    ask(number)
    books.closed.add("2026-11")
    sign()
    return Step.objects.filter(stage="post_journal", business_key=number).latest("seq")


@pytest.mark.parametrize(("number", "worth"), [("INV-1", -CHARGE), ("INV-2", -CREDIT)])
def test_a_reversal_is_worth_what_its_mirror_entry_is(books: Any, number: str, worth: int) -> None:
    """Asked for, refused by the ledger and posted; and so is the reversal of that, the other way round."""
    asked = ask(number)
    assert asked.amount_minor == worth
    assert Case.objects.get(step_id=asked.id).amount_minor == worth
    assert Approval.objects.get().amount_minor == worth
    books.closed.add("2026-11")
    sign()
    stuck = Case.objects.get(stage="post_journal")
    assert (stuck.amount_minor, stuck.reason) == (worth, "period_closed") and entry(number).worth_minor == worth
    assert told("JournalReady")[-1] == worth
    books.closed.clear()
    replay.replay([stuck.step_id], "ann")
    run_all()
    assert told("JournalReversed") == [worth]
    again = blocked_mirror(books, number)
    assert again.amount_minor == Case.objects.get(step_id=again.id).amount_minor == -worth == entry(number).worth_minor


def test_whoever_signs_reads_the_amount_with_its_sign(books: Any) -> None:
    ask("INV-2")
    assert f"reverse journal {entry('INV-2').number}, EUR -119.00, as of" in Approval.objects.get().reason


def told(type_: str) -> list[int]:
    rows = Event.objects.filter(type=type_, source="q2c").order_by("id")
    return [stored.read(event.payload, JournalFact).amount_minor for event in rows]


def test_what_was_there_before_gets_its_sign(books: Any) -> None:
    """The migration's own script: of what is open; what is done, or has ended, keeps what was said of it."""
    mirror = blocked_mirror(books, "INV-1")
    asked = ask("INV-2")
    open_ = {mirror.id: -CHARGE, asked.id: -CREDIT}
    kept = dict(Step.objects.exclude(id__in=open_).values_list("id", "amount_minor"))
    with past_guards():
        for step_id, worth in open_.items():
            Step.objects.filter(id=step_id).update(amount_minor=abs(worth))
        done = Step.objects.filter(stage="reverse_journal", state="done")
        done.update(amount_minor=CHARGE)
        kept[done.get().id] = CHARGE
        Case.objects.update(amount_minor=abs(CHARGE))
        Approval.objects.update(amount_minor=abs(CREDIT))
        before = counted()
        with connection.cursor() as cursor:
            cursor.execute(import_module("q2c.migrations.0052_reversals_have_a_sign").SIGNED)
    assert dict(Step.objects.values_list("id", "amount_minor")) == kept | open_
    cases = dict(Case.objects.values_list("step_id", "amount_minor"))
    assert {step_id: cases[step_id] for step_id in open_} == open_
    assert cases[done.get().id] == CHARGE, "its case has ended"
    assert set(Approval.objects.values_list("state", "amount_minor")) == {
        ("approved", abs(CREDIT)), ("requested", -CREDIT),
    }  # fmt: skip
    assert counted() - before == sum(open_.values()) - 2 * CHARGE


def counted() -> int:
    """What the tower sums of unresolved cases."""
    rows = Facet.objects.exclude(state__in=("resolved", "closed_without_fix"))
    return sum(rows.values_list("amount_minor", flat=True))
