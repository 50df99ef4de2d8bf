"""A request to restore a reversed journal, stopped since another invoice billed the charge meanwhile, says just that.

DE01 sells O-1 to Acme on 3 November 2026; INV-1, with the fee for the onboarding, is booked, posted and reversed. Then
INV-2 bills the fee. As INV00001830 and INV00001855.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk
from q2c.models import Invoice
from tests import flow_makers as make
from tests.ui.people import read, signed_in
from tests.ui.test_differences_told import booked, boss_of, invoice, turn
from tests.ui.test_given_up_told import NOW

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.at(NOW):
        yield


@pytest.fixture
def stuck(invoice: Invoice) -> Case:
    """The request to reverse the reversal."""
    mirror, fee = turn(booked()), stored.read(invoice.event.payload, InvoiceDocument).lines[1]
    assert fee.kind == "one_time"
    make.bill(invoice.order, "INV-2", lines=[fee])
    make.run("record_invoice")
    make.run("post_journal")
    asked = JournalReversalRequested(journal_id=str(mirror.id), effective_on=clock.today(), reason="it was right")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    return Case.objects.get(stage="reverse_journal", state="open")


def test_title_what_to_do_and_impact_say_what_is_asked_for_and_what_is_in_its_place(stuck: Case) -> None:
    mirror = JournalEntry.objects.get(reverses=booked())
    page = " ".join(read(signed_in(boss_of()), f"/cases/{stuck.id}").split())
    assert "Request to restore a journal stopped: INV-1" in page
    why = f"Journal {mirror} cannot be reversed, which would restore invoice INV-1: INV-2 fills its place since."
    assert why in page
    assert "Find the order" in page and "the place of invoice INV-1 in order O-1" in page
    to_do = page.split("What to do")[1].split("Accounting impact")[0]
    assert "reverse the journal of INV-2 first, or have billing void it: this is offered for replay then" in to_do
    impact = page.split("Accounting impact")[1].split("Dry run: what")[0]
    assert "the journal stays reversed" in impact and "INV-2 fills its place since" in impact
    for untrue in ("Nothing is booked for it yet", "as it came", "Credit and reissue", "disagrees with its order"):
        assert untrue not in page


def test_with_what_fills_its_place_taken_out_a_replay_asks_a_second_person(stuck: Case) -> None:
    turn(JournalEntry.objects.get(business_document="invoice:INV-2", reverses=None))
    desk.replay_one(boss_of(), stuck.id)
    make.run("reverse_journal")
    stuck.refresh_from_db()
    assert (stuck.state, stuck.reason) == ("awaiting_approval", "reversal_approval_required")
    assert Approval.objects.filter(case=stuck, state="requested").exists()
