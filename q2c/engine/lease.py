"""A claimed batch stays its worker's while the worker lives: the lease is renewed, and nothing is sent without it.

A worker that was stopped, or cut off from the database, sends nothing once its time is over: another may have taken its
steps over, and looks before it sends. What it records then is refused by `claim.still_ours`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager

from django.conf import settings

from q2c import bulk, clock
from q2c.engine import beside
from q2c.models import Step

log = logging.getLogger(__name__)
# Two renewals may fail before the lease ends.
RENEWALS = 3

_RENEW = """
UPDATE q2c_step s SET lease_until = %s::timestamptz
FROM (SELECT id FROM q2c_step WHERE id = ANY(%s::uuid[]) AND lease = %s::uuid AND state = 'running'
      ORDER BY id FOR NO KEY UPDATE) x
WHERE s.id = x.id RETURNING s.id
"""


class Lease:
    """That of one claimed batch. Its threads ask `holds` before each request that leaves."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.ids = [step.id for step in steps]
        self.token = steps[0].lease
        self._until = steps[0].lease_until
        self._lost: frozenset[uuid.UUID] = frozenset()

    def holds(self, step_id: uuid.UUID) -> bool:
        """Whether nobody else can have taken this step over."""
        return step_id not in self._lost and self._until is not None and clock.now() < self._until

    def renew(self) -> None:
        """From now on for another LEASE_S. Steps that were taken over meanwhile are lost for good."""
        until = clock.now() + clock.seconds(settings.LEASE_S)
        kept = {row[0] for row in bulk.execute(_RENEW, [until, self.ids, self.token])}
        # In this order: what was taken over must not be held for a moment.
        self._lost = frozenset(self.ids) - kept
        self._until = until
        if self._lost:
            log.warning("another worker took over", extra={"steps": len(self._lost)})

    def kept(self) -> AbstractContextManager[None]:
        """Renewed inside the block, however long the platforms take to answer."""
        return beside.every(settings.LEASE_S / RENEWALS, self.renew)
