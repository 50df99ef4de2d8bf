"""A journal's lines as a table: debits and credits in the transaction's, the entity's and the group's currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger.journal import EntryView, ViewLine
from q2c.money import converted


@dataclass(frozen=True, slots=True)
class Column:
    """Debit and credit of one currency. A currency that equals one before it has no column of its own."""

    title: str
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balanced(self) -> bool:
        return self.debit_minor == self.credit_minor


_AMOUNTS = (
    ("Transaction", "currency", "amount_minor"),
    ("Functional", "functional_currency", "functional_minor"),
    ("Group", "group_currency", "group_minor"),
)


def table(view: EntryView) -> dict[str, Any]:
    """`columns`, and `rows` of (line, [(debit, credit) by column]); `same` says which amounts are not repeated."""
    columns: list[Column] = []
    names: list[str] = []
    same: list[str] = []
    for title, currency, name in _AMOUNTS:
        code = getattr(view, currency)
        if any(column.currency == code for column in columns):
            same.append(title.lower())
            continue
        amounts = [getattr(line, name) for line in view.lines]
        debits, credits = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
        columns.append(Column(title, code, debits, credits))
        names.append(name)
    rows = [(line, [_sides(getattr(line, name)) for name in names]) for line in view.lines]
    cells = [
        (line, [(debit, credit, column.currency) for (debit, credit), column in zip(sides, columns, strict=True)])
        for line, sides in rows
    ]
    return {"view": view, "columns": columns, "rows": cells, "same": " and ".join(same)}


@dataclass(frozen=True, slots=True)
class Rounded:
    """A line that took what rounding left over, so that debits and credits balance: `off_minor` of its amount."""

    line: ViewLine
    title: str
    currency: str
    rate: Decimal
    off_minor: int


def rounded(view: EntryView) -> list[Rounded]:
    """The lines whose functional or group amount is not what its rate alone makes of it."""
    found = []
    pairs = (
        ("functional", view.functional_currency, view.functional_rate, "functional_minor"),
        ("group", view.group_currency, view.group_rate, "group_minor"),
    )
    for title, currency, rate, name in pairs:
        if currency == view.currency:
            continue
        for line in view.lines:
            off = getattr(line, name) - converted(line.amount_minor, view.currency, currency, rate)
            if off:
                found.append(Rounded(line, title, currency, rate, off))
    return found


def _sides(minor: int) -> tuple[int, int]:
    return max(minor, 0), max(-minor, 0)
