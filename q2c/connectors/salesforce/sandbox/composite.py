"""/composite: up to 25 calls in one, with references between them, all or none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from q2c.connectors.http import json_body
from q2c.connectors.salesforce.sandbox.org import error
from q2c.connectors.salesforce.sandbox.writing import Refused
from q2c.connectors.sandbox_kit import Answer, Request, Sandbox, Store
from q2c.connectors.sandbox_kit import Refused as Answered

CALLS_MAX = 25
_REFERENCE = re.compile(r"@\{(\w+)\.([\w.]+)\}")
_NAME = re.compile(r"^\w+\Z")
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."


class _RolledBack(Exception):
    pass


class Composite:
    """Dispatches to the sandbox's own routes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: Request, store: Store) -> Answer:
        try:
            envelope = request.json()
            calls = envelope["compositeRequest"]
            names = [call["referenceId"] for call in calls]
            complete = all(isinstance(call.get("url"), str) and call.get("method") for call in calls)
        except (ValueError, KeyError, TypeError, AttributeError):
            return error(400, "JSON_PARSER_ERROR", "compositeRequest with method, url and referenceId is required")
        if not complete or len(set(names)) != len(names) or not all(_NAME.match(str(name)) for name in names):
            return error(400, "INVALID_INPUT", "referenceId must be unique letters, digits and underscores")
        if len(calls) > CALLS_MAX:
            return error(400, "LIMIT_EXCEEDED", f"at most {CALLS_MAX} subrequests")
        results: list[dict[str, Any]] = []
        try:
            with store.connection.transaction():
                self._run_all(request, store, calls, results, bool(envelope.get("allOrNone")))
        except _RolledBack:
            results = self._halted(calls, results)
        return Answer(200, {"compositeResponse": results})

    def _run_all(
        self, request: Request, store: Store, calls: list[Any], results: list[dict[str, Any]], all_or_none: bool
    ) -> None:
        bodies: dict[str, Any] = {}
        for call in calls:
            try:
                answer = self._run(request, store, _filled(call, bodies))
            except KeyError as missing:
                answer = error(400, "INVALID_REFERENCE", f"no result {missing} to refer to")
            content = answer.body
            bodies[call["referenceId"]] = content
            results.append(
                {
                    "body": content,
                    "httpHeaders": answer.headers,
                    "httpStatusCode": answer.status,
                    "referenceId": call["referenceId"],
                }
            )
            if answer.status >= 400 and all_or_none:
                raise _RolledBack

    def _run(self, request: Request, store: Store, call: dict[str, Any]) -> Answer:
        parts = urlsplit(call["url"])
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = json_body(call["body"]) if call.get("body") is not None else b""
        for route in self.sandbox.routes:
            found = route.pattern.match(parts.path)
            if not found or route.method != call["method"] or route.operation == "composite":
                continue
            inner = replace(
                request, method=call["method"], path=parts.path, query=query, body=body, vars=found.groupdict(),
                operation=route.operation,
            )  # fmt: skip
            try:
                with store.connection.transaction():
                    return route.handler(inner, store)
            except Refused as refused:
                return Answer(refused.status, refused.body())
            except Answered as answered:
                return answered.answer
        return error(404, "NOT_FOUND", "The requested resource does not exist")

    def _halted(self, calls: list[Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The culprit keeps its own error; every other call says that it was undone."""
        culprit = results[-1]
        halted = [{"errorCode": "PROCESSING_HALTED", "message": _HALTED}]
        return [
            culprit
            if call["referenceId"] == culprit["referenceId"]
            else {"body": halted, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": call["referenceId"]}
            for call in calls
        ]


def _filled(call: dict[str, Any], bodies: dict[str, Any]) -> dict[str, Any]:
    """`@{ref.id}` in address and body, by the results so far. Raises KeyError."""

    def value(match: re.Match[str]) -> str:
        found = bodies[match.group(1)]
        for name in match.group(2).split("."):
            found = found[name] if isinstance(found, dict) else None
        if found is None:
            raise KeyError(match.group(0))
        return str(found)

    return dict(json.loads(_REFERENCE.sub(value, json_body(call).decode())))
