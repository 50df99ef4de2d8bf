"""Keys of upstream systems, and what their requests were answered."""

from __future__ import annotations

import datetime as dt
import re

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from q2c import clock, keys
from q2c.models.connection import Connection
from q2c.visible import VisibleQuerySet

KEPT_DAYS = 7
READ_EVERY_SYSTEM = "q2c.read_every_system"
_SYSTEM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")


class ApiKey(models.Model):
    """Shown once when made, stored hashed. `scopes` are permission names such as q2c.add_event."""

    system = models.CharField(max_length=80, help_text="The upstream system that uses it; its events carry this source")
    prefix = models.CharField(max_length=16, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    history = HistoricalRecords(excluded_fields=["hash", "last_used_at"])

    objects = VisibleQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = "API key", "API keys"

    def __str__(self) -> str:
        return f"{self.system} {self.prefix}…"

    @classmethod
    def make(
        cls, system: str, scopes: list[str], created_by: object = None, expires_at: dt.datetime | None = None
    ) -> tuple[ApiKey, str]:
        """(the stored key, the secret to show once). ValueError where the system's name will not do."""
        if wrong := cls.wrong_with(system):
            raise ValueError(wrong)
        key = cls(system=system, scopes=scopes, created_by=created_by, expires_at=expires_at)  # type: ignore[misc]
        secret = key.issue()
        key.save()
        return key, secret

    @staticmethod
    def wrong_with(system: str) -> str:
        """Why a key for a system of this name is not made; empty where it may be.

        None is made for q2c itself or for a connection: what those say is not for others to say.
        """
        if not _SYSTEM.match(system):
            return f"{system!r} is no name for a system: send letters, digits, dot, dash and underscore"
        if system == "q2c" or Connection.objects.filter(name=system).exists():
            return f"{system} is a name of our own; choose another"
        return ""

    def issue(self) -> str:
        """Gives a key that is not saved yet its secret, and returns that, to be shown once."""
        secret = keys.new_secret("q2c")
        self.prefix, self.hash = secret[:10], keys.secret_hash(secret)
        return secret

    def revoke(self) -> None:
        """At once and for good; its requests are answered 401."""
        self.revoked_at = self.revoked_at or clock.now()
        self.save(update_fields=["revoked_at"])

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > clock.now())


class IdempotencyRecord(models.Model):
    """What a request with an Idempotency-Key was answered; the same key with another body is refused."""

    api_key = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    location = models.CharField(max_length=200, blank=True, default="", db_default="")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "key"], name="one_answer_per_key")]

    @classmethod
    def forget(cls) -> int:
        """Answers older than KEPT_DAYS go: whoever repeats a request later is told by the events themselves."""
        return cls.objects.filter(at__lt=clock.now() - clock.days(KEPT_DAYS)).delete()[0]
