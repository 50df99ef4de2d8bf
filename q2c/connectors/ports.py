"""One protocol per service. A connector implements what its platform can do; stages know only these.

Every method may be called from several threads. None opens a database transaction. Nothing is raised for what a
platform answers: that is an Outcome. Each write takes a `key` (20 characters, q2c.keys.idempotency_key) that the
platform stores and by which `find_…` finds what an earlier try left.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from q2c.connectors.outcomes import Blocker, Lookup, Outcome, Rejected, Unavailable
from q2c.contracts.documents import (
    CreditDecision,
    CreditRequest,
    CustomerDocument,
    InvoiceDocument,
    JournalDocument,
    OrderDocument,
    SubscriptionCharge,
    SubscriptionDocument,
    TaxEstimate,
    TaxRequest,
)


@dataclass(frozen=True, kw_only=True)
class ConnectionConfig:
    """How one platform is reached. Credentials come decrypted and never leave the process.

    `settle_s`: how long after a lost answer the platform may still commit; an empty search proves
    absence only after it. `job_limit_s`: how long it may work on what it accepted. `options` are the vendor's own
    (account id, subsidiary ids, custom field names).
    """

    name: str
    vendor: str
    base_url: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    time_limit_s: float = 10.0
    concurrency: int = 8
    settle_s: float = 30.0
    job_limit_s: float = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Deal:
    """A closed-won deal as read from the sales platform: `version` changes whenever the deal does. `accounts` are the
    platform's own ids of its parties, by their keys."""

    source_id: str
    version: str
    changed_at: dt.datetime
    document: OrderDocument
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BadDeal:
    """A deal that could not be mapped; `raw` is kept and a case opens."""

    source_id: str
    version: str
    changed_at: dt.datetime
    raw: Mapping[str, Any]
    text: str
    field: str = ""


@dataclass(frozen=True, kw_only=True)
class DealNotice:
    """A deal that changed; one that is won is read by its id, unless that change is known.

    One that is not `won` tells under which order number it stands and its `stage` there, in the platform's word.
    """

    source_id: str
    changed_at: dt.datetime
    won: bool = True
    order_number: str = ""
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class InvoiceNotice:
    """An invoice that exists or changed in billing, whatever its status; the document is fetched by its reference."""

    reference: str
    invoice_number: str
    changed_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class SubscriptionNotice:
    """A subscription as it stands in billing since it changed there, whoever changed it.

    From `ends_on` nothing of it is billed any more; None where it goes on without an end, or does not say one.
    `cancelled`: somebody ended it before its term is over.
    """

    number: str
    ends_on: dt.date | None
    cancelled: bool
    changed_at: dt.datetime


class Connector(Protocol):
    config: ConnectionConfig

    def probe(self) -> Unavailable | Rejected | None:
        """One cheap authenticated read: None when the platform answers."""


class DealSource(Connector, Protocol):
    """Sales platform."""

    def changed_deals(self, since: dt.datetime) -> Iterator[DealNotice]:
        """Deals changed at or after `since`, oldest first, those too that are not won (any more) or were deleted."""

    def deals(self, source_ids: Sequence[str]) -> Iterator[Deal | BadDeal]:
        """Those of them that are closed-won, with account and parent accounts; at most a hundred or so at once."""

    def deal(self, source_id: str) -> Deal | BadDeal | DealNotice | None:
        """One that is not won is told as a notice; None where there is nothing to see under this id."""

    def write_back(self, source_id: str, fields: Mapping[str, str]) -> Outcome:
        """Set fields of a deal by our names: order_number, status. The same again changes nothing."""

    def find_write_back(self, source_id: str, fields: Mapping[str, str]) -> Lookup:
        """Posted when the deal shows exactly these, NotFound when it does not (yet)."""


class Customers(Connector, Protocol):
    """Billing or ERP: customers, parent before child."""

    def put_customer(self, customer: CustomerDocument, key: str) -> Outcome: ...

    def find_customer(self, customer: CustomerDocument, key: str) -> Lookup: ...


class Subscriptions(Customers, Protocol):
    """Billing platform."""

    def inexpressible(self, charges: Sequence[SubscriptionCharge], currency: str) -> Sequence[tuple[str, str]]:
        """What the platform has no place for, before an order is accepted: (text, `lines/<line>/…`) each.

        Pure: the platform is not asked. What its catalog lacks today is no matter of this.
        """

    def create_subscription(self, subscription: SubscriptionDocument, key: str) -> Outcome:
        """Accepted(handle) where the platform works asynchronously."""

    def poll(self, handle: str, key: str) -> Outcome: ...

    def find_subscription(self, subscription: SubscriptionDocument, key: str) -> Lookup: ...

    def activate(self, subscription: str, phase: int, on: dt.date, key: str) -> Outcome:
        """Of a subscription that has ended by then: Rejected(SUBSCRIPTION_ENDED)."""

    def is_activated(self, subscription: str, phase: int, on: dt.date, key: str) -> Lookup: ...

    def cancel(self, subscription: str, on: dt.date, key: str) -> Outcome:
        """Of a subscription that is not there: Rejected(RECORD_MISSING), and nothing else is told so.

        One that ends by that day, whoever ended it, is Posted, with its day `as_of`; one that somebody cancelled as of
        a later day is Rejected(SUBSCRIPTION_ENDED), and stays as it is.
        """

    def is_cancelled(self, subscription: str, on: dt.date, key: str) -> Lookup:
        """NotFound when it is there and goes on; Rejected(RECORD_MISSING) when it is not there at all."""

    def subscription(self, number: str) -> SubscriptionNotice | Rejected | Unavailable:
        """As it stands now; `changed_at` is when it was read. Rejected(RECORD_MISSING) where there is none."""

    def changed_subscriptions(self, since: dt.datetime) -> Iterator[SubscriptionNotice]:
        """Subscriptions changed at or after `since`, oldest first; one that changes meanwhile is listed once more.

        Raises ReadFailed where the platform does not answer to the end.
        """


# The field of a Rejected that tells a draft, or a cancelled one, from an invoice that cannot be read.
NOT_POSTED = "status"
# The code of such a Rejected of what was posted once, and was cancelled or reversed there. It is `about` the legal
# entity and the number, as far as they can be read.
CANCELLED_THERE = "cancelled"


class InvoiceSource(Connector, Protocol):
    def changed_invoices(self, since: dt.datetime) -> Iterator[InvoiceNotice]: ...

    def invoice(self, reference: str) -> InvoiceDocument | Rejected | Unavailable:
        """By id or number. A draft is Rejected with the field NOT_POSTED: it is no invoice yet, and nobody's case.

        So is one that was cancelled or reversed there, with the code CANCELLED_THERE: whether it is booked, the caller
        knows.
        """


class Journals(Customers, Protocol):
    """A general ledger, with the customers that its journals name.

    `batch_max` journals per call; each has its own outcome, in order.
    """

    batch_max: int

    def check(self, journals: Sequence[JournalDocument], *, whole: bool = False) -> list[Rejected | Unavailable | None]:
        """Read the ledger's state (period, accounts, dimensions) and say what would be refused, or wrongly taken.

        `whole`: all that can be known, read anew, customers too: for dry runs. What is sent next is asked less.
        """

    def post(self, journals: Sequence[JournalDocument]) -> list[Outcome]:
        """Post each under its key and read it back: date, amounts and dimensions must be what was sent."""

    def find(self, journals: Sequence[JournalDocument], *, only_reading: bool = False) -> list[Lookup]:
        """Look each key up: Posted(found=True) when the content is equal, else Rejected(CONTENT_DIFFERS, held=True).

        What a write of ours left half-made is cleared away, so that the next one finds room; not where it is
        `only_reading`, for a dry run beside which a worker may be writing. It counts as not there.
        """

    def still_blocked(self, blocker: Blocker) -> bool | None:
        """Whether the object still stands in the way; None when the platform cannot say now."""

    def known(self, kind: str, names: Sequence[str]) -> Mapping[str, str] | Rejected | Unavailable:
        """By name: active, inactive or missing. `kind` is item or one of our dimensions; empty where it keeps none."""


class Tax(Connector, Protocol):
    def estimate(self, request: TaxRequest) -> TaxEstimate | Rejected | Unavailable: ...


class Credit(Connector, Protocol):
    def check_credit(self, request: CreditRequest) -> CreditDecision | Rejected | Unavailable: ...
