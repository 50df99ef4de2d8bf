"""Many rows in one statement: they travel as one JSON parameter, and the database takes them apart."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models

_SURROGATES = dict.fromkeys(range(55296, 57344), "�")
_UNSTORABLE = {0: "�", **_SURROGATES}


def storable(value: Any) -> Any:
    """A value PostgreSQL can hold: NUL and lone surrogates become �, at any depth; NaN and infinity become words."""
    if isinstance(value, str):
        return value.translate(_UNSTORABLE)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def fitted(model: type[models.Model], row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with each text cut to its column. What a platform says is never too long to be kept as a case."""
    fitting: dict[str, Any] = {}
    for name, value in row.items():
        clean = storable(value)
        limit = getattr(model._meta.get_field(name), "max_length", None)
        if limit and isinstance(clean, str) and len(clean) > limit:
            clean = clean[: limit - 1] + "…"
        fitting[name] = clean
    return fitting


def _source(model: type[models.Model], names: Sequence[str]) -> tuple[list[str], str]:
    """Quoted columns, and the record definition by which the JSON is read."""
    fields = [model._meta.get_field(name) for name in names]
    quote = connection.ops.quote_name
    columns = [quote(str(field.column)) for field in fields]  # type: ignore[union-attr]
    types = [field.db_type(connection) for field in fields]  # type: ignore[union-attr]
    return columns, ", ".join(f"{column} {kind}" for column, kind in zip(columns, types, strict=True))


def _json(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> str:
    columns = {name: str(model._meta.get_field(name).column) for row in rows[:1] for name in row}  # type: ignore[union-attr]
    named = [{columns[name]: value for name, value in row.items()} for row in rows]
    return as_json(named)


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the one parameter they travel in; instants as ISO 8601, ids as text."""
    return json.dumps(rows, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def insert(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, on_conflict: str = "", returning: str = "id"
) -> list[tuple[Any, ...]]:
    """Insert rows (all with the same names) and return the `returning` columns of those inserted."""
    if not rows:
        return []
    columns, definition = _source(model, list(rows[0]))
    listed = ", ".join(columns)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS t ({listed}) SELECT {listed} "
            f"FROM jsonb_to_recordset(%s::jsonb) AS r({definition}) {on_conflict} RETURNING {returning}",
            [_json(model, rows)],
        )
        return cursor.fetchall()


def update(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> list[uuid.UUID]:
    """Set each row's columns where its id is; never the state, which only a transition moves. Returns the ids."""
    if not rows:
        return []
    names = [name for name in rows[0] if name != "id"]
    if "state" in names:
        raise ValueError("a state is moved by a transition (q2c.states.move), not written")
    columns, definition = _source(model, ["id", *names])
    assignments = ", ".join(f"{column} = r.{column}" for column in columns[1:])
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS t SET {assignments} FROM jsonb_to_recordset(%s::jsonb) AS r({definition}) "
            f"WHERE t.id = r.id RETURNING t.id",
            [_json(model, rows)],
        )
        return [row[0] for row in cursor.fetchall()]
