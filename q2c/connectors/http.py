"""The only place with sockets. Bounded, timed, redacted, correlated; never raises for an answer.

What went wrong on the way is one of two errors, because the difference decides whether a write may be repeated:
NotSent (surely not delivered) and Lost (may have been delivered).
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from prometheus_client import Counter, Histogram
from requests.adapters import HTTPAdapter

from q2c import clock
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.redaction import redacted_body, redacted_headers, redacted_url

CALLS = Counter("q2c_platform_calls", "Calls to platforms", ["connection", "method", "outcome"])
DURATION = Histogram("q2c_platform_call_seconds", "Duration of calls to platforms", ["connection"])

_ids: ContextVar[tuple[str, str]] = ContextVar("q2c_ids", default=("", ""))
_sink: ContextVar[list[Attempt] | None] = ContextVar("q2c_attempts", default=None)


class TransportError(Exception):
    """No answer. `text` is for people."""


class NotSent(TransportError):
    """Surely not delivered: no such host, refused, no connection in time."""


class Lost(TransportError):
    """May have been delivered: no answer in time, or the connection broke after the request was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One call, redacted and capped, as it is kept for ever."""

    connection: str
    at: dt.datetime
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: str
    status: int | None
    response_headers: dict[str, str]
    response_body: str
    duration_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered. Numbers in json() are Decimal: amounts pass through unharmed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@contextmanager
def calling(correlation_id: uuid.UUID | str, step_id: uuid.UUID | str = "") -> Iterator[None]:
    """Requests of this thread (or context) carry the correlation id and a traceparent made of it."""
    token = _ids.set((str(correlation_id), str(step_id)))
    try:
        yield
    finally:
        _ids.reset(token)


@contextmanager
def recording() -> Iterator[list[Attempt]]:
    """Collect the attempts of this thread (or context)."""
    attempts: list[Attempt] = []
    token = _sink.set(attempts)
    try:
        yield attempts
    finally:
        _sink.reset(token)


def correlation_id() -> str:
    """The id in force, for headers that vendors name otherwise."""
    return _ids.get()[0]


def json_body(document: Any) -> bytes:
    """JSON bytes; Decimals are written as the numbers they are, digit for digit."""
    return _Exact().encode(document).encode()


class _Exact(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        marks: dict[str, str] = {}

        def marked(value: Any) -> Any:
            if isinstance(value, Decimal):
                mark = f"@{secrets.token_hex(8)}@"
                marks[f'"{mark}"'] = f"{value:f}"
                return mark
            if isinstance(value, dict):
                return {key: marked(item) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [marked(item) for item in value]
            return value

        text = super().encode(marked(o))
        for mark, digits in marks.items():
            text = text.replace(mark, digits)
        return text


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None without one."""
    value = headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None


class Http:
    """Pooled connections to one platform; at most config.concurrency requests at a time in this process."""

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self._slots = threading.BoundedSemaphore(max(1, config.concurrency))
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=max(1, config.concurrency), max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.cookies.set_policy(_NoCookies())

    def close(self) -> None:
        self._session.close()

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
    ) -> Answer:
        """One request. `path` is joined to the base address, or is a whole address. A mapping body is sent as a form.

        Raises NotSent or Lost.
        """
        url = path if path.startswith(("http://", "https://")) else self.config.base_url.rstrip("/") + path
        sent_headers = {**_trace_headers(), **(headers or {})}
        limit_s = time_limit_s or self.config.time_limit_s
        with self._slots:
            return self._measured(method, url, sent_headers, body, query, files, auth, limit_s)

    def _measured(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Any,
        query: Any,
        files: Any,
        auth: Any,
        limit_s: float,
    ) -> Answer:
        began, at = time.monotonic(), dt.datetime.now(dt.UTC)
        answer: Answer | None = None
        error: TransportError | None = None
        try:
            response = self._session.request(
                method, url, headers=headers, data=body, params=query, files=files, auth=auth,
                timeout=(min(limit_s, 5.0), limit_s), allow_redirects=False,
            )  # fmt: skip
            answer = Answer(response.status_code, response.headers, response.content, time.monotonic() - began)
            url = response.url
        except requests.RequestException as failure:
            error = classified(failure)
        elapsed_s = time.monotonic() - began
        outcome = str(answer.status) if answer else type(error).__name__
        CALLS.labels(self.config.name, method, outcome).inc()
        DURATION.labels(self.config.name).observe(elapsed_s)
        self._note(at, method, url, headers, body, answer, elapsed_s, error)
        if error is not None:
            raise error
        assert answer is not None
        return answer

    def _note(
        self, at: dt.datetime, method: str, url: str, headers: dict[str, str], body: Any, answer: Answer | None,
        elapsed_s: float, error: TransportError | None,
    ) -> None:  # fmt: skip
        sink = _sink.get()
        if sink is None:
            return
        sink.append(
            Attempt(
                connection=self.config.name,
                at=at,
                method=method,
                url=redacted_url(url),
                request_headers=redacted_headers(headers),
                request_body=redacted_body(body, headers.get("Content-Type", "")),
                status=answer.status if answer else None,
                response_headers=redacted_headers(answer.headers) if answer else {},
                response_body=redacted_body(answer.body, answer.headers.get("Content-Type", "")) if answer else "",
                duration_ms=round(elapsed_s * 1000),
                error=f"{type(error).__name__}: {error}" if error else "",
            )
        )


def classified(failure: requests.RequestException) -> TransportError:
    """Whether the request can have arrived. Where that cannot be told, it may have."""
    if isinstance(failure, requests.ConnectTimeout):
        return NotSent("no connection in time")
    if isinstance(failure, requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return NotSent(f"no connection: {failure}")
    if isinstance(failure, requests.ConnectionError):
        # urllib3 says what broke: building the connection is harmless, breaking it later is not.
        text = repr(failure)
        if any(name in text for name in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")):
            return NotSent("connection refused or host not known")
        return Lost("the connection broke before an answer came")
    if isinstance(failure, requests.Timeout):
        return Lost("no answer in time")
    return Lost(f"no usable answer: {failure}")


def _trace_headers() -> dict[str, str]:
    id_, _ = _ids.get()
    if not id_:
        return {}
    trace = uuid.UUID(id_).hex
    return {"X-Correlation-Id": id_, "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined,misc]
    """Sessions live in tokens; a cookie kept by chance would tie calls together."""

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False
