"""A journal's lines as a table: debits and credits in the transaction's, the entity's and the group's currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.journal import EntryView


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


def _sides(minor: int) -> tuple[int, int]:
    return max(minor, 0), max(-minor, 0)
