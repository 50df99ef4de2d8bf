"""An exchange rate that is far from the one before it, or that journals were booked at, is told as it is saved.

DE01 booked INV-1 in October 2026 at 1.1 from EUR to USD.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.models import FxRate, JournalEntry
from tests.admin.forms import change, said
from tests.admin.test_changes import address
from tests.admin.test_imports import confirm, preview

pytestmark = pytest.mark.django_db(transaction=True)
HEAD = "from_currency,to_currency,kind,on,rate\n"


@pytest.fixture
def client(browser, busy):
    return browser("Finance systems")


@pytest.fixture
def booked(busy) -> FxRate:
    entry = JournalEntry.objects.get()
    pair = FxRate.objects.filter(from_currency="EUR", to_currency="USD", kind="spot")
    rate = pair.filter(on__lte=entry.effective_on).latest("on")
    assert entry.group_rate == rate.rate
    return rate


def doubts(client, kind: str, on: object, rate: object) -> list[str]:
    page = preview(client, FxRate, f"{HEAD}EUR,USD,{kind},{on},{rate}\n")
    assert all(doubt in page.content.decode() for doubt in page.context["result"].doubts)
    return page.context["result"].doubts


@pytest.mark.parametrize(
    ("rate", "told"),
    [("11.01", "901 % above the 1.1"), ("0.9", "18 % below the 1.1"), ("1.21", ""), ("0.99", "")],
)
def test_one_far_from_the_one_before_is_told(client, rate: str, told: str) -> None:
    said = [f"The spot rate from EUR to USD of 2026-12-01 is {rate}, {told} of 2026-11-02"] if told else []
    assert doubts(client, "spot", "2026-12-01", rate) == said
    assert doubts(client, "closing", "2026-12-01", rate) == [], "there is no other of its kind"


def test_a_file_that_brings_the_latest_first_is_looked_at_too(client) -> None:
    rows = "".join(f"EUR,CHF,spot,2026-11-{day},{rate}\n" for day, rate in (("03", "0.94"), ("02", "9.31")))
    (told,) = preview(client, FxRate, HEAD + rows).context["result"].doubts
    assert told == "The spot rate from EUR to CHF of 2026-11-02 is 9.31, 890 % above the 0.94 of 2026-11-03"


def test_who_changes_one_at_which_journals_are_booked_reads_how_many(client, booked: FxRate) -> None:
    told = f"The spot rate from EUR to USD of {booked.on} was 1.1: 1 journal was booked at it and stays as it is"
    assert doubts(client, "spot", booked.on, "1.15") == [told]
    assert doubts(client, "spot", booked.on, "1.1") == []
    assert f"{told}." in said(change(client, address(booked), rate="1.15", change_reason="a slip"))
    booked.refresh_from_db()
    assert booked.rate == Decimal("1.15")


def test_what_was_booked_from_the_next_rate_on_does_not_count(client, booked: FxRate) -> None:
    before = FxRate.objects.filter(from_currency="EUR", to_currency="USD", kind="spot", on__lt=booked.on).first()
    assert before is not None and before.rate == booked.rate
    assert doubts(client, "spot", before.on, "1.15") == []


def test_a_file_of_doubts_is_imported_all_the_same(client) -> None:
    done = confirm(client, FxRate, preview(client, FxRate, f"{HEAD}EUR,USD,spot,2026-12-01,11.01\n"))
    assert "901 % above" in " ".join(said(done))
    assert FxRate.objects.get(on="2026-12-01").rate == Decimal("11.01")
