"""What turns the switches of a sandbox: its control address, spoken to from tests, the demo and the page of switches.

switches = Switches(settings.SANDBOX_URL, "netsuite")
switches.fault("drop_after", operation="create", times=1)
switches.change("accountingperiod", "11", {"closed": True})
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from q2c.connectors.http import Http, TransportError, json_body
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.sandbox_kit.control import TOKEN_HEADER


class SwitchRefused(Exception):
    """The sandbox does not answer, or refuses what was asked; the text is for people."""


class Silent(SwitchRefused):
    """Nobody answers."""


def vendors(sandbox_url: str) -> dict[str, str]:
    """Titles by vendor, in the order of the registry. Raises SwitchRefused."""
    found = Switches(sandbox_url, "", time_limit_s=5)._ask("GET", "/vendors")
    return {str(each["vendor"]): str(each["title"]) for each in found}


class Switches:
    """One vendor's sandbox below `sandbox_url`. Raises SwitchRefused."""

    def __init__(self, sandbox_url: str, vendor: str, *, time_limit_s: float = 30.0) -> None:
        self.vendor = vendor
        base_url = f"{sandbox_url.rstrip('/')}/{vendor}/_control" if vendor else sandbox_url
        config = ConnectionConfig(
            name=f"sandbox-{vendor or 'all'}",
            vendor=vendor,
            base_url=base_url,
            time_limit_s=time_limit_s,
            concurrency=4,
        )
        self._http = Http(config)

    def state(self) -> dict[str, Any]:
        """Its time, switches, faults in force, operations, counts of records, and fields that may be edited."""
        return dict(self._ask("GET", "/state?records=no"))

    def reset(self) -> None:
        """Everything of this vendor is gone."""
        self._ask("POST", "/reset")

    def seed(self, document: Mapping[str, Any]) -> None:
        """What the vendor's seeding takes stands in the docstring of its sandbox."""
        self._ask("POST", "/seed", document)

    def move_clock(self, now: str | None) -> None:
        """To an ISO instant; None for the machine's own time."""
        self._ask("POST", "/clock", {"now": now})

    def fault(
        self, name: str, *, operation: str = "", value: float | Decimal = 0, times: int | None = None, for_s: int = 0
    ) -> None:
        """Switch on; without `times` and `for_s` until switched off."""
        # The only number here that is no amount: a switch's milliseconds or seconds, as text of few digits.
        switch = {"name": name, "operation": operation, "value": f"{value:g}", "times": times, "for_s": for_s}
        self._ask("POST", "/faults", switch)

    def clear(self, name: str = "") -> None:
        """Switch off: one by name, or all."""
        self._ask("DELETE", f"/faults?name={quote(name)}")

    def records(self, kind: str) -> list[dict[str, Any]]:
        return list(self._ask("GET", f"/records/{quote(kind)}"))

    def some(self, kind: str, find: str = "", skip: int = 0, most: int = 50) -> tuple[int, list[dict[str, Any]]]:
        """How many records of a kind hold this text, and some of them, oldest first."""
        query = urlencode({"find": find, "skip": skip, "most": most})
        found = self._ask("GET", f"/records/{quote(kind)}?{query}")
        return int(found["total"]), list(found["records"])

    def record(self, kind: str, key: str) -> dict[str, Any]:
        """One record, by id, number or external id."""
        return dict(self._ask("GET", f"/records/{quote(kind)}/{quote(key, safe='')}"))

    def change(self, kind: str, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of one record, found by id, number or external id, as a user of the platform would."""
        return dict(self._ask("PATCH", f"/records/{quote(kind)}/{quote(key, safe='')}", fields))

    def act(self, verb: str, document: Mapping[str, Any]) -> Any:
        """An action of the vendor's own, such as close-won."""
        return self._ask("POST", f"/{verb}", document)

    def _ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        token = os.environ.get("SANDBOX_CONTROL_TOKEN", "")
        # People are slow: a connection kept open would have been closed by the other side at the next click.
        headers = {"Connection": "close", **({TOKEN_HEADER: token} if token else {})}
        body = None if document is None else json_body(document)
        try:
            answer = self._http.send(method, path, headers=headers, body=body, operation=f"control {method}")
        except TransportError as error:
            raise Silent(f"The sandboxes do not answer at the moment ({error})") from None
        content = answer.json()
        if not answer.ok:
            said = content.get("error") if isinstance(content, dict) else ""
            raise SwitchRefused(f"The sandbox says: {said or answer.text[:200] or answer.status}")
        return content
