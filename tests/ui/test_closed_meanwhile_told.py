"""What pages say of what is to be signed, or was stopped, in a month that was closed meanwhile.

DE01 sells O-1 to Acme on 3 November 2026 and bills INV-1, which is posted.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import JournalEntry
from q2c.connectors.outcomes import Rejected
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import decisions, replay
from q2c.models import Invoice, Order
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.past_guards import reopened
from tests.ui.people import page, read, signed_in
from tests.ui.test_differences_told import again, booked, boss_of, turn
from tests.ui.test_given_up_told import _noon, closing, give_up, order, unposted
from tests.ui.test_redated_told import DECEMBER, month, people

__all__ = ["_noon", "order", "people"]
pytestmark = pytest.mark.django_db
CLOSED = "Period 2026-11 of DE01 (receivables) is closed"


def plain(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").split())


def told(text: str) -> str:
    return plain(re.sub(r"<[^>]+>", "", text))


def shut(name: str = "2026-11") -> None:
    periods.close(month(name), by="carla", why="it is done")


def asked() -> Approval:
    """A back office asks to reverse the journal of INV-1 as of today."""
    wanted = JournalReversalRequested(journal_id=str(booked().id), effective_on=dt.date(2026, 11, 3), reason="twice")
    make.arrive("JournalReversalRequested", "urn:test", "r-1", wanted)
    make.run("reverse_journal")
    return Approval.objects.get(state="requested")


def card_and_dialog(client: Any, request: Approval) -> tuple[str, str]:
    before, _, after = page(client, "/approvals").partition(f'id="approve-{request.id}"')
    return told(before), told(after.partition("</dialog>")[0])


def decide(client: Any, request: Approval) -> str:
    answer = client.post(f"/approvals/{request.id}/decide", {"verb": "approve"}, follow=True)
    return plain(answer.content.decode())


def test_a_reversal_says_that_its_month_is_closed_and_is_not_signed(order: Order) -> None:
    client, request = signed_in(boss_of()), asked()
    card, dialog = card_and_dialog(client, request)
    assert "As it would be booked" in card and "In the way" not in card
    assert "A mirror entry with every amount turned is booked on Nov 3, 2026" in dialog
    shut()
    card, dialog = card_and_dialog(client, request)
    assert CLOSED in card and "As it would be booked" not in card
    assert f"It cannot be booked so: {CLOSED}." in dialog and "signs nothing" in dialog
    assert "is booked on Nov 3, 2026" not in dialog
    said = decide(client, request)
    assert "Not decided:" in said and "is closed: nothing is signed. Put that right first" in said
    assert "Approved." not in said and Approval.objects.get().state == "requested"
    reopened(month("2026-11"), by="cfo", why="one more")
    assert "The mirror entry is made now and sent; once the ledger has posted it, the journal is reversed." in decide(
        client, request
    )


def test_an_invoice_says_that_its_month_is_closed_and_what_its_signature_comes_to(order: Order) -> None:
    make.bill(order, "INV-2", issued_on=dt.date(2026, 12, 10))
    make.run("record_invoice")
    client, request = signed_in(boss_of()), Approval.objects.get(action="invoice_approval_required")
    assert "recorded and booked with your approval" in card_and_dialog(client, request)[1]
    shut("2026-12")
    card, dialog = card_and_dialog(client, request)
    there = "Period 2026-12 of DE01 (receivables) is closed"
    assert there in card
    assert f"Your approval is kept; the invoice is not booked before this is settled: {there}." in dialog
    said = decide(client, request)
    assert f"It is checked again now, and does not go on before this is settled: {there}." in said
    assert "It is recorded and booked now." not in said
    make.run("record_invoice")
    assert Case.objects.get(business_key="INV-2").reason == "period_closed"


def test_a_re_dating_whose_new_month_was_closed_too_says_so_in_its_dialog(order: Order, people: Any) -> None:
    ann, cleo = people
    shut()
    make.bill(order, "INV-2", net_minor=400_000)
    make.run("record_invoice")
    decisions.ask_to_redate(ann, Case.objects.get(business_key="INV-2").id, DECEMBER, "billed late")
    request = Approval.objects.get(state="requested")
    client = signed_in(cleo)
    assert "It is booked on Dec 1, 2026 instead of Nov 3, 2026, and sent." in card_and_dialog(client, request)[1]
    shut("2026-12")
    card, dialog = card_and_dialog(client, request)
    there = "Period 2026-12 of DE01 (receivables) is closed"
    assert there in card and f"It cannot be booked so: {there}." in dialog and "It is booked on" not in dialog
    assert "Not decided:" in decide(client, request)


def refused_mirror(reason: Reason = Reason.PERIOD_CLOSED) -> Case:
    """Signed and made, and refused by the ledger."""
    decide(signed_in(boss_of()), asked())
    make.run("reverse_journal")
    make.run("post_journal", lambda work: Rejected(reason=reason, text="Period Nov 2026 is closed in NetSuite"))
    return Case.objects.get(stage="post_journal", resolved_at=None)


def test_a_reversal_in_a_closed_month_says_what_can_be_done_with_it(order: Order) -> None:
    case, entry = refused_mirror(), booked()
    client = signed_in(boss_of())
    text = plain(read(client, f"/cases/{case.id}"))
    assert f"on the page of journal {entry}. A reversal is not re-dated." in text.split("Accounting impact")[0]
    assert "ask for re-dating" not in text and "Re-date it" not in text
    whole = page(client, f"/cases/{case.id}")
    assert "Open its journal" in whole and f'href="/journals/{entry.id}"' in whole
    # An invoice's case says what the policy does.
    shut()
    make.bill(order, "INV-2", net_minor=400_000)
    make.run("record_invoice")
    late = plain(read(client, f"/cases/{Case.objects.get(business_key='INV-2').id}"))
    assert "ask for re-dating" in late and "Open its journal" not in late


def test_a_reversal_that_the_request_itself_failed_with_says_the_same(order: Order) -> None:
    shut()
    wanted = JournalReversalRequested(journal_id=str(booked().id), effective_on=dt.date(2026, 11, 3), reason="twice")
    make.arrive("JournalReversalRequested", "urn:test", "r-1", wanted)
    make.run("reverse_journal")
    case = Case.objects.get()
    assert case.reason == "period_closed"
    assert f"on the page of journal {booked()}." in read(signed_in(boss_of()), f"/cases/{case.id}")


def test_a_mirror_that_was_given_up_is_no_reversal_of_its_journal(order: Order) -> None:
    case, entry = refused_mirror(), booked()
    client = signed_in(boss_of())
    mirror = JournalEntry.objects.get(reverses=entry)
    assert "Being reversed by" in read(client, f"/journals/{entry.id}").split("Related entries")[1]
    give_up(case)
    related = read(client, f"/journals/{entry.id}").split("Related entries")[1]
    assert f"Was to be reversed by {mirror}" in related and "Reversed by" not in related
    of_mirror = read(client, f"/journals/{mirror.id}")
    assert f"Was to reverse journal {entry}" in of_mirror and f"Was to reverse {entry}" in of_mirror
    assert "Reversal of" not in of_mirror.split("Related entries")[1]


def test_what_was_booked_and_reversed_names_the_document_of_each(order: Order) -> None:
    entry, invoice = booked(), Invoice.objects.get()
    again(invoice, "2", 5, issued_on=dt.date(2026, 11, 5))
    case = Case.objects.get(reason="invoice_changed")
    mirror = turn(entry)
    text = plain(read(signed_in(boss_of()), f"/cases/{case.id}"))
    entry.refresh_from_db(fields=["document_number"])
    assert f"journal {entry}, posted as {entry.document_number}, reversed since" in text
    assert f"journal {mirror}, a mirror entry, posted as {mirror.document_number}" in text
    assert f"reversed as {entry.document_number}" not in text


def test_the_close_says_that_blocked_journals_find_the_month_closed(order: Order) -> None:
    """And so they do: the ledger would take it by now, and the month is closed here."""
    case = unposted(order)
    client = signed_in(boss_of())
    text = plain(closing(client))
    assert "1 blocked" in text and "also a blocked journal that has its number" in text
    assert "Journals that have their number may still be posted" not in text
    shut()
    replay.replay([case.step_id], "ann")
    make.run("post_journal")
    assert Case.objects.get(id=case.id).reason == "period_closed"
