"""What happened is told as it was then: what a case said as it opened, and who decided what about it.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked and posted, and billing makes it cheaper afterwards.
"""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from exceptions.models import Case
from q2c import clock
from q2c.models import Invoice, Step
from q2c.ui import story
from tests.ui.people import boss, read, signed_in
from tests.ui.test_cases_that_ended_told import _noon
from tests.ui.test_differences_told import again, booked, dearer, invoice, turn
from tests.ui.test_given_up_told import NOW, give_up, unposted

__all__ = ["_noon", "invoice"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in(boss())


def happened(client: Client, address: str) -> str:
    return read(client, address).partition("What happened")[2]


def test_what_a_case_said_as_it_opened_stays_with_that_time(invoice: Invoice, client: Client) -> None:
    again(invoice, "2", 5, **dearer(invoice, 600_000))
    case = Case.objects.get(reason="invoice_changed")
    first = case.text
    with clock.at(NOW + dt.timedelta(minutes=10)):
        turn(booked())
    case.refresh_from_db()
    assert "its journal was reversed" in case.text and case.text != first
    for address in (f"/journals/{booked().id}", f"/invoices/{invoice.id}", f"/orders/{invoice.order_id}"):
        told = happened(client, address)
        opened = told.partition(f"Case {case.shown} opened")[2].partition("Open the case")[0]
        assert first.split("; ")[0][:40] in opened and "was reversed" not in opened, address


def test_who_approved_the_reversal_stands_on_the_journal_and_its_invoice(invoice: Invoice, client: Client) -> None:
    entry = booked()
    turn(entry)
    for address in (f"/journals/{entry.id}", f"/journals/{entry.mirrors.get().id}"):
        told = happened(client, address)
        assert "Approved: Reversal approval required" in told and f"Sig{entry.number}".lower() in told.lower(), address


def test_who_gave_a_journal_up_stands_on_it(invoice: Invoice, client: Client) -> None:
    give_up(unposted(invoice.order))
    other = Invoice.objects.get(number="INV-3")
    assert "Approved: Close without fix" in happened(client, f"/invoices/{other.id}")


def test_phases_of_two_subscriptions_of_one_entity_name_their_group() -> None:
    steps = [
        Step(stage="activate_subscription", part="phase-1", entity="DE", business_key="O-1",
             order_key=f"activation:S-O-1-{group}", created_at=NOW, next_at=NOW)
        for group in ("DE", "EMEA")
    ]  # fmt: skip
    assert [row["part"] for row in story.steps(steps, {})] == ["phase-1 DE", "phase-1 EMEA"]
    assert [row["part"] for row in story.steps(steps[:1], {})] == ["phase-1"]
