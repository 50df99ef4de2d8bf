"""What stands in the way, as a controller would say it."""

from __future__ import annotations

import pytest

from exceptions import sentences

SAID = [
    # blocker, while it stands, once it is gone
    (("", "fiscal_period", "JP:receivables:2026-11", "period_closed"),
     "receivables of JP, November 2026", "closed", "is open again"),
    (("erp-us", "fiscal_period", "Nov 2026", "locked"), "period Nov 2026 in erp-us", "locked", "is unlocked again"),
    (("erp-us", "fiscal_period", "2026-11", "missing"), "period November 2026 in erp-us", "missing", "is there now"),
    (("erp-us", "cost_center", "CC-410", "inactive"), "cost centre CC-410 in erp-us", "inactive", "is active again"),
    (("erp-us", "item_mapping", "VAULT", "missing"), "item mapping of VAULT in erp-us", "missing", "is there now"),
    (("", "tax_nexus", "US:US-OR", "missing"), "tax nexus of US in US-OR", "missing", "is there now"),
    (("", "fx_rate", "EUR:USD", "fx_rate_missing"), "exchange rate from EUR to USD", "missing", "is there now"),
    (("", "account_role", "DE:deferred:usage", "account_unknown"),
     "account role deferred:usage of DE", "not known", "is known now"),
    (("", "posting_rule", "DE:invoice.issued:net", "posting_rule_missing"),
     "posting rule for invoice.issued of DE (net)", "missing", "is there now"),
    (("", "cost_center", "CC-9", "dimension_missing"), "cost centre CC-9", "without a value", "is known now"),
    (("credit", "credit_limit", "A-1", "under USD 1200.00"),
     "credit limit of A-1 in credit", "under USD 1,200.00", "is no longer under USD 1,200.00"),
    (("zuora", "product", "P-1", "not_sold_as_OneTime/PerUnit/"), "product P-1 in zuora", "not sold as OneTime/PerUnit/",
     "is sold as OneTime/PerUnit now"),
    (("x", "made_up", "a:b", "of_a_kind"), "made up a:b in x", "of a kind", "is no longer of a kind"),
]  # fmt: skip


@pytest.mark.parametrize(("blocker", "thing", "condition", "then"), SAID)
def test_each_blocker_in_words(blocker: sentences.Blocker, thing: str, condition: str, then: str) -> None:
    assert sentences.thing(blocker) == thing
    assert sentences.condition(blocker[3]) == condition
    assert sentences.again(blocker) == f"{thing} {then}"


@pytest.mark.parametrize(("products", "then"), [
    ((), "what is booked on account 4000 has its cost centre now"),
    (("PLUS",), "product PLUS on account 4000 has its cost centre now"),
    (("A", "B"), "products A and B on account 4000 have their cost centre now"),
    (("A", "B", "C", "D", "E"), "products A, B, C and 2 more on account 4000 have their cost centre now"),
])  # fmt: skip
def test_of_a_missing_dimension_it_is_said_what_lacked_it_and_has_it_now(products: tuple[str, ...], then: str) -> None:
    blocker = ("", "dimension_rule", "4000:cost_center", "dimension_missing")
    assert sentences.thing(blocker) == "dimension rule for cost centre on account 4000"
    assert sentences.condition(blocker[3]) == "without a value"
    assert sentences.again(blocker, products) == then
    assert sentences.offer_told(1, 0, 1, "", blocker, products) == f"1 case would go through: {then}"


@pytest.mark.parametrize(
    ("title", "row", "said"),
    [
        ("Period closed", 0, "Period closed: receivables of JP, November 2026"),
        ("Period closed", 1, "Period closed: Nov 2026 in erp-us"),
        ("Dimension value inactive", 3, "Dimension value inactive: cost centre CC-410 in erp-us"),
        ("Item mapping missing", 4, "Item mapping missing: VAULT in erp-us"),
        ("Tax nexus missing", 5, "Tax nexus missing: US in US-OR"),
        ("Exchange rate missing", 6, "Exchange rate missing: from EUR to USD"),
        ("Credit refused", 10, "Credit refused: credit limit of A-1 in credit"),
    ],
)
def test_a_title_says_nothing_twice(title: str, row: int, said: str) -> None:
    assert sentences.problem_title(title, SAID[row][0], "", "") == said


def test_months_are_told_and_other_names_left() -> None:
    assert [sentences.month(name) for name in ("2026-01", "2026-13", "Nov 2026", "2026", "FY26-01", "2026-1")] == [
        "January 2026", "2026-13", "Nov 2026", "2026", "FY26-01", "2026-1",
    ]  # fmt: skip
