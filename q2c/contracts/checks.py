"""What no schema can say about an inbound document: members that contradict each other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from q2c.contracts.documents import InvoiceDocument, OrderDocument
from q2c.contracts.events import JournalReversalRequested, OrderCancelRequested
from q2c.contracts.strict import Fault

# Days beyond are typing errors, and terms that end beyond year 9999 have no end.
YEARS = range(1990, 2201)


def _order(order: OrderDocument) -> Iterator[Fault]:
    """Only what makes it unreadable: everything else accept_order finds, and its findings have an owner."""
    yield from _days(("/closed_on", order.closed_on), ("/starts_on", order.starts_on))
    for i, line in enumerate(order.lines):
        for j, phase in enumerate(line.phases):
            above = f"/lines/{i}/phases/{j}"
            yield from _days((f"{above}/starts_on", phase.starts_on), (f"{above}/ends_on", phase.ends_on))
    yield from _twice([(f"/parties/{i}/key", party.key) for i, party in enumerate(order.parties)], "Party")


def _invoice(invoice: InvoiceDocument) -> Iterator[Fault]:
    yield from _days(("/issued_on", invoice.issued_on), ("/due_on", invoice.due_on))
    if invoice.due_on < invoice.issued_on:
        yield Fault(
            code="dates_reversed", pointer="/due_on", detail="The invoice is due before it is issued",
            remedy="Send a due date at or after issued_on", seen=invoice.due_on.isoformat(),
        )  # fmt: skip
    for i, line in enumerate(invoice.lines):
        starts, ends = line.service_starts_on, line.service_ends_on
        yield from _days((f"/lines/{i}/service_starts_on", starts), (f"/lines/{i}/service_ends_on", ends))
        if starts and ends and ends <= starts:
            yield Fault(
                code="dates_reversed", pointer=f"/lines/{i}/service_ends_on", seen=ends.isoformat(),
                detail="The service ends before it starts", remedy="Send the first day that no longer counts",
            )  # fmt: skip
    yield from _twice([(f"/lines/{i}/line", line.line) for i, line in enumerate(invoice.lines)], "Line")


def _effective(request: OrderCancelRequested | JournalReversalRequested) -> Iterator[Fault]:
    yield from _days(("/effective_on", request.effective_on))


def _days(*days: tuple[str, dt.date | None]) -> Iterator[Fault]:
    for pointer, day in days:
        if day is not None and day.year not in YEARS:
            yield Fault(
                code="day_out_of_range", pointer=pointer, detail=f"The year {day.year} is not in use here",
                remedy=f"Send a day of {YEARS[0]} to {YEARS[-1]}", seen=day.isoformat(),
            )  # fmt: skip


def _twice(keys: Iterable[tuple[str, Any]], what: str) -> Iterator[Fault]:
    seen: set[Any] = set()
    for pointer, key in keys:
        if key in seen:
            yield Fault(
                code="twice", pointer=pointer, detail=f"{what} {key} is there twice", seen=key,
                remedy="Give each its own",
            )  # fmt: skip
        seen.add(key)


CHECKS: dict[str, Callable[[Any], Iterable[Fault]]] = {
    "OrderReceived": _order,
    "InvoiceIssued": _invoice,
    "OrderCancelRequested": _effective,
    "JournalReversalRequested": _effective,
}
