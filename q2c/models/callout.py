"""What platforms called out: each names a record that is to be fetched."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import connection as database
from django.db import models
from django.db.models import Q

from q2c import clock, keys
from q2c.visible import VisibleQuerySet

KEPT_DAYS = 30
_REMEMBER = """
INSERT INTO q2c_callout (id, connection, reference, correlation_id, called_at, next_at, tries, text)
VALUES (%s, %s, %s, %s, %s, %s, 0, '')
ON CONFLICT (connection, reference) WHERE done_at IS NULL
DO UPDATE SET called_at = excluded.called_at, next_at = excluded.next_at
"""


class Callout(models.Model):
    """A verified push. It only wakes: the fetched document is the fact. One row waits per record, however often
    it is called out; `called_at` is the last time."""

    id = models.UUIDField(primary_key=True, default=keys.new_id, editable=False)
    connection = models.CharField(max_length=60)
    reference = models.CharField(max_length=100)
    correlation_id = models.UUIDField()
    called_at = models.DateTimeField()
    next_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    text = models.TextField(blank=True, help_text="Why it is not fetched yet, or what became of it")

    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "reference"], condition=Q(done_at__isnull=True), name="one_waiting_callout"
            )
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(done_at__isnull=True), name="callout_due")]

    @classmethod
    def remember(cls, connection: str, references: Iterable[str], correlation_id: uuid.UUID) -> int:
        """What a platform named is to be fetched; what waits already is due anew. Returns how many."""
        now = clock.now()
        rows = [(keys.new_id(), connection, ref[:100], correlation_id, now, now) for ref in dict.fromkeys(references)]
        with database.cursor() as cursor:
            cursor.executemany(_REMEMBER, rows)
        return len(rows)

    @classmethod
    def in_vain(cls, connection: str, references: Iterable[str]) -> set[str]:
        """Those of them that wait and were not given when they were last fetched."""
        waiting = cls.objects.filter(connection=connection, done_at=None, tries__gt=0, reference__in=list(references))
        return set(waiting.values_list("reference", flat=True))

    @classmethod
    def forget(cls) -> int:
        """Those that came to an end long ago go; what they named is in the events."""
        return cls.objects.filter(done_at__lt=clock.now() - clock.days(KEPT_DAYS)).delete()[0]

    def __str__(self) -> str:
        return f"{self.connection} {self.reference}"
