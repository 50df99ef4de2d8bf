"""Journals and customers, canonical ↔ Tryton. Amounts are exact decimals in the company's currency; what is in another
currency stands beside them, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from q2c import money
from q2c.connectors.tryton.checks import Found
from q2c.connectors.tryton.door import Record
from q2c.contracts.documents import CustomerDocument, JournalDocument, JournalLine

MEMO_MAX = 200
# Our dimension → the code of the analytic root that stands for it.
ROOTS = {"cost_center": "cost_center", "product_line": "product_line", "region": "region"}
# Read with a move: enough to compare it with what was sent.
FIELDS = (
    "number", "state", "date", "description", "company", "journal.code", "period.name",
    "lines.account.code", "lines.account.party_required", "lines.debit", "lines.credit", "lines.party.code",
    "lines.second_currency.code", "lines.amount_second_currency", "lines.analytic_lines.account.code",
    "lines.analytic_lines.account.root.code", "lines.analytic_lines.debit", "lines.analytic_lines.credit",
)  # fmt: skip
LineKey = tuple[Any, ...]


def roots_of(options: Mapping[str, Any]) -> dict[str, str]:
    return dict(options.get("roots") or ROOTS)


def description(journal: JournalDocument) -> str:
    """Our key first: by it a move is found for ever."""
    return f"{journal.key} {journal.memo}"[:MEMO_MAX].strip()


def key_of(move: Record) -> str:
    return str(move.get("description") or "").partition(" ")[0]


def move_of(journal: JournalDocument, found: Found) -> dict[str, Any]:
    """Values of an account.move, a draft still."""
    return {
        "company": found.company["id"], "journal": found.journal["id"],
        "period": found.periods[journal.effective_on.isoformat()]["id"], "date": journal.effective_on,
        "description": description(journal),
        "lines": [["create", [_line(line, journal, found) for line in journal.lines]]],
    }  # fmt: skip


def _own(line: JournalLine, journal: JournalDocument) -> money.Money:
    """The line in the company's own currency."""
    if is_foreign(journal):
        assert line.functional_minor is not None
        return money.Money(line.functional_minor, journal.functional_currency)
    return money.Money(line.amount_minor, journal.currency)


def is_foreign(journal: JournalDocument) -> bool:
    return journal.functional_currency not in ("", journal.currency)


def _sides(amount: money.Money, debit: bool) -> dict[str, Decimal]:
    absolute = money.Money(abs(amount.minor), amount.currency).decimal()
    return {"debit": absolute if debit else Decimal(0), "credit": Decimal(0) if debit else absolute}


def _line(line: JournalLine, journal: JournalDocument, found: Found) -> dict[str, Any]:
    sides = _sides(_own(line, journal), line.amount_minor >= 0)
    item: dict[str, Any] = {"account": found.accounts[line.account]["id"], **sides, "description": line.memo[:MEMO_MAX]}
    if line.customer and found.accounts[line.account].get("party_required"):
        item["party"] = found.parties[line.customer]["id"]
    if is_foreign(journal):
        item["second_currency"] = found.currencies[journal.currency]["id"]
        item["amount_second_currency"] = money.Money(line.amount_minor, journal.currency).decimal()
    analytic = [
        {"account": found.values[dimension][code]["id"], **sides, "date": journal.effective_on}
        for dimension in found.roots
        if (code := line.dimensions.get(dimension))
    ]
    if analytic:
        item["analytic_lines"] = [["create", analytic]]
    return item


def signature_of(
    journal: JournalDocument, roots: Mapping[str, str], party_accounts: frozenset[str]
) -> Counter[LineKey]:
    """Lines as they are to be there: account, own amount, amount in the other currency, dimensions, customer."""
    return Counter(
        (
            line.account, _own(line, journal).decimal(),
            money.Money(line.amount_minor, journal.currency).decimal() if is_foreign(journal) else None,
            journal.currency if is_foreign(journal) else "",
            *(line.dimensions.get(dimension, "") for dimension in sorted(roots)),
            line.customer if line.account in party_accounts else "",
        )
        for line in journal.lines
    )  # fmt: skip


def signature_of_move(move: Record, roots: Mapping[str, str]) -> Counter[LineKey]:
    return Counter(_line_of(line, roots) for line in move["lines"])


def _line_of(line: Record, roots: Mapping[str, str]) -> LineKey:
    amount = line["debit"] - line["credit"]
    by_root: dict[str, str] = {}
    for part in line.get("analytic_lines") or ():
        code = str(part["account"]["code"])
        if part["debit"] - part["credit"] != amount:
            code = f"{code} {part['debit'] - part['credit']:f}"
        root = str((part["account"].get("root") or {}).get("code"))
        # Twice under one root is neither of them.
        by_root[root] = f"{by_root[root]}, {code}" if root in by_root else code
    second = line.get("second_currency")
    return (
        line["account"]["code"], amount, line.get("amount_second_currency") if second else None,
        second["code"] if second else "", *(by_root.get(roots[dimension], "") for dimension in sorted(roots)),
        (line.get("party") or {}).get("code") or "",
    )  # fmt: skip


def party_accounts(move: Record) -> frozenset[str]:
    return frozenset(row["account"]["code"] for row in move["lines"] if row["account"].get("party_required"))


def differences(journal: JournalDocument, move: Record, roots: Mapping[str, str]) -> list[str]:
    """In words, what of a move is not as it was sent."""
    wrong = []
    if move["date"] != journal.effective_on:
        wrong.append(f"date {move['date']} instead of {journal.effective_on}")
    ours, theirs = signature_of(journal, roots, party_accounts(move)), signature_of_move(move, roots)
    wrong += [f"{count} × line {_told(line)} is missing" for line, count in (ours - theirs).items()]
    wrong += [f"{count} × line {_told(line)} is there instead" for line, count in (theirs - ours).items()]
    return wrong


def _told(line: LineKey) -> str:
    return " ".join(f"{part:f}" if isinstance(part, Decimal) else str(part) for part in line if part not in (None, ""))


def party_of(customer: CustomerDocument) -> dict[str, Any]:
    """Values of a party: its code is our customer key, so that journals can name it."""
    values: dict[str, Any] = {"code": customer.key, "name": customer.name}
    if customer.email:
        values["contact_mechanisms"] = [["create", [{"type": "email", "value": customer.email}]]]
    return values
