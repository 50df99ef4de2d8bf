"""What invoices may bill of an order: together no more than it sold, and no more back than they billed.

Beside the sums stand the days: in its term (term_of_invoices.py), none twice (days_billed.py), and in proportion to the
prices of the order (proportion.py); of credits without days, none twice (undated_credits.py). Usage has
no sum in the order: it is held to what was billed where it takes back, to the terms on which it was sold, and to a
proportion of its own (usage.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from uuid import UUID

from msgspec import structs

from exceptions.sentences import listed
from q2c import bulk
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.models import CommercialPolicy, Order
from q2c.money import Money, exponent
from q2c.reasons import APPROVALS, Reason
from q2c.stages import (
    beside,
    billing_otherwise,
    cancelled_there,
    days_billed,
    given_up,
    periods,
    proportion,
    signed,
    sold,
    tax_of_invoices,
    term_of_invoices,
    undated_credits,
    usage,
)  # fmt: skip
from q2c.stages.beside import MOST_ROUNDED
from q2c.stages.verb import Finding, Work

# An invoice whose journal was reversed counts for nothing: billing bills it anew. Restored, it counts at once.
_SO_FAR = """
SELECT order_id, "group", product, is_usage, sum(net)::bigint, sum(back)::bigint, sum(lines)::bigint, max(net)
FROM (SELECT i.order_id, i."group", l.product, l.kind = 'usage' AS is_usage, sum(l.net_minor)::bigint AS net,
             sum(least(l.net_minor, 0))::bigint AS back, count(*) AS lines
      FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
      WHERE i.order_id = ANY(%s::uuid[]) AND i.state <> 'voided' AND NOT ledger_counts_no_more(i.event_id)
      GROUP BY i.id, 3, 4) of_one_invoice
GROUP BY 1, 2, 3, 4
"""

# So many lines are told of an invoice that may have thousands.
MOST_TOLD = 3

# Order id, group, product, whether it is its usage.
Sold = tuple[UUID, str, str, bool]


def tie(works: Sequence[Work]) -> None:
    """Adds a finding to each invoice that goes beyond its order; those before it in the batch count.

    Orders are locked until the transaction ends, so two workers cannot each bill what is left.
    """
    orders: dict[UUID, Order] = {work.notes["order"].id: work.notes["order"] for work in works}
    hold(orders)
    billed = _Billed(orders.values())
    cancelled = term_of_invoices.ended(orders.values())
    policies = {policy.entity: policy for policy in CommercialPolicy.objects.all()}
    metered = usage.there({work.notes["order"].id for work in works if usage.of(work.fact.payload)})
    before, left_out, gone = signed.Before(works), given_up.asked(works), cancelled_there.asked(works)
    in_billing = billing_otherwise.there(works)
    for work in works:
        invoice, order = work.fact.payload, work.notes["order"]
        policy = policies.get(invoice.legal_entity) or policies.get("") or CommercialPolicy()
        found = [
            *billed.beyond(invoice, order),
            *billed.days(invoice, order),
            *term_of_invoices.dated_ahead(invoice),
            *term_of_invoices.beyond_its_end(
                invoice, order, term_of_invoices.of_group(cancelled, order, invoice.group)
            ),
            *usage.over(invoice, order, billed.most(invoice, order), Decimal(policy.usage_limit_percent), metered),
            *tax_of_invoices.off(invoice, order, Decimal(policy.tax_tolerance_percent)),
        ]
        found = [asked[work.step.id] for asked in (gone, left_out) if work.step.id in asked] + found
        # Neither a limit that was raised nor time answers what a second person was asked, or refused.
        found = signed.with_asked(found, before.asked(work, partial(_asked_again, metered)), _stays_asked)
        found += billing_otherwise.beside(work, found, in_billing)
        # What is wrong for sure is told first: nobody is asked to sign what cannot be.
        found.sort(key=lambda finding: finding.reason in APPROVALS)
        work.findings += before.unsigned(work, found)
        if not work.findings:
            billed.add(invoice, order)
            usage.add(metered, invoice, order)


def _stays_asked(asked: Finding) -> bool:
    """What billing cancelled it may post again, and then it is no question any more; what it has is said as it is."""
    return asked.reason != Reason.INVOICE_CANCELLED and asked.pointer != billing_otherwise.AT


def _asked_again(metered: usage.Metered, work: Work, asked: Finding) -> list[Finding]:
    """What was asked about another version of the invoice, if this one says the same: limits and days do not count.

    What depends on neither is found again by itself.
    """
    invoice, order, limit = work.fact.payload, work.notes["order"], None
    if asked.measure is not None and asked.measure.unit == invoice.currency:
        limit = int(Decimal(asked.measure.limit) * 10 ** exponent(invoice.currency))
    candidates = [
        *term_of_invoices.dated_ahead(invoice, was_asked=True),
        *usage.over(invoice, order, {}, Decimal(0), metered, limit),
        *tax_of_invoices.off(invoice, order, Decimal(0)),
    ]
    return signed.said_again(asked, candidates)


def hold(order_ids: Iterable[UUID]) -> None:
    """Locks the orders, until the transaction ends, against everybody else who bills them."""
    list(Order.objects.filter(id__in=set(order_ids)).order_by("id").select_for_update().values_list("id"))


def ahead_of_what_they_credit(works: Sequence[Work]) -> list[Work]:
    """Those that take back what nobody billed so far, earlier ones of the batch included: it may be on its way."""
    credits_ = [w.notes["order"] for w in works if any(line.net_minor < 0 for line in w.fact.payload.lines)]
    if not credits_:
        return []
    orders: dict[UUID, Order] = {order.id: order for order in credits_}
    billed = _Billed(orders.values())
    early: list[Work] = []
    for work in works:
        invoice, order = work.fact.payload, work.notes["order"]
        if order.id not in orders:
            continue
        if billed.lacks(invoice, order):
            early.append(work)
        else:
            billed.add(invoice, order)
    return early


def again(invoice: InvoiceDocument, order: Order) -> list[Finding]:
    """What has come to be in the way of an invoice that was taken back, and is to count once more."""
    billed = _Billed([order])
    return [*billed.beyond(invoice, order), *billed.days(invoice, order)]


def without(invoice: InvoiceDocument, order: Order) -> str:
    """What would be wrong with what is billed of the order if an invoice that counts were taken back; empty: nothing.

    To take it back is to bill all of it once more, the other way round.
    """
    turned = structs.replace(
        invoice,
        lines=[structs.replace(line, net_minor=-line.net_minor, tax_minor=-line.tax_minor) for line in invoice.lines],
    )
    billed = _Billed([order])
    found = [*billed.beyond(turned, order), *billed.days(turned, order)]
    lines = [invoice.lines[at] for at in sorted({int(finding.pointer.split("/")[2]) for finding in found})]
    if not lines:
        return ""
    what = list(dict.fromkeys(_amiss(line) for line in lines))
    more = [f"{len(what) - MOST_TOLD} more"] if len(what) > MOST_TOLD else []
    stays: Counter[str] = Counter()
    net, _ = _of(turned, order)
    for key in {key: None for line in lines for key in net if key[2:] == (line.product, line.kind == "usage")}:
        stays[key[2]] += billed.net[key] + net[key]
    sums = [f"{Money(minor, invoice.currency)} of {product}" for product, minor in stays.items()][:MOST_TOLD]
    return f"without {invoice.invoice_number}, {listed([*what[:MOST_TOLD], *more])}; {listed(sums)} remains billed"


def _amiss(line: InvoiceLine) -> str:
    days = f" from {line.service_starts_on} until {line.service_ends_on}" if line.service_starts_on else ""
    if line.net_minor > 0:
        return f"{line.product}{days} is credited, and billed by nothing"
    return f"{line.product}{days} is billed {'twice, or ' if days else ''}beyond what was sold"


class _Billed:
    """What was billed of some orders, with what joins it in this batch."""

    def __init__(self, orders: Collection[Order]) -> None:
        ids = [order.id for order in orders]
        self.net: Counter[Sold] = Counter()
        # What of it are credits, below zero.
        self.back: Counter[Sold] = Counter()
        self.lines: Counter[Sold] = Counter()
        self.highest: Counter[Sold] = Counter()
        for *key, minor, back, count, highest in bulk.execute(_SO_FAR, [ids]):
            of_it: Sold = tuple(key)  # type: ignore[assignment]
            self.back[of_it] = back
            self.net[of_it], self.lines[of_it], self.highest[of_it] = minor, count, highest
        self.periods = periods.there(ids)
        self.undated_credits = undated_credits.there(ids)
        self.sold, self.rounded = _sold(orders)
        self.spans = {order.id: sold.spans(order) for order in orders}

    def beyond(self, invoice: InvoiceDocument, order: Order) -> Iterator[Finding]:
        net, lines = _of(invoice, order)
        for key, more in net.items():
            count, most = self.lines[key] + lines[key], self.rounded.get(key, 0)
            if _is_beyond(key, self.net[key], more, self.sold[key], count, most):
                if more < 0:
                    yield _beyond_billed(invoice, order, key, -more, self.net[key], -self.back[key])
                else:
                    yield _beyond_sold(invoice, order, key, self.sold[key], self.net[key] + more)

    def lacks(self, invoice: InvoiceDocument, order: Order) -> bool:
        """Whether it takes something back of which nothing at all is billed."""
        own = periods.of(invoice, order)
        if any(not others.is_billed(mine) for _, mine, others in beside.each(own, self.periods, -1)):
            return True
        there = {(line.product, line.kind == "usage") for line in invoice.lines if line.net_minor > 0}
        for i, line in enumerate(invoice.lines):
            key = (line.product, line.kind == "usage")
            undated = line.net_minor < 0 and i not in own
            if undated and key not in there and self.highest[order.id, invoice.group, *key] <= 0:
                return True
        return False

    def days(self, invoice: InvoiceDocument, order: Order) -> list[Finding]:
        """Billed or taken back twice, or out of proportion. What is billed twice for sure is not asked about."""
        own, spans = periods.of(invoice, order), self.spans[order.id]
        twice = dict(days_billed.twice(invoice, own, self.periods, spans))
        over = dict(proportion.over(invoice, own, self.periods, spans))
        back = days_billed.unbilled_back(invoice, own, self.periods)
        again = undated_credits.repeated(invoice, order, self.undated_credits)
        surely = {i for i, finding in twice.items() if finding.reason not in APPROVALS}
        both = [*twice.items(), *(each for each in over.items() if each[0] not in surely)]
        return [*back, *(finding for _, finding in sorted(both, key=lambda each: each[0])), *again]

    def most(self, invoice: InvoiceDocument, order: Order) -> dict[str, int]:
        """By product, the most usage that one invoice billed."""
        products = {line.product for line in invoice.lines}
        return {product: self.highest[order.id, invoice.group, product, True] for product in products}

    def add(self, invoice: InvoiceDocument, order: Order) -> None:
        net, lines = _of(invoice, order)
        self.net.update(net)
        self.lines.update(lines)
        for line in invoice.lines:
            self.back[order.id, invoice.group, line.product, line.kind == "usage"] += min(line.net_minor, 0)
        for key, minor in net.items():
            self.highest[key] = max(self.highest[key], minor)
        for period in periods.of(invoice, order).values():
            self.periods[period.of].append(period)
        for credited in undated_credits.of(invoice, order).values():
            self.undated_credits[credited].append(invoice.invoice_number)


def _sold(orders: Iterable[Order]) -> tuple[Counter[Sold], Counter[Sold]]:
    """What was sold, and by how many units rounding may differ from it.

    What recurs is billed once a month at most, each time rounded by half a unit at most: some platforms round each
    month alike. How many lines invoices have does not matter.
    """
    found: Counter[Sold] = Counter()
    rounded: Counter[Sold] = Counter()
    for order in orders:
        for line in order.lines.all():
            key = (order.id, line.group, line.product, line.kind == "usage")
            found[key] += line.amount_minor
            if line.kind == "recurring":
                rounded[key] += -(-order.term_months // 2)
    return found, rounded


def _of(invoice: InvoiceDocument, order: Order) -> tuple[Counter[Sold], Counter[Sold]]:
    """What the invoice itself bills: net and number of lines."""
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for line in invoice.lines:
        key = (order.id, invoice.group, line.product, line.kind == "usage")
        net[key] += line.net_minor
        lines[key] += 1
    return net, lines


def _is_beyond(key: Sold, before: int, more: int, amount: int, lines: int, rounded: int) -> bool:
    """Whether more makes too much, or takes too much back. Usage has no sum that was sold.

    Each invoice line was rounded once. But rounding explains a few units, however many lines there are, and nothing
    once all of it is billed, or taken back.
    """
    if more < 0:
        return before + more < -(min(lines, MOST_ROUNDED) if before > 0 else 0)
    if key[3] or not more:
        return False
    return before + more > amount + (min(lines, max(rounded, MOST_ROUNDED)) if before < amount else 0)


def _beyond_sold(invoice: InvoiceDocument, order: Order, key: Sold, amount: int, billed: int) -> Finding:
    at, comes_to, limit = _at(invoice, key), Money(billed, invoice.currency), Money(amount, invoice.currency)
    return Finding(
        reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{at}/net_minor", seen=invoice.lines[at].net_minor,
        text=f"With invoice {invoice.invoice_number}, {comes_to} of {key[2]} is billed; "
        f"order {order.number} sold {limit} of it to group {invoice.group}: that is {comes_to - limit} too much",
        remedy="Void the invoice in billing and bill the right amount",
    )  # fmt: skip


def _beyond_billed(invoice: InvoiceDocument, order: Order, key: Sold, back: int, net: int, credited: int) -> Finding:
    """It takes back `back`; so far `net` is billed, after `credited` was taken off."""
    product, is_usage = key[2:]
    takes, billed, gone, over = (
        Money(minor, invoice.currency) for minor in (back, net + credited, credited, back - max(net, 0))
    )
    what = f"usage of {product}" if is_usage else product
    so_far = (
        f"{billed} of it is booked as billed and {gone} as credited" if billed else "nothing of it is booked as billed"
    )
    return Finding(
        reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{_at(invoice, key)}/net_minor",
        seen=invoice.lines[_at(invoice, key)].net_minor,
        text=f"Invoice {invoice.invoice_number} credits {takes} of {what} before tax. Of order {order.number}, group "
        f"{invoice.group}, {so_far} so far: that is {over} too much",
        remedy="Does the invoice that it credits wait itself, book that one first, then replay. "
        "Else have billing correct the credit, or void it",
        blocker=days_billed.not_billed(order.number),
    )  # fmt: skip


def _at(invoice: InvoiceDocument, key: Sold) -> int:
    """Where the invoice bills it first."""
    return next(i for i, line in enumerate(invoice.lines) if (line.product, line.kind == "usage") == key[2:])
