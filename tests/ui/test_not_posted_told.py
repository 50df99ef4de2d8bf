"""Where a month ties out, what is on its way to the books or to the ledger is told, and that nothing differs is not.

DE01 sells O-1 to Acme; INV-1 is booked and posted on 3 November 2026, INV-2 is booked, and refused by the ledger.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.models import Connection, Invoice
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import page, person, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_page import NOVEMBER, _noon
from tests.ui.test_differences_told import again, boss_of, dearer, invoice
from tests.ui.test_given_up_told import NOW, give_up

__all__ = ["_noon", "invoice"]
pytestmark = pytest.mark.django_db
NOTHING = "No difference between billing, the books and the ledger is known"


@pytest.fixture
def second(invoice: Invoice) -> JournalEntry:
    """EUR 190.00."""
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    make.bill(invoice.order, "INV-2", 16_000, 3_000)
    make.run("record_invoice")
    return JournalEntry.objects.get(business_document="invoice:INV-2")


def refuse() -> Case:
    make.run("post_journal", lambda work: Rejected(reason=Reason.JOURNAL_REFUSED, text="Department CC-200 is inactive"))
    return Case.objects.get()


def shown(client: Any, page: str = NOVEMBER) -> str:
    """Without white space, which tables have where sentences do not."""
    return re.sub(r"\s", "", said(read(client, page)))


def has(told: str, text: str) -> bool:
    return text.replace(" ", "") in told


def test_what_the_ledger_refused_is_told_with_its_case_until_it_is_posted(second: JournalEntry) -> None:
    client, case = signed_in(boss_of()), refuse()
    told = shown(client)
    assert has(told, "It ties out EUR 0.00") and not has(told, NOTHING)
    assert has(told, "Booked EUR 62,310.00 Not in the ledger yet EUR -190.00 In the ledger EUR 62,120.00")
    assert has(told, f"1 journal booked, not in the ledger yet EUR 190.00 {second.number} EUR 190.00")
    assert has(told, f"{case.shown}, Department CC-200 is inactive")
    assert f'href="/cases/{case.id}"' in page(client, NOVEMBER)
    # Given up it is a difference, and told as that alone.
    give_up(case)
    told = shown(client)
    assert has(told, "1 journal in the books here, not in the ledger") and not has(told, "journal booked, not")
    assert has(told, "Not in the ledger yet EUR -190.00")


def test_what_waits_to_be_posted_is_told_and_then_nothing_differs(second: JournalEntry) -> None:
    client = signed_in(boss_of())
    told = shown(client)
    assert has(told, "1 journal booked, not in the ledger yet") and not has(told, NOTHING)
    make.run("post_journal")
    told = shown(client)
    assert not has(told, "journal booked, not") and has(told, NOTHING)
    assert has(told, "Not in the ledger yet EUR 0.00 In the ledger EUR 62,310.00")


def test_who_may_not_see_journals_is_told_of_none(second: JournalEntry) -> None:
    assert str(second.number) not in shown(signed_in(person("otto", "q2c.view_step")))


def test_what_is_on_its_way_to_be_booked_is_told_as_that(invoice: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new invoice, and a new version of the one that is booked, which no worker has taken yet."""
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    make.bill(invoice.order, "INV-2", 16_000, 3_000)
    with monkeypatch.context() as nobody_works:
        nobody_works.setattr(make, "run", lambda stage: 0)
        again(invoice, "2", 1, **dearer(invoice, 100))
    told = shown(signed_in(boss_of()))
    assert has(told, "On its way to be booked EUR +191.00 Still to be booked EUR 0.00 It ties out EUR 0.00")
    assert has(told, "is on its way to be booked.") and not has(told, NOTHING)
    with clock.at(NOW + dt.timedelta(minutes=2)):
        make.run("record_invoice")
    told = shown(signed_in(boss_of()))
    assert (
        not has(told, "On its way to be booked") and has(told, "Differences EUR +1.00 Decided") and has(told, "It ties")
    )


def test_what_is_on_its_way_into_another_month_is_told_in_both(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    with monkeypatch.context() as nobody_works:
        nobody_works.setattr(make, "run", lambda stage: 0)
        again(invoice, "2", 1, issued_on=dt.date(2026, 12, 2))
    client = signed_in(boss_of())
    assert has(shown(client), "On its way to be booked EUR -62,120.00 Still to be booked EUR 0.00 It ties out EUR 0.00")
    there = shown(client, NOVEMBER.replace("2026-11", "2026-12"))
    assert has(there, "On its way to be booked EUR +62,120.00 Still to be booked EUR 0.00 It ties out EUR 0.00")
    assert not has(there, NOTHING)
