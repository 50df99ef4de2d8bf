"""The control address of a sandbox: seeds, faults, the clock, and what an ERP user would click."""

from __future__ import annotations

import datetime as dt
import hmac
import html
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import psycopg

from q2c import clock
from q2c.connectors.sandbox_kit import faults
from q2c.connectors.sandbox_kit.messages import Answer, Refused, Request
from q2c.connectors.sandbox_kit.store import Store, opened

if TYPE_CHECKING:
    from q2c.connectors.sandbox_kit.app import Sandbox

TOKEN_HEADER = "x-sandbox-token"  # noqa: S105


def answer(sandbox: Sandbox, request: Request) -> Answer:
    """One control request. With SANDBOX_CONTROL_TOKEN set, it must be sent; without, only loopback may ask."""
    token = os.environ.get("SANDBOX_CONTROL_TOKEN", "")
    given = request.headers.get(TOKEN_HEADER, "")
    local = request.environ.get("REMOTE_ADDR", "127.0.0.1") in ("127.0.0.1", "::1", "")
    if (token and not hmac.compare_digest(token, given)) or (not token and not local):
        return Answer(403, {"error": "control addresses need the control token"})
    parts = [part for part in request.path.removeprefix("/_control").split("/") if part]
    try:
        with opened(sandbox.schema) as store:
            return _act(sandbox, request, store, parts)
    except (LookupError, ValueError, TypeError, psycopg.DataError) as error:
        return Answer(400, {"error": f"{type(error).__name__}: {error}"})
    except Refused as refused:
        return refused.answer


def _act(sandbox: Sandbox, request: Request, store: Store, parts: list[str]) -> Answer:
    verb = (request.method, parts[0] if parts else "")
    simple: dict[tuple[str, str], Callable[[], Any]] = {
        ("POST", "reset"): store.clear,
        ("POST", "seed"): lambda: sandbox.seed(store, _object(request)),
        ("POST", "clock"): lambda: _move_clock(store, _object(request)),
        ("GET", "faults"): lambda: faults.listed(store),
        ("POST", "faults"): lambda: faults.set_fault(store, _object(request), sandbox.switches()),
        ("DELETE", "faults"): lambda: faults.clear(store, request.query.get("name", "")),
        ("GET", "state"): lambda: state(sandbox, store, records=request.query.get("records") != "no"),
    }
    if verb == ("GET", ""):
        return Answer(200, _page(sandbox, store), {"Content-Type": "text/html; charset=utf-8"})
    if verb[1] == "records":
        return _records(sandbox, request, store, parts[1:])
    if request.method == "POST" and verb[1] in sandbox.on_control:
        return _said(sandbox.on_control[verb[1]](store, _object(request)))
    if verb in simple:
        return _said(simple[verb]())
    return Answer(404, {"error": f"no control address {request.path}"})


def _said(result: Any) -> Answer:
    return Answer(200, {"ok": True} if result is None else _plain(result))


def _object(request: Request) -> dict[str, Any]:
    """The body, a JSON object; none at all is an empty one."""
    found = request.json()
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("the body must be a JSON object")
    return found


def _move_clock(store: Store, document: dict[str, Any]) -> None:
    """{"now": instant} or {"now": null} for the machine's own time."""
    wanted = document.get("now")
    moment = clock.now() if wanted is None else dt.datetime.fromisoformat(wanted)
    if moment.tzinfo is None:
        raise ValueError("now needs a zone, such as 2026-03-01T09:00:00Z")
    store.set("clock_offset_s", "0" if wanted is None else str((moment - clock.now()).total_seconds()))


def _records(sandbox: Sandbox, request: Request, store: Store, parts: list[str]) -> Answer:
    """GET records/<kind>, all or by ?find=&skip=&most= as {total, records}; GET or PATCH records/<kind>/<key>.

    A key is an id, a number or an external id; PATCH sends the fields to change.
    """
    if request.method == "GET" and len(parts) == 1 and "most" in request.query:
        return Answer(200, _some(store, parts[0], request.query))
    if request.method == "GET" and len(parts) == 1:
        return Answer(200, [_plain(vars_of(record)) for record in store.all(parts[0])])
    if request.method not in ("GET", "PATCH") or len(parts) != 2:
        return Answer(404, {"error": "GET records/<kind>, GET or PATCH records/<kind>/<id>"})
    kind, key = parts[0], unquote(parts[1])
    found = store.get(kind, key) or store.by_number(kind, key) or store.by_external(kind, key)
    if found is None:
        return Answer(404, {"error": f"no {kind} {key}"})
    if request.method == "PATCH":
        sandbox.edit(store, found, _object(request))
    return Answer(200, _plain(vars_of(store.get(kind, found.id) or found)))


def _some(store: Store, kind: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Those whose text holds `find`, oldest first."""
    total, records = store.search(kind, query.get("find", ""), int(query.get("skip", 0)), int(query["most"]))
    return {"total": total, "records": [_plain(vars_of(record)) for record in records]}


def state(sandbox: Sandbox, store: Store, *, records: bool = True) -> dict[str, Any]:
    """All that a page of switches shows; without `records` how many there are of each kind, and no more."""
    counts = store.connection.execute(f"SELECT kind, count(*) FROM {store.schema}.record GROUP BY kind ORDER BY kind")
    return {
        "vendor": sandbox.vendor,
        "title": sandbox.title,
        "now": store.now().isoformat(),
        "switches": [
            {"name": name, "about": about, "unit": unit, "operations": sorted(sandbox.switches()[name])}
            for name, (about, unit) in faults.SWITCHES.items()
            if name in sandbox.switches()
        ],
        "operations": sorted(sandbox.operations()),
        "faults": _plain(faults.listed(store)),
        "records": dict(counts.fetchall()),
        "editable": {
            kind: {
                "fields": list(fields),
                **({"records": [_plain(vars_of(record)) for record in store.all(kind)]} if records else {}),
            }
            for kind, fields in sandbox.editable.items()
        },
        "acts": {kind: list(verbs) for kind, verbs in sandbox.acts.items()},
        "runs": list(sandbox.runs),
    }


def vars_of(record: Any) -> dict[str, Any]:
    return {
        "kind": record.kind, "id": record.id, "number": record.number, "external_id": record.external_id,
        "body": record.body, "created_at": record.created_at, "updated_at": record.updated_at,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return Decimal(str(value))
    return value.isoformat() if hasattr(value, "isoformat") else value


def _page(sandbox: Sandbox, store: Store) -> str:
    """A plain page for using a sandbox alone; q2c's own page has the switches."""
    found = state(sandbox, store, records=False)
    rows = "".join(
        f"<tr><td>{html.escape(f['name'])}<td>{html.escape(f['operation'] or 'every operation')}<td>{f['hits']}</tr>"
        for f in found["faults"]
    )
    counts = "".join(f"<li>{html.escape(kind)}: {count}" for kind, count in found["records"].items())
    return (
        f"<!doctype html><title>{html.escape(sandbox.title)} sandbox</title>"
        f"<h1>{html.escape(sandbox.title)} sandbox</h1>"
        f"<p>It is {found['now']} here.</p><h2>Records</h2><ul>{counts}</ul>"
        f"<h2>Faults</h2><table><tr><th>Switch<th>Operation<th>Hits</tr>{rows}</table>"
    )
