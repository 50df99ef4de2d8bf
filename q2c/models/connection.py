"""Platforms and how they are reached; breakers, poll cursors and workers seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords

from q2c.connectors import addresses, options, registry
from q2c.connectors.ports import ConnectionConfig
from q2c.models.fields import SecretJSONField
from q2c.visible import VisibleQuerySet


class Connection(models.Model):
    """One platform account. `services` says what it is used for: crm, billing, tax, credit, journals."""

    SERVICES = [(s, s) for s in ("crm", "billing", "tax", "credit", "journals")]

    name = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    vendor = models.CharField(max_length=40)
    service = models.CharField(max_length=20, choices=SERVICES)
    base_url = models.CharField(max_length=200, help_text="https://… , or sandbox://<vendor> in the demo")
    credentials = SecretJSONField(default=dict, blank=True, editable=False)
    options = models.JSONField(default=dict, blank=True)
    time_limit_s = models.FloatField(default=10.0)
    concurrency = models.PositiveSmallIntegerField(default=8)
    settle_s = models.FloatField(
        default=30.0, help_text="How long after a lost answer the platform may still commit what it was sent"
    )
    job_limit_s = models.FloatField(
        default=86_400.0,
        db_default=86_400.0,
        validators=[MinValueValidator(1.0)],
        help_text="How long the platform may work on a job that it accepted before a person is asked",
    )
    active = models.BooleanField(default=True)
    history = HistoricalRecords(excluded_fields=["credentials"])

    objects = VisibleQuerySet.as_manager()

    # Names of the credentials that are given anew with this save, whether or not they read as before.
    given_anew: frozenset[str] = frozenset()

    class Meta:
        permissions = [("use_sandbox", "Can change records in a sandbox as a user of that platform would")]

    def __str__(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        """As sentences name it: "Credit service (credit)"; once, where its title is its name."""
        if not self.title or self.title.casefold() == self.name.casefold():
            return self.title or self.name
        return f"{self.title} ({self.name})"

    def clean(self) -> None:
        super().clean()
        self.base_url = self.base_url.strip().rstrip("/")
        wrong: dict[str, list[str]] = {}
        if taken := self._is_taken():
            wrong["name"] = [taken]
        vendor = registry.CONNECTORS.get(self.vendor)
        if vendor is None:
            wrong["vendor"] = [f"There is no connector {self.vendor}: there are {', '.join(registry.CONNECTORS)}"]
        elif self.service and self.service not in vendor.services:
            wrong["service"] = [f"{vendor.title} serves {', '.join(vendor.services)}"]
        for field, text in self._wrong_addresses():
            wrong.setdefault(field, []).append(text)
        # Another shape than an object is the form's to refuse, in its own words.
        if isinstance(self.options, dict) and (unfit := options.check(self.options)):
            wrong["options"] = [str(one) for one in unfit]
        if wrong:
            raise ValidationError(wrong)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """No way of saving it carries stored credentials to a new address."""
        if kept := self._carried():
            raise ValidationError({"base_url": _carried_text(kept)})
        super().save(*args, **kwargs)

    def _wrong_addresses(self) -> list[tuple[str, str]]:
        """(field, text) of each address that credentials are not sent to, or not those that are stored."""
        found = []
        for name, address in addresses.named(self.base_url, self.options).items():
            if text := addresses.wrong_with(address):
                found.append(
                    ("base_url", text) if name == "base_url" else ("options", f"{name} is {address!r}: {text}")
                )
        if not found and (kept := self._carried()):
            found.append(("base_url", _carried_text(kept)))
        if not found and (open_ := self._unsettled()):
            found.append(("base_url", _unsettled_text(open_)))
        return found

    def _unsettled(self) -> int:
        """How many steps were sent to the stored address, which this one leaves, and may be there."""
        there = Connection.objects.filter(pk=self.pk).only("base_url", "options", "name").first()
        if there is None or not self._origins() - there._origins():
            return 0
        steps = apps.get_model("q2c", "Step").objects.filter(connection=there.name, sent_at__isnull=False)
        return int(steps.filter(state__in=("waiting", "running", "accepted", "unknown", "failed")).count())

    def _carried(self) -> list[str]:
        """Names of stored credentials that would go to an address which they were not given for."""
        if not self.credentials:
            return []
        there = Connection.objects.filter(pk=self.pk).only("base_url", "options", "credentials").first()
        if there is None or not self._origins() - there._origins():
            return []
        # Decrypted to mappings by their field.
        stored, ours = cast(dict[str, str], there.credentials or {}), cast(dict[str, str], self.credentials)
        return sorted(name for name in set(stored) - self.given_anew if stored[name] == ours.get(name))

    def _origins(self) -> set[str]:
        return {addresses.origin(address) for address in addresses.named(self.base_url, self.options).values()}

    def _is_taken(self) -> str:
        """Why it may not be called so: what it says and what a system says with its API key could not be told apart."""
        if Connection.objects.filter(pk=self.pk, name=self.name).exists():
            return ""
        if self.name == "q2c":
            return "q2c is the name of our own events; choose another"
        if apps.get_model("q2c", "ApiKey").objects.filter(system=self.name).exists():
            return f"{self.name} is a system with an API key, whose events carry that name; choose another"
        return ""

    def config(self) -> ConnectionConfig:
        """What the connector is opened with; sandbox addresses are resolved here."""
        base_url = self.base_url
        if base_url.startswith("sandbox://"):
            base_url = f"{settings.SANDBOX_URL}/{base_url.removeprefix('sandbox://')}"
        return ConnectionConfig(
            name=self.name,
            vendor=self.vendor,
            base_url=base_url,
            credentials=self.credentials,  # type: ignore[arg-type]  # decrypted to a mapping by its field
            options=self.options,
            time_limit_s=self.time_limit_s,
            concurrency=self.concurrency,
            settle_s=self.settle_s,
            job_limit_s=self.job_limit_s,
        )


def _carried_text(names: list[str]) -> str:
    return (
        f"What is stored was given for another address and is not sent to this one. Give the credentials anew in the "
        f"same save, on the form: {', '.join(names)}; a name with null is taken away"
    )


def _unsettled_text(count: int) -> str:
    return (
        f"{count} step{'s were' if count > 1 else ' was'} sent to the address that is stored, and what became of "
        f"{'them' if count > 1 else 'it'} is not known yet: another address would have no trace, and get "
        f"{'them' if count > 1 else 'it'} a second time. Change it once they are done, or their cases closed"
    )


class Breaker(models.Model):
    """Whether a connection's steps are paused. One row per connection, moved only by engine/breaker.py."""

    connection = models.CharField(max_length=60, unique=True)
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    text = models.TextField(blank=True)
    problem_id = models.UUIDField(null=True)

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None


class Cursor(models.Model):
    """How far one kind of records of a source was read: what is stamped up to `reached` and had been committed at
    `seen_at` is here.

    `reached` is the source's own time, and only grows; `seen_at` is ours. Nothing stamped before `first` is ever read
    unasked. `swept_at` is when the last days were gone through. `polled_at` is the last poll, `read_at` the last that
    came to its end; `failing_at` is the first that did not since, and `text` says why the last one did not.
    """

    connection = models.CharField(max_length=60, unique=True)
    reached = models.DateTimeField()
    polled_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failing_at = models.DateTimeField(null=True)
    first = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)
    text = models.TextField(blank=True)

    class Meta:
        abstract = True


class PollCursor(Cursor):
    """Of a source's deals or invoices, and of the source as a whole: it is not asked before `not_before`, after
    `pauses` answers in a row that it wants fewer calls.
    """

    not_before = models.DateTimeField("asked again at", null=True, blank=True)
    pauses = models.PositiveSmallIntegerField(default=0)


class SubscriptionCursor(Cursor):
    """Of a billing platform's subscriptions: one that cannot be read holds up no invoice, nor the other way round."""


class WorkerSeen(models.Model):
    """The last sign of life of the workers of one queue, or of the sweeper, for /readyz."""

    queue = models.CharField(max_length=40, unique=True)
    seen_at = models.DateTimeField()


def called(names: Iterable[str]) -> dict[str, str]:
    """Name → as sentences name it, of connections by their names; what is none is called as it is. One statement."""
    wanted = {name for name in names if name}
    found = Connection.objects.filter(name__in=wanted).only("name", "title") if wanted else ()
    return dict(zip(wanted, wanted, strict=True)) | {one.name: one.called for one in found}
