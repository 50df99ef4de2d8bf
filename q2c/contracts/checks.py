"""What no schema can say about an inbound document: members that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.strict import Fault


def _invoice(invoice: InvoiceDocument) -> Iterator[Fault]:
    if invoice.due_on < invoice.issued_on:
        yield Fault(
            code="dates_reversed", pointer="/due_on", detail="The invoice is due before it is issued",
            remedy="Send a due date at or after issued_on", seen=invoice.due_on.isoformat(),
        )  # fmt: skip
    seen: set[int] = set()
    for i, line in enumerate(invoice.lines):
        starts, ends = line.service_starts_on, line.service_ends_on
        if starts and ends and ends <= starts:
            yield Fault(
                code="dates_reversed", pointer=f"/lines/{i}/service_ends_on", seen=ends.isoformat(),
                detail="The service ends before it starts", remedy="Send the first day that no longer counts",
            )  # fmt: skip
        if line.line in seen:
            yield Fault(
                code="line_twice", pointer=f"/lines/{i}/line", detail=f"Line {line.line} is there twice",
                remedy="Number the lines", seen=line.line,
            )  # fmt: skip
        seen.add(line.line)


# Orders are checked by accept_order, whose findings have an owner.
CHECKS: dict[str, Callable[[Any], Iterable[Fault]]] = {"InvoiceIssued": _invoice}
