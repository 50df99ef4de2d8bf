"""/query and /queryAll with pages: more rows than a batch holds are kept under a locator."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.connectors.salesforce.sandbox.org import StoredRecords, describe, error
from q2c.connectors.salesforce.sandbox.query import Runner
from q2c.connectors.salesforce.sandbox.schema import record_id
from q2c.connectors.salesforce.sandbox.soql import SoqlError, parse
from q2c.connectors.sandbox_kit import Answer, Request, Store

BATCH_MAX = 2000
LOCATORS_KEPT_H = 48


def query(request: Request, store: Store) -> Answer:
    return _run(request, store, with_deleted=False)


def query_all(request: Request, store: Store) -> Answer:
    return _run(request, store, with_deleted=True)


def _run(request: Request, store: Store, with_deleted: bool) -> Answer:
    version = request.vars["version"]
    runner = Runner(StoredRecords(store).load, lambda name: describe(store, name), version)
    try:
        parsed = parse(request.query.get("q", ""))
        rows = runner.run(parsed, with_deleted)
    except SoqlError as problem:
        return error(400, problem.code, str(problem))
    if parsed.counts:
        return Answer(200, {"totalSize": len(rows), "done": True, "records": []})
    size = _batch(request, store)
    for row in rows:
        for name, value in list(row.items()):
            if isinstance(value, dict) and isinstance(value.get("records"), list):
                row[name] = _page(store, version, value["records"], 0, size)
    return Answer(200, _page(store, version, rows, 0, size))


def _batch(request: Request, store: Store) -> int:
    """The batch asked for is advice; the org may give smaller ones (setting page_size)."""
    options = dict(
        part.strip().partition("=")[::2] for part in request.headers.get("sforce-query-options", "").split(",")
    )
    asked = options.get("batchSize", "")
    wanted = min(max(int(asked), 200), BATCH_MAX) if asked.isdigit() else BATCH_MAX
    return min(wanted, int(store.setting("page_size", BATCH_MAX)))


def _page(store: Store, version: str, rows: list[Any], start: int, size: int, locator: str = "") -> dict[str, Any]:
    end = start + size
    found: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows)}
    if end < len(rows):
        if not locator:
            locator = record_id("01g", store.next("locator"))
            store.add("locator", locator, {"rows": rows, "size": size})
            store.connection.execute(
                f"DELETE FROM {store.schema}.record WHERE kind = 'locator' AND created_at < %s",
                [store.now() - dt.timedelta(hours=LOCATORS_KEPT_H)],
            )
            _make_room(store)
        found["nextRecordsUrl"] = f"/services/data/{version}/query/{locator}-{end}"
    return {**found, "records": rows[start:end]}


def _make_room(store: Store) -> None:
    """An org keeps few queries open at once, the newest: as many as setting locators_kept says, if it says so."""
    kept = store.setting("locators_kept", None)
    if kept is None:
        return
    newest = f"SELECT id FROM {store.schema}.record WHERE kind = 'locator' ORDER BY seq DESC LIMIT %s"
    store.connection.execute(
        f"DELETE FROM {store.schema}.record WHERE kind = 'locator' AND id NOT IN ({newest})", [kept]
    )


def more(request: Request, store: Store) -> Answer:
    locator, _, start = request.vars["locator"].rpartition("-")
    kept = store.get("locator", locator, hidden=True)
    if kept is None or not start.isdigit():
        return error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    rows = kept.body["rows"]
    return Answer(200, _page(store, request.vars["version"], rows, int(start), int(kept.body["size"]), locator))
