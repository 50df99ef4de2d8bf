"""A journal in a foreign currency: what the subsidiary's books keep of each line is what ours do, to the cent."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ledger.amounts import balanced
from q2c.connectors.outcomes import Posted, Rejected
from q2c.contracts.documents import JournalDocument, JournalLine
from q2c.money import converted
from q2c.reasons import Reason
from tests.connectors.netsuite import books


def foreign(name: str, amounts: list[int], rate: str = "0.7301", own: list[int] | None = None) -> JournalDocument:
    """US dollars in the books of the German subsidiary; `own` are our euros, by our ledger's rule unless given."""
    euros = own or balanced(amounts, "USD", "EUR", Decimal(rate))
    lines = tuple(
        JournalLine(line=n, account="1100" if amount > 0 else "4000", amount_minor=amount, functional_minor=euro,
                    memo=f"{name} {n}")
        for n, (amount, euro) in enumerate(zip(amounts, euros, strict=True), 1)
    )  # fmt: skip
    return books.journal(
        name, *lines, entity="DE", exchange_rate=Decimal(rate), functional_currency="EUR"
    )  # fmt: skip


def kept(netsuite: Any, document: str) -> list[str]:
    rows = netsuite.suiteql.rows(
        "SELECT tal.transactionline, tal.amount FROM transaction t "
        "JOIN transactionaccountingline tal ON tal.transaction = t.id "
        f"WHERE t.tranid = '{document}' ORDER BY tal.transactionline"
    )
    return [row["amount"] for row in rows]


def test_the_cent_that_rounding_leaves_over_lies_on_the_largest_line_on_both_sides(account: Any, netsuite: Any) -> None:
    # 0.7301 of 100.33, 33.51 and 66.82 are 73.250933, 24.465651 and 48.785282: rounded, the credits are a cent more.
    for name, sign, own in (("cent", 1, ["73.26", "-24.47", "-48.79"]), ("mirror", -1, ["-73.26", "24.47", "48.79"])):
        document = foreign(name, [sign * 10_033, sign * -3_351, sign * -6_682])
        (posted,) = netsuite.post([document])
        assert isinstance(posted, Posted), posted
        assert kept(netsuite, posted.document) == own


def test_many_journals_read_back_as_our_ledger_has_them(account: Any, netsuite: Any) -> None:
    """What is drawn is seeded; each balances here and there, and no line differs."""
    draw = random.Random(20260311)
    moved = 0
    for n in range(60):
        parts = [draw.randrange(1, 500_000) for _ in range(draw.randrange(2, 6))]
        rate = f"0.{draw.randrange(500_000, 999_999)}"
        document = foreign(f"r{n}", [sum(parts), *(-part for part in parts)], rate)
        (posted,) = netsuite.post([document])
        assert isinstance(posted, Posted), posted
        assert sum(Decimal(amount) for amount in kept(netsuite, posted.document)) == 0
        moved += document.lines[0].functional_minor != converted(sum(parts), "USD", "EUR", Decimal(rate))
    assert moved > 5, "rounding left something over in some of them"


def test_a_line_that_is_kept_in_another_amount_of_the_own_currency_is_told(account: Any, netsuite: Any) -> None:
    document = foreign("told", [10_033, -3_351, -6_682], own=[7325, -2447, -4878])
    (outcome,) = netsuite.post([document])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS and outcome.held
    assert "line 1100 10033 is EUR 73.26 in the subsidiary's books instead of EUR 73.25" in outcome.text
    assert "line 4000 -6682 is EUR -48.79 in the subsidiary's books instead of EUR -48.78" in outcome.text
    assert "-3351" not in outcome.text
    # An account that puts the cent elsewhere says so in its options.
    tolerant = books.connect(functional_tolerance_minor=1)
    (found,) = tolerant.find([document])
    assert isinstance(found, Posted) and found.proof["compared"]["functional amounts"] == "EUR"
    twice = replace(document, lines=tuple(replace(line, functional_minor=0) for line in document.lines))
    assert isinstance(tolerant.find([twice])[0], Rejected)


def test_at_another_rate_the_rate_is_what_is_told(account: Any, netsuite: Any) -> None:
    document = foreign("rate", [10_033, -3_351, -6_682])
    (posted,) = netsuite.post([document])
    account.edit("journalEntry", posted.reference, exchangeRate="0.75")
    (found,) = netsuite.find([document])
    assert isinstance(found, Rejected) and "exchange rate 0.75 instead of 0.7301" in found.text
    assert "subsidiary's books" not in found.text
