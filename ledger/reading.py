"""Entries as people and ERPs read them: one query for the headers, one for the lines."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from ledger.models import JournalEntry, JournalLine
from ledger.rules import Derived
from q2c.money import Money, converted


@dataclass(frozen=True, slots=True)
class ViewLine:
    """A line as a person or an ERP reads it. amount_minor > 0 is a debit."""

    line: int
    account: str
    account_name: str
    amount_minor: int
    functional_minor: int
    group_minor: int
    dimensions: dict[str, str]
    memo: str
    rule: str

    @property
    def debit_minor(self) -> int:
        return max(self.amount_minor, 0)

    @property
    def credit_minor(self) -> int:
        return max(-self.amount_minor, 0)


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with its lines, written or not (then id and number are empty), detached from the database."""

    id: uuid.UUID | None
    number: str
    state: str
    key: str
    entity: str
    journal: str
    event_id: uuid.UUID
    event_type: str
    effective_on: dt.date
    period: str
    subledger: str
    currency: str
    functional_currency: str
    group_currency: str
    functional_rate: Decimal
    group_rate: Decimal
    customer: str
    memo: str
    business_document: str
    total_minor: int
    lines: tuple[ViewLine, ...]
    document_number: str = ""
    posted_reference: str = ""


def read(ids: Sequence[uuid.UUID]) -> list[EntryView]:
    """The entries with their lines, in the order asked for; ids that do not exist are left out."""
    lines: dict[uuid.UUID, list[ViewLine]] = {}
    rows = JournalLine.objects.filter(entry__in=ids).order_by("entry_id", "line")
    for row in rows.select_related("account", "rule_line__rule"):
        view = ViewLine(
            row.line,
            row.account.code,
            row.account.name,
            row.amount_minor,
            row.functional_minor,
            row.group_minor,
            row.dimensions,
            row.memo,
            str(row.rule_line.rule) if row.rule_line else "",
        )
        lines.setdefault(row.entry_id, []).append(view)
    entries = JournalEntry.objects.filter(id__in=ids).select_related("entity", "period")
    found = {entry.id: _view(entry, tuple(lines.get(entry.id, ()))) for entry in entries}
    return [found[entry_id] for entry_id in ids if entry_id in found]


def in_functional(view: EntryView, amount_minor: int) -> Money:
    """What an amount of an entry, such as its document's total, comes to in its legal entity's currency: as the line of
    that amount is booked, where there is one, since a line may have taken what rounding left over.
    """
    code, same = view.functional_currency, (amount_minor, -amount_minor)
    line = next((line for line in view.lines if line.amount_minor in same), None)
    if line is None:
        return Money(converted(amount_minor, view.currency, code, view.functional_rate), code)
    return Money(line.functional_minor if line.amount_minor == amount_minor else -line.functional_minor, code)


def _view(entry: JournalEntry, lines: tuple[ViewLine, ...]) -> EntryView:
    same = (
        "id number state key journal event_id event_type effective_on subledger currency functional_currency"
        " group_currency functional_rate group_rate customer memo business_document total_minor"
        " document_number posted_reference"
    )
    columns = {name: getattr(entry, name) for name in same.split()}
    return EntryView(**columns, entity=entry.entity.code, period=entry.period.name, lines=lines)


def as_view(one: Derived) -> EntryView:
    """A derived fact as the entry that it would become."""
    fact, entity, period = one.fact, one.entity, one.period
    assert entity is not None and period is not None
    return EntryView(
        id=None,
        number="",
        state="",
        key="",
        entity=entity.code,
        journal=fact.journal,
        event_id=fact.event_id,
        event_type=fact.event_type,
        effective_on=fact.effective_on,
        period=period.name,
        subledger=fact.subledger,
        currency=fact.currency,
        functional_currency=entity.currency,
        group_currency=entity.group_currency,
        functional_rate=one.functional_rate,
        group_rate=one.group_rate,
        customer=fact.customer,
        memo=fact.memo,
        business_document=fact.business_document,
        total_minor=one.total_minor,
        lines=tuple(
            ViewLine(
                line.line,
                line.account_code,
                line.account_name,
                line.amount_minor,
                line.functional_minor,
                line.group_minor,
                line.dimensions,
                line.memo,
                line.rule,
            )
            for line in one.lines
        ),
    )


def taken_back(event_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Of these, the events of which the books hold nothing any more: mirrored an odd number of times. One statement."""
    asked = list(event_ids)
    if not asked:
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT e FROM unnest(%s::uuid[]) AS e WHERE ledger_taken_back(e)", [asked])
        return {row[0] for row in cursor.fetchall()}
