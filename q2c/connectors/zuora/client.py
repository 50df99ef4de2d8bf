"""Zuora as ports.Subscriptions and ports.InvoiceSource.

What makes a second record impossible are its numbers, which are ours: account, order and subscription number. Each
call that creates carries an Idempotency-Key of its own: Zuora keeps failures under a key for a day, so a key used
again after a repair would bring yesterday's refusal back. Whether an earlier try left something is looked up by number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from q2c import clock, keys
from q2c.connectors.http import Answer, Lost, NotSent
from q2c.connectors.outcomes import (
    Accepted,
    Blocker,
    Lookup,
    NotFound,
    Outcome,
    Posted,
    Rejected,
    Unavailable,
    Unknown,
    read_after_send,
)
from q2c.connectors.ports import ConnectionConfig, InvoiceNotice, SubscriptionNotice
from q2c.connectors.zuora import accounts, ended, numbers, orders
from q2c.connectors.zuora.catalog import ProductCatalog
from q2c.connectors.zuora.orders import Inexpressible
from q2c.connectors.zuora.reading import Absent, Reader, ReadRefused
from q2c.connectors.zuora.refusals import Reasons, outcome_of, reasons_in, reasons_of
from q2c.connectors.zuora.session import NoSession, Session
from q2c.contracts.documents import CustomerDocument, InvoiceDocument, SubscriptionCharge, SubscriptionDocument
from q2c.reasons import Reason

POLL_AFTER_S = 1.0
# The condition of a product that the catalog lacks, followed by the charge that is needed.
NOT_SOLD_AS = "not_sold_as "


class Zuora:
    """Options: zone, payment_terms, run_billing, catalog, product_field, batch, bill_cycle_day, poll_after_s,
    contact_first_name, contact_last_name, zuora_version, entity_ids, org_ids. docs/connectors/zuora.md tells each.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.session = Session(config)
        self.reader = Reader(self.session, config)
        self.catalog = ProductCatalog(self.reader.get, config.options)

    def probe(self) -> Unavailable | Rejected | None:
        try:
            self.reader.get("/v1/catalog/products?pageSize=1")
        except ReadRefused as refused:
            return refused.outcome
        return None

    # Customers

    def put_customer(self, customer: CustomerDocument, key: str) -> Outcome:
        try:
            parent_id = self._parent_id(customer)
        except ReadRefused as refused:
            return self._no_parent(customer, refused)
        body = accounts.account_body(customer, key, parent_id, self.config.options)
        answer = self._write("POST", "/v1/accounts", body, "create_account", Reason.CUSTOMER_REFUSED)
        if isinstance(answer, Answer):
            content = answer.json()
            proof = {"posted_at": clock.now().isoformat(), "key": key}
            return Posted(reference=str(content["accountId"]), document=str(content["accountNumber"]), proof=proof)
        if isinstance(answer, Taken):
            return read_after_send(self.find_customer(customer, key), answer.text)
        return answer

    def find_customer(self, customer: CustomerDocument, key: str) -> Lookup:
        """One account per number, whoever made it; the same customer when name, currency and parent agree."""
        searched_at = clock.now()
        try:
            found = self.reader.get(f"/v1/accounts/{_quoted(customer.key)}")
            parent_id = self._parent_id(customer)
        except Absent:
            return NotFound(searched_at=searched_at)
        except ReadRefused as refused:
            return refused.outcome
        wrong = accounts.differences(customer, parent_id, found)
        if wrong:
            return self._differs("account", customer.key, wrong)
        basic = found["basicInfo"]
        proof = {"found_at": searched_at.isoformat(), "key": basic.get(accounts.KEY_FIELD)}
        return Posted(reference=str(basic["id"]), document=customer.key, found=True, proof=proof)

    def _parent_id(self, customer: CustomerDocument) -> str | None:
        if not customer.parent:
            return None
        parent = self.reader.get(f"/v1/accounts/{_quoted(customer.parent)}")
        return str(parent["basicInfo"]["id"])

    def _no_parent(self, customer: CustomerDocument, refused: ReadRefused) -> Outcome:
        if not isinstance(refused, Absent):
            return refused.outcome
        return Rejected(
            reason=Reason.CUSTOMER_REFUSED, field="parentId",
            text=f"Zuora has no account {customer.parent}, the parent of {customer.key}",
            blocker=Blocker(
                connection=self.config.name, object_type="account", object_key=str(customer.parent), condition="missing"
            ),
        )  # fmt: skip

    # Subscriptions

    def create_subscription(self, subscription: SubscriptionDocument, key: str) -> Outcome:
        body = self._order_body(subscription, key)
        if not isinstance(body, dict):
            return body
        answer = self._write("POST", "/v1/async/orders", body, "create_order", Reason.SUBSCRIPTION_REFUSED)
        if isinstance(answer, Answer):
            job = answer.json().get("jobId")
            if not job:
                return Unknown(text="Zuora took the order and named no job")
            handle = f"{job}|{body['orderNumber']}|{orders.print_of(body)}"
            wait_s = float(self.config.options.get("poll_after_s", POLL_AFTER_S))
            return Accepted(handle=handle, poll_after_s=wait_s)
        if isinstance(answer, Taken):
            return _was_there(read_after_send(self.find_subscription(subscription, key), answer.text))
        return answer

    def poll(self, handle: str, key: str) -> Outcome:
        """How the job of an order stands; done is what reads back as it was sent."""
        job, _, rest = handle.partition("|")
        number, _, print_ = rest.rpartition("|")
        try:
            found = self.reader.get(f"/v1/async-jobs/{_quoted(job)}")
        except Absent:
            return Unknown(text=f"Zuora does not know job {job} any more")
        except ReadRefused as refused:
            # That it may not be read says nothing about the job.
            return replace(refused.outcome, held=True) if isinstance(refused.outcome, Rejected) else refused.outcome
        status, result = str(found.get("status")), found.get("result") or {}
        if status == "Completed" and result.get("success", True) is not False:
            return self._order_read_back(number, print_)
        if status in ("Failed", "Completed"):
            reasons = reasons_in(result) or reasons_in(found) or Reasons("", str(found.get("errors") or "job failed"))
            if reasons.is_taken:
                return _was_there(self._order_read_back(number, print_))
            told = Answer(200, {}, b"{}", 0.0, self.config.name)
            outcome = outcome_of(told, reasons, Reason.SUBSCRIPTION_REFUSED, writes=True)
            # A job that failed is never done again: the order is to be looked up, and sent anew.
            return Unknown(text=outcome.text) if isinstance(outcome, Unavailable) else outcome
        return Accepted(handle=handle, poll_after_s=float(self.config.options.get("poll_after_s", POLL_AFTER_S)))

    def _order_read_back(self, number: str, print_: str) -> Outcome:
        searched_at = clock.now()
        try:
            order = self.reader.order(number)
        except Absent:
            return Unknown(text=f"Zuora's job is done, order {number} is not readable yet")
        except ReadRefused as refused:
            return Unknown(text=refused.outcome.text)
        if orders.print_of(order) != print_:
            return self._differs("order", number, ["its subscriptions are not what was sent"])
        return orders.posted(order, searched_at, found=False)

    def find_subscription(self, subscription: SubscriptionDocument, key: str) -> Lookup:
        searched_at = clock.now()
        number = numbers.order_number(subscription.key)
        try:
            order = self.reader.order(number)
        except Absent:
            return NotFound(searched_at=searched_at)
        except ReadRefused as refused:
            return refused.outcome
        body = self._order_body(subscription, key)
        if not isinstance(body, dict):
            return body
        if order.get("status") in ("Cancelled", "Failed"):
            return self._differs("order", number, [f"it is {order['status']}"])
        if orders.business_facts(body) != orders.business_facts(order):
            return self._differs("order", number, ["its subscriptions are not what we would send"])
        return orders.posted(order, searched_at, found=True)

    def inexpressible(self, charges: Sequence[SubscriptionCharge], currency: str) -> Sequence[tuple[str, str]]:
        return orders.inexpressible(charges, currency)

    def _order_body(self, subscription: SubscriptionDocument, key: str) -> dict[str, Any] | Rejected | Unavailable:
        try:
            return orders.order_body(subscription, key, self.catalog, self.config.options)
        except ReadRefused as refused:
            return refused.outcome
        except Inexpressible as error:
            blocker = None
            if error.product:
                blocker = Blocker(
                    connection=self.config.name, object_type="product", object_key=error.product,
                    condition=f"{NOT_SOLD_AS}{error.needed}"[:60],
                )  # fmt: skip
            text = f"Zuora cannot take subscription {subscription.key}: {error}"
            return Rejected(reason=Reason.SUBSCRIPTION_REFUSED, text=text, field=error.field, blocker=blocker)

    def activate(self, subscription: str, phase: int, on: dt.date, key: str) -> Outcome:
        """Gives the phase's order actions their service activation date, and reads it back.

        A PUT, so without Idempotency-Key: the same date twice changes nothing.
        """
        number, searched_at = numbers.order_number(subscription), clock.now()
        order = self._order(number)
        if not isinstance(order, dict):
            return order
        known = self._activated(order, subscription, phase, on, searched_at)
        if not isinstance(known, NotFound):
            return known
        # An order takes its dates whatever became of its subscription.
        if (refused := self._has_ended(subscription, phase, on)) is not None:
            return refused
        waiting = orders.phase_actions(order, subscription, phase)
        body = orders.dates_body(subscription, [action["sequence"] for action in waiting], on)
        path = f"/v1/orders/{_quoted(number)}/triggerDates"
        answer = self._write("PUT", path, body, "activate", Reason.SUBSCRIPTION_REFUSED)
        if isinstance(answer, Answer):
            found = self.is_activated(subscription, phase, on, key)
            if isinstance(found, Posted):
                return Posted(reference=found.reference, document=found.document, proof=found.proof)
            return read_after_send(found, f"{number} is not yet read back as activated")
        return Rejected(reason=Reason.SUBSCRIPTION_REFUSED, text=answer.text) if isinstance(answer, Taken) else answer

    def is_activated(self, subscription: str, phase: int, on: dt.date, key: str) -> Lookup:
        searched_at = clock.now()
        order = self._order(numbers.order_number(subscription))
        if not isinstance(order, dict):
            return order
        return self._activated(order, subscription, phase, on, searched_at)

    def _order(self, number: str) -> dict[str, Any] | Rejected | Unavailable:
        try:
            return self.reader.order(number)
        except Absent as absent:
            return Rejected(reason=Reason.RECORD_MISSING, text=f"Zuora has no order {number}", code=absent.code)
        except ReadRefused as refused:
            return refused.outcome

    def _activated(
        self, order: dict[str, Any], subscription: str, phase: int, on: dt.date, searched_at: dt.datetime
    ) -> Lookup:
        """Whether an order that was just read has the date on all that a phase begins."""
        number = numbers.order_number(subscription)
        actions = orders.phase_actions(order, subscription, phase)
        if not actions:
            text = f"Order {number} in Zuora has no phase {phase}"
            return Rejected(reason=Reason.SUBSCRIPTION_REFUSED, text=text)
        given = {orders.activation_of(action) for action in actions}
        if given == {on.isoformat()}:
            proof = {"found_at": searched_at.isoformat(), "compared": {"phase": phase, "date": on.isoformat()}}
            return Posted(reference=subscription, document=number, found=True, proof=proof)
        if given <= {"", on.isoformat()}:
            return NotFound(searched_at=searched_at)
        return self._differs("order", number, [f"phase {phase} is active from {', '.join(sorted(given))}, not {on}"])

    def cancel(self, subscription: str, on: dt.date, key: str) -> Outcome:
        """An order that cancels, at once: the number of the order is made of the subscription's."""
        known, found = self._cancelled(subscription, on)
        if not isinstance(known, NotFound):
            return known
        today = clock.today(str(self.config.options.get("zone") or "UTC"))
        body = orders.cancel_body(str(found["accountNumber"]), subscription, on, today, key)
        posted_at = clock.now().isoformat()
        answer = self._write("POST", "/v1/orders", body, "cancel_order", Reason.SUBSCRIPTION_REFUSED)
        if not isinstance(answer, Answer | Taken):
            return answer
        seen = self.is_cancelled(subscription, on, key)
        if isinstance(seen, Posted) and isinstance(answer, Answer):
            proof = {"posted_at": posted_at, **seen.proof}
            return Posted(reference=seen.reference, document=body["orderNumber"], proof=proof)
        return read_after_send(seen, f"{body['orderNumber']} is not readable yet")

    def is_cancelled(self, subscription: str, on: dt.date, key: str) -> Lookup:
        return self._cancelled(subscription, on)[0]

    def _cancelled(self, subscription: str, on: dt.date) -> tuple[Lookup, dict[str, Any]]:
        """Whether it is, by whomever, and the subscription as it reads where it is not."""
        searched_at = clock.now()
        number, dates = numbers.cancel_number(subscription), set[str]()
        try:
            dates = orders.cancellation_dates(self.reader.order(number), subscription)
        except Absent:
            pass
        except ReadRefused as refused:
            return refused.outcome, {}
        if dates == {on.isoformat()}:
            proof = {"found_at": searched_at.isoformat(), "compared": {"date": on.isoformat()}}
            return Posted(reference=subscription, document=number, found=True, proof=proof), {}
        found = self._subscription(subscription)
        if not isinstance(found, dict):
            return found, {}
        match ended.as_asked(ended.of(found), self.config.name, subscription, on):
            case ended.End() as end:
                return ended.done(end, subscription, number if dates else "", on, searched_at), {}
            case Rejected() as later:
                return later, {}
        if dates:
            return self._differs("order", number, [f"it cancels on {', '.join(sorted(dates))}, not {on}"]), {}
        return NotFound(searched_at=searched_at), found

    def _subscription(self, number: str) -> dict[str, Any] | Rejected | Unavailable:
        """What was never there is told apart from what was not cancelled yet."""
        try:
            return self.reader.get(f"/v1/subscriptions/{_quoted(number)}")
        except Absent:
            return Rejected(reason=Reason.RECORD_MISSING, text=f"Zuora has no subscription {number}")
        except ReadRefused as refused:
            return refused.outcome

    def _has_ended(self, subscription: str, phase: int, on: dt.date) -> Rejected | Unavailable | None:
        found = self._subscription(subscription)
        if not isinstance(found, dict):
            return found
        return ended.before_phase(ended.of(found), self.config.name, subscription, phase, on)

    # What stood in the way

    def still_blocked(self, blocker: Blocker) -> bool | None:
        """Whether a product is still not sold, an account missing, a subscription ended; None for what is not known."""
        try:
            if blocker.object_type == "product" and blocker.condition.startswith(NOT_SOLD_AS):
                return not self.catalog.sells(blocker.object_key, blocker.condition.removeprefix(NOT_SOLD_AS))
            if blocker.object_type == "account" and blocker.condition == "missing":
                self.reader.get(f"/v1/accounts/{_quoted(blocker.object_key)}")
                return False
            if blocker.object_type == "subscription" and blocker.condition.startswith(ended.ENDS_ON):
                found = self.reader.get(f"/v1/subscriptions/{_quoted(blocker.object_key)}")
                return ended.of(found).told == blocker.condition.removeprefix(ended.ENDS_ON)
        except Absent:
            return True
        except ReadRefused:
            return None
        return None

    # As they stand there

    def subscription(self, number: str) -> SubscriptionNotice | Rejected | Unavailable:
        found = self._subscription(number)
        return ended.read(number, found) if isinstance(found, dict) else found

    def changed_subscriptions(self, since: dt.datetime) -> Iterator[SubscriptionNotice]:
        return self.reader.changed_subscriptions(since)

    def changed_invoices(self, since: dt.datetime) -> Iterator[InvoiceNotice]:
        return self.reader.changed_invoices(since)

    def invoice(self, reference: str) -> InvoiceDocument | Rejected | Unavailable:
        return self.reader.invoice(reference)

    # Shared

    def _write(
        self, method: str, path: str, body: dict[str, Any], operation: str, reason: Reason, **more: Any
    ) -> Answer | Taken | Rejected | Unavailable | Unknown:
        """One write; an Answer is a success, Taken says that a number of ours is there already."""
        if method == "POST":
            more["idempotency_key"] = str(keys.new_id())
        try:
            answer = self.session.send(method, path, body=body, operation=operation, **more)
        except NoSession as error:
            return error.outcome
        except NotSent as error:
            return Unavailable(text=f"Zuora cannot be reached: {error}")
        except Lost as error:
            return Unknown(text=f"Zuora did not answer: {error}")
        reasons = reasons_of(answer)
        if reasons is None:
            return answer
        if reasons.is_taken and answer.status < 500:
            return Taken(f"Zuora: {reasons.message}")
        return outcome_of(answer, reasons, reason, writes=True)

    def _differs(self, kind: str, number: str, wrong: list[str]) -> Rejected:
        blocker = Blocker(connection=self.config.name, object_type=kind, object_key=number, condition="content_differs")
        text = f"Zuora holds {kind} {number} with other content: {'; '.join(wrong)}"
        return Rejected(reason=Reason.CONTENT_DIFFERS, text=text, blocker=blocker, held=True)


class Taken:
    """A refusal that says: there is one with this number already."""

    def __init__(self, text: str) -> None:
        self.text = text


def _was_there(found: Outcome) -> Outcome:
    """The number was taken when our order came."""
    return replace(found, was_there=True) if isinstance(found, Rejected) else found


def _quoted(key: str) -> str:
    return quote(key, safe="")
