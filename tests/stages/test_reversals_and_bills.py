"""Reversals beside what billing does meanwhile: no days stand twice, and whoever signs reads what was credited since.

DE01 sold ORD-1 a platform for a year, EUR 100.00 a month; it is 3 November 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from exceptions.models import Approval, Case, Offer
from ledger.models import JournalEntry
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk, replay, run, watch
from q2c.models import Invoice, Step
from q2c.stages.reverse_journal import ReverseJournal
from q2c.stages.verb import Work
from tests.engine.makers import run_all
from tests.stages.test_days_billed import NOV, OCT, YEAR, bills, sell
from tests.stages.test_invoices_and_journals import arrives
from tests.stages.test_reversals import TODAY, _reverse, _signed, _work, controller

pytestmark = pytest.mark.django_db


def _billed(number: str, days: Any, minor: int) -> None:
    arrives("InvoiceIssued", bills(number, (*days, minor)))
    run_all()


def _journal(number: str) -> JournalEntry:
    return JournalEntry.objects.get(business_document=f"invoice:{number}", reverses=None)


def _reversed_invoice() -> JournalEntry:
    """INV-1 bills October and is reversed; returns the mirror."""
    sell(YEAR)
    _billed("INV-1", OCT, 10_000)
    _reverse(_journal("INV-1"))
    return JournalEntry.objects.get(reverses=_journal("INV-1"))


def _asked(entry: JournalEntry, name: str) -> None:
    asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=TODAY, reason="by mistake")
    arrives("JournalReversalRequested", asked, name, "back-office")
    run.drain("reverse_journal")


def _owed() -> int:
    """What the books say is receivable."""
    entries = JournalEntry.objects.filter(state__in=["posted", "reversed"])
    return sum(
        line.amount_minor
        for entry in entries
        for line in entry.lines.select_related("account")
        if line.account.code.startswith("1")
    )


def test_what_is_being_restored_is_billed_though_its_mirror_is_not_posted(company: Any) -> None:
    mirror = _reversed_invoice()
    _asked(mirror, "r-2")
    _signed()
    run.drain("reverse_journal")
    assert JournalEntry.objects.get(reverses=mirror).state == "ready"
    arrives("InvoiceIssued", bills("INV-2", (*OCT, 10_000)))
    run.drain("record_invoice")
    run_all()
    stuck = Case.objects.get(business_key="INV-2")
    assert (stuck.reason, "by INV-1 already" in stuck.text) == ("invoice_duplicate", True)
    assert _owed() == 10_000


def test_what_is_being_restored_is_billed_though_its_mirror_is_blocked(company: Any) -> None:
    mirror = _reversed_invoice()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    _reverse(mirror, name="r-2")
    assert JournalEntry.objects.get(reverses=mirror).state == "blocked"
    company["erp-de"].inactive.clear()
    _billed("INV-2", OCT, 10_000)
    assert Case.objects.get(business_key="INV-2").reason == "invoice_duplicate"
    replay.replay([Case.objects.get(stage="post_journal").step_id], "ann")
    run_all()
    _work()
    assert JournalEntry.objects.get(reverses=mirror).state == "posted"
    assert list(Invoice.objects.values_list("number", flat=True)) == ["INV-1"]
    assert _owed() == 10_000


def test_what_is_billed_anew_as_the_mirror_is_being_made_is_in_its_way(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-2 comes in after the signed request was looked at, and before its mirror is written."""
    mirror = _reversed_invoice()
    _asked(mirror, "r-2")
    prepare = ReverseJournal.prepare

    def then_billing(self: ReverseJournal, works: Sequence[Work]) -> None:
        prepare(self, works)
        assert not any(work.findings for work in works)
        arrives("InvoiceIssued", bills("INV-2", (*OCT, 10_000)))
        run.drain("record_invoice")

    _signed()
    monkeypatch.setattr(ReverseJournal, "prepare", then_billing)
    run.drain("reverse_journal")
    monkeypatch.undo()
    assert not JournalEntry.objects.filter(reverses=mirror).exists()
    stuck = Case.objects.get(step_id=Step.objects.filter(stage="reverse_journal").latest("seq").id)
    assert (stuck.reason, "by INV-2 already" in stuck.text) == ("billed_since_reversed", True)
    run_all()
    assert _owed() == 10_000


@pytest.mark.parametrize(
    ("since", "undone", "told"),
    [
        ([], "INV-1", ""),
        ([("CM-1", OCT, -10_000)], "CM-1", ""),
        ([("INV-2", NOV, 10_000)], "INV-1", ""),
        (
            [("CM-1", OCT, -10_000)],
            "INV-1",
            "without INV-1, PLATFORM from 2026-10-01 until 2026-11-01 is credited, and billed by nothing; "
            "EUR -100.00 of PLATFORM remains billed",
        ),
        (
            [("CM-1", OCT, -10_000), ("INV-2", OCT, 10_000)],
            "CM-1",
            "without CM-1, PLATFORM from 2026-10-01 until 2026-11-01 is billed twice, or beyond what was sold; "
            "EUR 200.00 of PLATFORM remains billed",
        ),
    ],
    ids=["alone", "its credit", "another month", "credited since", "billed anew since its credit"],
)
def test_whoever_signs_reads_what_would_be_wrong_afterwards(
    company: Any, since: list[tuple[str, Any, int]], undone: str, told: str
) -> None:
    sell(YEAR)
    _billed("INV-1", OCT, 10_000)
    for number, days, minor in since:
        _billed(number, days, minor)
    _asked(_journal(undone), "r-1")
    asked = Approval.objects.get()
    assert asked.reason.partition(" Beware: ")[2] == told
    seen = replay.dry_run([asked.case.step_id])[0]
    assert [finding["text"] for finding in seen.findings] == [asked.reason]
    _signed()
    _work()
    assert _journal(undone).state == "reversed"


def test_what_was_credited_after_it_was_signed_is_signed_again(company: Any) -> None:
    sell(YEAR)
    _billed("INV-1", OCT, 10_000)
    _asked(_journal("INV-1"), "r-1")
    _signed()
    arrives("InvoiceIssued", bills("CM-1", (*OCT, -10_000)))
    run.drain("record_invoice")
    run.drain("reverse_journal")
    again = Approval.objects.get(state="requested")
    assert "EUR -100.00 of PLATFORM remains billed" in again.reason
    assert not JournalEntry.objects.exclude(reverses=None).exists()


def test_a_credit_whose_invoice_is_reversed_is_restored_once_that_is_back(company: Any) -> None:
    """Nothing fills its place: what is missing is the invoice that it credits, which its case names."""
    sell(YEAR)
    _billed("INV-1", OCT, 10_000)
    _billed("CN-1", OCT, -10_000)
    _reverse(_journal("CN-1"), name="r-1")
    _reverse(_journal("INV-1"), name="r-2")
    _asked(JournalEntry.objects.get(reverses=_journal("CN-1")), "r-3")
    told = Case.objects.filter(stage="reverse_journal").latest("number")
    assert told.reason != "billed_since_reversed" and told.blocker is not None and "not_billed" in told.blocker


def test_a_request_to_restore_is_offered_once_its_place_is_free(company: Any) -> None:
    mirror = _reversed_invoice()
    _billed("INV-2", OCT, 10_000)
    _asked(mirror, "r-2")
    stuck = Case.objects.get(reason="billed_since_reversed", state="open")
    assert stuck.blocker == ("", "place_of_invoice", "ORD-1:INV-1", "filled")
    assert watch.watch_blockers() == {"looked": 1, "offers": 0}
    _reverse(_journal("INV-2"), name="r-3")
    assert watch.watch_blockers() == {"looked": 1, "offers": 1}
    title = Offer.objects.get(state="open").title
    assert title == "1 case, EUR 100.00, can be replayed: the place of invoice INV-1 in order ORD-1 is free again"
    desk.replay_one(controller("carla"), stuck.id)
    run.drain("reverse_journal")
    asked = Approval.objects.get(state="requested")
    assert asked.case == stuck and asked.action == "reversal_approval_required"
