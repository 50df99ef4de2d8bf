"""Entries that an accountant can check by eye, made by the chart's posting rules. Minor units; credits are negative."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ledger import journal
from ledger.facts import Fact
from ledger.models import JournalEntry, LegalEntity
from q2c import keys
from tests.ledger.makers import (
    IMPLEMENTATION,
    SUBSCRIPTION,
    USAGE,
    application,
    booked,
    fact,
    invoice,
    line,
    receipt,
    release,
)

AR, CASH, UNAPPLIED, TAX = "accounts_receivable", "cash", "unapplied_cash", "tax_payable"
DEFERRED_SUB, DEFERRED_IMPL = "deferred_revenue:subscription", "deferred_revenue:implementation"

WORKED = {
    "invoice: 1,200.00 + 500.00 + 8.25 % tax": (
        invoice(),
        [(AR, 184_025), (DEFERRED_SUB, -120_000), (DEFERRED_IMPL, -50_000), (TAX, -14_025)],
    ),
    "receipt of all of it": (receipt(184_025), [(CASH, 184_025), (UNAPPLIED, -184_025)]),
    "receipt of more than was asked": (receipt(190_000), [(CASH, 190_000), (UNAPPLIED, -190_000)]),
    "application to the invoice": (application(184_025), [(UNAPPLIED, 184_025), (AR, -184_025)]),
    "a month recognised": (release(10_000), [(DEFERRED_SUB, 10_000), ("revenue:subscription", -10_000)]),
    "implementation delivered": (
        release(0, lines=(line(IMPLEMENTATION, 50_000),)),
        [(DEFERRED_IMPL, 50_000), ("revenue:implementation", -50_000)],
    ),
    "usage billed goes to revenue at once": (
        fact(line(USAGE, 3_000, 248)),
        [(AR, 3_248), ("revenue:usage", -3_000), (TAX, -248)],
    ),
    "one receivable and one tax line, whatever is billed": (
        fact(line(SUBSCRIPTION, 120_000, 9_900), line(USAGE, 3_000, 248), line(IMPLEMENTATION, 50_000, 4_125)),
        [
            (AR, 187_273),
            (DEFERRED_SUB, -120_000),
            ("revenue:usage", -3_000),
            (DEFERRED_IMPL, -50_000),
            (TAX, -14_273),
        ],
    ),
    "a credit memo of nine months works by its sign": (
        fact(line(SUBSCRIPTION, -90_000, -7_425), event_type="CreditMemoIssued"),
        [(AR, -97_425), (DEFERRED_SUB, 90_000), (TAX, 7_425)],
    ),
    "a product line without an account of its own": (
        fact(line(("X", "", "recurring", "ratable_daily"), 700)),
        [(AR, 700), ("deferred_revenue", -700)],
    ),
    "no tax, no tax line": (fact(line(SUBSCRIPTION, 500)), [(AR, 500), (DEFERRED_SUB, -500)]),
    "a discount line nets the receivable": (
        fact(line(SUBSCRIPTION, 1_000, 80), line(SUBSCRIPTION, -400, -32)),
        [(AR, 648), (DEFERRED_SUB, -1_000), (DEFERRED_SUB, 400), (TAX, -48)],
    ),
}


@pytest.mark.parametrize("name", WORKED)
def test_worked_entry(entities: dict[str, LegalEntity], name: str) -> None:
    told, expected = WORKED[name]
    [result] = journal.post_ready([told])
    assert (result.outcome, result.findings) == ("created", ())
    assert booked(result.entry_id) == expected
    assert sum(amount for _, amount in expected) == 0
    assert result.total_minor == sum(amount for _, amount in expected if amount > 0)


def post(*facts: Fact) -> list[journal.Result]:
    """Booked and taken by the ERP."""
    results = journal.post_ready(facts)
    ids = [result.entry_id for result in results if result.entry_id]
    journal.mark_posting(ids)
    journal.mark_posted([journal.Document(i, f"JE{number}", f"id-{number}") for number, i in enumerate(ids)])
    return results


MIRRORS = {
    "a month's revenue taken back": (release(10_000), [(DEFERRED_SUB, -10_000), ("revenue:subscription", 10_000)]),
    "an invoice voided before anything was recognised": (
        invoice(),
        [(AR, -184_025), (DEFERRED_SUB, 120_000), (DEFERRED_IMPL, 50_000), (TAX, 14_025)],
    ),
}


@pytest.mark.parametrize("name", MIRRORS)
def test_mirror_entry(entities: dict[str, LegalEntity], name: str) -> None:
    told, expected = MIRRORS[name]
    [original] = post(told)
    mirror = journal.reverse(original.entry_id, dt.date(2026, 11, 2), keys.new_id(), "taken back")
    assert booked(mirror.entry_id) == expected
    assert (mirror.outcome, mirror.period) == ("created", "2026-11")


ABROAD = {
    # entity, currency, lines, [(role, transaction, functional, group)]
    "euros in a dollar company at 1.10": (
        fact(line(SUBSCRIPTION, 100_000), currency="EUR"),
        [(AR, 100_000, 110_000, 110_000), (DEFERRED_SUB, -100_000, -110_000, -110_000)],
    ),
    "euros at home, dollars in the group": (
        fact(line(SUBSCRIPTION, 100_000), entity_code="DE01", currency="EUR"),
        [(AR, 100_000, 100_000, 110_000), (DEFERRED_SUB, -100_000, -100_000, -110_000)],
    ),
    "yen have no decimals: 123,456 JPY are 829.99 USD": (
        fact(line(SUBSCRIPTION, 112_233), line(IMPLEMENTATION, 0, 11_223), entity_code="JP01", currency="JPY"),
        [(AR, 123_456, 123_456, 82_999), (DEFERRED_SUB, -112_233, -112_233, -75_454), (TAX, -11_223, -11_223, -7_545)],
    ),
    "dollars in a yen company": (
        fact(line(SUBSCRIPTION, 100_01), entity_code="JP01", currency="USD"),
        [(AR, 100_01, 14_875, 100_01), (DEFERRED_SUB, -100_01, -14_875, -100_01)],
    ),
    "dinars have three decimals: 1.234 KWD": (
        fact(line(SUBSCRIPTION, 1_234), entity_code="KW01", currency="KWD"),
        [(AR, 1_234, 1_234, 402), (DEFERRED_SUB, -1_234, -1_234, -402)],
    ),
    "euros in a dinar company: the fils that rounding leaves goes onto the largest line": (
        fact(line(SUBSCRIPTION, 99_99, 5_00), entity_code="KW01", currency="EUR"),
        [(AR, 104_99, 35_499, 115_49), (DEFERRED_SUB, -99_99, -33_808, -109_99), (TAX, -5_00, -1_691, -5_50)],
    ),
}


@pytest.mark.parametrize("name", ABROAD)
def test_three_amounts(entities: dict[str, LegalEntity], name: str) -> None:
    told, expected = ABROAD[name]
    [result] = journal.post_ready([told])
    assert result.findings == ()
    rows = JournalEntry.objects.get(pk=result.entry_id).lines.order_by("line")
    found = list(rows.values_list("account__role", "amount_minor", "functional_minor", "group_minor"))
    for column in (1, 2, 3):
        assert sum(row[column] for row in found) == 0
    assert found == expected


SHARED = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "journals.json"
ELSEWHERE = {"revenue:services": "revenue:implementation"}


@pytest.mark.skipif(not SHARED.exists(), reason="the workplace's own oracle is not here; the tables above say the same")
def test_the_oracle_says_the_same(entities: dict[str, LegalEntity]) -> None:
    oracle = json.loads(SHARED.read_text())["entries"]
    ours = {
        "01 invoice issued": WORKED["invoice: 1,200.00 + 500.00 + 8.25 % tax"][1],
        "02a month recognised": WORKED["a month recognised"][1],
        "02b implementation delivered": WORKED["implementation delivered"][1],
        "04 receipt": WORKED["receipt of all of it"][1],
        "05 application": WORKED["application to the invoice"][1],
        "06a overpayment received": WORKED["receipt of more than was asked"][1],
        "07a credit memo of the unrecognised nine months": WORKED["a credit memo of nine months works by its sign"][1],
        "11 reversal of 02a": MIRRORS["a month's revenue taken back"][1],
        "12a void before recognition": MIRRORS["an invoice voided before anything was recognised"][1],
    }
    for name, lines in ours.items():
        assert sorted(lines) == sorted((ELSEWHERE.get(role, role), amount) for role, amount in oracle[name])
