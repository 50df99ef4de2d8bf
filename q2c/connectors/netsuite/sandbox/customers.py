"""customer: parents, subsidiaries, and one name only once."""

from __future__ import annotations

from typing import Any

from q2c.connectors.netsuite.sandbox.references import References, shown
from q2c.connectors.netsuite.sandbox.words import refused
from q2c.connectors.sandbox_kit import Store
from q2c.connectors.sandbox_kit.store import Duplicate, Record

KIND = "customer"
_FIELDS = (
    "externalId entityId companyName isPerson firstName lastName subsidiary currency parent email phone comments terms "
    "isInactive category accountNumber dateCreated lastModifiedDate id links refName addressBook"
)
FIELDS = frozenset(_FIELDS.split())
_REFERENCES = {"subsidiary": "subsidiary", "currency": "currency", "parent": "customer"}


def create(store: Store, document: dict[str, Any], *, strict: bool) -> Record:
    """A new customer. Its entityId is its name unless it is given. Raises Refused."""
    body = _accepted(store, document, strict=strict)
    external_id = str(document.get("externalId") or "") or None
    try:
        return store.add(KIND, str(store.next("id", 5001)), body, number=body["entityId"], external_id=external_id)
    except Duplicate:
        raise refused("entity_exists") from None


def update(store: Store, record: Record, document: dict[str, Any], *, strict: bool) -> None:
    record.body = _accepted(store, {**record.body, **document}, strict=strict)
    record.number = record.body["entityId"]
    if document.get("externalId"):
        record.external_id = str(document["externalId"])
    if _is_loop(store, record):
        raise refused("ineligible", value=shown(record.body.get("parent")), field="parent", path="parent")
    try:
        with store.connection.transaction():
            store.put(record)
    except Exception as error:
        if type(error).__name__ != "UniqueViolation":
            raise
        raise refused("entity_exists") from None


def _is_loop(store: Store, record: Record) -> bool:
    """Whether its parents lead back to the record."""
    at = record.body.get("parent")
    while at:
        if at["id"] == record.id:
            return True
        parent = store.get(KIND, at["id"], hidden=True)
        at = parent.body.get("parent") if parent else None
    return False


def _accepted(store: Store, document: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    if strict:
        for field in document:
            if field not in FIELDS and not field.startswith("custentity"):
                raise refused("property", field=field, path=field)
    name = document.get("companyName")
    if not name and not document.get("isPerson"):
        raise refused("missing", field="companyName", path="companyName")
    references = References(store, [(kind, document.get(field)) for field, kind in _REFERENCES.items()])
    body = {key: value for key, value in document.items() if key in FIELDS - {"id", "links", "refName", "externalId"}}
    for field, kind in _REFERENCES.items():
        if not document.get(field):
            continue
        target = references.of(kind, document[field])
        if target is None:
            raise refused("reference", value=shown(document[field]), field=field, path=field)
        if target.is_inactive:
            raise refused("ineligible", value=target.id, field=field, path=field)
        body[field] = {"id": target.id}
    if "subsidiary" not in body:
        raise refused("missing", field="subsidiary", path="subsidiary")
    person = f"{document.get('firstName', '')} {document.get('lastName', '')}".strip()
    body["entityId"] = str(document.get("entityId") or name or person)
    body.setdefault("isInactive", False)
    return body
