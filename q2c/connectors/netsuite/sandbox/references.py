"""References by internal or external id, all of a document read at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from q2c.connectors.sandbox_kit import Store


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference points at."""

    kind: str
    id: str
    external_id: str | None
    number: str | None
    body: dict[str, Any]

    @property
    def is_inactive(self) -> bool:
        return is_true(self.body.get("isInactive"))

    def allows(self, subsidiary_id: str) -> bool:
        """Whether the record may be used in a subsidiary: its list names it, or there is no list."""
        listed = self.body.get("subsidiary")
        members = listed.get("items") if isinstance(listed, dict) and "items" in listed else listed
        if not isinstance(members, list) or not members:
            return True
        return subsidiary_id in {str(member.get("id")) for member in members}


def is_true(value: Any) -> bool:
    """Flags arrive as booleans, and from the control page as words."""
    return value is True or str(value).lower() in ("t", "true", "1", "yes")


class References:
    """Targets by (kind, the reference as it was given)."""

    def __init__(self, store: Store, wanted: Iterable[tuple[str, Any]]) -> None:
        self._by_id: dict[tuple[str, str], Target] = {}
        self._by_external: dict[tuple[str, str], Target] = {}
        ids, externals = set(), set()
        for kind, reference in wanted:
            if isinstance(reference, dict) and reference.get("id") not in (None, ""):
                ids.add((kind, str(reference["id"])))
            elif isinstance(reference, dict) and reference.get("externalId"):
                externals.add((kind, str(reference["externalId"])))
        for target in _read(store, sorted(ids), sorted(externals)):
            self._by_id[target.kind, target.id] = target
            if target.external_id:
                self._by_external[target.kind, target.external_id] = target

    def of(self, kind: str, reference: Any) -> Target | None:
        if not isinstance(reference, dict):
            return None
        if reference.get("id") not in (None, ""):
            return self._by_id.get((kind, str(reference["id"])))
        return self._by_external.get((kind, str(reference.get("externalId", ""))))


def _read(store: Store, ids: list[tuple[str, str]], externals: list[tuple[str, str]]) -> list[Target]:
    columns = "SELECT r.kind, r.id, r.external_id, r.number, r.body::text FROM {table}.record r JOIN "
    pairs = "unnest(%s::text[], %s::text[]) AS w(kind, name) ON r.kind = w.kind AND r.{column} = w.name"
    by_id = (columns + pairs.format(column="id")).format(table=store.schema)
    by_external = (columns + pairs.format(column="external_id")).format(table=store.schema)
    parts, values = [], []
    for sql, wanted in ((by_id, ids), (by_external, externals)):
        if wanted:
            parts.append(sql)
            values += [[kind for kind, _ in wanted], [name for _, name in wanted]]
    if not parts:
        return []
    rows = store.connection.execute(" UNION ALL ".join(parts), values).fetchall()
    return [Target(r[0], r[1], r[2], r[3], json.loads(r[4], parse_float=Decimal)) for r in rows]


def shown(reference: Any) -> str:
    """A reference as an error message names it."""
    if isinstance(reference, dict):
        return str(reference.get("id") or reference.get("externalId") or "")
    return str(reference)
