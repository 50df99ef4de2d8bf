"""Billing takes an invoice back whose journal is not posted: what the ledger cannot hold leaves the books, else it is
asked. DE01 sold ORD-1 to Acme in October 2026; it is 3 November.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock, points
from q2c.connectors.outcomes import Rejected
from q2c.engine import desk, intake, replay, run, taken_back
from q2c.models import Invoice, Step
from q2c.reading import billing_now
from q2c.reasons import Reason
from q2c.stages import not_owed, withdrawn
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, _remap, arrives, lost_for_good, record

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(minutes=10)


def cancelled(reference: str = "b-INV-1") -> Case | None:
    """As a read of billing says that it is posted there no more: the case that tells of it, if there is one."""
    refused = Rejected(reason=Reason.REQUEST_REFUSED, text="Invoice INV-1 is Canceled", field="status")
    assert withdrawn.invoice("zuora", reference, "poll:zuora", refused.text)
    taken_back.note("zuora", {reference: refused}, "poll:zuora")
    bad = taken_back.tell("zuora", reference, refused)
    if bad is None:
        return None
    intake.keep_raw([bad], "poll:zuora")
    return Case.objects.get(reason="invoice_taken_back")


def stands() -> tuple[str, str]:
    return Invoice.objects.get().state, JournalEntry.objects.latest("id").state


def is_up_again(company: Any, *, holds: bool) -> None:
    book = company["erp-de"]
    book.down = book.lose_answers = False
    if not holds:
        book.documents.clear()
        book.numbers.clear()


@pytest.mark.parametrize("root_cause", ["changed_in_billing", "other"])
def test_a_journal_that_was_never_sent_and_given_up_leaves_the_books(company: Any, root_cause: str) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    give_up(case("INV-1"), root_cause)
    assert stands() == ("recorded", "blocked")
    assert cancelled() is None and stands() == ("voided", "superseded")
    assert case("INV-1").events.filter(kind="taken_back").count() == 1


def test_what_waits_for_a_ledger_that_is_away_leaves_the_books(company: Any) -> None:
    company["erp-de"].down = True
    issue("INV-1", order())
    run.drain("record_invoice")
    run.run_stage("post_journal")
    assert (Step.objects.get(stage="post_journal").state, stands()) == ("waiting", ("recorded", "posting"))
    assert cancelled() is None and stands() == ("voided", "superseded")
    is_up_again(company, holds=False)
    with clock.at(LATER):
        run_all()
    assert company["erp-de"].writes == 0


def test_what_booked_nothing_is_voided_and_nobodys_case(company: Any) -> None:
    """Usage within its allowance, say: there is no journal that anybody could reverse."""
    issue("INV-1", order(), net=0, tax=0)
    run_all()
    assert Invoice.objects.get().state == "recorded" and not JournalEntry.objects.exists()
    assert cancelled() is None and Invoice.objects.get().state == "voided"


def test_what_the_ledger_keeps_though_it_had_refused_it_does_not_leave_unseen(company: Any) -> None:
    book = company["erp-de"]
    book.refuse_all, book.keeps_what_it_refuses = "Error in script", True
    issue("INV-1", order())
    run_all()
    book.refuse_all, book.keeps_what_it_refuses = "", False
    _remap("CC-420")
    desk.replay_one(person("ann0"), case("INV-1").id)
    run_all()
    stuck = case("INV-1")
    assert (stuck.reason, Step.objects.get(id=stuck.step_id).sent_at) == ("content_differs", None)
    give_up(stuck, "other")
    told = cancelled()
    assert told is not None and stands() == ("recorded", "blocked")
    assert f"given up ({stuck.shown})" in billing_now.what_to_do(told)


def test_given_up_as_a_duplicate_after_billing_took_it_back_its_case_there_ends(company: Any) -> None:
    """None of it is there: as if it had never left."""
    lost_for_good(company)
    told = cancelled()
    assert told is not None
    Step.objects.filter(stage="post_journal").update(sent_at=None, proof={})
    give_up(Case.objects.get(stage="post_journal"), "duplicate")
    told.refresh_from_db()
    assert (stands(), told.state) == (("voided", "superseded"), "resolved")


def test_what_another_system_told_of_too_stays_until_it_is_posted(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    record(SOUND)
    run_all()
    arrives("InvoiceIssued", replace(SOUND, billing_reference="other-1"), source="shop")
    run.drain("record_invoice")
    give_up(Case.objects.get(stage="post_journal"), "other")
    told = cancelled(SOUND.billing_reference)
    assert told is not None and stands() == ("recorded", "blocked")
    assert (
        "be posted after all, since another system told of the invoice, too. Once it is posted, reverse it"
        in billing_now.what_to_do(told)
    )
    assert not not_owed.of(JournalEntry.objects.all())


def test_sent_and_looked_for_until_it_surely_is_not_there_it_leaves_the_books_by_itself(company: Any) -> None:
    """Nobody gave it up: its answer was lost, and billing cancelled it before the next look."""
    company["erp-de"].lose_answers = True
    issue("INV-1", order())
    run.drain("record_invoice")
    run.run_stage("post_journal")
    # It is asked for once more until somebody knows.
    assert not withdrawn.invoice("zuora", "b-INV-1", "poll:zuora", "canceled there")
    assert (Step.objects.get(stage="post_journal").state, stands()) == ("unknown", ("recorded", "posting"))
    is_up_again(company, holds=False)
    with clock.at(LATER):
        run_all()
    step = Step.objects.get(stage="post_journal")
    assert (stands(), step.state, step.document) == (("voided", "superseded"), "done", "")
    assert not company["erp-de"].documents and "taken_back" in step.proof
    assert cancelled() is None and not Case.objects.filter(reason="invoice_taken_back").exists()


def test_what_is_there_is_posted_and_its_case_still_asks_for_the_reversal(company: Any) -> None:
    lost_for_good(company)
    told = cancelled()
    assert told is not None
    is_up_again(company, holds=True)
    with clock.at(LATER):
        desk.replay_one(person("ann"), Case.objects.get(stage="post_journal").id)
        run_all()
    told.refresh_from_db()
    assert (stands(), told.state, company["erp-de"].writes) == (("posted", "posted"), "open", 1)
    # Touched once more in billing, it is the same case.
    assert cancelled() == told and Case.objects.filter(reason="invoice_taken_back").count() == 1


def test_posted_again_in_billing_while_the_ledger_is_asked_it_is_sent(company: Any, monkeypatch: Any) -> None:
    lost_for_good(company)
    told = cancelled()
    assert told is not None
    is_up_again(company, holds=False)

    def reach(name: str) -> None:
        if name == "after_answer":
            taken_back.posted_again("zuora", {("DE01", "INV-1"): None}, ["b-INV-1"], "poll:zuora")

    monkeypatch.setattr(points, "reach", reach)
    with clock.at(LATER):
        desk.replay_one(person("ann"), Case.objects.get(stage="post_journal").id)
        run_all()
    assert stands() == ("posted", "posted") and len(company["erp-de"].documents) == 1
    assert Case.objects.get(stage="post_journal").state == "resolved"


def test_a_dry_run_says_that_it_is_looked_for_and_not_sent(company: Any) -> None:
    lost_for_good(company)
    cancelled()
    is_up_again(company, holds=False)
    stuck = Case.objects.get(stage="post_journal")
    with clock.at(LATER):
        (shown,) = replay.dry_run([stuck.step_id], ask=True)
    assert shown.would_pass and shown.preview["would"].startswith("look for it in erp-de")
    assert company["erp-de"].writes == 1 and stands() == ("recorded", "blocked")
