"""Writing the timeline of cases: one statement however many."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from exceptions import rowsets
from exceptions.models import CaseEvent
from q2c import clock

# (case id, kind, text, data)
Entry = tuple[uuid.UUID, str, str, Mapping[str, Any]]


def record(entries: Iterable[Entry], actor: str) -> None:
    """Append entries to the timelines of their cases."""
    now = clock.now()
    rows = [
        {"case": case_id, "kind": kind, "at": now, "actor": actor, "text": text, "data": dict(data)}
        for case_id, kind, text, data in entries
    ]
    rowsets.insert(CaseEvent, [rowsets.fitted(CaseEvent, row) for row in rows])
