"""A sandbox as a WSGI application: routing, one transaction per request, faults around it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from q2c.connectors.sandbox_kit import control, faults
from q2c.connectors.sandbox_kit.faults import Fault
from q2c.connectors.sandbox_kit.messages import Answer, Refused, Request
from q2c.connectors.sandbox_kit.store import Record, Store, opened, prepare

Handler = Callable[[Request, Store], Answer]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


# Switches that make no sense where a token is asked for.
_OF_RECORDS = ("token_expired", "business_failure", "search_lag")


class Dropped(Exception):
    """The connection is to be cut without an answer."""


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    operation: str
    handler: Handler


class Sandbox:
    """One vendor. Subclasses or callers set what differs: error bodies, what may be switched, what seeding means."""

    def __init__(self, vendor: str, title: str) -> None:
        self.vendor, self.title = vendor, title
        self.schema = f"sandbox_{vendor}"
        self.routes: list[Route] = []
        # What an ERP user may change on the control page: kind → fields.
        self.editable: dict[str, tuple[str, ...]] = {}
        # What such a user does to a whole record: kind → control verbs that take its {"number", "on"}.
        self.acts: dict[str, tuple[str, ...]] = {}
        # What such a user starts for the whole platform: control verbs that take its {"until"}.
        self.runs: tuple[str, ...] = ()
        self.seed: Callable[[Store, dict[str, Any]], None] = lambda store, document: None
        self.on_control: dict[str, Callable[[Store, dict[str, Any]], Any]] = {}
        # How a change on the control page is made; a vendor with derived fields or stamps has its own.
        self.edit: Callable[[Store, Record, dict[str, Any]], None] = written_into
        # A setting without which there is nothing behind it: then it is not listed.
        self.needs = ""
        # Operations that show no token: switches about a session, a record or a search pass them by.
        self.tokenless: set[str] = {"token"}
        # Operations that take several things in one call: there alone one of them can fail.
        self.batches: set[str] = set()
        # The vendor's own words for what the kit does to it.
        self.too_many: Callable[[Fault], Answer] = lambda f: Answer(429, {}, {"Retry-After": f"{f.value:g}"})
        self.unavailable: Callable[[Fault], Answer] = lambda f: Answer(503, "Service Unavailable")
        self.token_expired: Callable[[Fault], Answer] = lambda f: Answer(401, {"error": "invalid_token"})
        self.business_failure: Callable[[Fault, Request], Answer] | None = None
        self.not_found: Callable[[Request], Answer] = lambda r: Answer(404, {"error": "not found", "path": r.path})
        self.default_headers: Callable[[Request], dict[str, str]] = lambda r: {}
        self.before: Callable[[Request, Store], None] = lambda r, s: None

    def route(self, method: str, path: str, operation: str = "") -> Callable[[Handler], Handler]:
        """Register a handler; `{name}` matches one path segment, `{name*}` the rest. A trailing slash is optional."""
        parts = re.split(r"(\{\w+\*?\})", path.rstrip("/"))
        regex = "".join(
            re.escape(part)
            if not part.startswith("{")
            else f"(?P<{part[1:-2]}>.+)"
            if part.endswith("*}")
            else f"(?P<{part[1:-1]}>[^/]+)"
            for part in parts
        )

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, re.compile(f"^{regex}/?$"), operation or handler.__name__, handler))
            return handler

        return register

    def operations(self) -> set[str]:
        """What a call may be."""
        return {route.operation for route in self.routes}

    def switches(self) -> dict[str, set[str]]:
        """The fault switches that this vendor's door has: name → the operations they strike."""
        struck = dict.fromkeys(faults.SWITCHES, self.operations()) | {faults.PARTIAL: self.batches}
        return {name: operations for name, operations in struck.items() if operations}

    def is_there(self) -> bool:
        if not self.needs:
            return True
        with opened(self.schema) as store:
            return bool(store.setting(self.needs))

    def start(self) -> None:
        prepare(self.schema)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = Request.of(environ)
        try:
            answer = control.answer(self, request) if request.path.startswith("/_control") else self.answer(request)
        except Dropped:
            _cut(environ)
            return []
        headers = {"Content-Type": answer.content_type(), **self.default_headers(request), **answer.headers}
        payload = b"" if request.method == "HEAD" else answer.payload()
        if answer.status not in (204, 304):
            headers["Content-Length"] = str(len(payload))
        start_response(f"{answer.status} {_PHRASES.get(answer.status, 'Answer')}", list(headers.items()))
        return [payload]

    def answer(self, request: Request) -> Answer:
        """Find the handler, let the faults strike, run it in a transaction."""
        route = self._match(request)
        if route is None:
            return self.not_found(request)
        request.operation = route.operation
        with opened(self.schema) as store:
            spared = _OF_RECORDS if route.operation in self.tokenless else ()
            if route.operation not in self.batches:
                spared = (*spared, faults.PARTIAL)
            hits = faults.struck(store, route.operation, spared)
        if early := self._strike_before(hits, request):
            return early
        try:
            with opened(self.schema) as store:
                store.lag_s = hits["search_lag"].value if "search_lag" in hits else 0.0
                request.environ["q2c.faults"] = hits
                self.before(request, store)
                answer = route.handler(request, store)
        except Refused as refused:
            answer = refused.answer
        if "drop_after" in hits:
            raise Dropped
        return answer

    def _match(self, request: Request) -> Route | None:
        for route in self.routes:
            found = route.pattern.match(request.path)
            if found and route.method == request.method:
                request.vars = {name: value or "" for name, value in found.groupdict().items()}
                return route
        return None

    def _strike_before(self, hits: dict[str, Fault], request: Request) -> Answer | None:
        if "latency" in hits:
            time.sleep(hits["latency"].value / 1000)
        if "drop_before" in hits:
            raise Dropped
        if "late_commit" in hits:
            # The caller has gone by then; what it asked for is done all the same.
            time.sleep(hits["late_commit"].value)
        if "too_many" in hits:
            return self.too_many(hits["too_many"])
        if "unavailable" in hits:
            return self.unavailable(hits["unavailable"])
        if "token_expired" in hits:
            return self.token_expired(hits["token_expired"])
        if "business_failure" in hits and self.business_failure is not None:
            return self.business_failure(hits["business_failure"], request)
        return None


def written_into(store: Store, record: Record, fields: dict[str, Any]) -> None:
    record.body.update(fields)
    store.put(record)


def _cut(environ: dict[str, Any]) -> None:
    """Close the socket under the server's feet: the client sees a broken connection, not an answer."""
    wire = environ.get("gunicorn.socket")
    if wire is not None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        wire.shutdown(socket.SHUT_RDWR)
    # gunicorn drops the connection of an application that answers nothing.
    raise ConnectionResetError("the sandbox drops this connection")


_PHRASES = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 300: "Multiple Choices", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    412: "Precondition Failed", 415: "Unsupported Media Type", 422: "Unprocessable Content",
    429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
