"""The one call in which API, webhooks and polls end: items are read, stored or kept raw; none spoils the others.

    taken = take(items, Sender(system="webshop", actor="api:webshop"))

Each item has its own result: stored, duplicate (the same again), conflict (the same id with other content), refused.
What is refused or in conflict is kept byte for byte and opens a case; sent again unchanged it counts there.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec
import psycopg
from django.db import DatabaseError, OperationalError, connection, transaction

from exceptions import cases, rowsets
from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import CALLED, UNRESOLVED
from exceptions.raw import open_raw
from ledger.models import JournalEntry
from q2c import bulk, keys, states
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.strict import Fault, Faulty
from q2c.engine import emit, envelope, journeys, unread
from q2c.engine.emit import Incoming, Stored
from q2c.engine.envelope import Item, Said, Sender
from q2c.engine.unread import Unread
from q2c.models import Order
from q2c.reasons import Reason

__all__ = ["Item", "Sender", "Taken", "again_after_deadlock", "keep_raw", "resolve_raw", "take"]

log = logging.getLogger(__name__)
Result = TypeVar("Result")
TRIES = 3
# Reasons of cases that end when the same thing comes again and can be read.
UNREADABLE = (Reason.EVENT_MALFORMED, Reason.INTERNAL_ERROR)
# A sender's ids are its source's: two shops under one name may both have a 1001. Cases name them in full.
_SENT_BEFORE = f"""
SELECT c.id, s.event FROM exceptions_case AS c
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS s(source, id, key, event)
  ON c.business_key = s.key AND coalesce(c.context ->> 'id', c.business_key) = s.id
  AND coalesce(c.context ->> 'source', c.source) = s.source
WHERE c.source = %s::text AND c.raw_hash IS NOT NULL
  AND c.state IN ({", ".join(f"'{state}'" for state in UNRESOLVED)}) AND c.reason = ANY(%s::text[])
"""
# Every version of an invoice has its reference in billing, whatever its id and its number, which is the case's key.
_SAME_INVOICE = f"""
WITH given AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
    AS s(source, id, reference, event, at)
), waiting AS (
  SELECT id, coalesce(context ->> 'source', source) AS source, context ->> 'id' AS sent_as,
    context ->> 'reference' AS reference, (context ->> 'time')::timestamptz AS at
  FROM exceptions_case WHERE source = %s::text AND raw_hash IS NOT NULL
  AND state IN ({", ".join(f"'{state}'" for state in UNRESOLVED)}) AND reason = ANY(%s::text[])
)
SELECT id, event FROM (
  SELECT w.id, g.event, w.at, g.at AS came
  FROM waiting w JOIN given g ON g.source = w.source AND g.reference = w.reference
  UNION ALL SELECT w.id, g.event, w.at, g.at FROM waiting w JOIN given g ON g.source = w.source AND g.id = w.sent_as
) found WHERE at IS NULL OR came >= at ORDER BY came
"""
# Called as its source does: by the reference that its case keeps, else by the key of that.
_WAITING = f"""
SELECT id, coalesce(context ->> 'reference', business_key), entity FROM exceptions_case
WHERE source = %s::text AND raw_hash IS NOT NULL AND state IN ({", ".join(f"'{state}'" for state in UNRESOLVED)})
  AND coalesce(context ->> 'reference', business_key) = ANY(%s::text[]) AND reason = ANY(%s::text[])
"""
# What a case is about: its business key; where another entity's may have the same, the legal entity and that.
Named = TypeVar("Named", str, tuple[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of one item. `source_id` is the sender's id where it could be read."""

    status: str  # "stored" | "duplicate" | "conflict" | "refused"
    source_id: str = ""
    event_id: uuid.UUID | None = None
    correlation_id: uuid.UUID | None = None
    case_id: uuid.UUID | None = None
    faults: tuple[Fault, ...] = ()


def take(items: Sequence[Item], sender: Sender) -> list[Taken]:
    """One result per item, in order, all committed together. Raises nothing for what is in an item."""
    read: list[Incoming | tuple[Fault, ...]] = []
    for item in items:
        try:
            read.append(envelope.read(item, sender))
        except Faulty as error:
            read.append(error.faults)
    good, sender = journeys.apart([one for one in read if isinstance(one, Incoming)], sender)
    return again_after_deadlock(lambda: _take_or_each(items, read, _on_their_journey(good), sender))


def _take_or_each(
    items: Sequence[Item], read: Sequence[Incoming | tuple[Fault, ...]], good: list[Incoming], sender: Sender
) -> list[Taken]:
    """At once; when one fails in the database, one by one, so that only that one fails."""
    try:
        return _take(items, read, good, sender, emit.store)
    except OperationalError:
        raise
    except Exception:
        log.exception("a batch could not be stored, going one by one")
    return _take(items, read, good, sender, _store_each)


def _take(
    items: Sequence[Item],
    read: Sequence[Incoming | tuple[Fault, ...]],
    good: list[Incoming],
    sender: Sender,
    store: Callable[[list[Incoming]], Sequence[Stored | Fault]],
) -> list[Taken]:
    with states.acting(sender.actor):
        stored = iter(zip(good, store(good) if good else (), strict=True))
        results: list[Taken] = []
        raw: list[tuple[int, RawItem]] = []
        invoices: dict[int, Unread] = {}
        right: list[tuple[Incoming, Stored]] = []
        for i, (item, one) in enumerate(zip(items, read, strict=True)):
            if isinstance(one, Incoming):
                fact, outcome = next(stored)
                results.append(_taken(fact, outcome))
                if isinstance(outcome, Stored) and outcome.status == "stored":
                    right.append((fact, outcome))
                if results[-1].status in ("conflict", "refused"):
                    raw.append((i, _contradiction(item, fact, results[-1], sender)))
                    if results[-1].status == "refused" and isinstance(fact.payload, InvoiceDocument):
                        invoices[i] = unread.read(fact.source, msgspec.to_builtins(fact.payload))
            else:
                said = envelope.said(item)
                results.append(Taken(status="refused", faults=one, source_id=said.id))
                raw.append((i, _unreadable(item, said, results[-1], sender)))
                if said.type == "InvoiceIssued":
                    invoices[i] = unread.read(str(raw[-1][1].context["source"]), said.document)
        for (i, _), case_id in zip(raw, _keep(items, raw, invoices, sender.actor), strict=True):
            results[i] = replace(results[i], case_id=case_id)
        _resolve_what_came_right(right, sender)
    return results


def _keep(
    items: Sequence[Item], raw: Sequence[tuple[int, RawItem]], invoices: Mapping[int, Unread], actor: str
) -> list[uuid.UUID | None]:
    """A case each, with what could be read of those that are invoices. What a platform gives is read again and again,
    and told once."""
    told = dict(raw)
    told |= dict(zip(invoices, unread.placed([told[i] for i in invoices], list(invoices.values())), strict=True))
    if all(items[i].reference for i in told):
        return keep_raw(list(told.values()), actor, anew=True)
    return unread.open_each(told, invoices, actor)


def again_after_deadlock(act: Callable[[], Result]) -> Result:
    """Two batches met on the same rows: the one that lost tries again, unless a caller's transaction is lost, too."""
    for left in reversed(range(TRIES)):
        try:
            return act()
        except OperationalError as error:
            lost = isinstance(error.__cause__, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)
            if not lost or not left or connection.in_atomic_block:
                raise
    raise AssertionError


def _store_each(good: list[Incoming]) -> list[Stored | Fault]:
    """Each in a savepoint of its own."""
    results: list[Stored | Fault] = []
    for fact in good:
        try:
            with transaction.atomic():
                results += emit.store([fact])
        except OperationalError:
            raise
        except Exception as error:
            log.exception("an event could not be stored")
            what = str(error).splitlines()[0] if isinstance(error, DatabaseError) else type(error).__name__
            results.append(Fault(code="internal_error", detail=f"It could not be stored: {what}"))
    return results


def _on_their_journey(good: list[Incoming]) -> list[Incoming]:
    """What belongs to an order or a journal that is here carries its correlation id, so that one trace shows all."""
    numbers = {n for one in good if one.type != "OrderReceived" and (n := getattr(one.payload, "order_number", ""))}
    journals = {_uuid_of(j) for one in good if (j := getattr(one.payload, "journal_id", ""))} - {None}
    if not numbers and not journals:
        return good
    of_order = dict(Order.objects.filter(number__in=numbers).values_list("number", "correlation_id"))
    of_journal = dict(JournalEntry.objects.filter(id__in=journals).values_list("id", "correlation_id"))
    placed = []
    for one in good:
        known = None if one.type == "OrderReceived" else of_order.get(getattr(one.payload, "order_number", ""))
        known = known or of_journal.get(_uuid_of(getattr(one.payload, "journal_id", "")))
        placed.append(replace(one, correlation_id=known) if known else one)
    return placed


def _uuid_of(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None


def _taken(fact: Incoming, outcome: Stored | Fault) -> Taken:
    if isinstance(outcome, Fault):
        return Taken(status="refused", source_id=fact.source_id, faults=(outcome,))
    faults: tuple[Fault, ...] = ()
    if outcome.status == "conflict":
        faults = (
            Fault(
                code=Reason.EVENT_CONFLICT, pointer="/id", seen=fact.source_id,
                detail=f"{fact.source} has sent {fact.source_id} before, with other content",
                remedy="Send a changed fact under an id of its own",
            ),
        )  # fmt: skip
    return Taken(
        status=outcome.status,
        source_id=fact.source_id,
        event_id=outcome.id,
        correlation_id=outcome.correlation_id,
        faults=faults,
    )


def _contradiction(item: Item, fact: Incoming, taken: Taken, sender: Sender) -> RawItem:
    conflict = taken.status == "conflict"
    return RawItem(
        body=item.body,
        source=sender.system,
        reason=Reason.EVENT_CONFLICT if conflict else Reason.INTERNAL_ERROR,
        text=sentence(taken.faults),
        content_type=item.content_type,
        code=taken.faults[0].code,
        field=taken.faults[0].pointer,
        business_key=fact.source_id,
        event_id=taken.event_id,
        context={
            "type": fact.type,
            "source": fact.source,
            "id": fact.source_id,
            "findings": _listed(taken.faults),
            **_reference(item),
        },
        correlation_id=taken.correlation_id or fact.correlation_id,
    )


def _unreadable(item: Item, said: Said, taken: Taken, sender: Sender) -> RawItem:
    first = taken.faults[0]
    refused = any(fault.pointer == "/source" for fault in taken.faults)
    return RawItem(
        body=item.body,
        source=sender.system,
        text=sentence(taken.faults),
        content_type=item.content_type,
        code=first.code,
        field=first.pointer,
        business_key=taken.source_id,
        context={
            "source": sender.system if refused else said.source or sender.system,
            "id": taken.source_id,
            "findings": _listed(taken.faults),
            **({"type": said.type} if said.type else {}),
            **(_reference(item) or _time(said)),
        },
        correlation_id=sender.correlation_id,
    )


def _time(said: Said) -> dict[str, str]:
    """Of what a system sends by itself: an older version that comes late says nothing of this one."""
    return {"time": said.occurred_at.isoformat()} if said.occurred_at else {}


def _reference(item: Item) -> dict[str, str]:
    return {"reference": item.reference} if item.reference else {}


def sentence(faults: Sequence[Fault]) -> str:
    """The first thing that is wrong, where, and how much more."""
    first = faults[0]
    where = f" ({first.pointer})" if first.pointer else ""
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"{first.detail}{where}{more}"


def _listed(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """As accept_order's findings, so that one page shows both."""
    return [
        {
            "reason": str(Reason.EVENT_MALFORMED), "code": fault.code, "text": fault.detail, "pointer": fault.pointer,
            "seen": None if fault.seen is None else str(fault.seen), "remedy": fault.remedy,
        }
        for fault in faults
    ]  # fmt: skip


def _resolve_what_came_right(right: Sequence[tuple[Incoming, Stored]], sender: Sender) -> None:
    """What could not be read before came again from its source under its id, right now: its case ends by itself."""
    if not right:
        return
    rows = [(fact.source, fact.source_id, _shown(fact.source_id), str(stored.id)) for fact, stored in right]
    reasons = [str(reason) for reason in UNREADABLE]
    found = bulk.execute(_SENT_BEFORE, [*map(list, zip(*rows, strict=True)), sender.system[:60], reasons])
    proofs = {case_id: {"event": event} for case_id, event in found}
    proofs |= {case_id: {"event": event} for case_id, event in _same_invoices(right, sender, reasons)}
    if proofs:
        cases.resolve_cases(proofs, actor=sender.actor, resolution="resolved_by_itself")


def _same_invoices(
    right: Sequence[tuple[Incoming, Stored]], sender: Sender, reasons: Sequence[str]
) -> list[tuple[Any, ...]]:
    """(case, event) of earlier versions of invoices that came right now, and not of later ones; the newest last."""
    rows = [
        (fact.source, fact.source_id, fact.payload.billing_reference, str(stored.id), fact.occurred_at)
        for fact, stored in right
        if isinstance(fact.payload, InvoiceDocument)
    ]
    values = [*map(list, zip(*rows, strict=True)), sender.system[:60], list(reasons)]
    return bulk.execute(_SAME_INVOICE, values) if rows else []


def _shown(source_id: str) -> str:
    """As the case of it says it."""
    return str(rowsets.fitted(Case, {"business_key": source_id})["business_key"])


def resolve_raw(
    source: str, events: Mapping[Named, uuid.UUID | None], actor: str, *, reasons: Sequence[str] = UNREADABLE
) -> list[uuid.UUID]:
    """End the cases of what could not be read, by name: it came again, and became these events. Returns their ids."""
    named = {_about(name): event_id for name, event_id in events.items()}
    if not named:
        return []
    keys_ = list({key for _, key in named})
    # The source has few of these, mostly none: its partial index answers before the keys are looked at.
    waiting = bulk.execute(_WAITING, [source[:60], keys_, [str(reason) for reason in reasons]])
    proofs = {
        case_id: {"event": str(named[about] or "")}
        for case_id, key, entity in waiting
        for about in ((None, key), (entity, key))
        if about in named
    }
    return cases.resolve_cases(proofs, actor=actor, resolution="resolved_by_itself") if proofs else []


def _about(name: str | tuple[str, str]) -> tuple[str | None, str]:
    """(legal entity, business key), no entity where the key alone names it."""
    return (None, name[:80]) if isinstance(name, str) else (name[0], name[1][:80])


def keep_raw(items: Sequence[RawItem], actor: str, *, anew: bool = False) -> list[uuid.UUID | None]:
    """Keep what a platform gave and we cannot read: a case each, in place of the one of an earlier version of it.

    A poll reads the same again and again, so bytes that are kept already are left, whatever state their case is in;
    `anew`: as long as that tells what is so still, where the bytes say nothing of when they changed.
    One case id per item; None where it was left.
    """
    if not items:
        return []
    marks = [(item.source[:60], keys.fingerprint(item.body)) for item in items]
    with transaction.atomic():
        there = Case.objects.filter(
            source__in={source for source, _ in marks}, raw_hash__in=[mark for _, mark in marks]
        )
        told = unread.standing(there.defer("haystack")) if anew else there.only("source", "raw_hash")
        known = {(case.source, bytes(case.raw_hash or b"")) for case in told}
        fresh = [item for item, mark in zip(items, marks, strict=True) if mark not in known]
        opened = open_raw(fresh, actor)
        _supersede(fresh, opened, actor)
    ids = iter(opened)
    return [None if mark in known else next(ids) for mark in marks]


def _supersede(items: Sequence[RawItem], opened: Sequence[uuid.UUID], actor: str) -> None:
    named = {(item.source[:60], item.called[:80], item.entity if item.of_entity else None) for item in items}
    waiting = Case.objects.filter(
        source__in={source for source, _, _ in named}, raw_hash__isnull=False, state__in=UNRESOLVED
    ).annotate(called=CALLED)  # fmt: skip
    rows = waiting.filter(called__in={key for _, key, _ in named} - {""}).exclude(id__in=opened)
    proofs: dict[uuid.UUID, dict[str, Any]] = {
        id_: {}
        for id_, source, key, entity in rows.values_list("id", "source", "called", "entity")
        if (source, key, entity) in named or (source, key, None) in named
    }
    if proofs:
        cases.resolve_cases(proofs, actor=actor, resolution="superseded")
