"""The control address of a sandbox of this test run: seeds, fault switches, its clock, its records."""

from __future__ import annotations

import os
from typing import Any

import requests


def sandbox_url(vendor: str) -> str:
    return f"{os.environ['SANDBOX_URL']}/{vendor}"


class Control:
    """`Control("salesforce").fault("latency", value=500)`; every call that is refused raises."""

    def __init__(self, vendor: str) -> None:
        self.url = sandbox_url(vendor)
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method: str, path: str, document: Any = None) -> requests.Response:
        return self._session.request(method, f"{self.url}/_control/{path}", json=document, timeout=30)

    def _done(self, method: str, path: str, document: Any = None) -> Any:
        answer = self.call(method, path, document)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        self._done("POST", "reset")

    def seed(self, **document: Any) -> None:
        self._done("POST", "seed", document)

    def fault(self, name: str, operation: str = "", **more: Any) -> None:
        self._done("POST", "faults", {"name": name, "operation": operation, **more})

    def calm(self, name: str = "") -> None:
        self._done("DELETE", f"faults?name={name}")

    def faults(self) -> list[dict[str, Any]]:
        return list(self._done("GET", "faults"))

    def clock(self, instant: str | None) -> None:
        self._done("POST", "clock", {"now": instant})

    def state(self) -> dict[str, Any]:
        return dict(self._done("GET", "state"))

    def records(self, kind: str) -> list[dict[str, Any]]:
        return list(self._done("GET", f"records/{kind}"))

    def edit(self, kind: str, key: str, **fields: Any) -> dict[str, Any]:
        return dict(self._done("PATCH", f"records/{kind}/{key}", fields))

    def do(self, verb: str, **document: Any) -> dict[str, Any]:
        return dict(self._done("POST", verb, document))
