"""The pages of records as people elsewhere read them: times of their own zone, amounts with their own separators.

3 Nov 2026, 16:30 UTC: INV-1 of ORD-1, EUR 1,190.00, is refused by the ledger, and is a case. In Tokyo the 4th has begun.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.models import Invoice
from tests.ui.people import boss, read, signed_in
from tests.ui.test_case import refused

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 11, 3, 16, 30, tzinfo=dt.UTC)
RECORDS = ("case", "journal", "invoice", "trace", "queue")


@pytest.fixture
def case(company: Any) -> Iterator[Case]:
    with clock.at(AT):
        yield refused(company)


@pytest.fixture
def browser(case: Case) -> Client:
    return signed_in(boss())


def told(browser: Client, case: Case, record: str, *, language: str = "en", zone: str = "UTC") -> str:
    """The page of a record in a browser that is set so."""
    entry, invoice = JournalEntry.objects.get(), Invoice.objects.get()
    addresses = {
        "case": f"/cases/{case.id}", "journal": f"/journals/{entry.id}", "invoice": f"/invoices/{invoice.id}",
        "trace": "/trace?q=INV-1", "queue": "/queue?tab=open",
    }  # fmt: skip
    browser.cookies["q2c_zone"], browser.cookies[settings.LANGUAGE_COOKIE_NAME] = zone, language
    return read(browser, addresses[record]).replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize("record", RECORDS[:-1])
def test_times_are_those_of_the_readers_zone(browser: Client, case: Case, record: str) -> None:
    london, tokyo = told(browser, case, record), told(browser, case, record, zone="Asia/Tokyo")
    assert "Nov 3, 4:30 PM" in london and "1:30 AM" not in london
    assert "Nov 4, 1:30 AM" in tokyo and "4:30 PM" not in tokyo and "16:30" not in tokyo


@pytest.mark.parametrize("record", RECORDS)
def test_amounts_have_the_separators_of_the_reader(browser: Client, case: Case, record: str) -> None:
    english, german = told(browser, case, record), told(browser, case, record, language="de")
    assert "1,190.00" in english and "1.190,00" in german
    assert re.findall(r"\d,\d{3}\.\d\d|\d\.\d\d\b(?!\d|\.)", german) == []
