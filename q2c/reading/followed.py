"""What followed from steps that are done: the steps their events called for, and theirs, to the document number."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.events import JournalFact
from q2c.models import Event, Step
from q2c.reading import held
from q2c.reading.days import days_of
from q2c.reading.steps import SOON_S

# Generations of steps; the longest way, from the deal to the posted journal, has fewer.
DEPTH_MAX = 6
_MOVING = ("running", "accepted", "unknown")


@dataclass(frozen=True, slots=True)
class Followed:
    """One step that followed: good (done), busy (under way), warn (being verified), bad (stopped) or quiet (later).

    `case` is what stopped it, `entry` the journal it posts; each only where the person may see it. `front` is what it
    waits for: behind one that stopped it is not under way. `day` is the one it was planned for.
    """

    step: Step
    tone: str
    case: Case | None
    entry: JournalEntry | None
    front: held.Front | None = None
    day: dt.date | None = None


@dataclass(slots=True)
class Counts:
    """Over everything that followed from one replay. `stuck` of what is held waits for something that stopped;
    `documents` of what is done have a document number."""

    done: int = 0
    given_up: int = 0
    underway: int = 0
    unknown: int = 0
    held: int = 0
    stuck: int = 0
    stopped: int = 0
    later: int = 0
    documents: int = 0

    @property
    def worst(self) -> str:
        """What is not there yet, the worst first: stopped, unknown, underway or held; else nothing."""
        return next((name for name in ("stopped", "unknown", "underway", "held") if getattr(self, name)), "")


@dataclass(slots=True)
class Journey:
    """The steps that followed from one step, in their order."""

    steps: list[Followed] = field(default_factory=list)

    @property
    def underway(self) -> bool:
        return any(one.tone in ("busy", "warn") for one in self.steps)

    @property
    def stopped(self) -> bool:
        return any(one.tone == "bad" for one in self.steps)

    @property
    def worst(self) -> str:
        """As that of Counts."""
        tones = {one.tone for one in self.steps}
        of = next(
            (name for tone, name in (("bad", "stopped"), ("warn", "unknown"), ("busy", "underway")) if tone in tones),
            "",
        )
        return of or ("held" if any(one.front for one in self.steps) else "")


def of(user: Any, steps: Iterable[Step]) -> dict[uuid.UUID, Journey]:
    """Step id → what followed from it, as far as the person may see it. Two statements per generation."""
    roots = list(steps)
    origin = {step.id: step.id for step in roots}
    found: list[Step] = []
    frontier = roots
    for _ in range(DEPTH_MAX):
        frontier = _next(user, frontier, origin)
        if not frontier:
            break
        found += frontier
    journeys = {step.id: Journey() for step in roots}
    if not found:
        return journeys
    cases = {case.step_id: case for case in _cases(user, found)}
    entries = _entries(user, found)
    fronts = held.in_front(user, found)
    days = days_of(found)
    for step in sorted(found, key=lambda one: one.seq):
        case = cases.get(step.id)
        shown = case if step.state == "failed" else None
        front = fronts.get(step.id)
        told = Followed(step, _held_tone(front, step), shown, entries.get(step.id), front, days.get(step.id))
        journeys[origin[step.id]].steps.append(told)
    return journeys


def itself(user: Any, steps: Iterable[Step]) -> dict[uuid.UUID, Journey]:
    """Step id → the step alone, of those that are held: what was sent again and waits for another one."""
    found = list(steps)
    fronts = held.in_front(user, found)
    return {
        step.id: Journey([Followed(step, _held_tone(fronts[step.id], step), None, None, fronts[step.id])])
        for step in found
        if step.id in fronts
    }


def _held_tone(front: held.Front | None, step: Step) -> str:
    """Behind what has stopped it does not move."""
    return "quiet" if front and front.step and front.step.state == "failed" else tone_of(step)


def tone_of(step: Step) -> str:
    """How it stands, as a tone."""
    if step.state in ("done", "failed", "abandoned", "unknown"):
        return {"done": "good", "failed": "bad", "abandoned": "quiet", "unknown": "warn"}[step.state]
    soon = clock.now() + clock.seconds(SOON_S)
    return "busy" if step.state in _MOVING or step.attempts or step.next_at <= soon else "quiet"


def _next(user: Any, frontier: Sequence[Step], origin: dict[uuid.UUID, uuid.UUID]) -> list[Step]:
    """The steps on the events that these emitted: an event's id at its source begins with the key of its step."""
    mine: dict[tuple[uuid.UUID | None, str], Step] = {(step.event_id, step.key): step for step in frontier}
    rows = Event.objects.filter(
        correlation_id__in={step.correlation_id for step in frontier},
        causation_id__in={step.event_id for step in frontier},
        source="q2c",
    ).values_list("id", "causation_id", "source_id")
    parents = {
        id_: parent for id_, cause, name in rows if (parent := mine.get((cause, name.partition(":")[0]))) is not None
    }
    if not parents:
        return []
    steps = list(Step.objects.visible_to(user).filter(event_id__in=list(parents)).select_related("event"))
    fresh = [step for step in steps if step.id not in origin]
    origin |= {step.id: origin[parents[step.event_id].id] for step in fresh}
    return fresh


def _cases(user: Any, steps: Iterable[Step]) -> Any:
    ids = [step.id for step in steps if step.state == "failed"]
    seen = Case.objects.visible_to(user).filter(step_id__in=ids)
    return seen.select_related("owner_team").defer("haystack") if ids else ()


def _entries(user: Any, steps: Iterable[Step]) -> dict[uuid.UUID, JournalEntry]:
    """The journals that are posted by these steps: the living one of each."""
    asked = {
        step.id: uuid.UUID(stored.read(step.event.payload, JournalFact).journal_id)
        for step in steps
        if step.stage == "post_journal"
    }
    seen = JournalEntry.objects.visible_to(user).select_related("entity")
    found: dict[uuid.UUID, JournalEntry] = {}
    wanted = set(asked.values())
    while wanted:
        rows = {entry.id: entry for entry in seen.filter(id__in=wanted)}
        found |= rows
        wanted = {entry.superseded_by_id for entry in rows.values() if entry.superseded_by_id} - found.keys()
    living = {}
    for step_id, id_ in asked.items():
        entry = found.get(id_)
        while entry is not None and entry.superseded_by_id in found:
            entry = found[entry.superseded_by_id]
        if entry is not None:
            living[step_id] = entry
    return living


_COUNTS = f"""
WITH RECURSIVE chain(batch, id, event_id, key, correlation_id, state, attempts, next_at, document, order_key, seq,
                     depth) AS (
  SELECT i.batch_id, s.id, s.event_id, s.key, s.correlation_id, s.state, s.attempts, s.next_at, s.document,
         s.order_key, s.seq, 0
  FROM exceptions_replayitem i JOIN q2c_step s ON s.id = i.step_id
  WHERE i.batch_id = ANY(%(batches)s::uuid[]) AND i.outcome = 'confirmed' AND {{only}}
  UNION
  SELECT c.batch, n.id, n.event_id, n.key, n.correlation_id, n.state, n.attempts, n.next_at, n.document,
         n.order_key, n.seq, c.depth + 1
  FROM chain c
  JOIN q2c_event e ON e.correlation_id = c.correlation_id AND e.causation_id = c.event_id AND e.source = 'q2c'
    AND split_part(e.source_id, ':', 1) = c.key
  JOIN q2c_step n ON n.event_id = e.id
  WHERE c.depth < %(depth)s)
SELECT batch, CASE WHEN s.state = 'done' THEN 'done' WHEN s.state = 'abandoned' THEN 'given_up'
            WHEN s.state = 'failed' THEN 'stopped'
            WHEN f.state IS NOT NULL THEN 'held'
            WHEN s.state = 'unknown' THEN 'unknown'
            WHEN s.state = ANY(%(moving)s) OR attempts > 0 OR next_at <= %(soon)s THEN 'underway' ELSE 'later' END,
       count(*), count(*) FILTER (WHERE document <> '' AND s.state = 'done'), count(*) FILTER (WHERE f.state = 'failed')
FROM chain s LEFT JOIN LATERAL {held.FRONT_STATE} f ON true WHERE depth > 0 GROUP BY 1, 2
"""
_ALL = _COUNTS.format(only="true")
# Of a list, only what has something open in its story: an index look-up for each of the others.
_OPEN = _COUNTS.format(
    only="""EXISTS (SELECT 1 FROM q2c_event oe JOIN q2c_step o ON o.event_id = oe.id
    WHERE oe.correlation_id = s.correlation_id AND o.state NOT IN ('done', 'abandoned'))"""
)


def counts(user: Any, batch_id: uuid.UUID) -> Counts:
    """What followed from all that one replay confirmed; one statement, whatever its size."""
    return _counted(user, [batch_id], _ALL).get(batch_id, Counts())


def open_counts(user: Any, batch_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Counts]:
    """By replay that has any: what followed, in the stories that have something open still; one statement for all."""
    return _counted(user, batch_ids, _OPEN)


def _counted(user: Any, batch_ids: Sequence[uuid.UUID], sql: str) -> dict[uuid.UUID, Counts]:
    found: dict[uuid.UUID, Counts] = {}
    if not batch_ids or not (user.is_active and user.has_perm("q2c.view_step")):
        return found
    now = clock.now()
    given: dict[str, Any] = {"batches": list(batch_ids), "depth": DEPTH_MAX, "moving": list(_MOVING), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(sql, given | {"soon": now + clock.seconds(SOON_S)})
        for batch, name, number, documents, stuck in cursor.fetchall():
            one = found.setdefault(batch, Counts())
            setattr(one, name, int(number))
            one.documents += int(documents)
            one.stuck += int(stuck)
    return found
