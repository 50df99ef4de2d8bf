"""Which changes of a platform's records were fetched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db import models

from q2c import clock

# Longer than any poll looks back.
KEPT_DAYS = 30


class Fetched(models.Model):
    """What a poll has fetched in full, and as of which change: not fetched again while its notice stays the same.

    In the database, so that one that was restored fetches again what it lost.
    """

    connection = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    changed_at = models.DateTimeField(help_text="The source's own time of the change")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "reference"], name="one_fetch_per_reference")]
        indexes = [models.Index(fields=["at"], name="fetched_at")]

    @classmethod
    def known(cls, connection: str, references: Iterable[str]) -> dict[str, dt.datetime]:
        """By reference: the change as of which it was fetched."""
        rows = cls.objects.filter(connection=connection, reference__in=list(references))
        return dict(rows.values_list("reference", "changed_at"))

    @classmethod
    def remember(cls, connection: str, changes: Mapping[str, dt.datetime]) -> None:
        now = clock.now()
        rows = [Fetched(connection=connection, reference=name, changed_at=at, at=now) for name, at in changes.items()]
        Fetched.objects.bulk_create(
            # In one order, so that two who read the same page wait for each other instead of locking up.
            sorted(rows, key=lambda row: row.reference),
            update_conflicts=True, unique_fields=["connection", "reference"], update_fields=["changed_at", "at"],
        )  # fmt: skip

    @classmethod
    def forget(cls) -> int:
        return cls.objects.filter(at__lt=clock.now() - clock.days(KEPT_DAYS)).delete()[0]
