"""What the order stages share: the order's rows, its versions, its approvals."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace as with_
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from msgspec.structs import replace

from q2c import clock, keys
from q2c.connectors.outcomes import Posted
from q2c.contracts import stored
from q2c.contracts.documents import OrderDocument
from q2c.models import CrossReference, Event, Order, OrderGroup, OrderLine
from q2c.models.order import UNDECIDED
from q2c.reasons import Reason
from q2c.stages import deals as deals_
from q2c.stages import owing, signed, totals
from q2c.stages.controls import limits
from q2c.stages.controls.world import World
from q2c.stages.deals import Deals
from q2c.stages.verb import Fact, Finding, Measure, Work


def is_older(fact: Fact, order: Order) -> bool:
    """Whether the order already stands on a newer version of the deal."""
    return order.event_id != fact.id and order.event.occurred_at > fact.occurred_at


def existing(numbers: Sequence[str]) -> dict[str, Order]:
    """Orders by number, with their event, locked."""
    found = Order.objects.filter(number__in=numbers).order_by("id").select_for_update(of=("self",))
    return {order.number: order for order in found.select_related("event")}


def check_unchanged(work: Work, order: Order, *, anothers: bool, is_deal: bool) -> None:
    """A repeat of an accepted deal is done, whoever tells of it; a changed one needs a person, another's a number.
    `is_deal` where a sales platform tells of it."""
    accepted = stored.read(order.document, OrderDocument)
    if _as_sold(accepted) == _as_sold(work.fact.payload):
        work.outcome = Posted(reference=str(order.id), document=order.number, found=True)
        return
    if anothers:
        deals_.refuse_number(work, order)
        return
    changed, back = (
        ("changed in the sales platform", "Take the change back in the sales platform, or close it as a new deal")
        if is_deal
        else ("came again in another version", "Send it as it was accepted, or under a new order number")
    )
    work.reject(
        Reason.ORDER_CHANGED,
        f"Order {order.number} {changed} after it was accepted here; it is {order.state} now"
        if order.accepted_at
        else f"Order {order.number} came again in another version after it was {order.state}",
        pointer="/order_number",
        seen=order.number,
        remedy=f"{back}; cancel this order if it stands",
    )


def _as_sold(document: OrderDocument) -> OrderDocument:
    """Accounts and price lists change without their deals: what came along about them is no part of the order."""
    return replace(document, parties=(), lines=tuple(replace(line, list_price=None) for line in document.lines))


def keep(works: Sequence[Work]) -> dict[str, Order]:
    """Orders by number: made as received, or brought to this version of the deal, its number too. May be another
    deal's; there is none where a number or a deal has got its order at this moment."""
    deals = Deals()
    there = existing([work.fact.payload.order_number for work in works])
    standing = deals_.standing([work.fact for work in works], deals)
    fresh: dict[str, Order] = {}
    renamed: dict[str, Order] = {}
    events = Event.objects.filter(id__in=[work.fact.id for work in works])
    # However late it is looked at, an order is received when its deal was.
    received = dict(events.values_list("id", "received_at"))
    portioned = totals.portioned([(work.fact.payload, totals.amounts_of(work.fact.payload)) for work in works])
    taxes = totals.converted([(work.fact.payload, work.notes.get("taxes", {})) for work in works])
    for work, portions, tax_minor in zip(works, portioned, taxes, strict=True):
        document: OrderDocument = work.fact.payload
        number, of_deal = document.order_number, standing.get(deals.identity(work.fact))
        order = there.get(number) or fresh.get(number) or of_deal
        if order is None:
            order = fresh[number] = Order(number=number, received_at=received.get(work.fact.id) or clock.now())
        elif deals.is_anothers(work.fact, order) or is_older(work.fact, order) or order.state not in UNDECIDED:
            continue
        elif order is of_deal:
            renamed[number] = order
        _fill(order, work, document)
        if of_deal is None or of_deal.id == order.id:
            order.deal = deals.identity(work.fact)
        order.total_minor, order.portions = totals.sum_of(portions), totals.kept(document, portions)
        order.tax_estimate_minor = tax_minor if "taxes" in work.notes else None
    # Another deal may make an order of this number at the same moment, or this one by another version: whoever commits
    # first has it.
    Order.objects.bulk_create([fresh[number] for number in sorted(fresh)], ignore_conflicts=True)
    changed = [order for order in there.values() if order.state in UNDECIDED]
    Order.objects.bulk_update(changed, [*_FILLED])
    there |= {number: order for number, order in renamed.items() if _is_free(order)}
    return there | (existing(list(fresh)) if fresh else {})


def _is_free(order: Order) -> bool:
    """Whether the order gets the number that its deal has by now."""
    try:
        with transaction.atomic():
            order.save(update_fields=_FILLED)
    except IntegrityError:
        return False
    return True


_FILLED = (
    "number", "event", "correlation_id", "source", "source_id", "deal", "document", "customer_key", "customer_name",
    "contract_entity", "currency", "total_minor", "portions", "tax_estimate_minor", "controls", "closed_on",
    "starts_on", "term_months",
)  # fmt: skip


def _fill(order: Order, work: Work, document: OrderDocument) -> None:
    order.number = document.order_number
    order.event = Event(id=work.fact.id, occurred_at=work.fact.occurred_at)
    order.correlation_id = work.fact.correlation_id
    order.source, order.source_id = work.fact.source, work.fact.source_id
    order.document = msgspec.json.encode(document).decode()
    order.customer_key, order.customer_name = document.customer, work.step.customer
    order.contract_entity, order.currency = document.contract_entity, document.currency
    order.controls = controls_of(work)
    order.closed_on, order.starts_on, order.term_months = document.closed_on, document.starts_on, document.term_months


def controls_of(work: Work) -> dict[str, Any]:
    """As an order keeps them: when they were asked, what they found, and which service answered."""
    return {
        "checked_at": clock.now().isoformat(),
        "findings": [f.reason for f in work.notes.get("found", [])],
        "told": work.notes.get("told", []),
    }


def write_rows(accepted: Sequence[tuple[Order, OrderDocument, World, Mapping[int, int]]]) -> None:
    """Lines and groups of accepted orders, with the entities and payers that the controls determined, and by line
    what its tax is estimated at."""
    groups, lines = [], []
    for order, document, data, taxes in accepted:
        payer = data.payer(document.customer)
        order.payer_key = payer.key if payer else document.customer
        for group in document.groups:
            entity, bill_to = data.entity_of(group, document), data.payer(group.bill_to)
            assert entity is not None and bill_to is not None, "the controls let an undetermined group through"
            groups.append(
                OrderGroup(
                    order=order, key=group.key, region=group.region, entity=entity.code, bill_to=bill_to.key,
                    currency=group.currency,
                    total_minor=sum(line.amount_minor for line in document.lines if line.group == group.key),
                )
            )  # fmt: skip
        lines += [
            OrderLine(
                order=order, line=line.line, group=line.group, product=line.product, kind=line.kind,
                quantity=Decimal(line.quantity), unit_price=Decimal(line.unit_price), price_period=line.price_period,
                discount_minor=line.discount_minor, amount_minor=line.amount_minor,
                tax_estimate_minor=taxes.get(line.line),
                revenue_treatment=line.revenue_treatment, product_line=data.products[line.product].product_line,
                description=line.description,
            )
            for line in document.lines
        ]  # fmt: skip
    OrderGroup.objects.bulk_create(groups)
    OrderLine.objects.bulk_create(lines)
    Order.objects.bulk_update([order for order, *_ in accepted], ["payer_key", "controls"])


class Signatures:
    """What deals of a batch still want a second person's word for: read at once, told of one after the other."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._before = signed.Before(works)

    def missing(self, work: Work) -> list[Finding]:
        """What was found, and what waited for a signature before, as far as nobody has signed it.

        A limit that was raised since frees no version of a deal: whoever raised it would have signed, alone. Another
        version of the deal is another step, signed for anew.
        """
        asked = self._before.asked(work, _asked_again)
        found = signed.with_asked(work.notes.get("found", []), asked, partial(_is_still_over, work))
        return self._before.unsigned(work, found)


def _asked_again(work: Work, asked: Finding) -> Sequence[Finding]:
    """What was asked about another version of the deal, if this one gives as much, or the payer is to owe as much."""
    if asked.measure is None or "world" not in work.notes:
        return ()
    if asked.reason == Reason.CREDIT_APPROVAL_REQUIRED:
        now = owing.owed_by(work.notes.get("owed", {}), asked.measure)
        over = owing.still_over(asked, now) if now else None
        return [over] if over else []
    if asked.measure.unit != "%":
        return ()
    was = with_(work.notes["world"], discount_limits={"": Decimal(asked.measure.limit)})
    return signed.said_again(asked, limits.discount(work.fact.payload, was))


def _is_still_over(work: Work, finding: Finding) -> bool:
    """A discount stays what it is; a credit is over the limit that was in force then, or was paid off since.

    Where the price list has a price by now, the discount is measured by it.
    """
    if finding.reason == Reason.LIST_PRICE_MISSING:
        return False
    if finding.reason != Reason.CREDIT_APPROVAL_REQUIRED or finding.measure is None:
        return True
    # Before the credit service is asked, there is nothing to tell about credit.
    owed: Mapping[str, Measure] | None = work.notes.get("owed")
    if owed is None:
        return False
    now = owing.owed_by(owed, finding.measure)
    return now is None or owing.still_over(finding, now) is not None


def unsigned(works: Sequence[Work]) -> dict[uuid.UUID, list[Finding]]:
    """Per step, what was found and nobody has signed."""
    signatures = Signatures(works)
    return {work.step.id: signatures.missing(work) for work in works}


def hold(ids: Iterable[str | uuid.UUID]) -> None:
    """Lock orders, for what depends on all of their subscriptions."""
    list(Order.objects.filter(id__in=set(ids)).order_by("id").select_for_update().values_list("id"))


# A customer's key has at most 64 characters.
ACCOUNT_KEY_MAX = 68


def account_key(payer: str, currency: str) -> str:
    """Billing keeps one account per payer and currency."""
    return f"{payer}-{currency}"


def account_number(payer: str, currency: str) -> str:
    """What billing calls that account: its key, as far as an address takes it."""
    return keys.in_addresses(account_key(payer, currency), "account", payer, currency, most=ACCOUNT_KEY_MAX)


def accounts_there(
    connection: str, wanted: Collection[tuple[str, str]], by: str = "document"
) -> dict[tuple[str, str], str]:
    """What billing calls the accounts of these payers and currencies. Before numbers were fit for addresses an account
    got its key, and keeps it; `by` is "reference" for its id there, which an address takes."""
    unfit = {one: key for one in wanted if (key := account_key(*one)) != account_number(*one)}
    rows = CrossReference.objects.filter(connection=connection, kind="customer", our_key__in=unfit.values())
    made = {row.our_key: row for row in rows} if unfit else {}
    return {
        one: getattr(row, by) if (row := made.get(unfit.get(one, ""))) and row.document == row.our_key
        else account_number(*one)
        for one in wanted
    }  # fmt: skip


def documents(ids: Sequence[str], *, hold: bool = False) -> dict[str, tuple[Order, OrderDocument]]:
    """Orders with their documents, by id as text; `hold` locks them until the transaction ends."""
    found = Order.objects.filter(id__in=ids).order_by("id")
    return {
        str(order.id): (order, stored.read(order.document, OrderDocument))
        for order in (found.select_for_update() if hold else found)
    }
