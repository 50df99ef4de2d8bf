"""Whose journey a correlation id is. A sender from outside goes on with its own; another system's it does not join.

A journey is of the system that its first event came from; what follows (ours, the platforms', what undoes it) carries
its id without owning it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

from q2c import bulk, keys
from q2c.engine.emit import Incoming
from q2c.engine.envelope import Sender

log = logging.getLogger(__name__)

_FIRST = """
SELECT given.id, split_part(first.source, '/', 1) FROM unnest(%s::uuid[]) AS given(id)
CROSS JOIN LATERAL (SELECT source FROM q2c_event WHERE correlation_id = given.id ORDER BY id LIMIT 1) AS first
"""


def apart(good: Sequence[Incoming], sender: Sender) -> tuple[list[Incoming], Sender]:
    """The events, and the sender for what cannot be read, with a new id where the one given is another system's.

    Our own connections are believed. What was given stays in the envelope as it came.
    """
    if sender.api_key is None:
        return list(good), sender
    given = {one.called for one in good if one.called} | {sender.correlation_id} - {None}
    others = _of_others((id_ for id_ in given if id_), sender.system)
    if not others:
        return list(good), sender
    anew = {id_: keys.new_id() for id_ in others}
    for id_, ours in anew.items():
        log.info("correlation id not taken over", extra={"given": str(id_), "ours": str(ours), "sender": sender.system})
    placed = [replace(one, correlation_id=anew.get(one.correlation_id, one.correlation_id)) for one in good]
    called = sender.correlation_id
    return placed, replace(sender, correlation_id=anew.get(called, called) if called else None)


def _of_others(ids: Iterable[uuid.UUID], system: str) -> list[uuid.UUID]:
    wanted = list(ids)
    first = bulk.execute(_FIRST, [wanted]) if wanted else []
    return [id_ for id_, owner in first if owner != system]
