"""What needs a second person's word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from ledger.models import LegalEntity
from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import InvoiceGroup, OrderDocument, OrderLine
from q2c.money import Money, exponent
from q2c.reasons import Reason
from q2c.stages.controls.price import list_minor
from q2c.stages.controls.schedule import MONTHS
from q2c.stages.controls.world import World, in_force, price_period
from q2c.stages.verb import Finding, Measure

# Usage worth so many times what is paid may be included.
INCLUDED_TIMES = 3


def list_price_known(order: OrderDocument, world: World) -> Iterator[Finding]:
    """A product that the price list names has a price there for what its line sells, on the day the deal closed."""
    currencies = {group.key: group.currency for group in order.groups}
    for i, line in enumerate(order.lines):
        rows, currency = world.list_prices.get(line.product), currencies.get(line.group)
        if not rows or currency is None or world.list_price(line, currency, order.closed_on) is not None:
            continue
        wanted = _called(currency, price_period(line))
        held = sorted({_called(row.currency, row.price_period) for row in rows if in_force(row, order.closed_on)})
        yield Finding(
            reason=Reason.LIST_PRICE_MISSING,
            pointer=f"/lines/{i}/price_period",
            seen=wanted,
            text=f"Line {line.line} sells {line.product} at a price of {wanted}; on {order.closed_on} its price list "
            f"has {', '.join(held) or 'none'}",
            remedy="Add the list price in master data, or a second person approves the price as it is",
            blocker=Blocker(
                connection="",
                object_type="list_price",
                object_key=f"{currency}:{price_period(line)}:{line.product}",
                condition="missing",
            ),
        )


def _called(currency: str, period: str) -> str:
    return f"{currency} once" if period == "once" else f"{currency} per {period}"


@dataclass(frozen=True, slots=True)
class _Given:
    """What is given away: `share` in percent. `amounts` as a Measure has them."""

    share: Fraction
    of: str
    # With a place for the percentage.
    text: str
    pointer: str
    amounts: tuple[tuple[str, int, str], ...] = ()
    note: str = ""


def discount(order: OrderDocument, world: World) -> Iterator[Finding]:
    """What a line is sold below its list price stays within the policy of its entity.

    The list price is the price list's. Where that does not name the product at all, it is what the sender says it is,
    and where the sender says nothing either, only what it calls a discount is one.
    """
    groups = {group.key: group for group in order.groups}
    for i, line in enumerate(order.lines):
        group = groups.get(line.group)
        entity = world.entity_of(group, order) if group else None
        if entity is None or group is None:
            continue
        at = _list_price(order, line, group.currency, world)
        if line.kind == "usage":
            given = list(_on_tiers(i, line, at, group.currency))
            yield from _included(order, i, line, at, group)
        else:
            given = list(_on_line(order, i, line, at, group.currency))
        yield from (
            _over(one, entity, world) for one in given if one.share > Fraction(world.discount_limit(entity.code))
        )


def _list_price(order: OrderDocument, line: OrderLine, currency: str, world: World) -> Decimal | None:
    if world.list_prices.get(line.product):
        return world.list_price(line, currency, order.closed_on)
    # That a thing costs nothing is no word of who gives it away.
    return Decimal(line.list_price or 0) or None


def _on_line(order: OrderDocument, i: int, line: OrderLine, at: Decimal | None, currency: str) -> Iterator[_Given]:
    gross = list_minor(order, line, currency)
    # What fits no price period has no percentage; the price control says what is wrong.
    if gross is None:
        return
    off, what = Fraction(line.discount_minor), "gives {} % discount"
    priced = _at(line, at) if at is not None else _without_free_phases(line)
    listed = list_minor(order, priced, currency) if priced else None
    if listed and (not gross or (listed - line.amount_minor) * gross > off * listed):
        gross, off = listed, listed - line.amount_minor
        what = "is sold {} % below its list price" if at is not None else "gives {} % away by a time that costs nothing"
    # What is free is given away whole, unless the price list says that it is.
    free = gross == 0 and listed is None and not line.amount_minor and bool(Decimal(line.quantity))
    yield _Given(
        share=off * 100 / gross if gross else Fraction(100 if free else 0),
        of=f"Line {line.line}, {line.product}",
        text=f"Line {line.line} {what}",
        pointer=f"/lines/{i}/discount_minor",
        amounts=(
            ("List price", int(gross + Fraction(1, 2)), currency),
            ("Discount", int(off + Fraction(1, 2)), currency),
            ("Sold for", line.amount_minor, currency),
        ),
    )


def _on_tiers(i: int, line: OrderLine, at: Decimal | None, currency: str) -> Iterator[_Given]:
    """Each tier by its price for one unit. Fees and what is included are no price of a unit, and count as nothing."""
    if not at or line.usage is None:
        return
    for j, tier in enumerate(line.usage.tiers):
        below = Fraction(at) - Fraction(tier.unit_price)
        yield _Given(
            share=below * 100 / Fraction(at),
            of=f"Line {line.line}, {line.product}, tier {j + 1}",
            text=f"Tier {j + 1} of line {line.line} is sold {{}} % below its list price",
            pointer=f"/lines/{i}/usage/tiers/{j}/unit_price",
            note=f"One unit is sold for {currency} {tier.unit_price}; its list price is {at.normalize():f}.",
        )


def _included(
    order: OrderDocument, i: int, line: OrderLine, at: Decimal | None, group: InvoiceGroup
) -> Iterator[Finding]:
    """What comes with it for nothing, at its list price or else its highest, beside all that the group pays."""
    if line.usage is None:
        return
    free = [tier for tier in line.usage.tiers if not Decimal(tier.unit_price) and not Decimal(tier.flat_fee)]
    if at is None and any(tier.up_to is None for tier in free):
        yield Finding(
            reason=Reason.DISCOUNT_APPROVAL_REQUIRED,
            pointer=f"/lines/{i}/usage/tiers",
            seen="0",
            text=f"Line {line.line} gives usage away without end: its last tier costs nothing",
            remedy="A second person approves it",
        )
    each = at or max((Decimal(tier.unit_price) for tier in line.usage.tiers), default=Decimal(0))
    # A tier at nothing is included under another name.
    included = Decimal(line.usage.included_quantity) + max(
        (Decimal(t.up_to) for t in free if t.up_to), default=Decimal(0)
    )
    months = MONTHS.get(line.billing.frequency) or order.term_months
    total = included * each * Decimal(order.term_months) / months
    paid = sum(one.amount_minor for one in order.lines if one.group == line.group)
    worth, limit = int(total * 10 ** exponent(group.currency)), paid * INCLUDED_TIMES
    if worth <= limit or not each:
        return
    shown, most = Money(worth, group.currency), Money(limit, group.currency)
    yield Finding(
        reason=Reason.DISCOUNT_APPROVAL_REQUIRED,
        pointer=f"/lines/{i}/usage/included_quantity",
        seen=f"{included.normalize():f}",
        text=f"Line {line.line} includes usage worth {shown}; {most} need no approval",
        remedy="A second person approves what is included",
        measure=Measure(
            of=f"Line {line.line}, {line.product}, included",
            value=f"{shown.decimal():f}",
            limit=f"{most.decimal():f}",
            unit=group.currency,
            amounts=(("Included over the term", worth, group.currency), ("The group pays", paid, group.currency)),
            note=f"{INCLUDED_TIMES} times what the group pays need no approval.",
        ),
    )


def _over(given: _Given, entity: LegalEntity, world: World) -> Finding:
    limit = world.discount_limit(entity.code).normalize()
    percent = Decimal(given.share.numerator) / given.share.denominator
    return Finding(
        reason=Reason.DISCOUNT_APPROVAL_REQUIRED,
        pointer=given.pointer,
        seen=f"{_short(percent)} %",
        text=f"{given.text.format(_short(percent))}; {limit:f} % need no approval",
        remedy="A second person approves the discount",
        measure=Measure(
            of=given.of,
            value=f"{percent:.4f}",
            limit=f"{limit:f}",
            unit="%",
            amounts=given.amounts,
            note=f"{given.note} The limit is that of {entity.code}.".strip(),
        ),
    )


def _at(line: OrderLine, price: Decimal) -> OrderLine:
    """The line as the price list has it."""
    at = f"{price:f}"
    return replace(line, unit_price=at, phases=tuple(replace(phase, unit_price=at) for phase in line.phases))


def _without_free_phases(line: OrderLine) -> OrderLine | None:
    """Of a line of which some time costs nothing, as if that had the price of the rest; None where nothing is free."""
    prices = {Decimal(phase.unit_price): phase.unit_price for phase in line.phases}
    if Decimal(0) not in prices or len(prices) < 2:
        return None
    dearest = prices[max(prices)]
    phases = tuple(p if Decimal(p.unit_price) else replace(p, unit_price=dearest) for p in line.phases)
    return replace(line, phases=phases)


def _short(percent: Decimal) -> str:
    """25, 20.01: at most two decimals, and none that says nothing."""
    return f"{percent:.2f}".rstrip("0").rstrip(".")
