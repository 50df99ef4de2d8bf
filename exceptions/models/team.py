"""Who owns what fails, and the hours in which their service level runs."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords


def known_zone(name: str) -> None:
    """A zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValidationError(f"{name} is not a time zone; write one like Europe/Berlin") from None


class MembersHistory(HistoricalRecords):
    """Tells of changes that come from the person's side, too: user.teams.set(…) changes teams.

    simple-history takes whatever it was called on for the record that has the history.
    """

    def m2m_changed(
        self, instance: Any, action: str, attr: str, pk_set: set[Any] | None, reverse: bool, **more: Any
    ) -> None:
        if not reverse:
            super().m2m_changed(instance, action, attr, pk_set, reverse, **more)
            return
        if action == "pre_clear":
            # Afterwards nobody knows which they were.
            instance._teams_left = list(instance.teams.values_list("pk", flat=True))
        touched = instance.__dict__.pop("_teams_left", []) if action == "post_clear" else pk_set or ()
        for team in Team.objects.filter(pk__in=touched):
            team._change_reason = getattr(instance, "_change_reason", None)  # type: ignore[attr-defined]
            super().m2m_changed(team, action, attr, {instance.pk}, False, **more)


class Team(models.Model):
    """A group of people with one calendar. `workdays` are ISO weekdays: 12345 is Monday to Friday."""

    code = models.SlugField(max_length=40, primary_key=True)
    name = models.CharField(max_length=80, unique=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="teams", blank=True)
    zone = models.CharField(max_length=60, default="UTC", validators=[known_zone])
    opens_at = models.TimeField(default=dt.time(8))
    closes_at = models.TimeField(default=dt.time(18))
    workdays = models.CharField(
        max_length=7, default="12345", validators=[RegexValidator(r"^(?!.*(.).*\1)[1-7]+$", "Digits 1 to 7, each once")]
    )
    history = MembersHistory(m2m_fields=[members])

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(opens_at__lt=F("closes_at")), name="team_opens_before_it_closes"),
            # Without a working day no service level would ever end.
            models.CheckConstraint(condition=Q(workdays__regex=r"^[1-7]+$"), name="team_works_some_day"),
        ]

    def __str__(self) -> str:
        return self.name


class Holiday(models.Model):
    """A day on which a team, or every team where none is named, does not work."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="holidays")
    day = models.DateField()
    name = models.CharField(max_length=80, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["team", "day"], name="holiday_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}".strip()
