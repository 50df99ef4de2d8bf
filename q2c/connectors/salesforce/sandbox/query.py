"""Runs a parsed SOQL query over the org's records and renders rows as the platform does."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from q2c.connectors.salesforce.sandbox.schema import SObject
from q2c.connectors.salesforce.sandbox.soql import Compare, Condition, Junction, Order, Query, SoqlError
from q2c.connectors.salesforce.webhook import long_id

Record = dict[str, Any]
DOTS_MAX = 5


class Load(Protocol):
    """Records of an object: all, or those whose `field` is one of `values` (more is harmless, less is not)."""

    def __call__(self, name: str, field: str = "", values: Sequence[str] = (), since: str = "") -> list[Record]: ...


class Runner:
    """`load` reads records, `describe(name)` gives the object or None."""

    def __init__(self, load: Load, describe: Callable[[str], SObject | None], version: str) -> None:
        self.load, self.describe, self.version = load, describe, version
        self._by_id: dict[tuple[str, str], Record | None] = {}
        self._by_parent: dict[tuple[str, str], dict[str, list[Record]]] = {}
        self._parents: list[str] = []

    def run(self, query: Query, with_deleted: bool = False) -> list[Record]:
        """All rows, rendered. COUNT() gives as many empty rows as it counts."""
        sobject = self.describe(query.source)
        if sobject is None:
            raise SoqlError(f"sObject type '{query.source}' is not supported.", "INVALID_TYPE")
        self._check_names(sobject, query)
        found = self.load(sobject.name, **_narrowed(query.where))
        rows = self._chosen(sobject, query, [row for row in found if with_deleted or not row.get("IsDeleted")])
        self._parents = [str(row["Id"]) for row in rows]
        return [{} for _ in rows] if query.counts else [self._rendered(sobject, query, row) for row in rows]

    def _chosen(self, sobject: SObject, query: Query, rows: list[Record]) -> list[Record]:
        where = query.where
        if where is not None:
            rows = [row for row in rows if self._holds(sobject, where, row)]
        for order in reversed(query.order):
            rows = self._ordered(sobject, order, rows)
        end = None if query.limit is None else query.offset + query.limit
        return rows[query.offset : end]

    def _check_names(self, sobject: SObject, query: Query) -> None:
        """Every name is checked, also where there is no row."""
        for path in (*query.fields, *(order.name for order in query.order)):
            self._field(sobject, path)
        if query.where is not None:
            self._check(sobject, query.where)
        for child in query.children:
            self._check_names(self._child(sobject, child)[0], child)

    def _check(self, sobject: SObject, where: Condition) -> None:
        if isinstance(where, Compare):
            self._field(sobject, where.name)
        else:
            for part in where.parts:
                self._check(sobject, part)

    def _ordered(self, sobject: SObject, order: Order, rows: list[Record]) -> list[Record]:
        valued = [(self._value(sobject, order.name, row), row) for row in rows]
        empty = [row for value, row in valued if value is None]
        filled = [(value, row) for value, row in valued if value is not None]
        filled.sort(key=lambda pair: pair[0], reverse=order.descending)
        found = [row for _, row in filled]
        return found + empty if order.nulls_last else empty + found

    def _rendered(self, sobject: SObject, query: Query, row: Record) -> Record:
        found = self._attributes(sobject, row)
        for name in query.fields:
            self._put(found, sobject, row, name.split("."))
        for child in query.children:
            self._put_children(found, sobject, row, child)
        return found

    def _attributes(self, sobject: SObject, row: Record) -> Record:
        url = f"/services/data/{self.version}/sobjects/{sobject.name}/{row['Id']}"
        return {"attributes": {"type": sobject.name, "url": url}}

    def _put(self, found: Record, sobject: SObject, row: Record, path: list[str]) -> None:
        if len(path) == 1:
            name = self._own(sobject, path[0])
            found[name] = rendered(row.get(name), sobject.fields[name])
            return
        relation, target, parent = self._parent(sobject, path[0], row, len(path))
        if parent is None:
            found.setdefault(relation, None)
            return
        inner = found.get(relation) or self._attributes(target, parent)
        found[relation] = inner
        self._put(inner, target, parent, path[1:])

    def _child(self, sobject: SObject, child: Query) -> tuple[SObject, str, str]:
        """The object of a child query, the relationship's own spelling, and the field that links."""
        relation = next((name for name in sobject.children if name.lower() == child.source.lower()), None)
        if relation is None:
            text = f"Didn't understand relationship '{child.source}' in FROM part of query call."
            raise SoqlError(text, "INVALID_TYPE")
        name, link = sobject.children[relation]
        target = self.describe(name)
        assert target is not None
        return target, relation, link

    def _put_children(self, found: Record, sobject: SObject, row: Record, child: Query) -> None:
        target, relation, link = self._child(sobject, child)
        rows = self._chosen(target, child, self._children(target.name, link, row["Id"]))
        records = [self._rendered(target, child, each) for each in rows]
        found[relation] = {"totalSize": len(records), "done": True, "records": records} if records else None

    def _children(self, name: str, link: str, parent_id: str) -> list[Record]:
        if (name, link) not in self._by_parent:
            index: dict[str, list[Record]] = {}
            for row in self.load(name, link, self._parents):
                if not row.get("IsDeleted"):
                    index.setdefault(str(row.get(link)), []).append(row)
            self._by_parent[name, link] = index
        return self._by_parent[name, link].get(parent_id, [])

    def _own(self, sobject: SObject, name: str) -> str:
        found = sobject.canonical(name)
        if found is None:
            text = f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to use a custom field,"
            raise SoqlError(f"{text} be sure to append the '__c' after the custom field name.", "INVALID_FIELD")
        return found

    def _parent(
        self, sobject: SObject, relation: str, row: Record | None, depth: int
    ) -> tuple[str, SObject, Record | None]:
        name = next((each for each in sobject.parents if each.lower() == relation.lower()), None)
        if name is None:
            text = f"Didn't understand relationship '{relation}' in field path."
            raise SoqlError(text, "INVALID_FIELD")
        if depth > DOTS_MAX + 1:
            raise SoqlError(f"Maximum relationship depth is {DOTS_MAX}")
        link, target_name = sobject.parents[name]
        target = self.describe(target_name)
        assert target is not None
        key = str((row.get(link) if row else None) or "")
        if key and (target_name, key) not in self._by_id:
            self._by_id[target_name, key] = next(iter(self.load(target_name, "Id", [key])), None)
        return name, target, self._by_id.get((target_name, key))

    def _field(self, sobject: SObject, path: str) -> None:
        head, _, rest = path.partition(".")
        if rest:
            _, target, _ = self._parent(sobject, head, None, path.count(".") + 1)
            self._field(target, rest)
        else:
            self._own(sobject, head)

    def _value(self, sobject: SObject, path: str, row: Record | None) -> Any:
        """The typed value of a field path, for comparing."""
        head, _, rest = path.partition(".")
        if rest:
            _, target, parent = self._parent(sobject, head, row, path.count(".") + 1)
            return None if parent is None else self._value(target, rest, parent)
        name = self._own(sobject, head)
        return typed(row.get(name) if row else None, sobject.fields[name])

    def _holds(self, sobject: SObject, where: Condition, row: Record) -> bool:
        if isinstance(where, Compare):
            return _compares(self._value(sobject, where.name, row), where)
        results = (self._holds(sobject, part, row) for part in where.parts)
        if where.kind == "not":
            return not any(results)
        return all(results) if where.kind == "and" else any(results)


def typed(value: Any, kind: str) -> Any:
    """A stored value as something that compares: numbers as Decimal, days and instants as such."""
    if value is None or value == "":
        return False if kind == "boolean" else None
    if kind == "double":
        return Decimal(str(value))
    if kind == "date":
        return dt.date.fromisoformat(str(value)[:10])
    if kind == "datetime":
        return dt.datetime.fromisoformat(str(value))
    if kind in {"id", "reference"}:
        return long_id(str(value))
    return value


def rendered(value: Any, kind: str) -> Any:
    """A stored value as JSON carries it: booleans are never null, numbers are numbers."""
    if kind == "boolean":
        return bool(value)
    if value in (None, ""):
        return None
    if kind == "double":
        number = Decimal(str(value))
        return number.quantize(Decimal("0.1")) if number == number.to_integral_value() else number
    return value


def _compares(value: Any, where: Compare) -> bool:
    if where.op in {"in", "not_in"}:
        options = where.value if isinstance(where.value, tuple) else (where.value,)
        inside = any(_equal(value, option) for option in options)
        return inside if where.op == "in" else not inside
    if where.op == "like":
        pattern = re.escape(str(where.value)).replace("%", ".*").replace("_", ".")
        return value is not None and re.fullmatch(pattern, str(value), re.IGNORECASE) is not None
    if where.op in {"=", "!="}:
        return _equal(value, where.value) == (where.op == "=")
    if value is None or where.value is None:
        return False
    other = _alike(value, where.value)
    return {"<": value < other, "<=": value <= other, ">": value > other, ">=": value >= other}[where.op]


def _equal(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return value is None and other is None
    other = _alike(value, other)
    if isinstance(value, str) and isinstance(other, str):
        # Text compares without case; ids were brought to 18 characters, in which case is told apart.
        return value.lower() == other.lower()
    return bool(value == other)


def _alike(value: Any, other: Any) -> Any:
    """The literal as the field's type; the platform refuses a literal of another type."""
    wanted = "string"
    if isinstance(value, bool):
        wanted = "boolean"
    elif isinstance(value, Decimal):
        wanted = "double"
    elif isinstance(value, dt.datetime):
        wanted = "datetime"
    elif isinstance(value, dt.date):
        wanted = "date"
    fits = {
        "boolean": isinstance(other, bool),
        "double": isinstance(other, Decimal),
        "datetime": isinstance(other, dt.datetime),
        "date": isinstance(other, dt.date) and not isinstance(other, dt.datetime),
        "string": isinstance(other, str),
    }
    if not fits[wanted]:
        raise SoqlError(
            f"value of filter criterion for field must be of type {wanted} and should not be enclosed in quotes",
            "INVALID_FIELD",
        )
    if wanted == "string" and len(other) == 15 and re.fullmatch(r"[A-Za-z0-9]{15}", other) and len(value) == 18:
        return long_id(other)
    return other


def _narrowed(where: Condition | None) -> dict[str, Any]:
    """What of a condition the store can apply by itself: Id = / IN, and a lower bound of SystemModstamp."""
    parts = where.parts if isinstance(where, Junction) and where.kind == "and" else (where,)
    for part in parts:
        if isinstance(part, Compare) and part.name.lower() == "id" and part.op in {"=", "in"}:
            values = part.value if isinstance(part.value, tuple) else (part.value,)
            return {"field": "Id", "values": [long_id(str(value)) for value in values]}
    for part in parts:
        if not isinstance(part, Compare) or part.name.lower() != "systemmodstamp" or part.op not in {">", ">="}:
            continue
        if isinstance(part.value, dt.datetime):
            return {"since": part.value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")}
    return {}
