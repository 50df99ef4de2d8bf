"""Requests and answers of a sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, parse_qsl


class Refused(Exception):
    """Raised by a handler: roll back, and answer this."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(slots=True)
class Answer:
    """`body` is bytes, text, or a document that is sent as JSON; Decimals keep their digits."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        from q2c.connectors.http import json_body

        return json_body(self.body)

    def content_type(self) -> str:
        if isinstance(self.body, bytes | str) or self.body is None:
            return "text/plain; charset=utf-8"
        return "application/json; charset=utf-8"


@dataclass(slots=True)
class Request:
    """One request, read to its end. `path` is below the sandbox's mount; `vars` are the path variables."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    url: str
    base_url: str
    environ: dict[str, Any]
    vars: dict[str, str] = field(default_factory=dict)
    operation: str = ""

    def json(self) -> Any:
        """The body as JSON with Decimal numbers. Raises ValueError."""
        return json.loads(self.body or b"null", parse_float=Decimal)

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Request:
        """Read a WSGI request."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            body = environ["wsgi.input"].read()
        headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        path = environ.get("PATH_INFO", "/").encode("latin-1").decode(errors="replace") or "/"
        raw_query = environ.get("QUERY_STRING", "")
        origin = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', 'localhost')}"
        base = origin + environ.get("SCRIPT_NAME", "")
        return cls(
            method=environ["REQUEST_METHOD"],
            path=path,
            query={key: values[-1] for key, values in parse_qs(raw_query, keep_blank_values=True).items()},
            headers=headers,
            body=body,
            url=base + path + (f"?{raw_query}" if raw_query else ""),
            base_url=base,
            environ=environ,
        )
