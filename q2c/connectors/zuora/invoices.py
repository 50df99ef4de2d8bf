"""Zuora invoice and its items → InvoiceDocument. Pure: what cannot be mapped is raised as Unmappable."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from q2c.connectors.outcomes import About
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.money import Money, MoneyError
from q2c.reasons import Reason

Record = Mapping[str, Any]
KINDS = {"OneTime": "one_time", "Recurring": "recurring", "Usage": "usage"}


class Unmappable(ValueError):
    """A value that an invoice must have, or that contradicts another; `field` is Zuora's name for it."""

    def __init__(self, field: str, text: str, reason: Reason = Reason.INVOICE_MISMATCH) -> None:
        super().__init__(f"{field}: {text}")
        self.field, self.reason = field, reason


@dataclass(frozen=True)
class Ties:
    """What ties an invoice to an order: from its own custom fields, or from its subscription's."""

    account: str
    order_number: str
    group: str
    legal_entity: str
    subscription: str


def ties_of(invoice: Record, subscriptions: Sequence[Record]) -> Ties:
    """`subscriptions` are GET /v1/subscriptions/{number} of all that the invoice's items name."""
    found: dict[str, str] = {}
    for part, name in (("order_number", "Q2C_Order__c"), ("group", "Q2C_Group__c"), ("legal_entity", "Q2C_Entity__c")):
        values = {str(record[name]) for record in (invoice, *subscriptions) if record.get(name)}
        if len(values) > 1:
            raise Unmappable(name, f"the invoice bills several: {', '.join(sorted(values))}")
        if not values:
            raise Unmappable(name, "neither the invoice nor its subscription has one", Reason.INVOICE_ORDER_UNKNOWN)
        found[part] = values.pop()
    accounts = {str(one.get("invoiceOwnerAccountNumber") or one.get("accountNumber")) for one in subscriptions}
    if len(accounts) != 1:
        raise Unmappable("accountNumber", "the invoice belongs to no account, or to several")
    numbers = sorted({str(one.get("subscriptionNumber")) for one in subscriptions})
    return Ties(account=accounts.pop(), subscription=numbers[0], **found)


def about(invoice: Record, subscriptions: Sequence[Record]) -> About:
    """What can be read of an invoice that as a whole cannot."""
    records = (invoice, *subscriptions)
    named = {name: {str(one[name]) for one in records if one.get(name)} for name in ("Q2C_Entity__c", "Q2C_Order__c")}
    entity, order_number = (values.pop() if len(values) == 1 else "" for values in named.values())
    reference, number = (str(invoice.get(name) or "") for name in ("id", "invoiceNumber"))
    found = About(reference=reference, number=number, order_number=order_number, entity=entity)
    with suppress(Unmappable):
        found = dataclasses.replace(found, issued_on=_day(invoice.get("invoiceDate"), "invoiceDate"))
    with suppress(Unmappable, MoneyError):
        currency = str(invoice.get("currency") or "")
        worth = minor(invoice.get("amount"), currency, "amount")
        found = dataclasses.replace(found, amount_minor=worth, currency=currency)
    return found


def invoice_of(
    invoice: Record, items: Sequence[Record], ties: Ties, product_field: str = "productCode__c"
) -> InvoiceDocument:
    """The document; its lines and the platform's total must agree to the last minor unit."""
    currency = str(invoice.get("currency") or "")
    lines = _lines(items, currency, product_field)
    total_minor = minor(invoice.get("amount"), currency, "amount")
    came_to = sum(line.net_minor + line.tax_minor for line in lines)
    if came_to != total_minor:
        says = f"the items come to {Money(came_to, currency)}, the invoice says {Money(total_minor, currency)}"
        raise Unmappable("amount", says)
    document = InvoiceDocument(
        invoice_number=str(invoice.get("invoiceNumber") or ""),
        billing_reference=str(invoice.get("id") or ""),
        account=ties.account,
        order_number=ties.order_number,
        group=ties.group,
        subscription=ties.subscription,
        legal_entity=ties.legal_entity,
        currency=currency,
        issued_on=_day(invoice.get("invoiceDate"), "invoiceDate"),
        due_on=_day(invoice.get("dueDate") or invoice.get("invoiceDate"), "dueDate"),
        lines=tuple(lines),
        total_minor=total_minor,
    )
    try:
        return msgspec.json.decode(msgspec.json.encode(document), type=InvoiceDocument)
    except msgspec.ValidationError as error:
        raise Unmappable(str(error).rpartition(" - at ")[2], str(error)) from None


def _lines(items: Sequence[Record], currency: str, product_field: str) -> list[InvoiceLine]:
    """One line per charge item; a discount item is taken off the line that it applies to."""
    lines: dict[str, InvoiceLine] = {}
    discounts = [item for item in items if item.get("processingType") == "Discount" and item.get("appliedToItemId")]
    for item in items:
        if item not in discounts:
            lines[str(item.get("id"))] = _line(len(lines) + 1, item, currency, product_field)
    for item in discounts:
        target = str(item["appliedToItemId"])
        if target not in lines:
            raise Unmappable("appliedToItemId", f"discount {item.get('id')} applies to {target}, which is not here")
        lines[target] = replace(
            lines[target],
            net_minor=lines[target].net_minor + minor(item.get("chargeAmount"), currency, "chargeAmount"),
            tax_minor=lines[target].tax_minor + minor(item.get("taxAmount") or 0, currency, "taxAmount"),
        )
    return list(lines.values())


def _line(number: int, item: Record, currency: str, product_field: str) -> InvoiceLine:
    kind = KINDS.get(str(item.get("chargeType")))
    product = item.get(product_field) or item.get("sku")
    if kind is None:
        raise Unmappable("chargeType", f"item {item.get('id')} has {item.get('chargeType')!r}")
    if not product:
        raise Unmappable(product_field, f"item {item.get('id')} ({item.get('chargeName')}) names no product")
    starts, ends = item.get("serviceStartDate"), item.get("serviceEndDate")
    return InvoiceLine(
        line=number,
        product=str(product),
        kind=kind,  # type: ignore[arg-type]
        charge=str(item.get("chargeName") or "")[:400],
        description=str(item.get("chargeDescription") or item.get("description") or "")[:400],
        quantity=_quantity(item.get("quantity")),
        service_starts_on=_day(starts, "serviceStartDate") if starts else None,
        # Zuora names the last day of the service, we the first that no longer counts.
        service_ends_on=_day_after(ends, "serviceEndDate") if ends else None,
        net_minor=minor(item.get("chargeAmount"), currency, "chargeAmount"),
        tax_minor=minor(item.get("taxAmount") or 0, currency, "taxAmount"),
        tax_code=str(item.get("taxCode") or _taxation(item).get("taxCode") or ""),
    )


def _taxation(item: Record) -> Record:
    """The first tax of an item; empty where it has none."""
    held = item.get("taxationItems") or {}
    rows = held.get("data") if isinstance(held, Mapping) else held
    first = rows[0] if rows and isinstance(rows, list) else rows or {}
    if not isinstance(first, Mapping):
        raise Unmappable("taxationItems", f"item {item.get('id')} has no list of taxes there")
    return first


def _quantity(value: Any) -> str:
    """As canonical documents count: no exponent, at most 18 digits before the point and 12 after it."""
    if value is None:
        return "1"
    try:
        counted = Decimal(str(value)).quantize(Decimal("1e-12")).normalize()
    except InvalidOperation:
        raise Unmappable("quantity", f"{value} is no quantity") from None
    if counted.adjusted() >= 18:
        raise Unmappable("quantity", f"{value} is out of range")
    return f"{counted:f}"


def minor(value: Any, currency: str, field: str) -> int:
    """An amount as Zuora writes it, number or text, in minor units; never rounded."""
    try:
        return Money.of(Decimal(str(value)), currency).minor
    except (MoneyError, InvalidOperation) as error:
        raise Unmappable(field, str(error) or f"{value!r} is no amount") from None


def _day(value: Any, field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        raise Unmappable(field, f"{value!r} is no date") from None


def _day_after(value: Any, field: str) -> dt.date:
    try:
        return _day(value, field) + dt.timedelta(days=1)
    except OverflowError:
        raise Unmappable(field, f"{value!r} is out of range: write the last day of the service") from None


def instant(value: Any, zone: str) -> dt.datetime:
    """`2026-01-15T09:30:01.000+00:00`, or `2026-01-15 09:30:01` in the tenant's zone, as an aware instant."""
    found = dt.datetime.fromisoformat(str(value))
    aware = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
    return aware.astimezone(dt.UTC)
