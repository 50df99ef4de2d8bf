"""Many replays at once: chosen and frozen, shown, then sent bit by bit, with a canary and a brake.

create → preview → queue → advance, again and again, until nothing is left; cancel at any time. What became of an item
is written by the verbs of exceptions/cases.py, as the engine tells them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum, TextField, Value
from django.db.models.functions import Cast, Concat

from exceptions import moves, rights, rowsets, sentences
from exceptions.errors import NotPossible
from exceptions.models import Case, Problem, ReplayBatch, ReplayItem
from exceptions.models.batch import UNDERWAY
from exceptions.models.case import REPLAYABLE
from q2c import clock, states
from q2c.reasons import DIFFERENCES

# Why an item was skipped that its dry run knew to fail.
WOULD_FAIL = "would_fail"
_TAKEN = " is sending it already"

_FREEZE = """
INSERT INTO exceptions_replayitem
  (batch_id, ordinal, case_id, step_id, outcome, amount_minor, currency, document, reason, text, at)
SELECT %s, row_number() OVER (ORDER BY why <> '', due_at, id), id, step_id,
       CASE why WHEN '' THEN 'queued' ELSE 'skipped' END, amount_minor, currency, '', '', why, %s
FROM (SELECT *, CASE WHEN step_id IS NULL THEN 'Nothing to replay: it came in unreadable'
                     WHEN state = ANY(%s::text[]) THEN '' ELSE 'It is ' || replace(state, '_', ' ') END AS why
      FROM exceptions_case WHERE id IN ({chosen})) AS c
"""


def create(
    user: Any,
    cases: Sequence[uuid.UUID] | QuerySet[Case],
    *,
    title: str = "",
    why: str = "",
    canary: int = 0,
    stop_after: int = 0,
) -> ReplayBatch:
    """Freeze a choice: ids, or all that a query finds now, however many. Returns the batch, as a dry run.

    What cannot be replayed is in it as skipped, with the reason why. More than one case needs the right to replay many.
    Raises Refused, or NotPossible where nothing can be replayed.
    """
    chosen = Case.objects.visible_to(user)
    few = [] if isinstance(cases, QuerySet) else list(cases)
    chosen = chosen.filter(id__in=cases.order_by().values("id") if isinstance(cases, QuerySet) else few)
    rights.require(user, rights.REPLAY, "replay", few)
    if chosen[:2].count() > 1:
        rights.require(user, rights.BULK, "replay many cases at once", few)
    try:
        sql, params = chosen.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:
        raise NotPossible("None of these cases can be replayed now") from None
    with states.acting(rights.name_of(user), why), connection.cursor() as cursor:
        batch = ReplayBatch(
            title=title[:300], why=why, canary=canary, stop_after=stop_after, created_by=user, created_at=clock.now()
        )
        batch.save(force_insert=True)
        cursor.execute(_FREEZE.format(chosen=sql), [batch.id, clock.now(), list(REPLAYABLE), *params])
        queued = batch.items.filter(outcome="queued")
        found, differing = _summed(queued, "currency"), _differences(queued)
        batch.size = sum(row["n"] for row in found)
        if not batch.size:
            raise NotPossible("None of these cases can be replayed now")
        worth = [row for row in found if row["currency"]]
        batch.totals = {row["currency"]: row["minor"] for row in worth if row["minor"] or row["below"]}
        credits = {row["currency"]: row["below"] - differing.get(row["currency"], [0, 0])[1] for row in worth}
        batch.credits = {currency: minor for currency, minor in credits.items() if minor}
        batch.differences = differing
        batch.title = batch.title or f"Replay of {sentences.count(batch.size, 'case')}"
        batch.save(update_fields=["size", "totals", "credits", "differences", "title"])
    return batch


def _summed(items: QuerySet[ReplayItem], *by: str) -> list[dict[str, Any]]:
    """In the order of what they are grouped by: how many (n), their minor units, and what of these is below zero."""
    below = Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0)
    rows = items.values(*by).annotate(n=Count("id"), minor=Sum("amount_minor", default=0), below=below)
    return [{**row, "minor": int(row["minor"]), "below": int(row["below"])} for row in rows.order_by(*by)]


def _differences(items: QuerySet[ReplayItem]) -> dict[str, list[int]]:
    """[more, less] than is booked, in minor units by currency, of what billing has otherwise."""
    ones = items.filter(case__reason__in=DIFFERENCES).exclude(currency="")
    return {row["currency"]: [row["minor"] - row["below"], row["below"]] for row in _summed(ones, "currency")}


def preview(batch_id: uuid.UUID, found: Mapping[uuid.UUID, tuple[str, Mapping[str, Any]]]) -> None:
    """Keep what the dry run found, by case id: (what would go wrong, or empty; lines, period and checks)."""
    items = ReplayItem.objects.filter(batch=batch_id, case__in=list(found), outcome="queued").values_list(
        "id", "case_id"
    )
    rowsets.update(
        ReplayItem,
        [
            {"id": item_id, "text": found[case_id][0], "preview": rowsets.storable(found[case_id][1])}
            for item_id, case_id in items
        ],
    )


def under_way(case: Any) -> QuerySet[ReplayItem]:
    """The items in which a replay that was sent has a case (an id, or an OuterRef) to send, or on its way."""
    return ReplayItem.objects.filter(
        batch__state__in=("queued", "running"), case=case, outcome__in=("queued", *UNDERWAY)
    )


def sendable(batch_id: uuid.UUID) -> QuerySet[ReplayItem]:
    """What of a dry run could still be sent: the rest has ended, is on its way, or another replay is sending it."""
    taken = Exists(under_way(OuterRef("case_id")).exclude(batch=batch_id))
    return ReplayItem.objects.filter(~taken, batch=batch_id, outcome="queued", case__state__in=REPLAYABLE)


def queue(user: Any, batch_id: uuid.UUID, *, leave_out: bool = False, **given: int) -> ReplayBatch:
    """The person has seen it and wants it; with `leave_out`, all but what its dry run knows to fail.

    `given`: canary and stop_after, where they are to be others. What is left out stays in the queue as it is; what
    another replay is sending is skipped, so no case is sent by two. Raises Refused or NotPossible.
    """
    batch = ReplayBatch.objects.get(id=batch_id)
    rights.require(user, rights.BULK if batch.size > 1 else rights.REPLAY, "send this replay")
    with transaction.atomic():
        # One at a time: of two that are sent at once, the second sees what the first one sends.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('exceptions.batches.queue'))")
        batch = _move(user, batch_id, "queue", queued_at=clock.now(), sent_by_id=user.pk, **given)
        _skip_taken(batch_id)
        if leave_out:
            failing = ReplayItem.objects.filter(batch=batch_id, outcome="queued", preview__passes=False)
            said = Concat(Value("Left out: "), "text")
            failing.update(outcome="skipped", reason=WOULD_FAIL, text=said, at=clock.now())
    return batch


def _skip_taken(batch_id: uuid.UUID) -> None:
    """Leave out what another replay is sending."""
    other = under_way(OuterRef("case_id")).exclude(batch=batch_id).order_by("batch__number")
    taken = ReplayItem.objects.filter(Exists(other), batch=batch_id, outcome="queued")
    number = Subquery(other.values("batch__number")[:1])
    text = Concat(Value("R-"), Cast(number, TextField()), Value(_TAKEN), output_field=TextField())
    taken.update(outcome="skipped", text=text, at=clock.now())
    if not ReplayItem.objects.filter(batch=batch_id, outcome="queued").exists():
        first = ReplayItem.objects.filter(batch=batch_id, text__endswith=_TAKEN).values_list("text", flat=True).first()
        raise NotPossible(f"Nothing is left to send: {first}" if first else "Nothing is left to send")


def left_out(batch: ReplayBatch) -> QuerySet[ReplayItem]:
    """What was not sent with the others, because its dry run failed."""
    return batch.items.filter(outcome="skipped", reason=WOULD_FAIL)


def canary_ends(batch: ReplayBatch) -> int:
    """The ordinal of the last that goes first; 0 where all go at once. What was skipped makes room for the next."""
    if not batch.canary:
        return 0
    left = batch.items.exclude(outcome="skipped").order_by("ordinal")
    return max(left.values_list("ordinal", flat=True)[: batch.canary], default=0)


def cancel(user: Any, batch_id: uuid.UUID, why: str = "") -> ReplayBatch:
    """Nothing more goes out; what is out already comes to its end. Raises Refused or NotPossible."""
    rights.require(user, rights.REPLAY, "cancel a replay")
    with transaction.atomic():
        because = why or f"cancelled by {rights.name_of(user)}"
        batch = _move(user, batch_id, "cancel", ended_at=clock.now(), ended_because=because)
        _skip_rest(batch_id, f"Not sent: {because}")
    return batch


_DONE = {"queue": "sent", "cancel": "cancelled"}


def _move(user: Any, batch_id: uuid.UUID, verb: str, **columns: Any) -> ReplayBatch:
    with states.acting(rights.name_of(user)):
        moved = states.move(ReplayBatch, verb, [batch_id], **columns)
        batch = ReplayBatch.objects.get(id=batch_id)
        if not moved:
            raise NotPossible(f"R-{batch.number} is {batch.state.replace('_', ' ')}; it can no longer be {_DONE[verb]}")
    return batch


def to_work() -> list[uuid.UUID]:
    """The batches that want advancing, oldest first."""
    found = ReplayBatch.objects.filter(state__in=("queued", "running")).order_by("queued_at")
    return list(found.values_list("id", flat=True))


def advance(batch_id: uuid.UUID, limit: int = 100, actor: str = "replay") -> list[uuid.UUID]:
    """Take up to `limit` items: their cases are replaying now. Returns the step ids to put back to work,
    which the caller does in the same transaction. An empty list: wait, or it has ended (see its state).
    """
    with states.acting(actor):
        batch = ReplayBatch.objects.select_for_update().get(id=batch_id)
        if batch.state == "queued":
            states.move(ReplayBatch, "start", [batch_id])
        elif batch.state != "running":
            return []
        stopped = _brake(batch)
        if stopped:
            states.move(ReplayBatch, "stop", [batch_id], ended_at=clock.now(), ended_because=stopped)
            _skip_rest(batch_id, f"Not sent: {stopped}")
            return []
        queued = batch.items.filter(outcome="queued").order_by("ordinal")
        if batch.canary:
            ends = canary_ends(batch)
            first = batch.items.filter(ordinal__lte=ends)
            if first.filter(outcome="queued").exists():
                queued = queued.filter(ordinal__lte=ends)
            elif first.filter(outcome__in=UNDERWAY).exists():
                return []
        items = dict(queued.values_list("case_id", "id")[:limit])
        steps = _send(items, batch, actor)
        settle([batch_id])
        return steps


def _send(items: Mapping[uuid.UUID, int], batch: ReplayBatch, actor: str) -> list[uuid.UUID]:
    """Whoever moves the case replays it: of two people who press at once, the second one's item is skipped."""
    cases = {case.id: case for case in moves.held(id__in=list(items))}
    moved = set(moves.start_replay(list(cases.values()), actor, batch.why, batch=f"R-{batch.number}"))
    now = clock.now()
    ReplayItem.objects.filter(id__in=[items[case_id] for case_id in moved]).update(outcome="sent", at=now)
    rowsets.update(
        ReplayItem,
        [
            {
                "id": item_id,
                "outcome": "skipped",
                "text": f"It was {cases[case_id].state.replace('_', ' ')} by then",
                "at": now,
            }
            for case_id, item_id in items.items()
            if case_id not in moved
        ],
    )
    return [case.step_id for case in cases.values() if case.id in moved and case.step_id]


def _brake(batch: ReplayBatch) -> str:
    """Why no more may go out, or nothing."""
    failed = batch.items.filter(outcome="failed_again")
    if batch.canary:
        sick = failed.filter(ordinal__lte=canary_ends(batch)).order_by("ordinal").first()
        if sick:
            return f"what went first failed: {sick.text}"
    if batch.stop_after:
        worst = failed.values("problem_id").annotate(n=Count("id")).order_by("-n").first()
        if worst and worst["n"] >= batch.stop_after:
            title = Problem.objects.filter(id=worst["problem_id"]).values_list("title", flat=True).first()
            return f"{worst['n']} failed for one cause: {title}"
    return ""


def _skip_rest(batch_id: uuid.UUID, text: str) -> None:
    ReplayItem.objects.filter(batch=batch_id, outcome="queued").update(outcome="skipped", text=text, at=clock.now())


_CAME_TO = """
UPDATE exceptions_replayitem AS t
SET outcome = %s, text = coalesce(r.text, ''), reason = coalesce(r.reason, ''),
    document = left(coalesce(r.document, ''), 200), problem_id = r.problem_id, at = %s
FROM jsonb_to_recordset(%s::jsonb) AS r(step_id uuid, text text, reason text, document text, problem_id uuid)
WHERE t.step_id = r.step_id AND t.outcome IN ('sent', 'unknown') RETURNING t.batch_id
"""


def came_to(outcome: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what became of the steps that are on their way in any batch; ends the batches that are through.

    `rows`: step_id, and text, reason, document, problem_id where there is one.
    """
    listed = rowsets.storable([dict(row) for row in rows])
    if not listed:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CAME_TO, [outcome, clock.now(), rowsets.as_json(listed)])
        touched = {row[0] for row in cursor.fetchall()}
    settle(touched)


def skipped(step_ids: Sequence[uuid.UUID], text: str) -> None:
    """The engine found nothing to do for these steps."""
    came_to("skipped", [{"step_id": step_id, "text": text} for step_id in step_ids])


def settle(batch_ids: Iterable[uuid.UUID] | None = None) -> list[uuid.UUID]:
    """Finish the running batches (of these, or of all) in which nothing is to come. Returns their ids."""
    ids = None if batch_ids is None else list(batch_ids)
    if ids == []:
        return []
    chosen = ReplayBatch.objects.filter(state="running")
    if ids is not None:
        chosen = chosen.filter(id__in=ids)
    coming = ReplayItem.objects.filter(batch=OuterRef("id"), outcome__in=("queued", *UNDERWAY))
    with transaction.atomic():
        through = list(chosen.filter(~Exists(coming)).order_by("id").values_list("id", flat=True))
        return states.move(ReplayBatch, "finish", through, ended_at=clock.now())


@dataclass(slots=True)
class Progress:
    """Items and minor units by currency, for each outcome; `done` of `size` have come to something.

    `credits` is what of the amounts is below zero.
    """

    size: int = 0
    done: int = 0
    items: dict[str, int] = field(default_factory=dict)
    amounts: dict[str, dict[str, int]] = field(default_factory=dict)
    credits: dict[str, dict[str, int]] = field(default_factory=dict)


def progress(batch: ReplayBatch) -> Progress:
    """How far a batch is: one statement. `size` leaves out what could not be replayed from the first."""
    result = Progress(size=batch.size)
    for row in _summed(batch.items.all(), "outcome", "currency"):
        outcome = row["outcome"]
        result.items[outcome] = result.items.get(outcome, 0) + row["n"]
        if row["currency"] and (row["minor"] or row["below"]):
            result.amounts.setdefault(outcome, {})[row["currency"]] = row["minor"]
        if row["currency"] and row["below"]:
            result.credits.setdefault(outcome, {})[row["currency"]] = row["below"]
    result.done = sum(result.items.get(outcome, 0) for outcome in ("confirmed", "failed_again"))
    return result


def counts(batch_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """How many items came to each outcome, for each of these batches: one statement."""
    found: dict[uuid.UUID, dict[str, int]] = {id_: {} for id_ in batch_ids}
    rows = ReplayItem.objects.filter(batch__in=batch_ids).values_list("batch_id", "outcome").annotate(n=Count("id"))
    for batch_id, outcome, n in rows.order_by():
        found[batch_id][outcome] = n
    return found
