"""Reads: one record, an order, the feeds of what changed, an invoice with its items and what ties it to an order."""

from __future__ import annotations

import datetime as dt
import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from q2c.connectors.http import Lost, NotSent
from q2c.connectors.outcomes import ReadFailed, Rejected, Unavailable, Unknown
from q2c.connectors.ports import CANCELLED_THERE, NOT_POSTED, ConnectionConfig, InvoiceNotice, SubscriptionNotice
from q2c.connectors.zuora import ended, invoices
from q2c.connectors.zuora.refusals import is_absent, outcome_of, reasons_of
from q2c.connectors.zuora.session import NoSession, Session
from q2c.contracts.documents import InvoiceDocument
from q2c.reasons import Reason

log = logging.getLogger(__name__)

PAGE_SIZE = 40
QUERY_PAGE_SIZE = 50
SUBSCRIPTIONS_KEPT = 5_000
# What ties an invoice to an order is written when a subscription is made, and changes only by a person's correction:
# kept as long as a bill run's invoices follow one another, so that what was put right is read soon.
KEPT_S = 30.0
# Of invoices that were posted once.
_OVER = ("Canceled", "Reversed")
_OURS = ("Q2C_Order__c", "Q2C_Group__c", "Q2C_Entity__c")
_TIES = (*_OURS, "invoiceOwnerAccountNumber", "accountNumber")


class ReadRefused(Exception):
    """Nothing was read; `outcome` says why."""

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Absent(ReadRefused):
    """The record does not exist."""

    @property
    def code(self) -> str:
        return self.outcome.code if isinstance(self.outcome, Rejected) else ""


class Reader:
    def __init__(self, session: Session, config: ConnectionConfig) -> None:
        self.session, self.config = session, config
        self.zone = str(config.options.get("zone") or "UTC")
        self._lock = threading.Lock()
        self._subscriptions: dict[str, tuple[float, dict[str, Any]]] = {}

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The body of a success. Raises Absent or ReadRefused."""
        try:
            answer = self.session.send("GET", path, query=query)
        except NoSession as error:
            raise ReadRefused(error.outcome) from None
        except (NotSent, Lost) as error:
            raise ReadRefused(Unavailable(text=f"Zuora does not answer: {error}")) from None
        reasons = reasons_of(answer)
        content = answer.json()
        if reasons is None and isinstance(content, dict):
            return content
        if reasons is None:
            raise ReadRefused(Unavailable(text=f"Zuora answered {answer.status} with something unreadable"))
        if is_absent(answer, reasons):
            missing = Rejected(reason=Reason.RECORD_MISSING, code=reasons.code, text=f"Zuora: {reasons.message}")
            raise Absent(missing)
        outcome = outcome_of(answer, reasons, Reason.REQUEST_REFUSED, writes=False)
        raise ReadRefused(Unavailable(text=outcome.text) if isinstance(outcome, Unknown) else outcome)

    def order(self, number: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/orders/{quote(number, safe='')}").get("order") or {})

    def changed_invoices(self, since: dt.datetime) -> Iterator[InvoiceNotice]:
        for row in self._changed("invoices", since):
            number = str(row.get("invoiceNumber") or "")
            yield InvoiceNotice(
                reference=str(row["id"]), invoice_number=number, changed_at=self._changed_at(row, since)
            )

    def changed_subscriptions(self, since: dt.datetime) -> Iterator[SubscriptionNotice]:
        """Each version of a subscription is a row; the latest says how it stands."""
        for row in self._changed("subscriptions", since):
            if row.get("isLatestVersion") is not False:
                yield ended.notice(row, self._changed_at(row, since))

    def _changed(self, kind: str, since: dt.datetime) -> Iterator[Mapping[str, Any]]:
        query = {
            "filter[]": f"updatedDate.GE:{since.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            "sort[]": "updatedDate.ASC",
            "pageSize": str(QUERY_PAGE_SIZE),
        }
        cursor = ""
        while True:
            try:
                page = self.get(f"/object-query/{kind}", {**query, "cursor": cursor} if cursor else query)
            except ReadRefused as refused:
                raise ReadFailed(refused.outcome) from None
            yield from page.get("data") or []
            cursor = str(page.get("nextPage") or "")
            if not cursor:
                return

    def _changed_at(self, row: Mapping[str, Any], since: dt.datetime) -> dt.datetime:
        try:
            return invoices.instant(row.get("updatedDate"), self.zone)
        except (ValueError, OverflowError):
            # Changed all the same, or it were not in the answer; it moves no cursor.
            return since

    def invoice(self, reference: str) -> InvoiceDocument | Rejected | Unavailable:
        try:
            found = self.get(f"/v1/invoices/{quote(reference, safe='')}")
        except ReadRefused as refused:
            return refused.outcome
        subscriptions: list[dict[str, Any]] = []
        read = self._read(found, subscriptions)
        if isinstance(read, Rejected):
            return replace(read, about=invoices.about(found, subscriptions))
        return read

    def _read(
        self, found: Mapping[str, Any], subscriptions: list[dict[str, Any]]
    ) -> InvoiceDocument | Rejected | Unavailable:
        try:
            return self._invoice(found, subscriptions)
        except Absent as part:
            # It is there, and names what is not.
            text = f"Zuora invoice {found.get('id')} cannot be read whole: {part.outcome.text}"
            return Rejected(reason=Reason.INVOICE_MISMATCH, code=part.code, text=text)
        except ReadRefused as refused:
            return refused.outcome
        except invoices.Unmappable as error:
            text = f"Zuora invoice {found.get('id')}: {error}"
            return Rejected(reason=error.reason, text=text, field=error.field)
        except Exception as error:
            # What is in one invoice stops no other: this one is a person's.
            log.exception("an invoice could not be read", extra={"reference": found.get("id")})
            text = f"Zuora invoice {found.get('id')} cannot be read: {type(error).__name__}: {error}"[:1000]
            return Rejected(reason=Reason.EVENT_MALFORMED, code=type(error).__name__, text=text)

    def _invoice(self, found: Mapping[str, Any], subscriptions: list[dict[str, Any]]) -> InvoiceDocument | Rejected:
        """`subscriptions` has those of its items afterwards, also where the invoice cannot be read."""
        if found.get("status") != "Posted":
            text = f"Invoice {found.get('invoiceNumber')} in Zuora is {found.get('status')}, not posted"
            code = CANCELLED_THERE if found.get("status") in _OVER else ""
            if code and not found.get("Q2C_Entity__c"):
                subscriptions += self._as_far_as_there(str(found["id"]))
            return Rejected(reason=Reason.INVOICE_MISMATCH, text=text, code=code, field=NOT_POSTED)
        items = self._items(str(found["id"]))
        subscriptions += [self._subscription(name) for name in _subscriptions_of(items)]
        ties = invoices.ties_of(found, subscriptions)
        field = str(self.config.options.get("product_field") or "productCode__c")
        return invoices.invoice_of(found, items, ties, field)

    def _as_far_as_there(self, id_: str) -> list[dict[str, Any]]:
        """The subscriptions of one that nobody books any more. Raises ReadRefused where Zuora does not answer."""
        try:
            return [self._subscription(name) for name in _subscriptions_of(self._items(id_))]
        except ReadRefused as refused:
            if isinstance(refused.outcome, Unavailable):
                raise
            return []

    def _items(self, id_: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        path = f"/v1/invoices/{id_}/items?pageSize={PAGE_SIZE}"
        while path:
            page = self.get(path)
            rows += page.get("invoiceItems") or []
            path = str(page.get("nextPage") or "")
        return rows

    def _subscription(self, name: str) -> dict[str, Any]:
        """What ties a subscription's invoices to an order; asked for once, as long as it is whole."""
        now = time.monotonic()
        with self._lock:
            read_at, known = self._subscriptions.get(name, (-math.inf, {}))
        if now - read_at < KEPT_S:
            return known
        found = self.get(f"/v1/subscriptions/{quote(name, safe='')}")
        known = {"subscriptionNumber": name, **{field: found.get(field) for field in _TIES}}
        if all(known[field] for field in _OURS):
            with self._lock:
                if len(self._subscriptions) >= SUBSCRIPTIONS_KEPT:
                    self._subscriptions.clear()
                self._subscriptions[name] = now, known
        return known


def _subscriptions_of(items: list[dict[str, Any]]) -> list[str]:
    return sorted({str(item["subscriptionName"]) for item in items if item.get("subscriptionName")})
