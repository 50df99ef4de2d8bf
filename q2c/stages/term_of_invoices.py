"""When an invoice may bill: days that its order covers, said of what recurs, and dated about today."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.contracts.events import OrderCancelRequested
from q2c.models import Event, Order, Step
from q2c.reasons import Reason
from q2c.stages import in_part, sold
from q2c.stages.controls.calendar import term_end
from q2c.stages.verb import Finding

# A renewal is billed ahead, and dated on the day it begins; nobody dates an invoice years ahead.
_AHEAD_DAYS, _AHEAD_DAYS_MAX = 31, 366


@dataclass(frozen=True, slots=True)
class Ended:
    """What was cancelled: as of when, and the day on which that was done. `number` is the subscription's where the
    rest of the order was not, or by another request.
    """

    on: dt.date
    done_on: dt.date
    number: str = ""

    def told(self, order: Order) -> str:
        what = f"subscription {self.number} of order" if self.number else "order"
        return f"{what} {order.number} was cancelled as of {self.on}"


def ended(orders: Iterable[Order]) -> dict[tuple[UUID, str], Ended]:
    """By order and invoice group; under no group what ended the order whole, by the request that cancelled it.

    Another request for an order that is cancelled changes nothing any more.
    """
    by_number = {order.number: order for order in orders}
    whole = _whole([order for order in by_number.values() if order.state == "cancelled"])
    found = {(id_, ""): one for id_, (_, one) in whole.items()}
    for step in in_part.requests(by_number).order_by("seq").only("business_key", "event_id", "proof"):
        order = by_number[step.business_key]
        by, one = whole.get(order.id, (None, None))
        for cut in in_part.of_step(step).values():
            # What billing had ended before ended then, whatever day the request names.
            same = by == step.event_id and not cut.asked
            mine = Ended(one.on, cut.done_on) if one and same else Ended(cut.on, cut.done_on, cut.number)
            found.setdefault((order.id, cut.group), mine)
    return found


def of_group(ends: Mapping[tuple[UUID, str], Ended], order: Order, group: str) -> Ended | None:
    """Of what ended() found, what an invoice of this group is measured by."""
    return ends.get((order.id, group)) or ends.get((order.id, ""))


def _whole(orders: Iterable[Order]) -> dict[UUID, tuple[UUID, Ended]]:
    """Of cancelled orders: the event that cancelled it, and as of when."""
    numbers = {order.number: order.id for order in orders}
    if not numbers:
        return {}
    done = Step.objects.filter(stage="cancel_order", state="done", business_key__in=numbers)
    columns = ("event_id", "event__correlation_id", "business_key", "event__payload", "finished_at")
    rows = list(done.values_list(*columns))
    by_it = Event.objects.filter(
        source="q2c", type="OrderCancelled", correlation_id__in={row[1] for row in rows},
        causation_id__in=[row[0] for row in rows],
    )  # fmt: skip
    cancelled_by = set(by_it.values_list("causation_id", flat=True))
    return {
        numbers[number]: (event_id, Ended(stored.read(payload, OrderCancelRequested).effective_on, at.date()))
        for event_id, _, number, payload, at in rows
        if at is not None and event_id in cancelled_by
    }


def out_of_term(invoice: InvoiceDocument, order: Order, cancelled: Ended | None) -> list[Finding]:
    """What is billed for days that the order does not cover, or before its product is sold. A credit may be for any."""
    until = term_end(order)
    since, found = {key: min(span.starts_on for span in of_it) for key, of_it in sold.spans(order).items()}, []
    for i, line in enumerate(invoice.lines):
        starts, ends = line.service_starts_on, line.service_ends_on
        if line.net_minor <= 0 or starts is None or ends is None:
            continue
        sold_from = order.starts_on
        if line.kind != "one_time":
            sold_from = since.get((invoice.group, line.product, line.kind), sold_from)
        why = ""
        if starts < order.starts_on or ends > max(until, starts):
            why = f"order {order.number} runs from {order.starts_on} until {until}"
        elif starts < sold_from:
            why = f"order {order.number} sold it from {sold_from} on"
        elif cancelled and starts >= cancelled.on and invoice.issued_on >= cancelled.done_on:
            why = cancelled.told(order)
        if why:
            found.append(
                Finding(
                    reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{i}/service_starts_on", seen=starts,
                    text=f"Invoice {invoice.invoice_number} bills {line.product} from {starts} until {ends}, but {why}",
                    remedy="Void or credit it in billing, or have the order that covers these days sent, then replay",
                )
            )  # fmt: skip
    return found


def undated(invoice: InvoiceDocument) -> list[Finding]:
    """Of what is billed again and again, nobody could see that the same days are billed twice."""
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{i}/service_starts_on", seen=None,
            text=f"Invoice {invoice.invoice_number} does not say for which days it bills {line.product}",
            remedy="Have billing say the service period of the line, or void it there",
        )
        for i, line in enumerate(invoice.lines)
        if line.kind != "one_time" and line.net_minor > 0 and not _has_days(line)
    ]  # fmt: skip


def _has_days(line: InvoiceLine) -> bool:
    starts, ends = line.service_starts_on, line.service_ends_on
    return starts is not None and ends is not None and starts < ends


def beyond_its_end(invoice: InvoiceDocument, order: Order, cancelled: Ended | None) -> Iterator[Finding]:
    """What was issued after a cancellation, and bills days before and after it, or does not say for which days.

    Some platforms bill a period whole and credit the rest, or keep it, and a fee may be owed: a second person says so.
    """
    if cancelled is None or invoice.issued_on < cancelled.done_on:
        return
    for i, line in enumerate(invoice.lines):
        starts, ends = line.service_starts_on, line.service_ends_on
        if line.net_minor <= 0:
            continue
        as_of = cancelled.told(order)
        if starts is None or ends is None:
            yield Finding(
                reason=Reason.INVOICE_APPROVAL_REQUIRED, pointer=f"/lines/{i}/net_minor", seen=line.net_minor,
                text=f"Invoice {invoice.invoice_number} of {invoice.issued_on} bills {line.product}, but {as_of}",
                remedy="Void it in billing; where it is owed all the same, a second person approves it",
            )  # fmt: skip
            continue
        if not starts < cancelled.on < ends:
            continue
        yield Finding(
            reason=Reason.INVOICE_APPROVAL_REQUIRED, pointer=f"/lines/{i}/service_ends_on", seen=ends,
            text=f"Invoice {invoice.invoice_number} bills {line.product} from {starts} until {ends}, but {as_of}",
            remedy="Void it in billing and bill the days until then; where all of it is owed, a second person approves",
        )  # fmt: skip


def dated_ahead(invoice: InvoiceDocument, *, was_asked: bool = False) -> list[Finding]:
    """An invoice is booked on its date: a month ahead is usual, more may be meant, a year is a slip.

    `was_asked`: whatever day it is by now.
    """
    ahead = (invoice.issued_on - clock.today()).days
    if ahead <= _AHEAD_DAYS and not was_asked:
        return []
    surely = ahead > _AHEAD_DAYS_MAX
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH if surely else Reason.INVOICE_APPROVAL_REQUIRED,
            pointer="/issued_on", seen=invoice.issued_on,
            # Whoever signs it on another day signs the same words.
            text=f"Invoice {invoice.invoice_number} is dated {invoice.issued_on}, more than "
            f"{'a year' if surely else f'{_AHEAD_DAYS} days'} ahead",
            remedy="Have its date corrected in billing" if surely else
            "Have its date corrected in billing; where it is meant, a second person approves it",
        )
    ]  # fmt: skip
