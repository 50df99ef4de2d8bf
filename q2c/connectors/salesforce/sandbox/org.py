"""What the handlers share: the org's records in the store, its objects, its error bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from q2c.connectors.salesforce.sandbox import schema
from q2c.connectors.salesforce.sandbox.schema import SObject
from q2c.connectors.salesforce.sandbox.writing import Org, Refused
from q2c.connectors.sandbox_kit import Answer, Request, Store
from q2c.connectors.sandbox_kit import Refused as Answered


class StoredRecords:
    """Records of the org as documents of the store, by object name and id. Only queries (`load`) can lag behind."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        found = self.store.get(name, key, hidden=True)
        return found.body if found else None

    def put(self, name: str, key: str, record: dict[str, Any]) -> None:
        found = self.store.get(name, key, hidden=True)
        if found is None:
            self.store.add(name, key, record)
        else:
            found.body = record
            self.store.put(found)

    def all(self, name: str) -> list[dict[str, Any]]:
        return [record.body for record in self.store.all(name)]

    def where(self, name: str, field: str, value: str) -> list[dict[str, Any]]:
        rows = self.store.all(name, "lower(body->>%s) = lower(%s)", [field, value], hidden=True)
        return [record.body for record in rows]

    def next_number(self, name: str) -> int:
        return self.store.next(name)

    def load(self, name: str, field: str = "", values: Sequence[str] = (), since: str = "") -> list[dict[str, Any]]:
        """For queries: narrowed by the database where it can be."""
        if field == "Id":
            rows = self.store.all(name, "id = ANY(%s)", [list(values)])
        elif field:
            rows = self.store.all(name, "body->>%s = ANY(%s)", [field, list(values)])
        elif since:
            # Both are written alike, in UTC, so that text compares as time does.
            rows = self.store.all(name, "body->>'SystemModstamp' >= %s", [since])
        else:
            rows = self.store.all(name)
        return [record.body for record in rows]


def describe(store: Store, name: str) -> SObject | None:
    """An object with the custom fields that were added to this org."""
    found = schema.find(name)
    if found is None:
        return None
    more = store.setting("custom_fields", {}).get(found.name, [])
    return found.with_fields(more) if more else found


def org_of(store: Store) -> Org:
    return Org(StoredRecords(store), lambda name: describe(store, name), store.now())


def refusal(error: Refused) -> Answered:
    return Answered(Answer(error.status, error.body()))


def error(status: int, code: str, message: str) -> Answer:
    """The platform's array of errors."""
    return Answer(status, [{"message": message, "errorCode": code}])


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a write; raises Refused as the platform words it."""
    try:
        found = request.json()
    except ValueError as problem:
        raise Refused("JSON_PARSER_ERROR", f"Unexpected character: {problem}") from None
    if not isinstance(found, dict):
        raise Refused("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
    return found
