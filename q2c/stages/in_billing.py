"""What billing has of a booked invoice, whoever told of it first: which of its documents that is, and as it is by now.

Billing is the master of what a customer owes, and a legal entity gives a number once. So what another system told of is
in billing the document that has its number; else the first that had it in an earlier version, and is in the books under
no later number. Each document is in the books once. What billing told of itself is known by its own reference.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import BooleanField, CharField, Func

from q2c import bulk
from q2c.models import Invoice
from q2c.models.step import OPEN
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages.versions import invoice_key
from q2c.stages.what_counts import BOOKED, NEWER, TAKEN_BACK

SYSTEMS = "(SELECT name FROM q2c_connection WHERE service = 'billing')"
_NAMED = "i.number = s.business_key AND i.entity = s.entity AND i.state <> 'voided'"
# Of a step `k` of billing and its event `g`: whether billing took the document back; that it is booked as billing told
# it; that it has another number by now; and that it is in the books, under a later number, as another system told it.
_TAKEN_BACK = f"EXISTS ({TAKEN_BACK.format('g')})"
_OWN = BOOKED.format("g")
_RENAMED = f"{NEWER.format(step='k', event='g')} AND (n.business_key, n.entity) <> (k.business_key, k.entity)"
_HAS_OTHER_NAME = f"EXISTS ({_RENAMED})"
_IS_BOOKED_LATER = f"""EXISTS ({_RENAMED} AND EXISTS (
  SELECT FROM q2c_invoice b WHERE b.number = n.business_key AND b.entity = n.entity
  AND b.state <> 'voided' AND b.source NOT IN {SYSTEMS}))"""
_IS_GONE = "EXISTS (SELECT FROM q2c_cancelledinvoice o WHERE o.number = {number} AND o.entity = {entity})"
_TOLD = f"""
FROM q2c_step k JOIN q2c_event g ON g.id = k.event_id
WHERE k.stage = 'record_invoice' AND g.source IN {SYSTEMS}
"""


def document_of(number: str, entity: str) -> str:
    """The order key of the document that billing has of what another system calls as these columns say; NULL where it
    has none, or has booked it as its own. The columns are none of `k`, `g` and `o`."""
    is_anothers = f"{_IS_BOOKED_LATER} OR {_IS_GONE.format(number=number, entity=entity)}"
    return f"""
(SELECT k.order_key {_TOLD} AND k.business_key = {number} AND k.entity = {entity}
 AND NOT {_TAKEN_BACK} AND NOT EXISTS ({_OWN}) AND NOT ({_HAS_OTHER_NAME} AND ({is_anothers}))
 ORDER BY {_HAS_OTHER_NAME}, k.seq LIMIT 1)
"""


def has_named(number: str, entity: str) -> str:
    """The condition under which what is called so counts as billing has it: it has it so, took it back, or had it so
    before and it is in the books under no other number."""
    return f"""
(EXISTS (SELECT {_TOLD} AND k.business_key = {number} AND k.entity = {entity}
         AND ({_TAKEN_BACK} OR NOT {_HAS_OTHER_NAME}
              OR EXISTS ({_OWN} AND (b.number, b.entity) = (k.business_key, k.entity))
              OR NOT EXISTS ({_OWN}) AND NOT {_IS_BOOKED_LATER}))
 OR {_IS_GONE.format(number=number, entity=entity)})
"""


class DocumentOf(Func):
    """document_of() for a query of models: of a number and a legal entity."""

    template = f"(SELECT {document_of('v.number', 'v.entity')} FROM (VALUES (%(expressions)s)) AS v(number, entity))"
    output_field = CharField()


class HasNamed(Func):
    """has_named() for the same."""

    template = f"(SELECT {has_named('v.number', 'v.entity')} FROM (VALUES (%(expressions)s)) AS v(number, entity))"
    output_field = BooleanField()
    conditional = True


_DOCUMENTS = f"""
SELECT i.id, d.order_key
FROM q2c_invoice i CROSS JOIN LATERAL (SELECT {document_of("i.number", "i.entity")}) d(order_key)
WHERE i.id = ANY(%s::uuid[]) AND i.source NOT IN {SYSTEMS} AND d.order_key IS NOT NULL
"""
# What another system told of has the number of a document that is booked under an earlier one: billing has it once.
_TWICE = f"""
SELECT DISTINCT ON (i.id) i.id, k.id, g.source
FROM q2c_invoice i JOIN q2c_step k ON k.business_key = i.number AND k.entity = i.entity
JOIN q2c_event g ON g.id = k.event_id
WHERE i.id = ANY(%s::uuid[]) AND k.stage = 'record_invoice' AND i.source NOT IN {SYSTEMS} AND g.source IN {SYSTEMS}
AND NOT {_HAS_OTHER_NAME} AND EXISTS ({_OWN} AND (b.number, b.entity) <> (i.number, i.entity))
AND {document_of("i.number", "i.entity")} IS NULL
ORDER BY i.id, g.occurred_at DESC, k.seq DESC
"""
_BOOKED = f"""
SELECT DISTINCT i.id FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id JOIN q2c_invoice i ON {_NAMED}
WHERE s.stage = 'record_invoice' AND s.order_key = ANY(%s::text[])
  AND i.source NOT IN {SYSTEMS} AND e.source IN {SYSTEMS}
"""
_NEWEST = f"""
SELECT DISTINCT ON (k.invoice) k.invoice, s.id, e.source, s.state, s.reason, s.entity,
  (e.payload ->> 'issued_on')::date, s.amount_minor, s.currency,
  s.reason = '{Reason.INVOICE_CHANGED}'
    AND e.payload::jsonb - 'billing_reference' = o.payload::jsonb - 'billing_reference'
FROM unnest(%s::uuid[], %s::text[]) AS k(invoice, order_key)
JOIN q2c_invoice i ON i.id = k.invoice JOIN q2c_event o ON o.id = i.event_id
JOIN q2c_step s ON s.order_key = k.order_key AND s.stage = 'record_invoice' JOIN q2c_event e ON e.id = s.event_id
ORDER BY k.invoice, e.occurred_at DESC, s.seq DESC
"""
# By what was not booked as it came, or is booked no more, which is little; from the second part on of what another
# system told of, at last while a renumbered document waits, and where it was taken back.
_OTHERWISE = f"""
WITH s AS MATERIALIZED (
  SELECT event_id, order_key, reason FROM q2c_step WHERE stage = 'record_invoice' AND reason <> ''
  AND state IN ({", ".join(f"'{state}'" for state in OPEN)})
  UNION ALL SELECT event_id, order_key, reason FROM q2c_step
  WHERE stage = 'record_invoice' AND state = 'abandoned' AND reason <> 'superseded'
)
SELECT i.id FROM s JOIN q2c_event e ON e.id = s.event_id
JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
WHERE s.reason = '{Reason.INVOICE_CHANGED}'
UNION
SELECT i.id FROM (SELECT s.order_key FROM s JOIN q2c_event e ON e.id = s.event_id WHERE e.source IN {SYSTEMS}) k
JOIN q2c_step s ON s.order_key = k.order_key AND s.stage = 'record_invoice'
JOIN q2c_invoice i ON {_NAMED} AND i.source NOT IN {SYSTEMS}
UNION
SELECT i.id FROM q2c_invoice v JOIN q2c_invoice i ON i.number = v.number AND i.entity = v.entity AND i.state <> 'voided'
WHERE v.state = 'voided' AND v.source IN {SYSTEMS} AND i.source NOT IN {SYSTEMS}
UNION
SELECT i.id FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
JOIN q2c_invoice b ON b.source = e.source AND b.billing_reference = e.payload ->> 'billing_reference'
  AND (b.number, b.entity) <> (s.business_key, s.entity)
JOIN q2c_invoice i ON {_NAMED} AND i.source NOT IN {SYSTEMS}
WHERE s.stage = 'record_invoice' AND s.state IN ('waiting', 'running')
UNION
SELECT i.id FROM q2c_cancelledinvoice o JOIN q2c_invoice i ON i.number = o.number AND i.entity = o.entity
WHERE i.state <> 'voided' AND i.source NOT IN {SYSTEMS} AND i.taken_back_at IS NULL
"""


def billing_credits(source: str, number: str, entity: str, order_id: str) -> str:
    """The condition under which billing credits what is named by these columns: it told of that, or knows it by its
    number. Of an order of which nothing is in billing, whoever bills it is its billing.

    `number` and `entity` are as of document_of().
    """
    return f"""
({source} IN {SYSTEMS}
 OR {document_of(number, entity)} IS NOT NULL
 OR NOT EXISTS (SELECT FROM q2c_subscription u WHERE u.order_id = {order_id}))
"""


@dataclass(frozen=True, slots=True)
class Now:
    """The newest version of an invoice, which says something else than is booked: the step that it came by.
    `is_as_booked`: it was put back as it was booked, and the books had lost it by then. `is_twice`: billing has it
    once, and that is booked under another number: it has none of this one beside it.
    """

    step_id: uuid.UUID
    source: str
    entity: str
    issued_on: dt.date
    worth: Money
    is_as_booked: bool = False
    is_twice: bool = False


def documents_of(invoices: Collection[Invoice]) -> dict[uuid.UUID, str]:
    """Of those that another system told of, and billing has: the order key of its versions there, by invoice id. One
    statement."""
    return dict(bulk.execute(_DOCUMENTS, [[one.id for one in invoices]])) if invoices else {}


def known(order_keys: Collection[str]) -> dict[str, Invoice]:
    """Which booked invoice each of these documents of billing is, where another system told of that one. Three
    statements at most, one where there is none."""
    ids = [id_ for (id_,) in bulk.execute(_BOOKED, [list(order_keys)])] if order_keys else []
    invoices = Invoice.objects.filter(id__in=ids).select_related("order").in_bulk() if ids else {}
    found = {key: invoices[id_] for id_, key in documents_of(list(invoices.values())).items()}
    return {key: found[key] for key in order_keys if key in found}


def otherwise() -> list[uuid.UUID]:
    """Ids of the invoices of which newest() may have something to say. One statement."""
    return [id_ for (id_,) in bulk.execute(_OTHERWISE, [])]


def newest(invoices: Collection[Invoice], *, put_back: bool = False) -> dict[uuid.UUID, Now]:
    """What each is by now, where that is something else than what is booked, by invoice id; what billing has taken back
    is left out. As billing has it, or as it was told again where billing does not know it. Three statements.

    `put_back`: with what is as it was booked again, and was put back too late to end as that."""
    by_id = {one.id: one for one in invoices if one.taken_back_at is None}
    if not by_id:
        return {}
    own = {id_: invoice_key(one.source, one.billing_reference) for id_, one in by_id.items()}
    keys = own | documents_of(list(by_id.values()))
    found = {}
    for id_, step_id, source, state, reason, entity, day, minor, currency, same in bulk.execute(
        _NEWEST, [list(keys), list(keys.values())]
    ):
        if minor is None or not currency:
            continue
        now = Now(step_id, source, entity, day, Money(minor, currency), is_as_booked=same)
        if (put_back or not same) and _differs(by_id[id_], now, state, reason):
            found[id_] = now
    for id_, step_id, source in bulk.execute(_TWICE, [list(by_id)]):
        one = by_id[id_]
        found[id_] = Now(step_id, source, one.entity, one.issued_on, Money(0, one.currency), is_twice=True)
    return found


def _differs(one: Invoice, now: Now, state: str, reason: str) -> bool:
    """What billing told before the other system did stopped for a reason of its own, or was given up, booked or not."""
    if reason == Reason.INVOICE_CHANGED:
        return state != "done"
    if now.source == one.source or state not in ("failed", "abandoned", "done"):
        return False
    booked = one.entity, one.issued_on, Money(one.total_minor, one.currency)
    ended = reason in (Reason.SUPERSEDED, Reason.INVOICE_CANCELLED)
    return not ended and (now.entity, now.issued_on, now.worth) != booked
