"""A late fact is booked in the first open period, by a decision of two people: the one way a journal's date changes.

Every derivation goes through applied(), so dry run, booking, replay and explanation see the same day. The document's
own day stays with the decision, and in the memo that the ERP is sent; exchange rates are those of that day.
"""

from __future__ import annotations

import datetime as dt
import uuid

from ledger.booking import latest
from ledger.facts import Fact
from ledger.models import FiscalPeriod, LegalEntity, Redating
from ledger.redated import applied, proposed
from q2c import clock

__all__ = ["NotRedatable", "applied", "check", "decide", "decided", "first_open_after", "proposed"]

# Of an entry in these states the ERP may know, or knows.
_KNOWN_THERE = ("posting", "posted", "reversed")


class NotRedatable(ValueError):
    """Why a fact cannot be booked on another day; the text is for people."""


def first_open_after(entity_code: str, subledger: str, day: dt.date) -> FiscalPeriod | None:
    """The first open period that begins after the day's own."""
    months = FiscalPeriod.objects.filter(entity__code=entity_code, subledger=subledger)
    return months.filter(starts_on__gt=day, state="open").order_by("starts_on").first()


def check(fact: Fact, effective_on: dt.date) -> FiscalPeriod:
    """The period that the fact would be booked in. Raises NotRedatable."""
    (now,) = applied([fact])
    entry = latest([fact]).get((fact.event_id, fact.entity_code, fact.rule_set))
    if entry is not None and entry.state in _KNOWN_THERE:
        raise NotRedatable(f"Journal {entry.number} is {entry.state}; what the ledger may hold keeps its date")
    period = first_open_after(fact.entity_code, fact.subledger, now.effective_on)
    if period is None:
        raise NotRedatable(f"{fact.entity_code} has no open {fact.subledger} period after {now.effective_on:%Y-%m}")
    if not period.starts_on <= effective_on < period.ends_on:
        last = period.ends_on - dt.timedelta(days=1)
        days = f"choose a day from {period.starts_on} to {last}"
        raise NotRedatable(f"{effective_on} is not in the first open period, {period.name}: {days}")
    return period


def decide(fact: Fact, effective_on: dt.date, *, reason: str, asked_by: str, approved_by: str) -> Redating:
    """Keep the decision; what was not posted is derived on that day from now on. Raises NotRedatable."""
    check(fact, effective_on)
    return Redating.objects.create(
        event_id=fact.event_id, entity=LegalEntity.objects.get(code=fact.entity_code), rule_set=fact.rule_set,
        source_on=fact.dated_on or fact.effective_on, effective_on=effective_on, reason=reason, asked_by=asked_by,
        approved_by=approved_by, at=clock.now(),
    )  # fmt: skip


def decided(event_id: uuid.UUID, entity_code: str) -> list[Redating]:
    """The decisions on one fact, the latest first."""
    return list(Redating.objects.filter(event_id=event_id, entity__code=entity_code).order_by("-id"))
