"""What a real ERP of Tern Systems holds before the year begins: companies, accounts, dimensions, fiscal years."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ledger import chart
from q2c.demo import company

_KINDS = {"accounts_receivable": "receivable"}
DIGITS = {"JPY": 0}


def described(since: dt.date, until: dt.date) -> dict[str, Any]:
    """As companion/tryton_company/setup.py reads it; without passwords."""
    lines = {**dict.fromkeys(chart.DIMENSIONS["product_line"][1], ""), **company.PRODUCT_LINES}
    return {
        "currencies": [
            {"code": code, "name": code, "digits": DIGITS.get(code, 2), "rate": _units_for_a_dollar(rate)}
            for code, rate in company.DOLLARS.items()
        ],
        "companies": [
            {"code": one.code, "name": one.name, "currency": one.currency, "timezone": one.zone,
             "years": _years(one, since, until)}
            for one in company.COMPANIES
        ],
        "accounts": [
            {"code": code, "name": name, "kind": _KINDS.get(role, kind)} for code, name, kind, role, _ in chart.ACCOUNTS
        ],
        "dimensions": {
            "cost_center": [{"code": code, "name": name} for code, name in company.COST_CENTRES.items()],
            "product_line": [{"code": code, "name": name or code.capitalize()} for code, name in lines.items()],
            "region": [{"code": code, "name": code} for code in chart.DIMENSIONS["region"][1]],
        },
        "journal": {"code": "Q2C", "name": "Quote to cash"},
        "person": {"login": "greta", "name": "Greta Lindqvist"},
    }  # fmt: skip


def _units_for_a_dollar(dollars: str) -> str:
    return f"{1 / float(dollars):.6f}"


def _years(one: company.Company, since: dt.date, until: dt.date) -> list[dict[str, str]]:
    first = since.year - (since.month < one.year_starts)
    last = until.year - (until.month < one.year_starts) + 1
    return [
        {"name": str(year), "starts_on": f"{dt.date(year, one.year_starts, 1)}",
         "ends_on": f"{dt.date(year + 1, one.year_starts, 1) - dt.timedelta(days=1)}"}
        for year in range(first, last + 1)
    ]  # fmt: skip
