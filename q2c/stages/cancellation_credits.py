"""A cancellation as of a day that is invoiced already: billing credits what it billed ahead, which wants two people.

What billing has ended before that day it credits from its own day on, whatever day is asked for: so it is counted, and
whoever signs reads it. Known later, it is another question, which is asked anew.
What another system alone billed it never credits: that is told beside it, and is no part of what is signed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exceptions.sentences import listed
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import cut_short, in_part, signed
from q2c.stages.asking import Asker
from q2c.stages.in_billing import billing_credits
from q2c.stages.verb import Finding, Work

# What of each recorded line lies after the day of its invoice group, by days, and how many of these credit: (entity,
# currency, minor units, credits, invoice, group, the system that billed it where that is not billing).
_RECORDED = f"""
SELECT i.entity, i.currency, round(sum(
         l.net_minor::numeric * least(l.service_ends_on - i.day, l.service_ends_on - l.service_starts_on)
         / (l.service_ends_on - l.service_starts_on)))::bigint, count(*) FILTER (WHERE l.net_minor < 0), i.number,
  i."group", i.billed_by
FROM (SELECT i.*, coalesce((%s::jsonb ->> i."group")::date, %s::date) AS day,
        CASE WHEN {billing_credits("i.source", "i.number", "i.entity", "i.order_id")} THEN ''
          ELSE i.source END AS billed_by
      FROM q2c_invoice i WHERE i.order_id = %s::uuid AND i.state <> 'voided') AS i
JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE l.kind = 'recurring' AND l.service_ends_on > i.day AND l.service_starts_on < l.service_ends_on
  AND NOT ledger_counts_no_more(i.event_id)
GROUP BY 1, 2, 5, 6, 7
"""
# What was issued, and is not recorded here: it waits, or has a case. The newest first.
_ON_ITS_WAY = f"""
SELECT e.payload::text,
  CASE WHEN {billing_credits("e.source", "s.business_key", "s.entity", "%s::uuid")} THEN '' ELSE e.source END
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
WHERE s.stage = 'record_invoice' AND s.state IN ('waiting', 'running', 'failed') AND s.business_key <> ''
  AND e.payload ->> 'order_number' = ANY(%s::text[])
ORDER BY s.seq DESC
"""
# By legal entity and number of the invoice: (currency, minor units, lines that credit, group, billed by). Two entities
# of an order may both have an INV-1. q2c/reading/credits_due.py counts so of all orders at once.
Billed = dict[tuple[str, str], tuple[str, int, int, str, str]]
# By order, as in_part.cut() and cut_short.days() tell it.
Cuts = Mapping[str, in_part.Cut]
There = Sequence[tuple[str, str, dt.date]]
# Of the invoices that a cancellation takes back so many are named to whoever signs.
NAMED_MAX = 8


def _billed_after(order: Order, on: dt.date, groups: Mapping[str, dt.date]) -> Billed:
    """What is invoiced for days from `on`, or from the day of its own group. Two statements."""
    days = json.dumps({group: day.isoformat() for group, day in groups.items()})
    found: Billed = {}
    for entity, currency, minor, credits, number, group, billed_by in bulk.execute(_RECORDED, [days, on, order.id]):
        found[entity, number] = (currency, minor, credits, group, billed_by)
    for payload, billed_by in bulk.execute(_ON_ITS_WAY, [order.id, [order.number]]):
        invoice = stored.read(payload, InvoiceDocument)
        told = (invoice.currency, *_after(invoice, groups.get(invoice.group, on)), invoice.group, billed_by)
        found.setdefault((invoice.legal_entity, invoice.invoice_number), told)
    return found


def _back(billed: Billed, by: str = "") -> tuple[dict[str, int], list[str]]:
    """What one system invoiced of that, billing unless it is named: minor units by currency, and the numbers of the
    invoices that bill it.

    Billing rounds each line that it credits: what is left of a minor unit for each was credited. Of a group that was
    credited none is named.
    """
    mine = {name: one for name, one in billed.items() if one[-1] == by}
    sums, rounded, left = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for currency, minor, credits, group, _ in mine.values():
        sums[currency] += minor
        rounded[currency] += credits
        left[currency, group] += minor - credits
    there = {currency: minor for currency, minor in sorted(sums.items()) if minor > rounded[currency]}
    named = [
        (number, entity)
        for (entity, number), (currency, minor, _, group, _) in mine.items()
        if minor > 0 and currency in there and left[currency, group] > 0
    ]
    often = Counter(number for number, _ in named)
    return there, [f"{number} of {entity}" if often[number] > 1 else number for number, entity in sorted(named)]


@dataclass(frozen=True, slots=True)
class Credits:
    """What billing credits, net, by currency; and `elsewhere`, what it does not, as others billed it: sentences without
    the last full stop."""

    worth: list[Money]
    elsewhere: str = ""


def credits(order: Order, on: dt.date, groups: Mapping[str, dt.date] | None = None) -> Credits:
    """Of what is invoiced for days from `on`, and not credited yet. Two statements.

    `groups`: of these invoice groups for days from their own day.
    """
    billed = _billed_after(order, on, groups or {})
    back, _ = _back(billed)
    return Credits([Money(minor, currency) for currency, minor in back.items()], ". ".join(_elsewhere(billed)))


def _elsewhere(billed: Billed) -> list[str]:
    """What each other system billed, in a sentence without its full stop."""
    found = []
    for system in sorted({billed_by for *_, billed_by in billed.values() if billed_by}):
        back, numbers = _back(billed, system)
        if back:
            named = _invoices(numbers)
            found.append(
                f"{named[0].upper()}{named[1:]} {'were' if len(numbers) > 1 else 'was'} billed by {system}: about "
                f"{_worth(back)} net for days from the cancellation on stays until that system credits it"
            )
    return found


def of_what_goes_on(order: Order, on: dt.date) -> Credits:
    """What a cancellation as of `on` would take back: nothing of what billing has cancelled for us already, and from
    its own day on what billing has ended before. Four statements."""
    cut, there = in_part.cut([order.number]), cut_short.days([order.number])
    return credits(order, on, _days(cut.get(order.number, {}), there.get(order.number, ()), on))


def billed_elsewhere(order: Order, on: dt.date) -> str:
    """What a cancellation as of `on` would leave, as Credits.elsewhere. Two statements where others billed nothing."""
    if not any(billed_by for *_, billed_by in _billed_after(order, order.starts_on, {}).values()):
        return ""
    return of_what_goes_on(order, on).elsewhere


def tell(works: Sequence[Work]) -> None:
    """A cancellation that failed is worth what it would credit, whatever it failed for: of what billing has not
    cancelled, as of today's invoices. One that would credit nothing is about the order, unless a part of that is done.
    """
    mine = [work for work in works if work.findings and not work.findings[0].worth]
    there = {order.number: order for order in Order.objects.filter(number__in=[w.step.business_key for w in mine])}
    cut, ended = in_part.cut(there), cut_short.days(there)
    for work in mine:
        order = there.get(work.step.business_key)
        if order is None:
            continue
        done = in_part.of_step(work.step) | cut.get(order.number, {})
        on = max(work.fact.payload.effective_on, order.starts_on)
        would_be = credits(order, on, _days(done, ended.get(order.number, ()), on))
        credited = [(one.minor, one.currency) for one in would_be.worth]
        if not credited and done:
            credited = [(0, order.currency)]
        work.findings[0] = replace(work.findings[0], worth=tuple(credited))


def _days(cut: Cuts, there: There, on: dt.date) -> dict[str, dt.date]:
    """From when on invoice groups count otherwise than from `on`: never, where billing has cancelled them for us."""
    return {group: day for _, group, day in there if day < on} | {one.group: dt.date.max for one in cut.values()}


def _after(invoice: InvoiceDocument, on: dt.date) -> tuple[int, int]:
    """Minor units for days from `on`, and how many lines credit some."""
    found = credits = 0
    for line in invoice.lines:
        starts, ends = line.service_starts_on, line.service_ends_on
        if line.kind == "recurring" and starts and ends and starts < ends and ends > on:
            found += line.net_minor * min((ends - on).days, (ends - starts).days) // (ends - starts).days
            credits += line.net_minor < 0
    return found, credits


def wants_a_signature(work: Work, order: Order, asker: Asker) -> list[Finding]:
    """What is asked of a second person, unless they said so already. In the journals' own words: net, by currency."""
    asked = work.fact.payload
    on = max(asked.effective_on, order.starts_on)
    cut, there = in_part.cut([order.number]), cut_short.days([order.number]).get(order.number, ())
    billed = _billed_after(order, on, _days(cut.get(order.number, {}), there, on))
    back, numbers = _back(billed)
    if not back:
        return []
    finding = Finding(
        reason=Reason.CANCELLATION_APPROVAL_REQUIRED,
        text=". ".join(
            [
                _text(order, asker.name or work.fact.source, on, asked.reason, _worth(back), numbers),
                *_elsewhere(billed),
                *in_part.tell(cut).values(),
                *_ended_there(there, on),
            ]
        ),
        pointer="/effective_on",
        seen=asked.effective_on.isoformat(),
        remedy="A second person approves or refuses it",
        worth=tuple((minor, currency) for currency, minor in back.items()),
    )
    return signed.left({work.step.id: [finding]})[work.step.id]


def _text(order: Order, who: str, on: dt.date, why: str, worth: str, numbers: Sequence[str]) -> str:
    bill = "bill" if len(numbers) > 1 else "bills"
    return (
        f"{who} asks to cancel order {order.number} as of {on}{': ' if why else ''}{why}; {_invoices(numbers)} {bill} "
        f"about {worth} net from that day on, which billing credits then"
    )


def _invoices(numbers: Sequence[str]) -> str:
    more = len(numbers) - NAMED_MAX
    named = listed([*numbers[:NAMED_MAX], *([f"{more} more"] if more > 0 else [])])
    return f"{len(numbers)} invoices ({named})" if len(numbers) > 1 else f"invoice {named}"


def _worth(back: Mapping[str, int]) -> str:
    return listed([str(Money(minor, currency)) for currency, minor in back.items()])


def _ended_there(there: There, on: dt.date) -> list[str]:
    """What billing has ended before `on`, and after, each in at most one sentence without its full stop."""
    before, after = [one for one in there if one[2] < on], [one for one in there if one[2] > on]
    credits = "their credits are" if len(before) > 1 else "its credit is"
    told = [f"Billing has ended {_by_day(before)} already, so {credits} counted from then on"] if before else []
    if after:
        told.append(
            f"Beware: billing ends {_by_day(after)} by an order of its own and takes no earlier day, so this will stop "
            "there: ask for that day instead, or have its cancellation taken back there first"
        )
    return told


def _by_day(ended: There) -> str:
    names: dict[dt.date, list[str]] = {}
    for number, _, day in ended:
        names.setdefault(day, []).append(number)
    return listed([f"{listed(numbers)} as of {day}" for day, numbers in names.items()])
