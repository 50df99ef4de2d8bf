"""The tabs of the queue and how they are paged: by key, never by offset, so that the deepest page is as quick."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Expression, F, Func, Q, QuerySet, Value

from exceptions.errors import QueryError
from exceptions.models import Case
from exceptions.models.case import ENDED, TO_DO, UNRESOLVED, credits_of
from q2c import clock

COUNT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab: which cases, for whom, and the column that orders it (then id). Each has its own index."""

    name: str
    title: str
    chosen: Callable[[Any], Q]
    column: str = "due_at"
    newest_first: bool = False


TABS: dict[str, Tab] = {
    tab.name: tab
    for tab in (
        Tab("open", "Open", lambda user: Q(state__in=TO_DO)),
        Tab("team", "For my team", lambda user: Q(state__in=TO_DO, owner_team__in=_teams(user))),
        Tab("mine", "Mine", lambda user: Q(state__in=UNRESOLVED, assignee=user)),
        Tab("snoozed", "Snoozed", lambda user: Q(state="snoozed")),
        Tab("awaiting_approval", "Awaiting approval", lambda user: Q(state="awaiting_approval")),
        Tab("replaying", "Replaying", lambda user: Q(state="replaying")),
        Tab("resolved", "Resolved", lambda user: Q(state__in=ENDED), "resolved_at", True),
        Tab("all", "All unresolved", lambda user: Q(state__in=UNRESOLVED)),
    )
}


def _teams(user: Any) -> list[str]:
    return list(user.teams.values_list("code", flat=True))


class _Row(Func):
    """(a, b) > (x, y) as one comparison of rows, which an index on (a, b) answers."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, *expressions: Any, operator: str, **extra: Any) -> None:
        super().__init__(*expressions, operator=operator, **extra)
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        parts, params = [], []
        for expression in self.source_expressions:
            sql, given = compiler.compile(expression)
            parts.append(sql)
            params.extend(given)
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.operator} ({', '.join(parts[half:])})", params


@dataclass(slots=True)
class Page:
    """Rows in order. `next` and `previous` are cursors for page(); empty where there is nothing."""

    rows: list[Case]
    next: str = ""
    previous: str = ""


def of_tab(name: str, user: Any) -> QuerySet[Case]:
    """The cases of a tab that the person may see, in no order yet. Raises QueryError for an unknown tab."""
    if name not in TABS:
        raise QueryError(f"There is no tab {name}; there are {', '.join(TABS)}", 0, tuple(TABS))
    return Case.objects.visible_to(user).filter(TABS[name].chosen(user))


def page(found: QuerySet[Case], tab: str, *, cursor: str = "", size: int = 50) -> Page:
    """One page of a filtered query in the order of a tab. A cursor goes on from, or back before, a row.

    Of a case's context a row has what is booked and what came, as `differs`, where the two are told, and as `credits`
    what it would have credited, (minor units, currency) each.
    """
    order = TABS[tab]
    backward, place = _read(cursor) if cursor else (False, None)
    descending = order.newest_first != backward
    if place is not None:
        found = found.filter(_beyond(order.column, place, "<" if descending else ">"))
    sign = "-" if descending else ""
    told = {name: F(f"context__findings__0__{name}") for name in ("differs", "worth")}
    found = found.annotate(**told).defer("context", "proof", "haystack")
    rows: list[Any] = list(found.order_by(f"{sign}{order.column}", f"{sign}id")[: size + 1])
    for row in rows:
        row.credits = credits_of(row.worth)
    more, rows = len(rows) > size, rows[:size]
    if backward:
        rows.reverse()
    if not rows:
        return Page([])
    ahead, behind = (True, more) if backward else (more, place is not None)
    return Page(
        rows,
        next=_write(False, rows[-1], order.column) if ahead else "",
        previous=_write(True, rows[0], order.column) if behind else "",
    )


def _beyond(column: str, place: tuple[dt.datetime, uuid.UUID], operator: str) -> Expression:
    return _Row(F(column), F("id"), Value(place[0]), Value(place[1]), operator=operator)


def _write(backward: bool, case: Case, column: str) -> str:
    place = [int(backward), getattr(case, column).isoformat(), str(case.id)]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[bool, tuple[dt.datetime, uuid.UUID]]:
    try:
        backward, instant, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        when = dt.datetime.fromisoformat(instant)
        if when.tzinfo is None or not clock.is_tellable(when):
            raise ValueError("no instant of ours")
        return bool(backward), (when, uuid.UUID(key))
    except (ValueError, TypeError, AttributeError, binascii.Error, UnicodeError):
        raise QueryError("This page address is broken; start from the first page") from None


def capped_count(found: QuerySet[Case], most: int = COUNT_MAX) -> tuple[int, bool]:
    """(rows, whether there are more): never counts past `most`."""
    number = found.order_by().values("id")[: most + 1].count()
    return min(number, most), number > most


def shown_count(found: QuerySet[Case], most: int = COUNT_MAX) -> str:
    """12, or 1,000+"""
    number, more = capped_count(found, most)
    return f"{number:,}{'+' if more else ''}"
