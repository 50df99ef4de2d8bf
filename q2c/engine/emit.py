"""Write events and the steps they call for: the one door through which facts enter the database."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from django.db import transaction

from q2c import bulk, clock, keys
from q2c.contracts.events import EVENTS
from q2c.engine import counts, wake
from q2c.stages import STAGES
from q2c.stages.verb import Fact, NewEvent, Part, Stage, Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A validated fact about to be stored. `raw` is its payload byte for byte, `payload` the decoded document.

    `envelope` is what stood around the payload, which was cut out at character `data_at`. `api_key` brought it,
    `sent_by` made that key or asked on a page: their primary keys. `called` is the journey as its sender named it.
    """

    type: str
    version: int
    source: str
    source_id: str
    correlation_id: uuid.UUID
    causation_id: uuid.UUID | None
    occurred_at: dt.datetime
    raw: bytes
    payload: object
    envelope: str = ""
    data_at: int = 0
    api_key: int | None = None
    sent_by: int | None = None
    called: uuid.UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What became of it: new, a repeat of what is there, or in conflict with it."""

    id: uuid.UUID
    correlation_id: uuid.UUID
    status: str  # "stored" | "duplicate" | "conflict"


_EVENTS = """
INSERT INTO q2c_event (id, type, schema_version, source, source_id, correlation_id, causation_id, occurred_at,
                       received_at, payload, payload_hash, envelope, data_at, api_key_id, sent_by_id)
SELECT u.id, u.type, u.version, u.source, u.source_id, u.correlation, u.causation, u.occurred,
       %s::timestamptz, u.payload::json, u.hash, u.envelope, u.data_at, u.api_key, u.sent_by
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::timestamptz[],
            %s::text[], %s::bytea[], %s::text[], %s::int[], %s::bigint[], %s::bigint[])
  WITH ORDINALITY AS u(id, type, version, source, source_id, correlation, causation, occurred, payload, hash, envelope,
                       data_at, api_key, sent_by, n)
-- Two senders of the same facts in another order would wait for each other for ever. Of two under one id the first
-- counts.
ORDER BY u.source COLLATE "C", u.source_id COLLATE "C", u.n
ON CONFLICT (source, source_id) DO NOTHING RETURNING id
"""

_STEPS = """
INSERT INTO q2c_step (id, correlation_id, event_id, stage, part, connection, key, state, phase, attempts, replays,
                      order_key, next_at, handle, reason, text, proof, reference, document, business_key, customer,
                      amount_minor, currency, entity, period, created_at)
SELECT u.id, u.correlation, u.event, u.stage, u.part, u.connection, u.key, 'waiting', 'send', 0, 0,
       u.order_key, u.next_at, '', '', '', '{}', '', '', u.business_key, u.customer,
       u.amount, u.currency, u.entity, u.period, %s::timestamptz
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::timestamptz[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])
  WITH ORDINALITY AS u(id, correlation, event, stage, part, connection, key, order_key, next_at, business_key,
                       customer, amount, currency, entity, period, n)
ORDER BY u.n
ON CONFLICT (event_id, stage, part) DO NOTHING
"""

BY_EVENT: dict[str, list[Stage]] = defaultdict(list)
for _stage in STAGES.values():
    for _type in _stage.on:
        BY_EVENT[_type].append(_stage)


def store(batch: Sequence[Incoming]) -> list[Stored]:
    """Store facts and plan their steps in one transaction; wakes the workers after commit.

    Idempotent by (source, source id): the same content again is a duplicate, other content a conflict. What fails,
    fails with the whole transaction: a caller that wants to go on wraps it in one of its own.
    """
    ids = [keys.new_id() for _ in batch]
    hashes = [keys.fingerprint(item.raw) for item in batch]
    with transaction.atomic(savepoint=False):
        found = bulk.execute(
            _EVENTS,
            [
                clock.now(),
                ids,
                [item.type for item in batch],
                [item.version for item in batch],
                [item.source for item in batch],
                [item.source_id for item in batch],
                [item.correlation_id for item in batch],
                [item.causation_id for item in batch],
                [item.occurred_at for item in batch],
                [item.raw.decode() for item in batch],
                hashes,
                [item.envelope for item in batch],
                [item.data_at for item in batch],
                [item.api_key for item in batch],
                [item.sent_by for item in batch],
            ],
        )
        new = {row[0] for row in found}
        facts = [_fact(id_, item) for id_, item in zip(ids, batch, strict=True) if id_ in new]
        plan(facts)
        transaction.on_commit(partial(counts.stored, [fact.type for fact in facts]))
        results = [
            Stored(id=ids[i], correlation_id=item.correlation_id, status="stored") for i, item in enumerate(batch)
        ]
        if len(new) < len(batch):
            _mark_repeats(batch, hashes, new, results)
    return results


def _fact(id_: uuid.UUID, item: Incoming) -> Fact:
    return Fact(
        id=id_, type=item.type, source=item.source, source_id=item.source_id, correlation_id=item.correlation_id,
        occurred_at=item.occurred_at, payload=item.payload, api_key=item.api_key, sent_by=item.sent_by,
    )  # fmt: skip


def _mark_repeats(batch: Sequence[Incoming], hashes: list[bytes], new: set[uuid.UUID], results: list[Stored]) -> None:
    """Repeats answer with the id that is there; repeats with other content are conflicts."""
    old = [i for i, result in enumerate(results) if result.id not in new]
    there = bulk.execute(
        "SELECT e.id, e.correlation_id, e.type = u.type AND e.payload_hash = u.hash, "
        "CASE WHEN e.type = u.type AND e.payload_hash <> u.hash THEN e.payload::text END, u.i "
        "FROM q2c_event e JOIN unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::bytea[]) "
        "AS u(i, source, source_id, type, hash) USING (source, source_id)",
        [
            old,
            [batch[i].source for i in old],
            [batch[i].source_id for i in old],
            [batch[i].type for i in old],
            [hashes[i] for i in old],
        ],
    )
    for id_, correlation_id, equal, payload, i in there:
        same = equal or (payload is not None and _reads_the_same(payload, batch[i].raw))
        results[i] = Stored(id=id_, correlation_id=correlation_id, status="duplicate" if same else "conflict")


def _reads_the_same(there: str, raw: bytes) -> bool:
    """Blanks and the order of members make no other fact."""
    return bool(msgspec.json.decode(there) == msgspec.json.decode(raw))


def plan(facts: Sequence[Fact]) -> int:
    """Make the steps that events call for. Returns how many."""
    rows: list[tuple[Stage, Fact, Part]] = []
    by_type: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_type[fact.type].append(fact)
    for type_, of_type in by_type.items():
        for stage in BY_EVENT[type_]:
            for fact, parts in zip(of_type, stage.verb.plan(of_type), strict=True):
                rows.extend((stage, fact, part) for part in parts)
    if not rows:
        return 0
    moment = clock.now()
    bulk.execute(
        _STEPS,
        [
            moment,
            [keys.new_id() for _ in rows],
            [fact.correlation_id for _, fact, _ in rows],
            [fact.id for _, fact, _ in rows],
            [stage.name for stage, _, _ in rows],
            [part.part for _, _, part in rows],
            [part.connection for _, _, part in rows],
            [keys.idempotency_key(fact.source, fact.source_id, stage.name, part.part) for stage, fact, part in rows],
            [part.order_key for _, _, part in rows],
            [part.not_before or moment for _, _, part in rows],
            [part.business_key[:80] for _, _, part in rows],
            [part.customer[:200] for _, _, part in rows],
            [part.amount_minor for _, _, part in rows],
            [part.currency for _, _, part in rows],
            [part.entity[:20] for _, _, part in rows],
            [part.period for _, _, part in rows],
        ],
    )
    for type_, of_type in by_type.items():
        for stage in BY_EVENT[type_]:
            stage.verb.planned(of_type)
    wake.after_commit({stage.name for stage, _, _ in rows})
    return len(rows)


def emit(works: Sequence[Work]) -> None:
    """Store what steps emitted. Ids derive from the step's key, so a re-run emits nothing twice."""
    batch = [_incoming(work, new) for work in works for new in work.emitted]
    if batch:
        store(batch)


def _incoming(work: Work, new: NewEvent) -> Incoming:
    return Incoming(
        type=new.type,
        version=EVENTS[new.type].version,
        source="q2c",
        source_id=f"{work.step.key}:{new.type}{':' + new.name if new.name else ''}",
        correlation_id=work.fact.correlation_id,
        causation_id=work.fact.id,
        occurred_at=new.occurred_at or clock.now(),
        raw=msgspec.json.encode(new.payload),
        payload=new.payload,
    )
