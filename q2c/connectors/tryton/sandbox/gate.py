"""Requests that go through to the real Tryton, and what is noted of them."""

from __future__ import annotations

import json
from typing import Any

from q2c.connectors.http import Http, Lost, NotSent
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.sandbox_kit import Answer, Refused, Request
from q2c.connectors.sandbox_kit.store import Store

# Of a request, what reaches it; of its answer, what comes back.
_ASKED = ("authorization", "content-type", "accept-language", "x-tryton-context")
_SAID = ("content-type", "content-language", "retry-after")
_open: dict[str, Http] = {}


def seed(store: Store, document: dict[str, Any]) -> None:
    store.set("upstream", str(document["upstream"]).rstrip("/"))


def through(request: Request, store: Store) -> Answer:
    """The same request there; its answer as it is."""
    upstream = str(store.setting("upstream", ""))
    if not upstream:
        raise Refused(Answer(503, page("No Tryton is started: bin/erp tryton"), {"Content-Type": "text/html"}))
    headers = {name: request.headers[name] for name in _ASKED if request.headers.get(name)}
    address = request.url.removeprefix(request.base_url)
    try:
        answer = _http(upstream).send(
            request.method, address, headers=headers, body=request.body or None, operation="through"
        )  # fmt: skip
    except (NotSent, Lost) as error:
        raise Refused(Answer(502, page(str(error)), {"Content-Type": "text/html"})) from None
    said = {name.title(): answer.headers[name] for name in _SAID if answer.headers.get(name)}
    return Answer(answer.status, answer.body, said)


def made(request: Request, store: Store) -> Answer:
    if quirk := store.setting("quirk", ""):
        request.body = _otherwise(json.loads(request.body), quirk)
        store.set("quirk", "")
    answer = through(request, store)
    if answer.status == 200:
        store.add("move", id_=str(json.loads(answer.payload())["id"]), body={})
    return answer


def moves(request: Request, store: Store) -> Answer:
    """As they are there, without those that a search does not find yet."""
    answer = through(request, store)
    rows = json.loads(answer.payload()) if answer.status == 200 else None
    if not isinstance(rows, list):
        return answer
    seen = {record.id for record in store.all("move")}
    hidden = {record.id for record in store.all("move", hidden=True)} - seen
    if not any(str(row["id"]) in hidden for row in rows):
        return answer
    found = [row for row in rows if str(row["id"]) not in hidden]
    return Answer(200, json.dumps(found).encode(), answer.headers)


def quirk(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """The next move is taken with another date (moves_date), or without its cost centre (drops_analytic)."""
    store.set("quirk", str(document["name"]))
    return {"quirk": document["name"]}


def _otherwise(move: dict[str, Any], quirk: str) -> bytes:
    if quirk == "moves_date":
        move["date"]["day"] = 1 if move["date"]["day"] > 1 else 2
    for line in move["lines"][0][1] if quirk == "drops_analytic" else ():
        line.pop("analytic_lines", None)
    return json.dumps(move).encode()


def refused(text: str) -> Answer:
    """A refusal as Tryton writes it."""
    return Answer(400, {"status": 400, "message": text, "description": ""})


def page(text: str) -> str:
    return f"<!doctype html>\n<title>{text}</title>\n<p>{text}</p>\n"


def _http(upstream: str) -> Http:
    if upstream not in _open:
        # What the switches do with time they do before: the real one may take as long as it needs.
        config = ConnectionConfig(name="tryton", vendor="tryton", base_url=upstream, time_limit_s=60, concurrency=32)
        _open[upstream] = Http(config)
    return _open[upstream]
