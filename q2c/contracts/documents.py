"""Canonical documents: what a deal, an invoice and a journal are to q2c, whatever platform they come from.

Immutable. Amounts are minor units (`…_minor`, int) beside a currency code; quantities, unit prices and rates are
decimals written as strings, since a unit price may be finer than the currency; days are ISO dates; an `…_on` end is the
first day that no longer counts. They are Structs: read in less than half the time of dataclasses.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from q2c.money import EXPONENTS

# Of control, formatting, accents that stand for themselves, and blanks other than the plain one: two numbers that look
# alike must be one number.
_UNSEEN = (
    r"\x00-\x1f\x7f-\xa0\xad\u0300-\u036f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
)
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^[^{_UNSEEN} ]([^{_UNSEEN}]*[^{_UNSEEN} ])?$",
        description="1 to 64 characters, all of them visible, accents composed (NFC), no blank at either end",
    ),
]
Text = Annotated[str, Meta(max_length=400, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*$")]
EntityCode = Annotated[
    str,
    Meta(min_length=1, max_length=20, pattern=r"^[A-Z0-9][A-Z0-9_-]*$", description="Code of a legal entity: DE, US_2"),
]
Currency = Annotated[
    str,
    Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 code", extra_json_schema={"enum": sorted(EXPONENTS)}),
]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")]
Minor = Annotated[int, Meta(ge=-(10**15), le=10**15, description="Minor units of the currency")]
NotNegative = Annotated[int, Meta(ge=0, le=10**15, description="Minor units of the currency")]
Quantity = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$", description="Decimal, not negative")]
Counted = Annotated[
    str, Meta(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$", description="Decimal of at most 18 digits before the point")
]
UnitPrice = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,8})?$", description="Decimal in currency units")]

LineKind = Literal["one_time", "recurring", "usage"]
Frequency = Literal["once", "monthly", "quarterly", "annual"]
Alignment = Literal["term_start", "calendar_month"]
Treatment = Literal["point_in_time", "ratable_daily", "ratable_monthly", "usage_as_billed"]
TierModel = Literal["graduated", "volume"]


class Address(Struct, frozen=True, kw_only=True):
    country: Country
    region: Text = ""
    city: Text = ""
    postal_code: Text = ""
    line1: Text = ""


class Party(Struct, frozen=True, kw_only=True):
    """A customer account as the sales platform knows it. `parent` is another party's key."""

    key: Key
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    parent: Key | None = None
    active: bool = True
    pays_for_itself: bool = False
    billing_address: Address | None = None
    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")] = ""


class PriceTier(Struct, frozen=True, kw_only=True):
    """Up to and with `up_to` units (None: no end), each at `unit_price`, plus `flat_fee` once."""

    up_to: Quantity | None = None
    unit_price: UnitPrice
    flat_fee: UnitPrice = "0"


class Phase(Struct, frozen=True, kw_only=True):
    """From `starts_on` until before `ends_on`, `quantity` units at `unit_price` per price period."""

    starts_on: dt.date
    ends_on: dt.date
    quantity: Quantity
    unit_price: UnitPrice


class Billing(Struct, frozen=True, kw_only=True):
    frequency: Frequency
    alignment: Alignment = "term_start"
    timing: Literal["in_advance", "in_arrears"] = "in_advance"


class UsageTerms(Struct, frozen=True, kw_only=True):
    meter: Text = ""
    included_quantity: Quantity = "0"
    model: TierModel = "graduated"
    tiers: tuple[PriceTier, ...] = ()


class OrderLine(Struct, frozen=True, kw_only=True):
    """One product sold in one invoice group.

    amount_minor = Σ over phases (quantity × unit price × price periods in the phase) − discount_minor, exact.
    Months are counted from the order's start: begun on 31 August, six of them end on 28 February, twelve on 31 August.
    A line without phases is one phase over the whole term; of one with phases these count, and its own quantity and
    unit price are those of the first, or left out. A usage line has amount 0 and its tiers. list_price is what
    its sender's price list asks for one, per price period as unit_price: with it, what moved into the price is a
    discount too. It counts where master data has no list price of the product.
    """

    line: Annotated[int, Meta(ge=1, le=9999)]
    product: Key
    group: Key
    kind: LineKind
    quantity: Quantity = "1"
    unit_price: UnitPrice = "0"
    list_price: UnitPrice | None = None
    price_period: Literal["once", "month", "year"] = "once"
    discount_minor: NotNegative = 0
    amount_minor: NotNegative
    phases: tuple[Phase, ...] = ()
    billing: Billing
    usage: UsageTerms | None = None
    revenue_treatment: Treatment
    description: Text = ""


class InvoiceGroup(Struct, frozen=True, kw_only=True):
    """What is invoiced together: one region, one legal entity, one bill-to, one currency."""

    key: Key
    region: Key
    legal_entity: EntityCode | None = None
    bill_to: Key
    ship_to: Address
    currency: Currency


class OrderDocument(Struct, frozen=True, kw_only=True):
    """A closed deal, complete enough to be billed and booked. OrderReceived carries it."""

    order_number: Key
    customer: Key
    contract_entity: EntityCode
    currency: Currency
    closed_on: dt.date
    starts_on: dt.date
    term_months: Annotated[int, Meta(ge=1, le=240)]
    payment_term_days: Annotated[int, Meta(ge=0, le=365)] = 30
    parties: tuple[Party, ...] = ()
    groups: Annotated[tuple[InvoiceGroup, ...], Meta(min_length=1, max_length=50)]
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=1000)]
    description: Text = ""


class InvoiceLine(Struct, frozen=True, kw_only=True):
    line: Annotated[int, Meta(ge=1, le=9999)]
    product: Key
    kind: LineKind
    charge: Text = ""
    description: Text = ""
    quantity: Counted = "1"
    service_starts_on: dt.date | None = None
    service_ends_on: dt.date | None = None
    net_minor: Minor
    tax_minor: Minor = 0
    tax_code: Word = ""


class InvoiceDocument(Struct, frozen=True, kw_only=True):
    """An invoice as the billing platform issued it. InvoiceIssued carries it.

    total_minor = Σ net + Σ tax. `order_number` and `group` tie it to the order it bills.
    """

    invoice_number: Key
    billing_reference: Key
    account: Key
    order_number: Key
    group: Key
    subscription: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00]*$")] = ""
    legal_entity: EntityCode
    currency: Currency
    issued_on: dt.date
    due_on: dt.date
    lines: Annotated[tuple[InvoiceLine, ...], Meta(min_length=1, max_length=5000)]
    total_minor: Minor


class JournalLine(Struct, frozen=True, kw_only=True):
    """amount_minor > 0 is a debit, < 0 a credit; dimensions map dimension code → value code.

    `functional_minor` is what the entity's own books make of it, in the journal's functional currency.
    """

    line: int
    account: str
    amount_minor: int
    functional_minor: int | None = None
    dimensions: dict[str, str] = field(default_factory=dict)
    customer: str = ""
    memo: str = ""


class JournalDocument(Struct, frozen=True, kw_only=True):
    """A balanced journal as it is sent to a general ledger. `key` finds it there for ever."""

    key: str
    number: str
    entity: str
    currency: str
    effective_on: dt.date
    period: str
    memo: str
    lines: tuple[JournalLine, ...]
    exchange_rate: Decimal | None = None
    functional_currency: str = ""


class SubscriptionCharge(Struct, frozen=True, kw_only=True):
    """One product of a subscription over one phase, as billing is to bill it.

    `months` are those from starts_on until ends_on as the contract counts them, from its own start; 0 where they are
    no whole number.
    """

    line: int
    product: str
    kind: LineKind
    phase: int
    starts_on: dt.date
    ends_on: dt.date
    months: int
    quantity: Decimal
    unit_price: Decimal
    price_period: str
    amount_minor: int
    billing: Billing
    usage: UsageTerms | None = None
    description: str = ""


class SubscriptionDocument(Struct, frozen=True, kw_only=True):
    """One invoice group of an accepted order, as it is provisioned in billing."""

    key: str
    order_number: str
    group: str
    account: str
    legal_entity: str
    currency: str
    ordered_on: dt.date
    starts_on: dt.date
    term_months: int
    ship_to: Address
    charges: tuple[SubscriptionCharge, ...]
    payment_term_days: int = 30


class CustomerDocument(Struct, frozen=True, kw_only=True):
    """A customer as it is created in billing or in an ERP. `parent` is the parent's key there."""

    key: str
    name: str
    parent: str | None
    currency: str
    legal_entity: str
    address: Address | None
    email: str = ""
    crm_id: str = ""
    payment_term_days: int = 30


class TaxRequest(Struct, frozen=True, kw_only=True):
    """What a tax estimate is asked for: lines are (line number, tax code, item code, net minor units)."""

    code: str
    customer: str
    company: str
    currency: str
    on: dt.date
    ship_from: Address | None
    ship_to: Address
    lines: tuple[tuple[int, str, str, int], ...]


class TaxEstimate(Struct, frozen=True, kw_only=True):
    """tax_minor by line number; `by_jurisdiction` tells a person why."""

    tax_minor: int
    by_line: dict[int, int]
    by_jurisdiction: dict[str, int]


class CreditRequest(Struct, frozen=True, kw_only=True):
    """May this customer be sold this much more? `further` are (currency, minor units) of the same deal.

    `committed` are (currency, minor units) of deals of theirs that were accepted and are not billed yet.
    """

    customer: str
    name: str
    country: str
    currency: str
    amount_minor: int
    further: tuple[tuple[str, int], ...] = ()
    committed: tuple[tuple[str, int], ...] = ()


class CreditDecision(Struct, frozen=True, kw_only=True):
    """In the currency asked in. Over `hard_limit_minor` nobody can approve.

    `requested_minor` is the whole deal, `committed_minor` what the request told as committed.
    `kept_in` is the currency in which the service keeps the limits; `rates` are those it converted by: (from, to, units
    of `to` for one of `from`, day). Both are empty where it does not say.
    """

    decision: Literal["approve", "refer", "decline"]
    requested_minor: int
    exposure_minor: int
    soft_limit_minor: int
    hard_limit_minor: int
    currency: str
    committed_minor: int = 0
    provider_reference: str = ""
    kept_in: str = ""
    rates: tuple[tuple[str, str, str, str], ...] = ()

    @property
    def would_owe_minor(self) -> int:
        return self.exposure_minor + self.committed_minor + self.requested_minor
