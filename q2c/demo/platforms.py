"""The sandboxes of the five systems, as their own users see them: seeds, clocks, faults, a record changed by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings

from q2c.connectors.http import Http, json_body
from q2c.connectors.ports import ConnectionConfig


class ControlRefused(Exception):
    """A sandbox did not do what its control address was asked; the text is its answer."""


class Platforms:
    """All five behind one address. Raises ControlRefused."""

    def __init__(self, base_url: str = "") -> None:
        address = base_url or settings.SANDBOX_URL
        self._http = Http(ConnectionConfig(name="sandboxes", vendor="", base_url=address, time_limit_s=60))

    def control(self, vendor: str, verb: str, document: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """One control request, to all sandboxes where no vendor is named; the answer's JSON."""
        where = f"/{vendor}" if vendor else ""
        answer = self._http.send(
            method, f"{where}/_control/{verb}", body=json_body(document or {}), operation=f"control {verb}"
        )
        if not answer.ok:
            raise ControlRefused(f"{vendor} {verb}: {answer.status} {answer.text[:300]}")
        return answer.json()

    def seed(self, vendor: str, document: dict[str, Any]) -> Any:
        return self.control(vendor, "seed", document)

    def reset(self) -> None:
        """Empty all."""
        self.control("", "reset")

    def move_clocks(self, instant: dt.datetime | None) -> None:
        """It is `instant` everywhere; None returns to the machine's clock."""
        self.control("", "clock", {"now": instant.isoformat() if instant else None})

    def fault(self, vendor: str, name: str, operation: str = "", *, value: int = 0, times: int | None = None) -> None:
        """Switch a fault on."""
        self.control(vendor, "faults", {"name": name, "operation": operation, "value": value, "times": times})

    def no_fault(self, vendor: str) -> None:
        """Switch every fault of a system off."""
        self.control(vendor, "faults", method="DELETE")

    def change(self, vendor: str, kind: str, key: str, **fields: Any) -> Any:
        """Change fields of one record, found by id, number or external id, as a user of the system would."""
        return self.control(vendor, f"records/{kind}/{key}", fields, method="PATCH")

    def records(self, vendor: str, kind: str) -> list[dict[str, Any]]:
        return list(self.control(vendor, f"records/{kind}", method="GET"))
