"""The day that a step waits for: a date in its entity's calendar, the same for whoever reads it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from ledger.models import LegalEntity
from q2c.models import Step


def days_of(steps: Iterable[Step]) -> dict[uuid.UUID, dt.date]:
    """Step id → its day, of the steps that were planned for one and have not been tried."""
    later = [step for step in steps if step.state == "waiting" and not step.attempts and step.next_at > step.created_at]
    if not later:
        return {}
    zones = dict(LegalEntity.objects.values_list("code", "timezone"))
    return {step.id: step.next_at.astimezone(ZoneInfo(zones.get(step.entity, "UTC"))).date() for step in later}
