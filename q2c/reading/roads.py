"""Where records left the road that most of their kind go: the state before the one that they have."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from q2c import bulk
from q2c.models import Order, Subscription

_BEFORE = """
SELECT DISTINCT ON (record_id) record_id, source FROM q2c_transition
WHERE record_id = ANY(%s::uuid[]) ORDER BY record_id, id DESC
"""


def left_at(records: Iterable[Order | Subscription], states: Iterable[str] = ("cancelled",)) -> dict[UUID, str]:
    """Of those that are in one of these states, the state before it. At most one statement."""
    aside = set(states)
    ids = [record.id for record in records if record.state in aside]
    return dict(bulk.execute(_BEFORE, [ids])) if ids else {}
