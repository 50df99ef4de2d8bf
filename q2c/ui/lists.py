"""One page of a long list by keyset: as quick on the millionth row as on the first, and stable while rows arrive.

The order and the place in it live in the address, so back, reload and sharing lose nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest

ROWS = 50


@dataclass(frozen=True)
class Page:
    """Rows in the order asked for; `next` and `previous` are cursors, empty at either end."""

    rows: list[Any]
    order: str
    next: str = ""
    previous: str = ""
    total: int | None = None

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def page_of(
    request: HttpRequest,
    queryset: QuerySet[Any],
    orders: Mapping[str, str],
    default: str,
    *,
    rows: int = ROWS,
    total: int | None = None,
) -> Page:
    """The page that ?order=, ?after= and ?before= name.

    `orders` maps what may stand in ?order= to a column ("age" → "opened_at"); a minus in front reverses. Nulls come
    last either way. An order or cursor that is not ours is the first page in the default order.
    """
    order = request.GET.get("order", "")
    if order.lstrip("-") not in orders or order.startswith("--"):
        order = default
    column, descending = orders[order.lstrip("-")], order.startswith("-")
    backwards = "before" in request.GET
    cursor = _read(request.GET.get("before") or request.GET.get("after") or "", order)
    if cursor is None:
        backwards = False
    else:
        queryset = _from(queryset, column, cursor, descending=descending, backwards=backwards)
    found = list(_sorted(queryset, column, descending=descending, backwards=backwards)[: rows + 1])
    more, found = len(found) > rows, found[:rows]
    if backwards:
        found.reverse()
    if not found:
        return Page([], order, total=total)
    return Page(
        found,
        order,
        next=_cursor(found[-1], column, order) if more or backwards else "",
        previous=_cursor(found[0], column, order) if (more and backwards) or (cursor and not backwards) else "",
        total=total,
    )


def _nullable(queryset: QuerySet[Any], column: str) -> bool:
    model, field = queryset.model, None
    for name in column.split("__"):
        if name in queryset.query.annotations:
            return True
        field = model._meta.get_field(name)
        if field.null:  # type: ignore[union-attr]
            return True
        model = field.related_model or model  # type: ignore[assignment]
    return False


def _sorted(queryset: QuerySet[Any], column: str, *, descending: bool, backwards: bool) -> QuerySet[Any]:
    down = descending != backwards
    nulls: dict[str, bool] = {}
    if _nullable(queryset, column):
        # Going back the nulls, last for the reader, come first. Elsewhere nothing is said: a plain index serves.
        nulls = {"nulls_first": True} if backwards else {"nulls_last": True}
    by = F(column).desc(**nulls) if down else F(column).asc(**nulls)
    return queryset.order_by(by, "-pk" if down else "pk")


def _from(
    queryset: QuerySet[Any], column: str, cursor: tuple[Any, Any], *, descending: bool, backwards: bool
) -> QuerySet[Any]:
    """What stands behind the cursor in the direction of travel."""
    value, key = cursor
    side = "lt" if descending != backwards else "gt"
    nullable = _nullable(queryset, column)
    if value is None:
        behind = Q(**{f"{column}__isnull": True, f"pk__{side}": key})
        if backwards:
            behind |= Q(**{f"{column}__isnull": False})
    else:
        behind = Q(**{f"{column}__{side}": value}) | Q(**{column: value, f"pk__{side}": key})
        if nullable and not backwards:
            behind |= Q(**{f"{column}__isnull": True})
        else:
            # Says nothing new, but lets the index start at the cursor instead of at the first row.
            behind &= Q(**{f"{column}__{side}e": value})
    try:
        return queryset.filter(behind)
    except (ValidationError, ValueError, TypeError):
        return queryset


def _value_of(row: Any, column: str) -> Any:
    for name in column.split("__"):
        row = row[name] if isinstance(row, dict) else getattr(row, name, None)
    return row


def _cursor(row: Any, column: str, order: str) -> str:
    value = _value_of(row, column)
    key = row["pk"] if isinstance(row, dict) else row.pk
    plain = [order, value if value is None or isinstance(value, int | str) else str(value), str(key)]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(text: str, order: str) -> tuple[Any, Any] | None:
    """(value, key) of a cursor made for this order; None for anything else."""
    try:
        made_for, value, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError):
        return None
    if made_for != order or not isinstance(key, str) or not isinstance(value, str | int | None):
        return None
    # What no database takes would fail only when the page is fetched.
    if not all(part.isprintable() for part in (key, value) if isinstance(part, str)):
        return None
    return value, key
