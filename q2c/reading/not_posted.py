"""The journals of a month that are booked and that the ledger does not have yet, each with the case that keeps it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger.models import JournalEntry
from q2c import bulk
from q2c.money import Money
from q2c.reading import close, unbooked

_CASES = f"SELECT DISTINCT ON (j.id) j.id, c.id {unbooked.OF_POSTING} ORDER BY j.id, c.opened_at DESC"


@dataclass(frozen=True, slots=True)
class NotPosted:
    entry: JournalEntry
    case: Case | None

    @property
    def worth(self) -> Money:
        return Money(self.entry.worth_minor, self.entry.currency)


def of_month(user: Any, entity: str, period: str, but: Sequence[str]) -> QuerySet[JournalEntry]:
    """As the close counts them, save those of these numbers, the largest first."""
    there = JournalEntry.objects.visible_to(user).filter(
        entity__code=entity, period__name=period, period__subledger=close.SUBLEDGER, state__in=close.NOT_POSTED
    )
    return there.exclude(number__in=list(but)).order_by("-worth_minor", "id")


def with_cases(user: Any, entity: str, period: str, entries: Sequence[JournalEntry]) -> list[NotPosted]:
    """Two statements; none where there are no entries."""
    if not entries or not user.has_perm("exceptions.view_case"):
        return [NotPosted(entry, None) for entry in entries]
    asked = [list(UNRESOLVED), [entity], [period], list(close.NOT_POSTED)]
    case_ids: dict[uuid.UUID, uuid.UUID] = dict(bulk.execute(_CASES, asked))
    cases = Case.objects.visible_to(user).defer("haystack").in_bulk(list(case_ids.values()))
    return [NotPosted(entry, cases.get(case_ids[entry.id]) if entry.id in case_ids else None) for entry in entries]
