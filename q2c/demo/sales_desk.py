"""A sales person's hands in the sales platform: deals are closed there, and put right there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from q2c.connectors.http import Http, json_body
from q2c.connectors.salesforce.session import Session
from q2c.demo.deals import Deal
from q2c.demo.platforms import ControlRefused, Platforms
from q2c.models import Connection

_DATA = "/services/data/v61.0"


class SalesDesk:
    def __init__(self, platforms: Platforms, connection: Connection) -> None:
        self.platforms = platforms
        config = connection.config()
        self._session = Session(config, Http(config))
        self._ids: dict[str, str] = {}

    def close(self, deals: Sequence[Deal]) -> None:
        """Won, all at this moment of the sales platform."""
        made = self.platforms.seed("salesforce", {"opportunities": [deal.seed() for deal in deals]})
        self._ids |= made["opportunities"]

    def number_of(self, id_: str) -> str:
        """The order number of a deal by the platform's id; empty for another's."""
        return next((number for number, each in self._ids.items() if each == id_), "")

    def correct(self, deal: Deal) -> None:
        """Line by line, what was typed wrong is typed right; the deal has a new version then."""
        ids = self._lines(self._ids[deal.number])
        for number, wrong in deal.slips.items():
            right = deal.line(number)
            self._send("PATCH", f"sobjects/OpportunityLineItem/{ids[number]}", {name: right[name] for name in wrong})
        deal.slips.clear()

    def _lines(self, opportunity_id: str) -> dict[int, str]:
        soql = f"SELECT Id, SortOrder FROM OpportunityLineItem WHERE OpportunityId = '{opportunity_id}'"
        found = self._send("GET", "query", query={"q": soql})
        return {int(row["SortOrder"]): str(row["Id"]) for row in found["records"]}

    def _send(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        content = None if body is None else json_body(body)
        answer = self._session.send(method, f"{_DATA}/{path}", query=query, body=content)
        if not answer.ok:
            raise ControlRefused(f"salesforce {path}: {answer.status} {answer.text[:300]}")
        return answer.json()
