"""Answers of AvaTax as estimates: rounded once, and refused where they contradict themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from q2c.connectors.avatax import mapping
from tests.connectors.avatax.account import asked


def answer(*taxes: str, total: str = "", **changes: Any) -> dict[str, Any]:
    lines = [
        {
            "lineNumber": str(number), "tax": Decimal(tax),
            "details": [{"country": "JP", "region": "JP", "jurisName": "JAPAN", "jurisdictionType": "Country",
                         "tax": Decimal(tax)}],
        }
        for number, tax in enumerate(taxes, start=1)
    ]  # fmt: skip
    sum_ = sum((Decimal(tax) for tax in taxes), Decimal(0))
    return {"totalTax": Decimal(total) if total else sum_, "lines": lines, "currencyCode": "JPY", **changes}


def lines(count: int) -> tuple[tuple[int, str, str, int], ...]:
    return tuple((number, "T", "I", 100) for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("currency", "taxes", "by_line", "total"),
    [
        ("JPY", ("0.4", "0.4", "0.4"), [0, 1, 0], 1),
        ("JPY", ("0.5",), [1], 1),
        ("JPY", ("-0.5",), [-1], -1),
        ("USD", ("192.0000", "0.0050"), [19_200, 1], 19_201),
        ("USD", ("0.0000",), [0], 0),
        ("KWD", ("1.2345", "1.2344"), [1_235, 1_234], 2_469),
        ("USD", ("1E+2",), [10_000], 10_000),
    ],
)
def test_more_decimals_than_the_currency_has(currency, taxes, by_line, total):
    found = mapping.estimate(asked(*lines(len(taxes)), currency=currency), answer(*taxes, currencyCode=currency))
    assert list(found.by_line.values()) == by_line
    assert found.tax_minor == total == sum(by_line)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"lines": None},
        answer("1", "2"),
        answer("1", total="2"),
        answer("1", currencyCode="USD"),
        answer("1", totalTax=None),
        answer("1", totalTax="a lot"),
        answer("1", totalTax=Decimal("NaN")),
        {**answer("1"), "lines": [{"lineNumber": "2", "tax": Decimal(1)}]},
        {**answer("1"), "lines": [{"lineNumber": "1"}]},
        {**answer("1"), "lines": ["1"]},
        {**answer("1"), "lines": [{"lineNumber": "1", "tax": Decimal(1)}] * 2},
    ],
)
def test_an_answer_to_another_question_is_unreadable(wrong):
    with pytest.raises(mapping.Unreadable):
        mapping.estimate(asked(*lines(1), currency="JPY"), wrong)


def test_one_place_in_few_words():
    found = mapping.estimate(asked(*lines(1), currency="JPY"), answer("10"))
    assert found.by_jurisdiction == {"JP Country: JAPAN": 10}


def test_amounts_leave_digit_for_digit():
    body = mapping.transaction(asked((1, "T", "I", 1_999_999_999_999_99), (2, "", "I", -5)), {})
    assert [line["amount"] for line in body["lines"]] == [Decimal("1999999999999.99"), Decimal("-0.05")]
    assert ["taxCode" in line for line in body["lines"]] == [True, False]
    assert (body["type"], body["commit"]) == ("SalesOrder", False)
