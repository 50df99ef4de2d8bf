"""Journals and customers, canonical ↔ NetSuite. References travel by external id, amounts as exact decimals."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from q2c import money
from q2c.contracts.documents import CustomerDocument, JournalDocument

# Our dimension → NetSuite's segment on a journal line; option `segments` of the connection overrides it.
SEGMENTS = {"cost_center": "department", "product_line": "class", "region": "location"}

Signature = tuple[str, str, Counter[tuple[Any, ...]]]


def segments_of(options: Mapping[str, Any]) -> dict[str, str]:
    return dict(options.get("segments") or SEGMENTS)


def journal_body(journal: JournalDocument, period_id: str, segments: Mapping[str, str]) -> dict[str, Any]:
    """POST body of a journalEntry. externalId carries our key, so that it can be found for ever."""
    body: dict[str, Any] = {
        "externalId": journal.key,
        "subsidiary": {"externalId": journal.entity},
        "currency": {"externalId": journal.currency},
        "tranDate": journal.effective_on.isoformat(),
        "postingPeriod": {"id": period_id},
        "memo": journal.memo,
        "approvalStatus": {"id": "2"},
        "line": {"items": [_line(line, journal.currency, segments) for line in journal.lines]},
    }
    if journal.exchange_rate is not None and journal.functional_currency != journal.currency:
        body["exchangeRate"] = journal.exchange_rate
    return body


def _line(line: Any, currency: str, segments: Mapping[str, str]) -> dict[str, Any]:
    side = "debit" if line.amount_minor >= 0 else "credit"
    item: dict[str, Any] = {
        "account": {"externalId": line.account},
        side: money.Money(abs(line.amount_minor), currency).decimal(),
        "memo": line.memo[:4000],
    }
    for dimension, segment in segments.items():
        if value := line.dimensions.get(dimension):
            item[segment] = {"externalId": value}
    if line.customer:
        item["entity"] = {"externalId": line.customer}
    return item


def signature_of(journal: JournalDocument, segments: Mapping[str, str]) -> Signature:
    """What must be equal for two journals to be the same: date, currency, and each line's account, amount, segments."""
    lines = Counter(
        (line.account, line.amount_minor, *(line.dimensions.get(dimension, "") for dimension in sorted(segments)))
        for line in journal.lines
    )
    return journal.effective_on.isoformat(), journal.currency, lines


def signature_of_rows(rows: Sequence[Mapping[str, str]], segments: Mapping[str, str]) -> Signature:
    """The same of a journal as SuiteQL returns it, a row per line; all values are strings."""
    currency = rows[0]["currency"]
    lines = Counter(
        (
            row["account"],
            _minor(row.get("debit"), currency) - _minor(row.get("credit"), currency),
            *(row.get(segments[dimension]) or "" for dimension in sorted(segments)),
        )
        for row in rows
    )
    return rows[0]["trandate"], currency, lines


def _minor(text: str | None, currency: str) -> int:
    return money.Money.of(Decimal(text), currency).minor if text else 0


def differences(ours: Signature, theirs: Signature) -> list[str]:
    """In words, what is not equal."""
    found = []
    if ours[0] != theirs[0]:
        found.append(f"date {theirs[0]} instead of {ours[0]}")
    if ours[1] != theirs[1]:
        found.append(f"currency {theirs[1]} instead of {ours[1]}")
    for line, count in (ours[2] - theirs[2]).items():
        found.append(f"{count} × line {_told(line)} is missing")
    for line, count in (theirs[2] - ours[2]).items():
        found.append(f"{count} × line {_told(line)} is there instead")
    return found


def _told(line: tuple[Any, ...]) -> str:
    account, minor, *values = line
    return " ".join([str(account), str(minor), *(value for value in values if value)])


def customer_body(customer: CustomerDocument, key: str) -> dict[str, Any]:
    """POST body of a customer; its external id is our customer key, so parents and journals can name it."""
    body: dict[str, Any] = {
        "externalId": customer.key,
        "companyName": customer.name,
        "subsidiary": {"externalId": customer.legal_entity},
        "currency": {"externalId": customer.currency},
        "comments": f"q2c {key}",
    }
    if customer.parent:
        body["parent"] = {"externalId": customer.parent}
    if customer.email:
        body["email"] = customer.email
    return body


def parsed_day(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])
