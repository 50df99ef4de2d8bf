"""An invoice that was given up is wanted after all: asked for on its case, decided by another.

DE01 sells O-1 to Acme on 3 November 2026; billing issues INV-3, whose journal was never sent, and given up.
"""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from exceptions.models import Approval, Case
from q2c.models import Event, Invoice
from tests import flow_makers as make
from tests.ui.people import boss, read, signed_in, with_rights
from tests.ui.test_given_up_told import _noon, closing, give_up, order, person, unposted, unrecorded

__all__ = ["_noon", "order"]
pytestmark = pytest.mark.django_db
ASKS = "asks to book it after all: it was sold"


def test_who_wants_it_asks_on_its_case_and_another_decides(order: Any) -> None:
    closed = give_up(unposted(order), "test_data")
    ann = boss()
    client = signed_in(ann)
    assert "Book it after all" in read(client, f"/cases/{closed.id}")
    assert "Is it changed there, or wanted here after all, a second person decides" in read(
        client, f"/cases/{closed.id}"
    )
    sent = {"verb": "after_all", "reason": "it was sold", "token": "00000000-0000-7000-8000-000000000001"}
    for _ in range(2):
        told = client.post(f"/cases/{closed.id}/act", sent, follow=True).content.decode()
        assert "It is asked for." in told
    make.run("record_invoice")
    asked = Approval.objects.get(state="requested")
    assert asked.requested_by == ann and asked.reason.endswith(ASKS)
    page = read(client, f"/cases/{closed.id}")
    assert "Book it after all" not in page and "To be booked after all: asked for" in page
    other = signed_in(with_rights("cleo", "view_case", "approve_case", "replay_case"))
    card = read(other, "/approvals")
    assert "Invoice was given up, and comes again" in card and ASKS in card
    other.post(f"/approvals/{asked.id}/decide", {"verb": "approve"})
    make.run("record_invoice")
    make.run("post_journal")
    assert sorted(Invoice.objects.filter(number="INV-3").values_list("state", flat=True)) == ["posted", "voided"]
    assert "booked after all since, as INV-3" in read(client, f"/cases/{closed.id}")
    assert "1 invoice: posted in billing" not in closing(client)


def test_refused_it_stays_given_up_and_may_be_asked_for_again(order: Any) -> None:
    closed = give_up(unposted(order), "test_data")
    client = signed_in(boss())
    client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"})
    make.run("record_invoice")
    asked = Approval.objects.get(state="requested")
    other = signed_in(with_rights("cleo", "view_case", "approve_case", "replay_case"))
    answer = other.post(f"/approvals/{asked.id}/decide", {"verb": "refuse", "reason": "no"}, follow=True)
    assert "It stays given up" in answer.content.decode()
    assert "was given up once more" in read(client, f"/cases/{closed.id}")
    again = Case.objects.get(reason="invoice_given_up")
    assert again.state == "closed_without_fix" and "Book it after all" in read(client, f"/cases/{again.id}")
    assert "1 invoice: posted in billing, not in the books" in closing(client)


def test_where_it_is_stopped_again_both_cases_say_by_what_and_who_asked(order: Any) -> None:
    closed = give_up(unrecorded(order))
    client = signed_in(boss())
    client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"})
    make.run("record_invoice")
    again = Case.objects.exclude(id=closed.id).get()
    assert again.reason != "invoice_given_up" and not Approval.objects.filter(state="requested").exists()
    earlier, later = read(client, f"/cases/{closed.id}"), read(client, f"/cases/{again.id}")
    assert f"came again since, and stopped once more: {again.text.rstrip('.')}" in unescape(earlier)
    assert "nothing is booked until a second person approves it" not in earlier
    assert closed.shown in later and ASKS in later


def test_over_the_api_with_the_right_to_replay(order: Any) -> None:
    closed = give_up(unposted(order), "test_data")
    address = f"/api/v1/cases/{closed.id}/book-after-all"
    for rights, body, status in (
        ((), {"why": "it was sold"}, 403), (("exceptions.replay_case",), {}, 400),
        (("exceptions.replay_case",), {"why": "it was sold"}, 202), (("exceptions.replay_case",), {"why": "again"}, 409),
    ):  # fmt: skip
        client = signed_in(person(f"p-{status}", "exceptions.view_case", *rights))
        assert client.post(address, body, content_type="application/json").status_code == status
    assert Event.objects.filter(type="InvoiceIssued", sent_by__username="p-202").count() == 1


def test_a_journal_that_stays_in_the_books_is_asked_for_and_posted(order: Any) -> None:
    closed = give_up(unposted(order), "other")
    client = signed_in(boss())
    text = read(client, f"/cases/{closed.id}")
    assert "Post it after all" in text and "Book it after all" not in text
    assert "Is it wanted there after all, a second person decides." in text
    told = client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"}, follow=True)
    assert "A second person decides." in told.content.decode()
    text = read(client, f"/cases/{closed.id}")
    assert "Post it after all" not in text and "that is asked for." in text
    asked = Approval.objects.get(state="requested")
    other = signed_in(with_rights("cleo", "view_case", "approve_case", "replay_case"))
    card = read(other, "/approvals")
    assert "Post after all: INV-3" in card and "Rosa asks to post it after all: it was sold" in card
    assert "is searched for in erp-de01 by its key, and sent only where it is not there" in card
    assert "stays given up: in the books here, and not in the ledger" in card
    answer = other.post(f"/approvals/{asked.id}/decide", {"verb": "approve"}, follow=True).content.decode()
    assert "It is searched for in the ledger by its key now" in answer
    make.run("post_journal")
    text = read(client, f"/cases/{closed.id}")
    assert "Resolved by the approval of Cleo: document" in text
    assert "in the books here, not in the ledger" not in closing(client)
    assert Invoice.objects.get(number="INV-3").state == "posted"


def test_a_journal_that_stays_given_up_says_so_to_whoever_decides(order: Any) -> None:
    closed = give_up(unposted(order), "other")
    client = signed_in(boss())
    client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"})
    answer = client.post(f"/approvals/{Approval.objects.get(state='requested').id}/decide", {"verb": "withdraw"},
                         follow=True).content.decode()  # fmt: skip
    assert "It stays given up: in the books here, and not in the ledger." in answer
    client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"})
    other = signed_in(with_rights("cleo", "view_case", "approve_case", "replay_case"))
    asked = Approval.objects.get(state="requested")
    answer = other.post(f"/approvals/{asked.id}/decide", {"verb": "refuse", "reason": "no"}, follow=True)
    assert "It stays given up: in the books here, and not in the ledger." in answer.content.decode()
    assert "Post it after all" in read(client, f"/cases/{closed.id}")
    assert "1 journal: in the books here, not in the ledger" in closing(client)
