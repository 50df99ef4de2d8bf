"""Ping, companies, their nexus, tax codes."""

from __future__ import annotations

import re
from typing import Any

from q2c.connectors.avatax.sandbox.errors import refusal
from q2c.connectors.avatax.sandbox.sign_in import account_of
from q2c.connectors.sandbox_kit import Answer, Request, Store

_CODE = re.compile(r"companyCode\s+eq\s+'?([^']+)'?", re.IGNORECASE)


def ping(request: Request, store: Store) -> Answer:
    """200 to anybody; `authenticated` says whether the credentials are known."""
    account = account_of(request, store)
    if account is None:
        return Answer(200, {"version": "26.10.0", "authenticated": False, "authenticationType": "None"})
    found = {
        "version": "26.10.0", "authenticated": True, "authenticationType": "AccountIdLicenseKey",
        "authenticatedUserName": f"ACC:{account['account_id']}", "authenticatedUserId": 1,
        "authenticatedAccountId": int(account["account_id"]) if account["account_id"].isdigit() else 1,
    }  # fmt: skip
    return Answer(200, found)


def listed(request: Request, store: Store) -> Answer:
    """Companies; `$filter=companyCode eq 'US01'` narrows."""
    wanted = _CODE.search(request.query.get("$filter", ""))
    rows = [record.body for record in store.all("company")]
    found = [_shown(row) for row in rows if wanted is None or row["code"] == wanted[1]]
    return _page(found)


def nexus(request: Request, store: Store) -> Answer:
    """Where a company (by its number) is registered."""
    company = next((r.body for r in store.all("company") if str(r.body["id"]) == request.vars["company"]), None)
    if company is None:
        raise refusal(404, "EntityNotFoundError", 4, f"The Company with id '{request.vars['company']}' was not found.")
    rows = []
    for number, place in enumerate(company["nexus"] or [], start=1):
        country, _, region = place.partition("-")
        kind = "STA" if region else "CNT"
        rows.append(
            {
                "id": number, "companyId": company["id"], "country": country, "region": region, "jurisTypeId": kind,
                "jurisCode": region or country, "jurisName": region or country, "nexusTypeId": "SalesTax",
                "effectiveDate": "2000-01-01", "endDate": "9999-12-31", "hasLocalNexus": False,
            }
        )  # fmt: skip
    return _page(rows)


def tax_codes(request: Request, store: Store) -> Answer:
    codes = store.setting("tax_codes", [])
    return _page([{"id": n, "taxCode": code, "isActive": True} for n, code in enumerate(codes, start=1)])


def _shown(company: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": company["id"], "companyCode": company["code"], "name": company["name"], "isActive": company["active"],
        "defaultCountry": "US", "isTest": True,
    }  # fmt: skip


def _page(rows: list[dict[str, Any]]) -> Answer:
    return Answer(200, {"@recordsetCount": len(rows), "value": rows})
