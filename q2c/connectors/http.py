"""The only place that talks HTTP to platforms.

    http = Http(config)
    answer = http.send("POST", "/v1/things", body=json_body({"amount": Decimal("12.50")}), operation="create_thing")

An answer of any status is returned. What went wrong on the way is one of two errors, told apart by whether a byte of
the request had left: `NotSent` (surely not done) and `Lost` (may have been done). Redirects, cookies, proxies of the
environment and retries are off: the engine decides about repeats.

Calls carry the correlation id of `calling(…)` and are collected by `recording()`, both held in context variables; a
connector that starts threads of its own wraps what they run in `in_context`.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import prometheus_client
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from q2c import clock, keys
from q2c.connectors import calls, redaction, wire
from q2c.connectors.addresses import origin
from q2c.connectors.calls import Attempt, calling, correlation_id, in_context, recording
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.wire import Lost, NotSent, TransportError

__all__ = [
    "Answer", "Attempt", "Http", "Lost", "NotSent", "TransportError", "calling", "correlation_id", "in_context",
    "json_body", "machine_time_s", "recording", "retry_after_s", "seconds_said",
]  # fmt: skip

BODY_MAX = 64 * 1024 * 1024
# How many times its time limit a call waits for one of the connection's places.
WAITS_MAX = 6

CALLS = prometheus_client.Counter(
    "q2c_platform_calls", "Calls to platforms", ["connection", "operation", "outcome"]
)  # fmt: skip
SECONDS = prometheus_client.Histogram(
    "q2c_platform_call_seconds", "Duration of calls to platforms", ["connection", "operation"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered, over which connection. Header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float
    connection: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON with its decimals as Decimal; None where it is none."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after_s(self) -> float | None:
        return retry_after_s(self.headers)


WAIT_S_MAX = 24 * 3600.0
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)


def machine_time_s() -> float:
    """Seconds since 1970 by the machine. Signatures and lifetimes of tokens follow it, whatever day q2c.clock tells."""
    return time.time()


def json_body(document: Any) -> bytes:
    """JSON with each Decimal written digit for digit as a number; a float is refused with TypeError."""
    _refuse_floats(document)
    return _ENCODER.encode(document)


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float: write amounts and quantities as Decimal")
    if isinstance(value, Mapping):
        for member in value.values():
            _refuse_floats(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_floats(member)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, a number or an HTTP date, at most a day; None when there is none to trust."""
    given = (headers.get("Retry-After") or "").strip()
    wait_s = seconds_said(given)
    if wait_s is not None or not given:
        return wait_s
    try:
        at = email.utils.parsedate_to_datetime(given)
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        return min(max(0.0, at.timestamp() - machine_time_s()), WAIT_S_MAX)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def seconds_said(text: str) -> float | None:
    """A header's seconds, at most a day; None where it is no plain number."""
    return min(float(text), WAIT_S_MAX) if _SECONDS.fullmatch(text.strip()) else None


@dataclass(slots=True)
class _Call:
    """One request on its way."""

    request: requests.PreparedRequest
    operation: str
    time_limit_s: float
    at: dt.datetime = field(default_factory=clock.now)
    began: float = field(default_factory=time.monotonic)

    def elapsed_s(self) -> float:
        return time.monotonic() - self.began


class Http:
    """The way to one platform. Safe to share between threads; at most `config.concurrency` calls at a time."""

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.base_url = config.base_url.rstrip("/")
        self._origins = {origin(self.base_url)}
        self._secrets = redaction.values_of(config.credentials)
        self._places = threading.BoundedSemaphore(max(1, config.concurrency))
        self._session = wire.session(max(1, config.concurrency))

    def close(self) -> None:
        self._session.close()

    def trust(self, address: str) -> None:
        """Allows calls to the origin of `address` too, such as the instance that a token endpoint names."""
        self._origins.add(origin(address))

    def url(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The address of a path below the base address; an absolute address stays as it is."""
        address = path if path.startswith(("http://", "https://")) else f"{self.base_url}{path}"
        if not query:
            return address
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query, doseq=True)}"

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        files: Any = None,
        auth: Any = None,
        time_limit_s: float | None = None,
        operation: str = "",
    ) -> Answer:
        """One request. `path` is joined to the base address, or is a whole address of an origin that is trusted.

        A mapping body is sent as a form; bytes and text as they are, as JSON unless a header says otherwise.
        `operation` names the call in metrics: few values, no ids. The time limit covers the whole call but not the
        wait for a free place. Raises NotSent or Lost, and what forbids a call at this moment (`calls.before_each`).
        """
        calls.begin()
        sent = {**_trace(), **(headers or {})}
        if isinstance(body, bytes | str) and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        url = self.url(path, query)
        call = _Call(
            request=self._prepared(method, url, sent, body, files, auth),
            operation=operation or redaction.without(_operation(method, url), self._secrets),
            time_limit_s=time_limit_s or self.config.time_limit_s,
        )
        wait_s = WAITS_MAX * self.config.time_limit_s
        if not self._places.acquire(timeout=wait_s):
            error = NotSent(f"none of the {self.config.concurrency} places became free in {wait_s:g} s")
            raise self._failed(call, False, error)
        call.began = time.monotonic()
        try:
            return self._sent(call)
        finally:
            self._places.release()

    def _prepared(
        self, method: str, url: str, headers: dict[str, str], body: Any, files: Any, auth: Any
    ) -> requests.PreparedRequest:
        if origin(url) not in self._origins:
            where = self._shown(repr(origin(url) or redaction.url(url)))
            raise NotSent(f"{self.config.name}: {where} is not one of its addresses")
        try:
            data = body.encode() if isinstance(body, str) else body
            return self._session.prepare_request(
                requests.Request(method, url, headers=headers, data=data, files=files, auth=auth)
            )
        except requests.RequestException as error:
            raise NotSent(f"{self.config.name}: {self._shown(str(error))}") from None

    def _sent(self, call: _Call) -> Answer:
        changes = call.request.method != "GET" and bool(calls.current().step_id)
        mine = wire.Wire(until=call.began + call.time_limit_s, changes=changes)
        token = wire.current.set(mine)
        try:
            answer = self._answer(call)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, TransportError) as error:
            raise self._failed(call, mine.sent, error) from error
        finally:
            wire.current.reset(token)
        self._note(call, answer, "429" if answer.status == 429 else f"{answer.status // 100}xx", "")
        return answer

    def _answer(self, call: _Call) -> Answer:
        # The wire's own limit is the tighter one.
        response = self._session.send(call.request, stream=True, allow_redirects=False, timeout=call.time_limit_s)
        with response:
            content = bytearray()
            for chunk in response.raw.stream(65536, decode_content=True):
                content += chunk
                if len(content) > BODY_MAX:
                    raise Lost(f"the answer has more than {BODY_MAX:,} bytes")
        headers = CaseInsensitiveDict(response.headers)
        return Answer(response.status_code, headers, bytes(content), call.elapsed_s(), self.config.name)

    def _failed(self, call: _Call, sent: bool, error: Exception) -> TransportError:
        kind = Lost if sent else NotSent
        said = str(error) if isinstance(error, TransportError) else f"{_cause(error)} after {call.elapsed_s():.1f} s"
        text = self._shown(said)
        self._note(call, None, "lost" if sent else "not_sent", f"{kind.__name__}: {text}")
        return kind(f"{self.config.name}: {text}")

    def _note(self, call: _Call, answer: Answer | None, outcome: str, error: str) -> None:
        CALLS.labels(self.config.name, call.operation, outcome).inc()
        SECONDS.labels(self.config.name, call.operation).observe(call.elapsed_s())
        if calls.is_recording():
            calls.note(_attempt(self.config.name, self._secrets, call, answer, error))

    def _shown(self, said: str) -> str:
        """What went wrong, as it may be told: this connection's own secrets go first, while they stand whole."""
        return redaction.storable(redaction.text(redaction.without(said, self._secrets)))


def _attempt(name: str, secrets: tuple[str, ...], call: _Call, answer: Answer | None, error: str) -> Attempt:
    """Without secrets, known by their names or by being this connection's."""
    request, context = call.request, calls.current()

    def kept(text: str) -> str:
        return redaction.without(text, secrets)

    def headers(given: Mapping[str, str]) -> dict[str, str]:
        return {name: kept(value) for name, value in redaction.headers(given).items()}

    body = request.body.encode() if isinstance(request.body, str) else request.body
    return Attempt(
        connection=name,
        operation=call.operation,
        correlation_id=context.correlation_id,
        step_id=context.step_id,
        at=call.at,
        method=request.method or "",
        url=kept(redaction.url(request.url or "")),
        request_headers=headers(request.headers),
        request_body=kept(redaction.body(body, request.headers.get("Content-Type", ""))),
        status=answer.status if answer else None,
        response_headers=headers(answer.headers) if answer else {},
        response_body=kept(redaction.body(answer.body, answer.headers.get("Content-Type", ""))) if answer else "",
        duration_ms=round(call.elapsed_s() * 1000),
        error=error,
    )


def _operation(method: str, url: str) -> str:
    """METHOD and path without what looks like an id: 'GET /v1/accounts/*'."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    kept = [part if len(part) < 32 and not _ID.search(part) else "*" for part in parts]
    return f"{method} /{'/'.join(kept)}"


_ID = re.compile(r"\d{2,}|[:%]|^\d+$")


def _trace() -> dict[str, str]:
    """X-Correlation-Id and a W3C traceparent whose trace id is the correlation id."""
    given = calls.current().correlation_id or str(keys.new_id())
    trace = given.replace("-", "").lower()
    found = {"X-Correlation-Id": given}
    if len(trace) == 32 and all(c in "0123456789abcdef" for c in trace):
        found["traceparent"] = f"00-{trace}-{keys.new_id().hex[16:]}-01"
    return found


def _cause(error: BaseException) -> str:
    """The innermost reason in few words: 'ConnectionRefusedError: Connection refused'."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None and not isinstance(inner, TransportError):
        seen = inner
    outer = type(error).__name__
    return f"{outer} ({type(seen).__name__}: {seen})" if seen is not error else f"{outer}: {error}"
