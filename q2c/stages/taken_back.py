"""A cancellation as of a day that is invoiced already: billing credits what it billed ahead, which wants two people."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from exceptions.sentences import listed
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import signed
from q2c.stages.asking import Asker
from q2c.stages.verb import Finding, Work

# What of each recorded line lies after the day, by days: (order, entity, currency, minor units, invoice).
_RECORDED = """
SELECT i.order_id, i.entity, i.currency, round(sum(
         l.net_minor::numeric * least(l.service_ends_on - o.day, l.service_ends_on - l.service_starts_on)
         / (l.service_ends_on - l.service_starts_on)))::bigint, i.number
FROM unnest(%s::uuid[], %s::date[]) AS o(id, day) JOIN q2c_invoice i ON i.order_id = o.id
JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE l.kind = 'recurring' AND i.state <> 'voided' AND l.service_ends_on > o.day
  AND l.service_starts_on < l.service_ends_on
  AND NOT ledger_counts_no_more(i.event_id)
GROUP BY 1, 2, 3, 5
"""
# What billing has issued, and is not recorded here: it waits, or has a case.
_ON_ITS_WAY = """
SELECT e.payload::text FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
WHERE s.stage = 'record_invoice' AND s.state IN ('waiting', 'running', 'failed') AND s.business_key <> ''
  AND e.payload ->> 'order_number' = ANY(%s::text[])
"""
# By legal entity and number of the invoice: (currency, minor units). Two entities of an order may both have an INV-1.
# q2c/reading/credits_due.py counts so of all orders at once.
Billed = dict[tuple[str, str], tuple[str, int]]
# Of the invoices that a cancellation takes back so many are named to whoever signs.
NAMED_MAX = 8


def _billed_after(days: Mapping[UUID, dt.date], numbers: Mapping[UUID, str]) -> dict[UUID, Billed]:
    """What is invoiced for days from each order's own day on. Two statements."""
    found: dict[UUID, Billed] = {id_: {} for id_ in days}
    for id_, entity, currency, minor, number in bulk.execute(_RECORDED, [list(days), list(days.values())]):
        found[id_][entity, number] = (currency, minor)
    by_number = {number: id_ for id_, number in numbers.items()}
    for (payload,) in bulk.execute(_ON_ITS_WAY, [list(by_number)]):
        invoice = stored.read(payload, InvoiceDocument)
        id_ = by_number[invoice.order_number]
        named, told = (invoice.legal_entity, invoice.invoice_number), (invoice.currency, _after(invoice, days[id_]))
        found[id_].setdefault(named, told)
    return found


def _back(order: Order, on: dt.date) -> tuple[dict[str, int], list[str]]:
    """What is invoiced for days from `on`: minor units by currency, and the numbers of the invoices."""
    billed = _billed_after({order.id: on}, {order.id: order.number})[order.id]
    sums: Counter[str] = Counter()
    for currency, minor in billed.values():
        sums[currency] += minor
    there = {currency: minor for currency, minor in sorted(sums.items()) if minor > 0}
    named = [(number, entity) for (entity, number), (_, minor) in billed.items() if minor != 0]
    often = Counter(number for number, _ in named)
    return there, [f"{number} of {entity}" if often[number] > 1 else number for number, entity in sorted(named)]


def worth(order: Order, on: dt.date) -> list[Money]:
    """What is invoiced for days from `on`, net, and not credited yet: by currency."""
    back, _ = _back(order, on)
    return [Money(minor, currency) for currency, minor in back.items()]


def _after(invoice: InvoiceDocument, on: dt.date) -> int:
    found = 0
    for line in invoice.lines:
        starts, ends = line.service_starts_on, line.service_ends_on
        if line.kind == "recurring" and starts and ends and starts < ends and ends > on:
            found += line.net_minor * min((ends - on).days, (ends - starts).days) // (ends - starts).days
    return found


def wants_a_signature(work: Work, order: Order, asker: Asker) -> list[Finding]:
    """What is asked of a second person, unless they said so already. In the journals' own words: net, by currency."""
    asked = work.fact.payload
    on = max(asked.effective_on, order.starts_on)
    back, numbers = _back(order, on)
    if not back:
        return []
    worth = listed([str(Money(minor, currency)) for currency, minor in back.items()])
    finding = Finding(
        reason=Reason.CANCELLATION_APPROVAL_REQUIRED,
        text=_text(order, asker.name or work.fact.source, on, asked.reason, worth, numbers),
        pointer="/effective_on",
        seen=asked.effective_on.isoformat(),
        remedy="A second person approves or refuses it",
        worth=tuple((minor, currency) for currency, minor in back.items()),
    )
    return signed.left({work.step.id: [finding]})[work.step.id]


def _text(order: Order, who: str, on: dt.date, why: str, worth: str, numbers: Sequence[str]) -> str:
    more = len(numbers) - NAMED_MAX
    named = listed([*numbers[:NAMED_MAX], *([f"{more} more"] if more > 0 else [])])
    invoices = f"{len(numbers)} invoices ({named}) bill" if len(numbers) > 1 else f"invoice {named} bills"
    return (
        f"{who} asks to cancel order {order.number} as of {on}{': ' if why else ''}{why}; {invoices} about {worth} net "
        "from that day on, which billing credits then"
    )
