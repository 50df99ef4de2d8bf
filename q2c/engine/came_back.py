"""What a platform gives as it gave it before: mostly nothing new, else the return of what had left.

Each version of a record is a fact under an id of its own, so what becomes again what it was needs another id to be one.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ledger import journal
from q2c.engine.intake import Item, Taken
from q2c.models import Invoice, Step
from q2c.stages import withdrawn
from q2c.stages.taken_back_there import TAKEN_BACK


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest version that a platform gave: its event, as of which change, and its id at the platform."""

    event_id: uuid.UUID
    at: dt.datetime
    source_id: str

    def says(self, id_: str) -> bool:
        """Whether it is the version with this id, or the return of that."""
        return self.source_id == id_ or self.source_id.startswith(f"{id_}:")


def items(source: str, stage: str, items_: Sequence[Item], keys_: Sequence[str], taken: Sequence[Taken]) -> list[Item]:
    """Of what was taken in as duplicates what returned, each as a fact of its own. `keys_`: their order keys."""
    repeats = {
        key: (item, one.event_id)
        for item, key, one in zip(items_, keys_, taken, strict=True)
        if one.status == "duplicate"
    }
    last, back = newest(source, stage, repeats), []
    left = gone(source, stage, last)
    for key, (item, event_id) in repeats.items():
        attributes = item.attributes or {}
        at = dt.datetime.fromisoformat(attributes["time"])
        before = last.get(key) or Newest(event_id, at, "")  # type: ignore[arg-type]
        other = before.event_id != event_id and not before.says(attributes["id"])
        # What came back stays so, however often it is read; unless it left the flow, or the books, since.
        if at > before.at and (other or key in left):
            back.append(as_of(item, at))
    return back


def as_of(item: Item, at: dt.datetime) -> Item:
    """The same once more, as a fact of its own; reads that count one after the other may be microseconds apart."""
    attributes, when = dict(item.attributes or {}), f"{at:%Y%m%dT%H%M%S}" + (f"{at:%f}" if at.microsecond else "")
    return replace(item, attributes={**attributes, "id": f"{attributes['id']}:{when}"})


def newest(source: str, stage: str, keys_: Iterable[str]) -> dict[str, Newest]:
    """By order key, which all versions share: the newest that this platform gave."""
    versions = Step.objects.filter(stage=stage, event__source=source, order_key__in=list(keys_))
    rows = versions.order_by("event__occurred_at", "seq")
    found = rows.values_list("order_key", "event", "event__occurred_at", "event__source_id")
    return {key: Newest(event_id, at, source_id) for key, event_id, at, source_id in found}


def gone(source: str, stage: str, last: Mapping[str, Newest]) -> set[str]:
    """Keys whose newest version the platform took back, and which left the flow, or by a reversal the books."""
    events = {one.event_id: key for key, one in last.items()}
    gone_there = Invoice.objects.filter(event__in=list(events), source=source, taken_back_at__isnull=False)
    booked = gone_there.filter(state="posted")
    reversed_ = journal.taken_back(list(booked.values_list("event", flat=True)))
    return _left(source, stage, last) | {events[event_id] for event_id in reversed_}


def taken_back(source: str, stage: str, last: Mapping[str, Newest]) -> set[str]:
    """Keys whose newest version the platform took back, whatever the books hold of it: read again, it has returned."""
    events = {one.event_id: key for key, one in last.items()}
    booked = Invoice.objects.filter(event__in=list(events), source=source, taken_back_at__isnull=False)
    return _left(source, stage, last) | {events[event_id] for event_id in booked.values_list("event", flat=True)}


def _left(source: str, stage: str, last: Mapping[str, Newest]) -> set[str]:
    """What people gave up is none of them as long as the platform has it."""
    events = {one.event_id: key for key, one in last.items()}
    steps = Step.objects.filter(stage=stage, event__in=list(events))
    ended = steps.filter(state="abandoned", proof__has_key=TAKEN_BACK).values_list("event", flat=True)
    there = Invoice.objects.filter(event__in=list(events), source=source, state="voided")
    voided = set(there.values_list("event", flat=True))
    found = {*ended, *withdrawn.gone_since(events), *(voided - withdrawn.stay_out(voided))}
    return {events[event_id] for event_id in found}
