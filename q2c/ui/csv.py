"""Lists as CSV files: all rows that match, streamed, as spreadsheets and scripts both read them."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from q2c.money import EXPONENTS

CHUNK = 2000
Column = tuple[str, Callable[[Any], Any]]
# A cell that begins so would be run as a formula when the file is opened.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """What csv.writer writes into: gives each line back."""

    def write(self, line: str) -> str:
        return line


def amount(minor: int | None, currency: str) -> str:
    """The amount in currency units with the currency's own decimals and a point, such as 1234.50."""
    return "" if minor is None else f"{Decimal(minor).scaleb(-EXPONENTS.get(currency, 2)):f}"


def download(name: str, columns: Sequence[Column], rows: Iterable[Any]) -> StreamingHttpResponse:
    """`columns` are (heading, what of a row). The mark at the beginning tells spreadsheets that it is UTF-8."""
    response = StreamingHttpResponse(_lines(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _lines(columns: Sequence[Column], rows: Iterable[Any]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow([heading for heading, _ in columns])  # type: ignore[operator]
    for row in rows:
        yield writer.writerow([_cell(value(row)) for _, value in columns])  # type: ignore[misc]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value)
    if isinstance(value, str) and text.startswith(_FORMULA) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def newest_first(rows: QuerySet[Any]) -> Iterator[Any]:
    """Every row of a query by descending id, a chunk at a time: no cursor is held, no list of millions is made."""
    last = None
    while True:
        chunk = list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].pk
