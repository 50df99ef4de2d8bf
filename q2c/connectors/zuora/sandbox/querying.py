"""Object queries: what changed since, by filter, sort and cursor; the instants are of UTC."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.zuora.sandbox.answers import GENERAL, iso

COLUMNS = {"updatedDate": "updated_at", "createdDate": "created_at"}
OPERATORS = {"EQ": "=", "NE": "<>", "LT": "<", "GT": ">", "LE": "<=", "GE": ">="}
PAGE_MAX = 50


@dataclass(frozen=True, slots=True)
class Queried:
    """One kind of record: `number` is the field that holds its number, `filters` are the other indexed ones.

    `kept` says under which name of its body a filter finds it, where that is another.
    """

    kind: str
    number: str
    filters: tuple[str, ...]
    shown: Callable[[Store, Record], dict[str, Any]]
    kept: Mapping[str, str] = field(default_factory=dict)

    def answer(self, request: Request, store: Store) -> Answer:
        """filter[], sort[], pageSize, cursor."""
        wanted = parse_qsl(urlsplit(request.url).query)
        size = int(request.query.get("pageSize") or 20)
        if not 1 <= size <= PAGE_MAX:
            return Answer(400, {"code": GENERAL * 100 + 27, "message": f"pageSize must be between 1 and {PAGE_MAX}"})
        clauses, values = [], []
        try:
            for name, text in wanted:
                if name == "filter[]":
                    clause, value = self._filter(text)
                    clauses.append(clause)
                    values += value
            column, direction = _sort([text for name, text in wanted if name == "sort[]"])
            if request.query.get("cursor"):
                clauses.append(f"({column}, seq) {'>' if direction == 'ASC' else '<'} (%s, %s)")
                values += _opened(request.query["cursor"])
        except ValueError as error:
            return Answer(400, {"code": GENERAL * 100 + 27, "message": str(error)})
        rows = store.page(self.kind, " AND ".join(clauses), values, f"{column} {direction}, seq {direction}", size + 1)
        body: dict[str, Any] = {"data": [self._row(store, row) for row in rows[:size]]}
        if len(rows) > size:
            last = rows[size - 1]
            body["nextPage"] = _closed(last.updated_at if column == "updated_at" else last.created_at, last.seq)
        return Answer(200, body)

    def _row(self, store: Store, row: Record) -> dict[str, Any]:
        dates = {"createdDate": iso(row.created_at), "updatedDate": iso(row.updated_at)}
        return {**self.shown(store, row), **dates}

    def _filter(self, text: str) -> tuple[str, list[Any]]:
        """`updatedDate.GE:2026-01-01T00:00:00Z` as SQL."""
        left, _, value = text.partition(":")
        field_, _, operator = left.rpartition(".")
        if operator not in OPERATORS:
            raise ValueError(f"Invalid filter operator: {operator}")
        if field_ in COLUMNS:
            return f"{COLUMNS[field_]} {OPERATORS[operator]} %s", [dt.datetime.fromisoformat(value)]
        if field_ == self.number:
            return f"number {OPERATORS[operator]} %s", [value]
        if field_ not in self.filters:
            raise ValueError(f"The field {field_} is not indexed and cannot be filtered by")
        return f"body->>'{self.kept.get(field_, field_)}' {OPERATORS[operator]} %s", [value]


def _sort(given: list[str]) -> tuple[str, str]:
    if len(given) > 1:
        raise ValueError("Only one field can be sorted by")
    field, _, direction = (given[0] if given else "createdDate.ASC").rpartition(".")
    if field not in COLUMNS or direction not in ("ASC", "DESC"):
        raise ValueError(f"Invalid sort: {given[0]}")
    return COLUMNS[field], direction


def _closed(moment: dt.datetime, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{seq}".encode()).decode()


def _opened(cursor: str) -> list[Any]:
    try:
        moment, _, seq = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return [dt.datetime.fromisoformat(moment), int(seq)]
    except (ValueError, binascii.Error):
        raise ValueError("Invalid cursor") from None
