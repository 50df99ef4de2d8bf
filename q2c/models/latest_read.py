"""Which read of a platform's document was the last to be taken in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import models

from q2c import bulk, clock, keys

# Far longer than any read takes.
KEPT_DAYS = 30
_HOLD = """
INSERT INTO q2c_latestread (id, connection, reference, taken, version, changed_at, at)
SELECT id, %s::text, reference, 0, '', NULL, %s::timestamptz FROM unnest(%s::uuid[], %s::text[]) AS u(id, reference)
ORDER BY reference ON CONFLICT (connection, reference) DO NOTHING
"""
# A number that the sequence has not given is of another one: rows that were copied into a new database without it.
_HELD = """
SELECT reference, CASE WHEN taken > (SELECT last_value FROM q2c_read) THEN 0 ELSE taken END, version, changed_at
FROM q2c_latestread
WHERE connection = %s::text AND reference = ANY(%s::text[]) ORDER BY reference FOR UPDATE
"""
_TAKE = """
UPDATE q2c_latestread AS r SET taken = nextval('q2c_read'), version = u.version, changed_at = u.changed_at,
  at = %s::timestamptz
FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS u(reference, version, changed_at)
WHERE r.connection = %s::text AND r.reference = u.reference
"""


@dataclass(frozen=True, slots=True)
class Last:
    """When in the order of reads it was taken in (0: never yet), a print of what it said, and as of which change."""

    taken: int
    version: str
    changed_at: dt.datetime | None


class LatestRead(models.Model):
    """A document, and the last read of it that was taken in. One that began before that one was taken in may be older,
    whatever it says, so it is no fact.

    Reads are ordered by one sequence, not by clocks: those of platforms tell seconds, and go back an hour each autumn.
    """

    id = models.UUIDField(primary_key=True, default=keys.new_id, editable=False)
    connection = models.CharField(max_length=60)
    reference = models.CharField(max_length=200, help_text="The document's own id at its source")
    taken = models.BigIntegerField(help_text="Reads that began before this number say nothing any more")
    version = models.CharField(max_length=24, blank=True, help_text="A print of what was read")
    changed_at = models.DateTimeField(null=True, help_text="As of which change it was taken in")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "reference"], name="one_latest_read")]
        indexes = [models.Index(fields=["at"], name="latest_read_at")]

    @staticmethod
    def begin() -> int:
        """The number of reads that begin now: asked for before the platform is."""
        return int(bulk.execute("SELECT nextval('q2c_read')", [])[0][0])

    @staticmethod
    def hold(connection: str, references: Iterable[str]) -> dict[str, Last]:
        """By reference, each held until the transaction ends: of two that take in one document the second waits."""
        wanted = sorted(set(references))
        bulk.execute(_HOLD, [connection, clock.now(), [keys.new_id() for _ in wanted], wanted])
        rows = bulk.execute(_HELD, [connection, wanted])
        if len(rows) < len(wanted):
            # Forgotten in between: made anew.
            return LatestRead.hold(connection, wanted)
        return {reference: Last(taken, version, at) for reference, taken, version, at in rows}

    @staticmethod
    def take(connection: str, reads: Mapping[str, tuple[str, dt.datetime]]) -> None:
        """These are taken in, in the transaction that holds them: by reference, what was read and as of when."""
        versions, changes = [version for version, _ in reads.values()], [at for _, at in reads.values()]
        bulk.execute(_TAKE, [clock.now(), list(reads), versions, changes, connection])

    @classmethod
    def forget(cls) -> int:
        return cls.objects.filter(at__lt=clock.now() - clock.days(KEPT_DAYS)).delete()[0]
