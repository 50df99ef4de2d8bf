"""Journals and customers, canonical ↔ NetSuite. References travel by internal id, amounts as exact decimals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from q2c import money
from q2c.connectors.netsuite.checks import Found
from q2c.connectors.netsuite.masters import reference
from q2c.contracts.documents import CustomerDocument, JournalDocument, JournalLine

# Our dimension → NetSuite's segment on a journal line; option `segments` of the connection overrides it.
SEGMENTS = {"cost_center": "department", "product_line": "class", "region": "location"}
MEMO_MAX = 999
APPROVED = "2"
# Of a rate, how far NetSuite's rounding may move it: by its eighth decimal, or a millionth of a large one.
RATE_PLACES, RATE_SHARE = Decimal("0.000000005"), Decimal("0.000001")

# Account, minor units, segments, customer.
LineKey = tuple[Any, ...]
# Date, currency and subsidiary; and the lines, counted.
Signature = tuple[str, str, str, Counter[LineKey]]


def segments_of(options: Mapping[str, Any]) -> dict[str, str]:
    return dict(options.get("segments") or SEGMENTS)


def journal_body(journal: JournalDocument, found: Found) -> dict[str, Any]:
    """POST body of a journalEntry. externalId carries our key, so that it can be found for ever."""
    body: dict[str, Any] = {
        "externalId": journal.key,
        "subsidiary": reference(found.subsidiaries.get(journal.entity), journal.entity),
        "currency": reference(found.currencies.get(journal.currency), journal.currency),
        "tranDate": journal.effective_on.isoformat(),
        "postingPeriod": {"id": found.periods[journal.effective_on.isoformat()]["id"]},
        "memo": journal.memo[:MEMO_MAX],
        "approvalStatus": {"id": APPROVED},
        "line": {"items": [_line(line, journal.currency, found) for line in journal.lines]},
    }
    if _is_foreign(journal) and journal.exchange_rate is not None:
        body["exchangeRate"] = journal.exchange_rate
    return body


def _is_foreign(journal: JournalDocument) -> bool:
    return journal.functional_currency not in ("", journal.currency)


def _line(line: JournalLine, currency: str, found: Found) -> dict[str, Any]:
    side = "debit" if line.amount_minor >= 0 else "credit"
    item: dict[str, Any] = {
        "account": reference(found.accounts.get(line.account), line.account),
        side: money.Money(abs(line.amount_minor), currency).decimal(),
        "memo": line.memo[:MEMO_MAX],
    }
    for dimension, segment in found.segments.items():
        if code := line.dimensions.get(dimension):
            item[segment] = reference(found.values[dimension].get(code), code)
    if line.customer:
        item["entity"] = reference(found.customers.get(line.customer), line.customer)
    return item


def _line_key(line: JournalLine, segments: Mapping[str, str]) -> LineKey:
    values = (line.dimensions.get(dimension, "") for dimension in sorted(segments))
    return line.account, line.amount_minor, *values, line.customer


def _row_key(row: Mapping[str, str], segments: Mapping[str, str], currency: str) -> LineKey:
    values = (row.get(segments[dimension]) or "" for dimension in sorted(segments))
    return row.get("account", ""), _minor(row.get("foreignamount"), currency), *values, row.get("customer") or ""


def signature_of(journal: JournalDocument, segments: Mapping[str, str]) -> Signature:
    """What must be equal for two journals to be the same."""
    lines = Counter(_line_key(line, segments) for line in journal.lines)
    return journal.effective_on.isoformat(), journal.currency, journal.entity, lines


def signature_of_rows(rows: Sequence[Mapping[str, str]], segments: Mapping[str, str]) -> Signature:
    """The same of a journal as SuiteQL returns it, a row per line; all values are strings, nulls are missing."""
    first = rows[0]
    currency = first.get("currency", "")
    lines = Counter(_row_key(row, segments, currency) for row in rows)
    return first.get("trandate", ""), currency, first.get("subsidiary", ""), lines


def _minor(text: str | None, currency: str) -> int | str:
    """Minor units; the text itself where it is no amount of the currency, which then differs from ours."""
    try:
        return money.Money.of(Decimal(text), currency).minor if text else 0
    except (money.MoneyError, ArithmeticError):
        return str(text)


def rate_difference(journal: JournalDocument, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """In words, that the books would be kept in other amounts; empty where no rate was sent and none is implied."""
    ours = journal.exchange_rate if _is_foreign(journal) else Decimal(1) if journal.functional_currency else None
    if ours is None:
        return []
    said = rows[0].get("exchangerate") or ""
    try:
        close = abs(Decimal(said) - ours) <= max(RATE_PLACES, ours * RATE_SHARE)
    except ArithmeticError:
        close = False
    return [] if close else [f"exchange rate {said or 'empty'} instead of {ours}"]


def functional_differences(
    journal: JournalDocument, rows: Sequence[Mapping[str, str]], segments: Mapping[str, str], tolerance_minor: int = 0
) -> list[str]:
    """In words, the lines that the subsidiary's books keep in another amount of its own currency than ours do.

    Lines that are alike are compared as they come in size. A line may differ by `tolerance_minor`.
    """
    own, currency = journal.functional_currency, journal.currency
    if not own or any(line.functional_minor is None for line in journal.lines):
        return []
    ours, theirs = dict[LineKey, list[Any]](), dict[LineKey, list[Any]]()
    for line in journal.lines:
        ours.setdefault(_line_key(line, segments), []).append(line.functional_minor)
    for row in rows:
        theirs.setdefault(_row_key(row, segments, currency), []).append(_minor(row.get("amount"), own))
    return [
        f"line {_told(key)} is {_amount(there, own)} in the subsidiary's books instead of {_amount(here, own)}"
        for key in ours
        for here, there in zip(sorted(ours[key]), _in_order(theirs.get(key, [])), strict=False)
        if not isinstance(there, int) or abs(there - here) > tolerance_minor
    ]


def _in_order(amounts: Sequence[int | str]) -> list[int | str]:
    """By size; what is no amount of the currency comes last."""
    return sorted(amounts, key=lambda one: (isinstance(one, str), one if isinstance(one, int) else 0))


def _amount(minor: int | str, currency: str) -> str:
    return str(money.Money(minor, currency)) if isinstance(minor, int) else f"{minor} {currency}"


def differences(ours: Signature, theirs: Signature) -> list[str]:
    """In words, what is not equal."""
    names = ("date", "currency", "subsidiary")
    found = [f"{n} {b} instead of {a}" for n, a, b in zip(names, ours, theirs, strict=False) if a != b]
    for line, count in (ours[3] - theirs[3]).items():
        found.append(f"{count} × line {_told(line)} is missing")
    for line, count in (theirs[3] - ours[3]).items():
        found.append(f"{count} × line {_told(line)} is there instead")
    return found


def _told(line: tuple[Any, ...]) -> str:
    account, minor, *values = line
    return " ".join([str(account), str(minor), *(value for value in values if value)])


def customer_body(customer: CustomerDocument, key: str) -> dict[str, Any]:
    """POST body of a customer; its external id is our customer key, so parents and journals can name it.

    entityId is the key too: NetSuite keeps names apart, and two customers of one name are two customers.
    """
    body: dict[str, Any] = {
        "externalId": customer.key,
        "entityId": customer.key,
        "companyName": customer.name[:83],
        "comments": f"q2c {key}",
    }
    if customer.email:
        body["email"] = customer.email
    return body
