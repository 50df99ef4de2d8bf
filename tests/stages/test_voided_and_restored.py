"""What was voided makes room for the true invoice; what was reversed and restored counts as billed again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c.engine import desk, requests, run
from q2c.models import Invoice
from q2c.reading import reversals
from tests.engine.makers import case, order, person, run_all
from tests.stages.test_invoices_and_journals import SOUND, TODAY, arrives, record
from tests.stages.test_reversals import controller
from tests.stages.test_term_of_invoices import serves

pytestmark = pytest.mark.django_db


def test_the_true_invoice_comes_under_the_number_of_the_one_that_was_voided(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    record(SOUND)
    run_all()
    ann, bea = person("ann"), person("bea")
    (asked,) = _closing(ann, case("INV-1"))
    desk.approve(bea, [asked], "agreed")
    assert Invoice.objects.get().state == "voided"
    company["erp-de"].inactive.clear()
    record(replace(SOUND, billing_reference="b-2"))
    run_all()
    assert sorted(Invoice.objects.values_list("state", flat=True)) == ["posted", "voided"]
    assert company["erp-de"].writes == 1


def test_the_one_that_was_voided_is_asked_about_when_it_comes_again(company: Any) -> None:
    """Whoever sends it, and under which id ever: what two people gave up is booked as soon as a third one says so."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    record(SOUND)
    run_all()
    (asked,) = _closing(person("ann"), case("INV-1"))
    desk.approve(person("bea"), [asked], "agreed")
    company["erp-de"].inactive.clear()
    record(SOUND)
    run_all()
    assert Case.objects.get(reason="invoice_given_up").state == "awaiting_approval"
    assert company["erp-de"].writes == 0
    desk.approve(person("cleo"), [Approval.objects.get(state="requested").id], "it was sold, after all")
    run_all()
    assert sorted(Invoice.objects.values_list("state", flat=True)) == ["posted", "voided"]


def test_what_another_system_told_of_too_is_not_given_up_unseen(company: Any) -> None:
    """Zuora's copy was answered that the invoice is here: voided, nothing of it would be booked, and nobody would know."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    arrives("InvoiceIssued", SOUND, source="webshop")
    run_all()
    record(SOUND)
    (asked,) = _closing(person("ann"), case("INV-1"))
    desk.approve(person("bea"), [asked], "agreed")
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("recorded", "blocked")


def test_an_invoice_whose_reversal_was_reversed_and_reversed_again_is_out_of_the_books(company: Any) -> None:
    order()
    record(SOUND)
    run_all()
    shown, reader = [], get_user_model().objects.create_superuser("reader")
    for turn in (1, 2, 3):
        _reverse(JournalEntry.objects.get(state="posted"), turn)
        shown.append(bool(reversals.of_invoices(reader, list(Invoice.objects.all()))))
    assert shown == [True, False, True]


def _closing(ann: Any, stuck: Case) -> list[Any]:
    desk.close_without_fix(ann, [stuck.id], "a test of ours", "test_data")
    return list(Approval.objects.filter(state="requested").values_list("id", flat=True))


def test_a_reversal_that_is_reversed_leaves_the_days_billed(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01"))
    run_all()
    for turn in (1, 2):
        standing = JournalEntry.objects.filter(state="posted").get()
        _reverse(standing, turn)
    record(serves("INV-2", "2026-10-01", "2026-11-01"))
    assert case("INV-2").reason == "invoice_duplicate"


def test_a_reversal_is_not_reversed_once_its_days_are_billed_anew(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01"))
    run_all()
    _reverse(JournalEntry.objects.get(state="posted"), 1)
    mirror = JournalEntry.objects.get(state="posted")
    record(serves("INV-2", "2026-10-01", "2026-11-01"))
    run_all()
    requests.reverse_journal(controller("carla"), mirror, TODAY, "again", "00000000-0000-7000-8000-000000000009")
    run.drain("reverse_journal")
    stuck = Case.objects.get(stage="reverse_journal", state="open")
    assert stuck.reason == "billed_since_reversed" and "by INV-2 already" in stuck.text
    assert "would restore invoice INV-1: INV-2 fills its place since." in stuck.text
    assert not Approval.objects.filter(state="requested").exists()


def test_what_may_be_in_the_way_of_a_restored_invoice_is_signed_and_so_is_its_reversal(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01"))
    run_all()
    _reverse(JournalEntry.objects.get(state="posted"), 1)
    mirror = JournalEntry.objects.get(state="posted")
    record(serves("INV-2", "2026-10-01", "2026-11-01", charge="Another"))
    run_all()
    requests.reverse_journal(controller("carla"), mirror, TODAY, "again", "00000000-0000-7000-8000-000000000009")
    run.drain("reverse_journal")
    for reason in ("invoice_approval_required", "reversal_approval_required"):
        asked = Approval.objects.get(state="requested")
        assert asked.action == reason
        desk.approve(controller(f"cleo-{reason[:3]}"), [asked.id], "seen")
        run.drain("reverse_journal")
    run_all()
    assert not Case.objects.filter(state="open").exists()
    assert JournalEntry.objects.filter(state="posted", reverses=mirror).exists()


def test_the_same_invoice_after_its_reversal_is_a_case_and_not_silently_done(company: Any) -> None:
    order()
    record(SOUND)
    run_all()
    _reverse(JournalEntry.objects.get(state="posted"), 1)
    record(SOUND)
    stuck = Case.objects.get(stage="record_invoice", state="open")
    assert stuck.reason == "invoice_changed" and "has it posted as it was booked" in stuck.text


def _reverse(entry: JournalEntry, turn: int) -> None:
    requests.reverse_journal(controller("carla"), entry, TODAY, "again", f"00000000-0000-7000-8000-00000000000{turn}")
    run.drain("reverse_journal")
    asked = list(Approval.objects.filter(state="requested").values_list("id", flat=True))
    desk.approve(controller("cleo"), asked, "seen")
    run_all()
    run.drain("reverse_journal")
    run_all()
