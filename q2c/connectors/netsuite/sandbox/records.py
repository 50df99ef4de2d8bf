"""The record service: create, read, upsert by external id, update, delete and list."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from q2c.connectors.netsuite.sandbox import customers, journals
from q2c.connectors.netsuite.sandbox.words import refused
from q2c.connectors.sandbox_kit import Answer, Request, Store
from q2c.connectors.sandbox_kit.store import Record

PATH = "/services/rest/record/v1"
# Records that are read only here: they are made by seeding.
MASTER = (
    "subsidiary", "currency", "account", "department", "classification", "location", "accountingPeriod", "item",
)  # fmt: skip
KINDS = (journals.KIND, customers.KIND, *MASTER)
WRITTEN = (journals.KIND, customers.KIND)
_REFERENCED = {**journals.HEADER_REFERENCES, **journals.REFERENCES, "parent": ""}
_NAMES = {"account": "acctName", "accountingPeriod": "periodName", "customer": "entityId", "item": "itemId"}


def create(request: Request, store: Store) -> Answer:
    kind = _kind(request, WRITTEN)
    return _located(request, _created(store, kind, _body(request), strict=_strict(request)))


def upsert(request: Request, store: Store) -> Answer:
    """PUT …/eid:X makes the record, or changes the one that is there."""
    kind, document = _kind(request, WRITTEN), _body(request)
    name = _name(request)
    if not name.startswith("eid:"):
        return update(request, store)
    found = store.by_external(kind, name[4:], lock=True, hidden=True)
    document["externalId"] = name[4:]
    if found is None:
        return _located(request, _created(store, kind, document, strict=_strict(request)))
    _changed(store, found, document, request)
    return _located(request, found)


def update(request: Request, store: Store) -> Answer:
    _changed(store, _found(request, store, WRITTEN, lock=True), _body(request), request)
    return Answer(204)


def delete(request: Request, store: Store) -> Answer:
    found = _found(request, store, WRITTEN, lock=True)
    if found.kind == journals.KIND:
        journals.removable(store, found)
    store.remove(found.kind, found.id)
    return Answer(204)


def read(request: Request, store: Store) -> Answer:
    found = _found(request, store, KINDS)
    expand = request.query.get("expandSubResources", "").lower() == "true"
    document = shown(request, store, found, expand=expand)
    wanted = [name for name in request.query.get("fields", "").split(",") if name]
    if wanted:
        document = {key: value for key, value in document.items() if key in {"links", "id", *wanted}}
    return Answer(200, document, {"Content-Type": "application/vnd.oracle.resource+json; type=singular"})


def listed(request: Request, store: Store) -> Answer:
    """A collection: ids and links, a page at a time."""
    kind = _kind(request, KINDS)
    limit, offset = int(request.query.get("limit", "1000")), int(request.query.get("offset", "0"))
    if not 1 <= limit <= 1000 or offset % limit:
        raise refused("paging", field="limit or offset", value=f"{limit}, {offset}")
    rows = store.all(kind)
    page = rows[offset : offset + limit]
    items = [{"links": [_self(request, kind, row.id)], "id": row.id} for row in page]
    body = {
        "links": [{"rel": "self", "href": f"{request.base_url}{PATH}/{kind}"}], "count": len(page), "items": items,
        "hasMore": offset + limit < len(rows), "offset": offset, "totalResults": len(rows),
    }  # fmt: skip
    return Answer(200, body, {"Content-Type": "application/vnd.oracle.resource+json; type=collection"})


def shown(request: Request, store: Store, record: Record, *, expand: bool) -> dict[str, Any]:
    """A record as GET answers it: references with their names, sublists only where they are asked for."""
    body = {key: value for key, value in record.body.items() if not key.startswith("_")}
    document = {"links": [_self(request, record.kind, record.id)], "id": record.id, **body}
    if record.external_id:
        document["externalId"] = record.external_id
    document |= {
        "createdDate": record.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastModifiedDate": record.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if record.kind == journals.KIND and not expand:
        document["line"] = {
            "links": [{"rel": "self", "href": f"{request.base_url}{PATH}/{record.kind}/{record.id}/line"}]
        }
    for field, value in document.items():
        if field in _REFERENCED and isinstance(value, dict) and "id" in value:
            document[field] = _named(request, store, _REFERENCED[field] or record.kind, value)
    return document


def _named(request: Request, store: Store, kind: str, reference: dict[str, Any]) -> dict[str, Any]:
    target = store.get(kind, str(reference["id"]))
    name = target.body.get(_NAMES.get(kind, "name")) if target else None
    return {"links": [_self(request, kind, str(reference["id"]))], "id": reference["id"], "refName": name}


def _self(request: Request, kind: str, id_: str) -> dict[str, str]:
    return {"rel": "self", "href": f"{request.base_url}{PATH}/{kind}/{id_}"}


def _created(store: Store, kind: str, document: dict[str, Any], *, strict: bool) -> Record:
    make = journals.create if kind == journals.KIND else customers.create
    return make(store, document, strict=strict)


def _changed(store: Store, record: Record, document: dict[str, Any], request: Request) -> None:
    if record.kind == journals.KIND:
        replace = request.method == "PUT" or "line" in request.query.get("replace", "").split(",")
        journals.update(store, record, document, strict=_strict(request), replace=replace)
    else:
        customers.update(store, record, document, strict=_strict(request))


def _located(request: Request, record: Record) -> Answer:
    return Answer(204, None, {"Location": f"{request.base_url}{PATH}/{record.kind}/{record.id}"})


def _kind(request: Request, kinds: tuple[str, ...]) -> str:
    asked = request.vars["kind"].lower()
    found = next((kind for kind in kinds if kind.lower() == asked), None)
    if found is None:
        raise refused("no_method" if asked in {kind.lower() for kind in KINDS} else "no_path")
    return found


def _name(request: Request) -> str:
    return unquote(request.vars["id"])


def _found(request: Request, store: Store, kinds: tuple[str, ...], *, lock: bool = False) -> Record:
    kind, name = _kind(request, kinds), _name(request)
    if name.startswith("eid:"):
        found = store.by_external(kind, name[4:], lock=lock)
    else:
        found = store.get(kind, name, lock=lock)
    if found is None:
        raise refused("unknown_id")
    return found


def _body(request: Request) -> dict[str, Any]:
    try:
        document = request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise refused("json")
    return document


def _strict(request: Request) -> bool:
    return request.headers.get("x-netsuite-propertynamevalidation", "").lower() == "error"
