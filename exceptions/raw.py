"""What came in and could not be read becomes a case with its bytes; nothing is lost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from exceptions import calendars, failures, moves, problems, rowsets, timeline
from exceptions.failures import RawItem
from exceptions.models import Case, RawBody
from exceptions.models.case import UNRESOLVED
from exceptions.routing import policies_for
from q2c import clock, keys, states

# In the context of a case about what is booked: the total that could be read, in minor units.
TOTAL = "total_minor"


def open_raw(items: Sequence[RawItem], actor: str) -> list[uuid.UUID]:
    """One case id per item, in order. The same bytes from the same source, sent again while their case is
    unresolved, count as another attempt of it."""
    if not items:
        return []
    with transaction.atomic():
        states.say(actor)
        now = clock.now()
        policies = policies_for(item.reason for item in items)
        problem_ids = problems.ensure(items, policies, now)
        known = calendars.of_teams({policy.owner_team_id for policy in policies.values()})
        marks = [(item.source[:60], keys.fingerprint(item.body)) for item in items]
        struck = _strike(set(marks))
        fresh = {mark: item for mark, item in zip(marks, items, strict=True) if mark not in struck}
        rows = []
        for mark, item in fresh.items():
            policy = policies[str(item.reason)]
            due_at = known[policy.owner_team_id].after(now, policy.service_level_h * 3600)
            rows.append(_columns(item, mark, policy, problem_ids[failures.fingerprint(item)], now, due_at))
        ids = {mark: row["id"] for mark, row in zip(fresh, rows, strict=True)}
        rowsets.insert(Case, rows)
        _keep_bytes([(ids[mark], item) for mark, item in fresh.items()])
        timeline.record([(row["id"], "opened", row["text"], {"reason": row["reason"]}) for row in rows], actor)
        timeline.record([(case_id, "failed_again", "sent again unchanged", {}) for case_id in struck.values()], actor)
        ids |= struck
    return [ids[mark] for mark in marks]


def _strike(marks: set[tuple[str, bytes]]) -> dict[tuple[str, bytes], uuid.UUID]:
    unresolved = ", ".join(f"'{state}'" for state in UNRESOLVED)
    sources, hashes = zip(*sorted(marks), strict=True)
    with connection.cursor() as cursor:
        # Two senders of the same bytes at once come one after the other.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(s, 0)) FROM unnest(%s::text[]) AS s ORDER BY s",
            [sorted(set(sources))],
        )
        cursor.execute(
            f"UPDATE exceptions_case AS t SET attempts = t.attempts + 1, last_failed_at = %s "
            f"FROM unnest(%s::text[], %s::bytea[]) AS r(source, raw_hash) "
            f"WHERE t.source = r.source AND t.raw_hash = r.raw_hash AND t.state IN ({unresolved}) "
            f"RETURNING t.source, t.raw_hash, t.id",
            [clock.now(), list(sources), list(hashes)],
        )
        return {(source, bytes(mark)): case_id for source, mark, case_id in cursor.fetchall()}


def _columns(
    item: RawItem, mark: tuple[str, bytes], policy: Any, problem_id: uuid.UUID, now: Any, due_at: Any
) -> dict[str, Any]:
    cause = failures.Failure(
        step_id=problem_id,
        reason=item.reason,
        text=item.text,
        code=item.code,
        field=item.field,
        source=item.source,
        business_key=item.business_key,
        customer=item.customer,
        amount_minor=item.amount_minor,
        currency=item.currency,
        entity=item.entity,
        period=item.period,
        context=item.context,
        event_id=item.event_id,
        correlation_id=item.correlation_id,
    )
    columns = failures.new_columns(cause, policy, problem_id, now, due_at)
    # As PostgreSQL writes bytes: a JSON text that becomes bytea.
    return columns | {"step_id": None, "source": mark[0], "raw_hash": "\\x" + mark[1].hex()}


def _keep_bytes(kept: Sequence[tuple[uuid.UUID, RawItem]]) -> None:
    rows = [
        RawBody(case_id=case_id, body=item.body, content_type=rowsets.storable(item.content_type)[:120])
        for case_id, item in kept
    ]
    RawBody.objects.bulk_create(rows, batch_size=1000)


def worth_nothing(why: Mapping[uuid.UUID, str], actor: str) -> None:
    """What these unresolved cases are about claims no money any more, and `why`; what it said stays in the context."""
    if not why:
        return
    with transaction.atomic():
        found = moves.held(id__in=list(why), state__in=UNRESOLVED, amount_minor__isnull=False)
        contexts = dict(Case.objects.filter(id__in=[case.id for case in found]).values_list("id", "context"))
        rows = [
            {"id": case.id, "amount_minor": 0, "context": {TOTAL: case.amount_minor, **contexts[case.id]}}
            for case in found
        ]
        rowsets.update(Case, rows)
        timeline.record([(case.id, "restated", why[case.id], {}) for case in found], actor)
