"""Errors as RFC 9457 problem details with a `code`."""

from __future__ import annotations

from q2c.connectors.http import json_body
from q2c.connectors.sandbox_kit import Answer, Refused

_TITLES = {401: "Unauthorised", 404: "Not found", 409: "Conflict", 422: "Refused", 429: "Too many requests"}


def problem(status: int, code: str, detail: str, *, pointer: str = "", headers: dict[str, str] | None = None) -> Answer:
    body = {
        "type": f"urn:credit:{code}", "title": _TITLES.get(status, "Error"), "status": status, "detail": detail,
        "code": code, "errors": [{"pointer": pointer, "detail": detail}] if pointer else [],
    }  # fmt: skip
    return Answer(status, json_body(body), {"Content-Type": "application/problem+json", **(headers or {})})


def refusal(status: int, code: str, detail: str, pointer: str = "") -> Refused:
    return Refused(problem(status, code, detail, pointer=pointer))
