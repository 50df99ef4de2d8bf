"""/sobjects: create, read, update, delete, upsert by external id, describe, updated and deleted."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import unquote

from q2c.connectors.salesforce.sandbox.org import body_of, describe, org_of
from q2c.connectors.salesforce.sandbox.push import enqueue_won
from q2c.connectors.salesforce.sandbox.query import rendered
from q2c.connectors.salesforce.sandbox.schema import SObject
from q2c.connectors.salesforce.sandbox.writing import Org, Refused
from q2c.connectors.sandbox_kit import Answer, Request, Store

_UPSERT_SAYS_UPDATED = 46.0


def _sobject(request: Request, store: Store) -> tuple[Org, SObject]:
    org = org_of(store)
    return org, org.sobject(request.vars["name"])


def _done(org: Org, store: Store) -> None:
    org.finish()
    enqueue_won(store, org.won)


def _location(request: Request, sobject: SObject, key: str) -> str:
    return f"/services/data/{request.vars['version']}/sobjects/{sobject.name}/{key}"


def create(request: Request, store: Store) -> Answer:
    org, sobject = _sobject(request, store)
    key = org.create(sobject, body_of(request))
    _done(org, store)
    return Answer(201, {"id": key, "success": True, "errors": []}, {"Location": _location(request, sobject, key)})


def update(request: Request, store: Store) -> Answer:
    org, sobject = _sobject(request, store)
    _unmodified(request, org.read(sobject, request.vars["id"]))
    org.update(sobject, request.vars["id"], body_of(request))
    _done(org, store)
    return Answer(204)


def _unmodified(request: Request, record: dict[str, Any]) -> None:
    """If-Unmodified-Since makes an update optimistic."""
    given = request.headers.get("if-unmodified-since", "")
    if not given:
        return
    from email.utils import parsedate_to_datetime

    changed = dt.datetime.fromisoformat(record["LastModifiedDate"]).replace(microsecond=0)
    if changed > parsedate_to_datetime(given):
        raise Refused("PRECONDITION_FAILED", "The record has been modified since", status=412)


def delete(request: Request, store: Store) -> Answer:
    org, sobject = _sobject(request, store)
    org.delete(sobject, request.vars["id"])
    _done(org, store)
    return Answer(204)


def read(request: Request, store: Store) -> Answer:
    org, sobject = _sobject(request, store)
    return Answer(200, shown(request, sobject, org.read(sobject, request.vars["id"])))


def shown(request: Request, sobject: SObject, record: dict[str, Any]) -> dict[str, Any]:
    """The fields asked for, or all; nulls are there."""
    asked = [name for name in request.query.get("fields", "").split(",") if name]
    names = []
    for name in asked or sobject.fields:
        found = sobject.canonical(name.strip())
        if found is None:
            raise Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        names.append(found)
    url = _location(request, sobject, record["Id"])
    values = {name: rendered(record.get(name), sobject.fields[name]) for name in names}
    return {"attributes": {"type": sobject.name, "url": url}, **values}


def by_external_id(request: Request, store: Store) -> Answer:
    org, sobject = _sobject(request, store)
    found = _matches(org, sobject, request)
    if isinstance(found, Answer):
        return found
    if not found:
        raise Refused("NOT_FOUND", "The requested resource does not exist", status=404)
    return Answer(200, shown(request, sobject, found[0]))


def upsert(request: Request, store: Store) -> Answer:
    """PATCH by external id: 201 created; 200, or 204 before v46, updated; 300 where several match."""
    org, sobject = _sobject(request, store)
    found = _matches(org, sobject, request)
    if isinstance(found, Answer):
        return found
    body = body_of(request)
    if found:
        org.update(sobject, found[0]["Id"], body)
        _done(org, store)
        says = float(request.vars["version"].lstrip("v")) >= _UPSERT_SAYS_UPDATED
        return (
            Answer(200, {"id": found[0]["Id"], "success": True, "errors": [], "created": False})
            if says
            else Answer(204)
        )
    field = sobject.canonical(request.vars["field"])
    key = org.create(sobject, {**body, str(field): unquote(request.vars["value"])})
    _done(org, store)
    content = {"id": key, "success": True, "errors": [], "created": True}
    return Answer(201, content, {"Location": _location(request, sobject, key)})


def _matches(org: Org, sobject: SObject, request: Request) -> list[dict[str, Any]] | Answer:
    found = org.by_external_id(sobject, request.vars["field"], unquote(request.vars["value"]))
    if len(found) > 1:
        return Answer(300, [_location(request, sobject, each["Id"]) for each in found])
    return found


def described(request: Request, store: Store) -> Answer:
    _, sobject = _sobject(request, store)
    fields = [
        {
            "name": name, "label": name.removesuffix("__c").replace("_", " "), "type": kind,
            "custom": name.endswith("__c"), "nillable": name not in sobject.required,
            "createable": name not in sobject.read_only, "updateable": name not in sobject.read_only,
            "externalId": name in sobject.external_ids,
        }
        for name, kind in sobject.fields.items()
    ]  # fmt: skip
    content = {"name": sobject.name, "label": sobject.name, "keyPrefix": sobject.prefix, "fields": fields}
    return Answer(200, content)


def updated(request: Request, store: Store) -> Answer:
    records, _, end = _window(request, store)
    ids = [record["Id"] for record in records if not record.get("IsDeleted")]
    return Answer(200, {"ids": ids, "latestDateCovered": _stamp(end)})


def deleted(request: Request, store: Store) -> Answer:
    records, start, end = _window(request, store)
    rows = [{"id": r["Id"], "deletedDate": r["SystemModstamp"]} for r in records if r.get("IsDeleted")]
    content = {"deletedRecords": rows, "earliestDateAvailable": _stamp(start), "latestDateCovered": _stamp(end)}
    return Answer(200, content)


def _window(request: Request, store: Store) -> tuple[list[dict[str, Any]], dt.datetime, dt.datetime]:
    """Records changed in [start, end); the platform ignores seconds."""
    sobject = describe(store, request.vars["name"])
    if sobject is None:
        raise Refused("NOT_FOUND", "The requested resource does not exist", status=404)
    try:
        start, end = (
            dt.datetime.fromisoformat(request.query[name].replace(" ", "+")).replace(second=0, microsecond=0)
            for name in ("start", "end")
        )
    except (KeyError, ValueError):
        raise Refused("INVALID_REPLICATION_DATE", "start and end must be instants") from None
    if end <= start or end - start > dt.timedelta(days=30):
        raise Refused("INVALID_REPLICATION_DATE", "end must be after start, by at most 30 days")
    records = [record.body for record in store.all(sobject.name)]
    inside = [r for r in records if start <= dt.datetime.fromisoformat(r["SystemModstamp"]) < end]
    return inside, start, end


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
