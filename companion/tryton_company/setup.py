# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes companies with their books in a new Tryton database: python setup.py DATABASE CONFIG < company.json > made.json

Read from standard input:

    {"currencies": [{"code", "name", "digits", "rate"}],           rate: units for one of the first, which has 1
     "companies": [{"code", "name", "currency", "parent", "timezone", "years": [{"name", "starts_on", "ends_on"}]}],
     "accounts": [{"code", "name", "kind"}],                       one of KINDS
     "dimensions": {"cost_center": [{"code", "name"}], ...},       an analytic root each, in every company
     "journal": {"code", "name"},
     "person": {"login", "name", "password"}, "connector": {"login", "password"}}

Written: {"key", "companies": {code: id}}; the key opens Tryton's REST door for the connector's user.

It imports proteus and trytond, so it is GPL-3.0-or-later, as is all in this folder.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from typing import Any

from proteus import Model, config

# kind → (statement, flags of the account type)
KINDS: dict[str, tuple[str, dict[str, bool]]] = {
    "receivable": ("balance", {"assets": True, "receivable": True}),
    "payable": ("balance", {"payable": True}),
    "asset": ("balance", {"assets": True}),
    "liability": ("balance", {"debt": True}),
    "equity": ("balance", {}),
    "revenue": ("income", {"revenue": True}),
    "expense": ("income", {"expense": True}),
}
GROUPS = ("Accounting", "Analytic Administration", "Party Administration", "Accounting Administration")


def currencies(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By code. Rates are of one day long ago: each move says its own amounts."""
    found = {}
    for row in rows:
        there = Model.get("currency.currency").find([("code", "=", row["code"])])
        currency = there[0] if there else Model.get("currency.currency")(code=row["code"])
        currency.name = row.get("name") or row["code"]
        currency.symbol = currency.symbol or row["code"]
        currency.digits = row["digits"]
        currency.rounding = Decimal(1).scaleb(-row["digits"])
        if not currency.rates:
            currency.rates.new(date=dt.date(2000, 1, 1), rate=Decimal(row["rate"]))
        currency.save()
        found[row["code"]] = currency
    return found


def companies(rows: list[dict[str, Any]], money: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        party = Model.get("party.party")(name=row["name"], code=row["code"])
        party.save()
        company = Model.get("company.company")(party=party, currency=money[row["currency"]])
        company.timezone = row.get("timezone")
        company.save()
        found[row["code"]] = company
    return found


def books(company: Any, given: dict[str, Any], years: list[dict[str, str]]) -> None:
    """Accounts, fiscal years with their months, a journal and analytic accounts of one company."""
    types = {}
    for kind, (statement, flags) in KINDS.items():
        type_ = Model.get("account.account.type")(name=kind.capitalize(), company=company, statement=statement)
        for flag in flags:
            setattr(type_, flag, True)
        type_.save()
        types[kind] = type_
    for row in given["accounts"]:
        account = Model.get("account.account")(code=row["code"], name=row["name"], company=company)
        account.type = types[row["kind"]]
        account.party_required = account.reconcile = row["kind"] in ("receivable", "payable")
        account.save()
    for year in years:
        fiscal_year(company, year)
    for name, values in given["dimensions"].items():
        root = Model.get("analytic_account.account")(name=name, code=name, type="root", company=company, state="opened")
        root.save()
        for row in values:
            value = Model.get("analytic_account.account")(
                name=row["name"], code=row["code"], type="normal", company=company, state="opened"
            )
            value.root = value.parent = root
            value.save()


def fiscal_year(company: Any, given: dict[str, str]) -> None:
    type_ = {row.name: row for row in Model.get("ir.sequence.type").find([])}
    strict = Model.get("ir.sequence.strict")
    moves = strict(name=f"Moves {given['name']}", sequence_type=type_["Account Move"], company=company)
    moves.prefix = f"{given['name']}/"
    moves.save()
    invoices = strict(name=f"Invoices {given['name']}", sequence_type=type_["Invoice"], company=company)
    invoices.save()
    year = Model.get("account.fiscalyear")(
        name=given["name"], company=company, move_sequence=moves,
        start_date=dt.date.fromisoformat(given["starts_on"]), end_date=dt.date.fromisoformat(given["ends_on"]),
    )  # fmt: skip
    (rule,) = year.invoice_sequences
    rule.out_invoice_sequence = rule.out_credit_note_sequence = invoices
    rule.in_invoice_sequence = rule.in_credit_note_sequence = invoices
    year.save()
    year.click("create_period")


def users(given: dict[str, Any], made: dict[str, Any]) -> str:
    """A person who may look and close, and the connector's user, whose key is returned."""
    groups = {group.name: group for group in Model.get("res.group").find([])}
    key = ""
    for role in ("person", "connector"):
        row = given[role]
        user = Model.get("res.user")(name=row.get("name") or row["login"], login=row["login"], password=row["password"])
        for name in GROUPS if role == "person" else GROUPS[:3]:
            user.groups.append(Model.get("res.group")(groups[name].id))
        for company in made.values():
            user.companies.append(Model.get("company.company")(company.id))
        user.company = next(iter(made.values()))
        user.company_filter = "all"
        user.save()
        if role == "connector":
            application = Model.get("res.user.application")(user=user, application="rest")
            application.save()
            if application.state != "validated":
                application.click("validate_")
            application.reload()
            key = application.key
    return key


def main() -> None:
    database, configuration = sys.argv[1:3]
    given = json.load(sys.stdin)
    settings = config.set_trytond(database, user="admin", config_file=configuration)
    money = currencies(given["currencies"])
    made = companies(given["companies"], money)
    me = Model.get("res.user")(settings.user)
    for company in made.values():
        me.companies.append(Model.get("company.company")(company.id))
    me.company = next(iter(made.values()))
    me.company_filter = "all"
    me.save()
    # Rules ask which companies the user may see.
    settings._context = {**Model.get("res.user").get_preferences(True, {}), "companies": [c.id for c in made.values()]}
    for row in given["companies"]:
        company = made[row["code"]]
        with settings.set_context(company=company.id):
            books(Model.get("company.company")(company.id), given, row["years"])
    journal = Model.get("account.journal")(code=given["journal"]["code"], name=given["journal"]["name"], type="general")
    journal.save()
    key = users(given, made)
    json.dump({"key": key, "companies": {code: company.id for code, company in made.items()}}, sys.stdout)


if __name__ == "__main__":
    main()
