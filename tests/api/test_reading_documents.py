"""An invoice and its journal as a program reads them: every line, amounts in minor units beside their currency, and why."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledger.models import JournalEntry
from q2c import clock
from q2c.models import ApiKey, Invoice
from q2c.models.api_key import READ_EVERY_SYSTEM
from tests import flow_makers
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
RULE = "invoice deferred, ratable_monthly v1"


@pytest.fixture
def reader(db: None) -> Caller:
    return Caller(ApiKey.make("dashboard", ["q2c.view_invoice", "ledger.view_journalentry", READ_EVERY_SYSTEM])[1])


def read(reader: Caller, path: str) -> dict[str, Any]:
    answer = reader.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


@pytest.fixture
def posted(db: None) -> JournalEntry:
    """Germany bills 48,000.00 EUR of the platform with 19 % tax, and 5,000.00 EUR of implementation."""
    with clock.at(NOON):
        flow_makers.company()
        flow_makers.through("O-1", "INV-1")
    return JournalEntry.objects.get()


def test_an_invoice_with_its_lines(reader: Caller, posted: JournalEntry) -> None:
    found = read(reader, f"invoices/{Invoice.objects.get().id}")
    sums = ("currency", "net_minor", "tax_minor", "total_minor")
    assert [found[name] for name in sums] == ["EUR", 5_300_000, 912_000, 6_212_000]
    assert (found["number"], found["entity"], found["state"]) == ("INV-1", "DE01", "posted")
    told = ("line", "product", "kind", "net_minor", "tax_minor", "tax_code", "service_starts_on", "service_ends_on")
    assert [[line[name] for name in told] for line in found["lines"]] == [
        [1, "PLATFORM", "recurring", 4_800_000, 912_000, "SW", "2026-11-20", "2027-11-20"],
        [2, "ONBOARDING", "one_time", 500_000, 0, "", None, None],
    ]  # fmt: skip


def test_a_journal_with_its_lines_in_all_its_currencies(reader: Caller, posted: JournalEntry) -> None:
    found = read(reader, f"journals/{posted.id}")
    assert [found[f"{of}currency"] for of in ("", "functional_", "group_")] == ["EUR", "EUR", "USD"]
    assert [found[name] for name in ("state", "entity", "period", "total_minor", "worth_minor", "line_count")] == [
        "posted", "DE01", "2026-11", 6_212_000, 6_212_000, 4,
    ]  # fmt: skip
    assert found["document_number"] == posted.document_number != ""
    told = ("account", "amount_minor", "functional_minor", "group_minor", "rule")
    # At 1.10 dollars a euro.
    assert [[line[name] for name in told] for line in found["lines"]] == [
        ["1100", 6_212_000, 6_212_000, 6_833_200, "invoice receivable v1"],
        ["2410", -4_800_000, -4_800_000, -5_280_000, RULE],
        ["2420", -500_000, -500_000, -550_000, "invoice deferred, point_in_time v1"],
        ["2200", -912_000, -912_000, -1_003_200, "invoice tax v1"],
    ]  # fmt: skip
    assert found["lines"][1]["account_name"] == "Deferred revenue, subscriptions"
    assert found["lines"][1]["dimensions"]["cost_center"] == "CC-410"


def test_yen_have_no_smaller_unit(reader: Caller) -> None:
    with clock.at(NOON):
        flow_makers.company()
        flow_makers.through("O-2", "INV-2", region="APAC")
    found = read(reader, f"journals/{JournalEntry.objects.get().id}")
    # 48,000 and 5,000 yen and 19 % of the first; 0.0067 dollars a yen.
    assert (found["currency"], found["group_currency"], found["total_minor"]) == ("JPY", "USD", 62_120)
    assert (found["lines"][0]["amount_minor"], found["lines"][0]["group_minor"]) == (62_120, 41_620)


def test_why_a_journal_is_what_it_is(reader: Caller, posted: JournalEntry) -> None:
    found = read(reader, f"journals/{posted.id}/explain")
    assert (found["kept"], found["since"]) == (True, [])
    won = {(choice["line"], choice["leg"]): choice["winner"] for choice in found["choices"]}
    assert won == {
        (1, "receivable"): "invoice receivable v1", (1, "revenue"): RULE, (1, "tax"): "invoice tax v1",
        (2, "receivable"): "invoice receivable v1", (2, "revenue"): "invoice deferred, point_in_time v1",
        (2, "tax"): "invoice tax v1",
    }  # fmt: skip
    (revenue,) = (choice for choice in found["choices"] if (choice["line"], choice["leg"]) == (1, "revenue"))
    looked = {one["rule"]: one for one in revenue["looked"]}
    assert [one["rule"] for one in revenue["looked"] if one["won"]] == [RULE]
    assert looked[RULE]["fits"] and "it names revenue treatment, event type" in looked[RULE]["why"]
    other = looked["invoice usage v1"]
    assert not other["fits"] and "wants revenue treatment usage_as_billed, the fact has ratable_monthly" in other["why"]
