"""The queue as a file: every row of a tab and its filter, written while it is read."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from exceptions.models import Case
from exceptions.models.case import WORTH, amounts_of
from ledger.models import JournalEntry
from q2c import clock
from q2c.money import EXPONENTS, Money

HEAD = (
    "case", "state", "severity", "reason", "what happened", "business key", "customer", "amount", "currency", "entity",
    "period", "source", "target", "blocker", "owner", "assignee", "opened at", "due at", "attempts", "resolved at",
    "resolution", "document", "amounts",
)  # fmt: skip
CHUNK = 500
# Spreadsheets run what begins like this as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """What csv writes is what it returns."""

    def write(self, text: str) -> str:
        return text


def answer(user: Any, found: QuerySet[Case], name: str) -> StreamingHttpResponse:
    """UTF-8 with a mark, so that spreadsheets read it; amounts with a point, instants in UTC.

    `amount` and `currency` are empty where the case is worth several currencies; `amounts` tells each, always.
    """
    rows = found.annotate(worth=WORTH).defer("context", "proof", "haystack")
    rows = rows.select_related("owner_team", "assignee").order_by("due_at", "id")
    response = StreamingHttpResponse(_lines(user, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="cases-{name}-{clock.today():%Y-%m-%d}.csv"'
    return response


def _lines(user: Any, rows: QuerySet[Case]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + str(writer.writerow(HEAD))
    all_of_it = rows.iterator(chunk_size=CHUNK)
    while some := list(islice(all_of_it, CHUNK)):
        documents = _documents(user, some)
        for case in some:
            yield str(writer.writerow([_safe(value) for value in _row(case, documents)]))


def _documents(user: Any, cases: Sequence[Case]) -> dict[uuid.UUID | None, str]:
    """Event → the documents of what was booked from it: an invoice has none of its own, its journal has."""
    events = {case.event_id for case in cases if case.event_id and case.resolved_at and not case.document}
    found: dict[uuid.UUID | None, str] = {}
    seen = JournalEntry.objects.visible_to(user).filter(reverses=None).exclude(document_number="")
    posted = seen.filter(event_id__in=events)
    for event_id, number in posted.order_by("id").values_list("event_id", "document_number") if events else ():
        found[event_id] = f"{found[event_id]}, {number}" if event_id in found else number
    return found


def _row(case: Any, documents: Mapping[uuid.UUID | None, str]) -> list[Any]:
    amount = _decimal(case.amount_minor, case.currency)
    return [
        case.shown, case.state, case.severity, case.reason, case.text, case.business_key, case.customer, amount,
        case.currency, case.entity, case.period, case.source, case.target,
        " ".join(part for part in case.blocker or () if part), case.owner_team.name,
        case.assignee.get_username() if case.assignee else "", case.opened_at.isoformat(), case.due_at.isoformat(),
        case.attempts, case.resolved_at.isoformat() if case.resolved_at else "", case.resolution,
        case.document or documents.get(case.event_id, ""),
        "; ".join(f"{currency} {_decimal(minor, currency)}" for minor, currency in amounts_of(case)),
    ]  # fmt: skip


def _decimal(minor: int | None, currency: str) -> Any:
    return Money(minor, currency).decimal() if minor is not None and currency in EXPONENTS else minor


def _safe(value: Any) -> Any:
    """An amount stays a number, even a negative one; a text that looks like a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
