"""What two systems tell of is one invoice: given up, it is told once at the close, and no more once it is booked.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. INV-1 is worth EUR 1,390.00.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c.engine import desk, run
from q2c.models import Connection, Event, Invoice, Step
from q2c.reading import given_up, unbooked, unread
from tests.engine.makers import case, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db
WRONG = replace(SOUND, account="OTHER-EUR")


@pytest.fixture
def boss(company: Any) -> Any:
    order()
    Connection.objects.create(
        name="zuora", title="Zuora", vendor="zuora", service="billing", base_url="sandbox://zuora"
    )
    return get_user_model().objects.create_superuser("boss", password="x")


def told(boss: Any) -> list[tuple[int, int]]:
    """Invoices that are posted in billing and not in the books: how many, and minor units."""
    months = given_up.of_open_months(boss).values()
    return [(one.count("invoice"), sum(minor for minor, _ in one.of("invoice"))) for one in months]


def elsewhere(**changes: Any) -> None:
    arrives("InvoiceIssued", replace(SOUND, billing_reference="other-1", **changes), source="back-office")
    run.drain("record_invoice")
    run_all()


def decides(verb: str) -> None:
    getattr(desk, verb)(person("cleo"), [Approval.objects.get(state="requested").id], "looked at")
    run_all()


def test_given_up_as_both_told_it_it_is_what_billing_has(boss: Any) -> None:
    record(WRONG)
    give_up(case("INV-1"), "duplicate")
    assert told(boss) == [(1, 139_000)]
    elsewhere(due_on=SOUND.due_on + dt.timedelta(days=1))
    # Asked about: what billing has is told all the same, and once.
    assert told(boss) == [(1, 139_000)] and not unbooked.came(Step.objects.all(), unread.instead(boss)).exists()
    decides("refuse")
    assert told(boss) == [(1, 139_000)]
    (one,) = given_up.of_accounts(boss, [], Event.objects.values_list("correlation_id", flat=True))
    assert one.where == "zuora"


def test_booked_as_another_system_told_it_it_is_in_the_books(boss: Any) -> None:
    record(WRONG)
    give_up(case("INV-1"), "duplicate")
    elsewhere()
    decides("approve")
    assert Invoice.objects.get().state == "posted" and told(boss) == []


def test_what_comes_again_of_what_another_system_told_is_neither_to_be_booked_nor_missing(boss: Any) -> None:
    elsewhere()
    record(replace(SOUND, due_on=SOUND.due_on + dt.timedelta(days=1)))
    again = Case.objects.get(reason="invoice_changed")
    assert not unbooked.came(Step.objects.all(), unread.instead(boss)).exists()
    give_up(again, "other")
    # Another due date is a difference, worth nothing.
    assert told(boss) == [(0, 0)]


def test_two_documents_of_one_system_under_one_number_are_two(boss: Any) -> None:
    record(WRONG)
    record(replace(WRONG, billing_reference="b-9", issued_on=SOUND.issued_on))
    for number, stuck in enumerate(Case.objects.order_by("number")):
        give_up(stuck, "other", (f"ann{number}", f"bea{number}"))
    assert told(boss) == [(2, 278_000)]


def test_dated_in_two_months_it_stands_in_the_one_that_billing_dates_it_in_whichever_is_asked_for(boss: Any) -> None:
    record(WRONG)
    give_up(case("INV-1"), "other")
    elsewhere(issued_on=SOUND.issued_on + dt.timedelta(days=30))
    decides("refuse")
    october, november = ("DE01", "2026-10"), ("DE01", "2026-11")
    for asked in ([october, november], [october], [november]):
        found = given_up.by_month(boss, asked)
        assert {month: sums.count("invoice") for month, sums in found.items()} == dict.fromkeys(
            {october} & set(asked), 1
        ), asked
