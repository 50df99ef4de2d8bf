"""Any identifier of any system → the whole journey: what came in, what was done about it, what it became, what failed.

    journey = trace.find(user, "INV-00042")
    for entry in journey.entries: …

One journey shares a correlation id; invoices carry that of their order. What the person may not see is left out.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import string
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q

from exceptions.models import Approval, Case
from exceptions.models.case import called
from ledger.models import JournalEntry
from q2c.models import Attempt, CrossReference, Event, Invoice, Order, Step, Subscription
from q2c.reading import customers, held
from q2c.reading.accounts import Account, named, orders_of
from q2c.reading.invoices import named_as

# A sender that gives one trace id to thousands of facts gets the first of them.
ROWS_MAX = 500
STEPS_MAX = 2000
CANDIDATES_MAX = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing on the way, for a list by time. `record` is its row, `kind` its noun."""

    at: dt.datetime
    kind: str
    title: str
    state: str
    text: str
    record: Any


@dataclass(kw_only=True, slots=True)
class Trace:
    """`found_as` says what the identifier is. One that names `accounts`, or part of a customer's name, has no journey
    of its own: `candidates` are their orders.
    """

    query: str
    found_as: list[str] = field(default_factory=list)
    correlation_ids: list[uuid.UUID] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    attempts: dict[uuid.UUID, int] = field(default_factory=dict)
    fronts: dict[uuid.UUID, held.Front] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    journals: list[JournalEntry] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    references: list[CrossReference] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    candidates: list[Order] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.orders or self.invoices or self.journals or self.cases or self.candidates)

    @property
    def entries(self) -> list[Entry]:
        """Everything that has a time, oldest first."""
        return sorted(_entries(self), key=lambda entry: entry.at)


# Each branch has its index. Sources are few: the recursive part hops from one to the next.
_SEEDS = """
WITH RECURSIVE sources AS (
  (SELECT source FROM q2c_event ORDER BY source LIMIT 1)
  UNION ALL
  SELECT (SELECT e.source FROM q2c_event e WHERE e.source > s.source ORDER BY e.source LIMIT 1)
  FROM sources s WHERE s.source IS NOT NULL)
SELECT 'order number', correlation_id FROM q2c_order WHERE number = %(q)s
UNION ALL SELECT 'id in the sales platform', correlation_id FROM q2c_order
  WHERE source_id = %(q)s OR source_id LIKE %(versions)s
UNION ALL SELECT 'invoice number', correlation_id FROM q2c_invoice WHERE number = %(q)s
UNION ALL SELECT 'id in billing', correlation_id FROM q2c_invoice WHERE billing_reference = %(q)s
UNION ALL SELECT 'subscription number', o.correlation_id FROM q2c_subscription s JOIN q2c_order o ON o.id = s.order_id
  WHERE s.number = %(q)s
UNION ALL SELECT 'subscription in billing', o.correlation_id FROM q2c_subscription s
  JOIN q2c_order o ON o.id = s.order_id WHERE s.reference = %(q)s AND s.reference <> ''
UNION ALL SELECT 'journal number', correlation_id FROM ledger_journalentry WHERE number = %(q)s
UNION ALL SELECT 'document in the ERP', correlation_id FROM ledger_journalentry
  WHERE document_number = %(q)s AND document_number <> ''
UNION ALL SELECT 'key in the ERP', correlation_id FROM ledger_journalentry WHERE key = %(q)s
UNION ALL SELECT 'key of a request', correlation_id FROM q2c_step WHERE key = %(q)s AND sent_at IS NOT NULL
UNION ALL SELECT 'number of a document', correlation_id FROM q2c_step WHERE business_key = %(q)s
UNION ALL SELECT 'document in ' || connection, correlation_id FROM q2c_step
  WHERE document = %(q)s AND document <> '' AND stage NOT IN ('post_journal', 'sync_customer')
UNION ALL SELECT 'cancellation in billing', correlation_id FROM q2c_step
  WHERE stage = 'cancel_order' AND proof @@ %(document)s::jsonpath
UNION ALL SELECT 'id of an event', e.correlation_id FROM sources s
  JOIN q2c_event e ON e.source = s.source AND e.source_id = %(q)s
"""
_BY_UUID = """
SELECT 'event', correlation_id FROM q2c_event WHERE id = %(id)s
UNION ALL SELECT 'correlation id', correlation_id FROM (SELECT correlation_id FROM q2c_event
  WHERE correlation_id = %(id)s LIMIT 1) e
UNION ALL SELECT 'step', correlation_id FROM q2c_step WHERE id = %(id)s
UNION ALL SELECT 'order', correlation_id FROM q2c_order WHERE id = %(id)s
UNION ALL SELECT 'invoice', correlation_id FROM q2c_invoice WHERE id = %(id)s
UNION ALL SELECT 'journal', correlation_id FROM ledger_journalentry WHERE id = %(id)s
UNION ALL SELECT 'case', correlation_id FROM exceptions_case WHERE id = %(id)s
"""
_CASE = "SELECT 'case', correlation_id FROM exceptions_case WHERE number = %(number)s"
# With or without the three characters that make it fit for software that minds no case.
_SALESFORCE_ID = re.compile(r"^[0-9a-zA-Z]{15}(?:[A-Z0-5]{3})?\Z")
_SUFFIX = string.ascii_uppercase + "012345"
_CASE_NUMBER = re.compile(r"^C-([0-9]{1,15})$", re.IGNORECASE)


def find(user: Any, query: str) -> Trace:
    """The journey that an identifier belongs to; empty where nothing that this person may see has it."""
    query = query.strip()[:200]
    found = Trace(query=query)
    if not query or not query.isprintable():
        return found
    for spelled in spellings(query):
        ids = dict.fromkeys(correlation_id for _, correlation_id in _seeds(found, spelled))
        _gather(found, user, list(ids))
        _gather_raw(found, user, spelled)
        found.accounts = [] if found else named(spelled)
        if found or found.accounts:
            break
    found.approvals = list(
        Approval.objects.visible_to(user).filter(case__in=[case.id for case in found.cases])
        .select_related("requested_by", "decided_by", "case").order_by("requested_at", "id")
    ) if found.cases else []  # fmt: skip
    if not found:
        found.candidates = _of_customers(user, query, found.accounts)
        found.found_as = list(dict.fromkeys(account.called for account in found.accounts if account.called))
    return found


def spellings(query: str) -> list[str]:
    """As typed, then in capitals, as most numbers are given; each stays a look-up by an index.

    An id of Salesforce tells two records apart by nothing but their letters' case: only as typed, and in full.
    """
    if not _SALESFORCE_ID.match(query):
        return list(dict.fromkeys([query, query.upper()]))
    return [query] if len(query) == 18 else [query, _in_full(query)]


def _in_full(id_: str) -> str:
    """Its reports give 15 characters; the three that follow tell which of each five are capitals, the first lowest."""
    fives = (id_[i : i + 5] for i in (0, 5, 10))
    return id_ + "".join(_SUFFIX[sum(1 << at for at, letter in enumerate(five) if letter.isupper())] for five in fives)


def _seeds(found: Trace, query: str) -> list[tuple[str, uuid.UUID]]:
    escaped = re.sub(r"([\\%_])", r"\\\1", query)
    document = f"$.**.document == {json.dumps(query)}"
    asked: list[tuple[str, dict[str, Any]]] = [(_SEEDS, {"q": query, "versions": f"{escaped}:%", "document": document})]
    if case := _CASE_NUMBER.match(query):
        asked.insert(0, (_CASE, {"number": int(case[1])}))
    # Ids of a platform may look like ours: both are asked.
    with suppress(ValueError):
        asked.insert(0, (_BY_UUID, {"id": uuid.UUID(query)}))
    seeds: list[tuple[str, uuid.UUID]] = []
    with connection.cursor() as cursor:
        for sql, values in asked:
            cursor.execute(sql, values)
            seeds += cursor.fetchall()
    if not seeds:
        seeds = _by_reference(query)
    found.found_as = list(dict.fromkeys(name for name, _ in seeds))
    return seeds


def _by_reference(query: str) -> list[tuple[str, uuid.UUID]]:
    """What a platform calls a record of ours."""
    named = CrossReference.objects.filter(kind__in=["journal", "journal_number"], reference=query)
    rows = list(named[:CANDIDATES_MAX])
    journeys = dict(
        JournalEntry.objects.filter(id__in=[row.our_key for row in rows]).values_list("id", "correlation_id")
    )
    return [
        (f"journal in {row.connection}", journeys[key]) for row in rows if (key := uuid.UUID(row.our_key)) in journeys
    ]


def _gather(found: Trace, user: Any, ids: list[uuid.UUID]) -> None:
    if not ids:
        return
    orders = Order.objects.visible_to(user)
    found.orders = list(orders.filter(correlation_id__in=ids).order_by("id")[:ROWS_MAX])
    of_orders = Invoice.objects.visible_to(user).filter(order__in=[order.id for order in found.orders])
    found.invoices = _merged(of_orders, Invoice.objects.visible_to(user).filter(correlation_id__in=ids))
    more = {invoice.order_id for invoice in found.invoices} - {order.id for order in found.orders}
    found.orders += orders.filter(id__in=more)
    found.correlation_ids = list(
        dict.fromkeys([*ids, *(r.correlation_id for r in (*found.orders, *found.invoices))])
    )  # fmt: skip
    ids = found.correlation_ids
    events = Event.objects.visible_to(user).filter(correlation_id__in=ids)
    found.events = list(events.defer("payload", "envelope").order_by("id")[:ROWS_MAX])
    event_ids = [event.id for event in found.events]
    steps = Step.objects.visible_to(user).filter(event__in=event_ids)
    ordered = steps.select_related("event").defer("event__payload", "event__envelope").order_by("seq")
    found.steps = list(ordered[:STEPS_MAX])
    found.subscriptions = list(
        Subscription.objects.visible_to(user).filter(order__in=[o.id for o in found.orders]).order_by("number")
    )
    journals = JournalEntry.objects.visible_to(user).filter(event_id__in=event_ids)
    found.journals = list(journals.select_related("entity", "period").order_by("id"))
    _gather_around(found, user)


def _gather_around(found: Trace, user: Any) -> None:
    """Cases, calls and references of what was found."""
    steps = [step.id for step in found.steps]
    events = [event.id for event in found.events]
    cases = Case.objects.visible_to(user).defer("haystack")
    found.cases = _merged(cases.filter(step_id__in=steps), cases.filter(event_id__in=events))
    for step_id in Attempt.objects.visible_to(user).filter(step__in=steps).values_list("step", flat=True):
        found.attempts[step_id] = found.attempts.get(step_id, 0) + 1
    found.fronts = held.in_front(user, found.steps)
    keys = {
        *(subscription.account for subscription in found.subscriptions),
        *(invoice.account for invoice in found.invoices),
        *(str(journal.id) for journal in found.journals),
    }
    found.references = list(
        CrossReference.objects.visible_to(user).filter(our_key__in=keys).order_by("id")[:ROWS_MAX] if keys else ()
    )


def _gather_raw(found: Trace, user: Any, query: str) -> None:
    """What came in and was kept raw has no step: found by its number or its id at its source, by the number of its
    case, by its journey, and with the invoices that it is a version of."""
    raw = Q(step_id=None, raw_hash__isnull=False)
    around = named_as(found.invoices) | Q(correlation_id__in=found.correlation_ids)
    cases = Case.objects.visible_to(user).defer("haystack")
    sent_as = Q(context__contains={"id": query}) & raw
    rows = [*cases.filter(called([query]) | sent_as).order_by("id")[:CANDIDATES_MAX]]
    if case := _CASE_NUMBER.match(query):
        rows += cases.filter(number=int(case[1]))
    mine = {row.pk for row in rows if row.step_id is None and query in _names(row)}
    if found.correlation_ids:
        versions = called([invoice.billing_reference for invoice in found.invoices])
        rows += cases.filter(raw & (around | versions)).order_by("id")[:ROWS_MAX]
    known = {case.pk for case in found.cases}
    fresh = {row.pk: row for row in rows if row.pk not in known}
    found.cases += fresh.values()
    found.found_as = list(dict.fromkeys([*found.found_as, *(["id of a message"] if mine - known else [])]))


def _names(case: Case) -> set[str]:
    return {case.business_key, str(case.context.get("id", "")), str(case.context.get("reference", ""))}


def _merged(*querysets: Any) -> list[Any]:
    """Rows of several look-ups, each once, in the order of their ids; every look-up keeps its own index."""
    rows = {row.pk: row for queryset in querysets for row in queryset.order_by("id")[:ROWS_MAX]}
    return [rows[pk] for pk in sorted(rows)]


def _of_customers(user: Any, query: str, accounts: Sequence[Account]) -> list[Order]:
    """The newest orders of the accounts that the query names, else of the customers with it in their name."""
    named = accounts or [Account(key) for key in dict.fromkeys((query, *customers.keys_called(query)))]
    return orders_of(user, named)[:CANDIDATES_MAX]


def _entries(found: Trace) -> Iterable[Entry]:
    for event in found.events:
        yield Entry(
            at=event.received_at, kind="event", title=event.type, state="", text=f"from {event.source}", record=event
        )
    for step in found.steps:
        where = f" to {step.connection}" if step.connection else ""
        yield Entry(
            at=step.finished_at or step.sent_at or step.created_at, kind="step", title=f"{step.stage}{where}",
            state=step.state, text=step.document or step.text, record=step,
        )  # fmt: skip
    for case in found.cases:
        yield Entry(at=case.opened_at, kind="case", title=case.shown, state=case.state, text=case.text, record=case)
    for journal in found.journals:
        yield Entry(
            at=journal.booked_at, kind="journal", title=journal.number or "draft", state=journal.state,
            text=journal.document_number, record=journal,
        )  # fmt: skip
