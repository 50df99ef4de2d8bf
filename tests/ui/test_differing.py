"""In what two versions of a document differ: in the words, amounts and days of who reads it."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from q2c.ui.differing import differences
from tests.ui.test_formats import reader

INVOICE: dict[str, Any] = {
    "invoice_number": "INV-1", "currency": "GBP", "issued_on": "2026-11-26", "total_minor": 1162800,
    "lines": [
        {"line": 7, "net_minor": 76000, "quantity": "1000.5", "service_ends_on": "2026-12-01", "tax_minor": 15200},
    ],
}  # fmt: skip
ORDER: dict[str, Any] = {
    "data": {
        "currency": "EUR", "starts_on": "2026-11-01", "parties": [{"key": "ACC_1", "active": True}],
        "groups": [{"key": "JP", "currency": "JPY"}],
        "lines": [{"group": "JP", "amount_minor": 120000, "phases": [{"unit_price": "1000"}], "unit_price": "1000"}],
    },
}  # fmt: skip


def changed(document: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    other = copy.deepcopy(document)
    around: Any = other
    for part in path[:-1]:
        around = around[part]
    around[path[-1]] = to
    return other


def plain(value: Any) -> Any:
    return value if value is None else re.sub(r"<[^>]*>", "", str(value)).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("language", "document", "path", "to", "row"),
    [
        ("de", INVOICE, ("lines", 0, "net_minor"), 66000, ("Line 7, net amount", "GBP 760,00", "GBP 660,00")),
        ("de", INVOICE, ("total_minor",), 1150800, ("Total", "GBP 11.628,00", "GBP 11.508,00")),
        ("de", INVOICE, ("currency",), "EUR", ("Currency", "GBP", "EUR")),
        ("en", INVOICE, ("issued_on",), "2026-11-27", ("Issue date", "Nov 26, 2026", "Nov 27, 2026")),
        ("de", INVOICE, ("issued_on",), "2026-11-27", ("Issue date", "26.11.2026", "27.11.2026")),
        ("de", INVOICE, ("lines", 0, "quantity"), "2000", ("Line 7, quantity", "1.000,5", "2.000")),
        (
            "en", INVOICE, ("lines", 0, "service_ends_on"), "2027-01-01",
            ("Line 7, last day of service", "Nov 30, 2026", "Dec 31, 2026"),
        ),
        ("en", INVOICE, ("lines", 0, "line"), 8, ("Line 1, line", "7", "8")),
        ("en", INVOICE, ("group",), "EU", ("Group", None, "EU")),
        ("en", INVOICE, ("issued_on",), "soon", ("Issue date", "Nov 26, 2026", "soon")),
        ("en", INVOICE, ("lines", 0, "quantity"), "1000.50", ("Line 7, quantity", "1000.5", "1000.50")),
        ("en", ORDER, ("data", "lines", 0, "amount_minor"), 1, ("Line 1, amount", "JPY 120,000", "JPY 1")),
        (
            "de", ORDER, ("data", "lines", 0, "phases", 0, "unit_price"), "2000.5",
            ("Line 1, phase 1, unit price", "JPY 1.000", "JPY 2.000,5"),
        ),
        ("en", ORDER, ("data", "parties", 0, "active"), False, ("Party ACC_1, active", "yes", "no")),
        ("en", ORDER, ("data", "starts_on"), "2026-12-01", ("First day", "Nov 1, 2026", "Dec 1, 2026")),
    ],
)  # fmt: skip
def test_a_field_is_called_and_written_as_its_reader_does(
    language: str, document: dict[str, Any], path: tuple[Any, ...], to: Any, row: tuple[Any, ...]
) -> None:
    with reader(language):
        found = differences(document, changed(document, *path, to=to))
        mine = next(one for one in found if one.at == "/".join(map(str, path)))
        assert (mine.field, plain(mine.old), plain(mine.new)) == row


def test_what_is_the_same_is_left_out_and_each_amount_has_its_own_currency() -> None:
    assert differences(INVOICE, copy.deepcopy(INVOICE)) == []
    both = changed(changed(INVOICE, "currency", to="JPY"), "total_minor", to=5)
    assert [plain(one.new) for one in differences(INVOICE, both)] == ["JPY", "JPY 5"]
