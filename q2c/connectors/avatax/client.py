"""AvaTax as ports.Tax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from q2c.connectors.avatax import mapping
from q2c.connectors.avatax.refusals import refused
from q2c.connectors.http import Answer, Http, TransportError, json_body
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable, credentials_refused
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import TaxEstimate, TaxRequest
from q2c.reasons import Reason

CREATE = "/api/v2/transactions/create"
COMPANIES = "/api/v2/companies"
PING = "/api/v2/utilities/ping"
# application; version; library; its version; machine
CLIENT = "q2c; 1; REST; v2; server"


class AvaTax:
    """Credentials: account_id, license_key. Options: companies, ship_from (see mapping.transaction).

    An estimate leaves nothing behind, so a lost answer is as good as none: both are Unavailable.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config, self.http = config, Http(config)

    def probe(self) -> Unavailable | Rejected | None:
        """AvaTax answers a ping to anybody; it tells whether it knows who asks."""
        answer = self._send("GET", PING, operation="ping")
        if not isinstance(answer, Answer):
            return answer
        if not answer.ok:
            return refused(answer, self.config.name)
        content = answer.json()
        if isinstance(content, dict) and content.get("authenticated") is True:
            return None
        text = "AvaTax does not accept the account id and licence key of this connection"
        return credentials_refused(self.config.name, text)

    def estimate(self, request: TaxRequest) -> TaxEstimate | Rejected | Unavailable:
        if not request.lines:
            return TaxEstimate(tax_minor=0, by_line={}, by_jurisdiction={})
        try:
            body = mapping.transaction(request, self.config.options)
        except mapping.TooLong as error:
            return Rejected(reason=Reason.TAX_REFUSED, code="StringLengthError", text=str(error), field=error.field)
        answer = self._send("POST", CREATE, query={"$include": "Lines,Details"}, body=body, operation="estimate")
        if not isinstance(answer, Answer):
            return answer
        if not answer.ok:
            return refused(answer, self.config.name, body)
        content = answer.json()
        try:
            found = mapping.estimate(request, content)
        except mapping.Unreadable as error:
            return Unavailable(text=f"AvaTax answered, but {error}")
        if place := mapping.untaxed_for_nexus(content):
            return self._no_nexus(str(body["companyCode"]), place)
        return found

    def still_blocked(self, blocker: Blocker) -> bool | None:
        """Whether a company is still missing or inactive, or still not registered in a place."""
        if blocker.object_type not in ("tax_company", "tax_nexus"):
            return None
        code, _, place = blocker.object_key.partition(":")
        found = self._rows(COMPANIES, {"$filter": f"companyCode eq '{code}'"})
        company = next((row for row in found or [] if row.get("companyCode") == code), None)
        if found is None or blocker.object_type == "tax_company":
            return None if found is None else not (company and company.get("isActive"))
        if company is None:
            return True
        nexus = self._rows(f"{COMPANIES}/{company['id']}/nexus", {"$top": "1000"})
        country, _, region = place.partition("-")
        return None if nexus is None else not any(_covers(row, country, region) for row in nexus)

    def _rows(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]] | None:
        answer = self._send("GET", path, query=query, operation="look_up")
        content = answer.json() if isinstance(answer, Answer) and answer.ok else None
        rows = content.get("value") if isinstance(content, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None

    def _no_nexus(self, company: str, place: str) -> Rejected:
        """Our own control has found the entity registered there: one of the two is wrong, and tax would go missing."""
        return Rejected(
            reason=Reason.TAX_REFUSED,
            code="NexusRule",
            text=f"AvaTax would charge no tax: its company {company} has no nexus in {place}",
            blocker=Blocker(
                connection=self.config.name, object_type="tax_nexus", object_key=f"{company}:{place}",
                condition="missing",
            ),
        )  # fmt: skip

    def _send(
        self, method: str, path: str, *, operation: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer | Unavailable:
        auth = (self.config.credentials.get("account_id", ""), self.config.credentials.get("license_key", ""))
        try:
            return self.http.send(
                method, path, query=query, auth=auth, headers={"X-Avalara-Client": CLIENT}, operation=operation,
                body=None if body is None else json_body(body),
            )  # fmt: skip
        except TransportError as error:
            return Unavailable(text=f"AvaTax does not answer: {error}")


def _covers(nexus: Mapping[str, Any], country: str, region: str) -> bool:
    """A country's nexus covers its regions, but for countries that tax by region alone."""
    regions = {region, ""} if country not in ("US", "CA") else {region}
    # A region of the country's own name stands for all of it.
    return nexus.get("country") == country and (nexus.get("region") or "") in regions | {country}
