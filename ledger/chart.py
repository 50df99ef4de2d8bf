"""A compact chart for a software company: accounts, dimensions and posting rules as tables, and `install`.

It is where a new installation starts and what the demo and the tests book on; from then on the rows are data.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from simple_history.utils import bulk_create_with_history

from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    LegalEntity,
    PostingRule,
    PostingRuleLine,
)
from ledger.models.effective import BEGINNING
from ledger.periods import ensure_year
from q2c import clock

# code, name, type, role, monetary
ACCOUNTS = (
    ("1000", "Cash", "asset", "cash", True),
    ("1100", "Accounts receivable", "asset", "accounts_receivable", True),
    ("1150", "Unbilled receivable", "asset", "unbilled_receivable", True),
    ("2050", "Unapplied cash", "liability", "unapplied_cash", True),
    ("2200", "Tax payable", "liability", "tax_payable", True),
    ("2400", "Deferred revenue", "liability", "deferred_revenue", False),
    ("2410", "Deferred revenue, subscriptions", "liability", "deferred_revenue:subscription", False),
    ("2420", "Deferred revenue, implementation", "liability", "deferred_revenue:implementation", False),
    ("3000", "Share capital", "equity", "share_capital", False),
    ("4000", "Revenue", "revenue", "revenue", False),
    ("4010", "Subscription revenue", "revenue", "revenue:subscription", False),
    ("4020", "Services revenue", "revenue", "revenue:implementation", False),
    ("4030", "Usage revenue", "revenue", "revenue:usage", False),
    ("6100", "Bank fees", "expense", "bank_fees", False),
    ("7100", "Realised exchange differences", "expense", "realised_fx", False),
    ("7200", "Unrealised exchange differences", "expense", "unrealised_fx", False),
)

DIMENSIONS = {
    "cost_center": ("Cost centre", ("CC-100", "CC-200", "CC-300", "CC-410")),
    "product_line": ("Product line", ("subscription", "implementation", "usage")),
    "region": ("Region", ("US", "DE", "UK", "JP", "AMER", "EMEA", "APAC")),
}

# account code or account type, dimension, requirement, default
DIMENSION_RULES = (
    ("revenue", "cost_center", "required", "CC-100"),
    ("revenue", "product_line", "required", ""),
    ("revenue", "region", "optional", ""),
    ("expense", "cost_center", "required", "CC-100"),
    *((kind, dimension, "forbidden", "") for kind in ("asset", "liability", "equity") for dimension in DIMENSIONS),
    # Deferred revenue becomes revenue, so it knows already whose.
    *(
        (account, dimension, requirement, default)
        for account in ("2400", "2410", "2420")
        for dimension, requirement, default in (
            ("cost_center", "required", "CC-100"),
            ("product_line", "optional", ""),
            ("region", "optional", ""),
        )
    ),
)


@dataclass(frozen=True)
class Rule:
    """One posting rule; lines are (position, side, measure, account role, grouping)."""

    name: str
    lines: tuple[tuple[int, str, str, str, str], ...]
    leg: str = ""
    match: dict[str, str] = field(default_factory=dict)


_DEFERRED = ("ratable_daily", "ratable_monthly", "point_in_time")


def _sales(event_type: str, what: str) -> tuple[Rule, ...]:
    """Receivable and tax once per document, revenue line by line. Credits come as negative amounts."""
    on = {"event_type": event_type}
    deferral = ((20, "credit", "net", "deferred_revenue:{product_line}", "line"),)
    revenue = ((20, "credit", "net", "revenue:{product_line}", "line"),)
    return (
        Rule(f"{what} receivable", ((10, "debit", "gross", "accounts_receivable", "entry"),), "receivable", on),
        *(
            Rule(f"{what} deferred, {treatment}", deferral, "revenue", on | {"revenue_treatment": treatment})
            for treatment in _DEFERRED
        ),
        Rule(f"{what} usage", revenue, "revenue", on | {"revenue_treatment": "usage_as_billed"}),
        Rule(f"{what} tax", ((30, "credit", "tax", "tax_payable", "entry"),), "tax", on),
    )


RULES = (
    *_sales("InvoiceIssued", "invoice"),
    *_sales("CreditMemoIssued", "credit memo"),
    Rule(
        "receipt",
        ((10, "debit", "net", "cash", "entry"), (20, "credit", "net", "unapplied_cash", "entry")),
        match={"event_type": "PaymentReceived"},
    ),
    Rule(
        "application",
        ((10, "debit", "net", "unapplied_cash", "entry"), (20, "credit", "net", "accounts_receivable", "entry")),
        match={"event_type": "PaymentMatched"},
    ),
    Rule(
        "revenue release",
        (
            (10, "debit", "net", "deferred_revenue:{product_line}", "line"),
            (20, "credit", "net", "revenue:{product_line}", "line"),
        ),
        match={"event_type": "RevenueDue"},
    ),
)


@transaction.atomic
def install(*entities: LegalEntity, years: tuple[int, ...] = (), since: dt.date = BEGINNING) -> None:
    """Put the tables above into the database where they are missing, and open `years` for `entities`. Idempotent.

    A statement or two per table. No case is looked at: who adds to a running installation does so in the admin.
    """
    _accounts(since)
    _dimensions(since)
    _dimension_rules(since)
    _rules(since)
    for entity in entities:
        for year in years:
            ensure_year(entity, year)


def _make(model: type[models.Model], rows: list[Any]) -> None:
    if rows:
        bulk_create_with_history(rows, model, default_change_reason="chart of accounts", default_date=clock.now())


def _accounts(since: dt.date) -> None:
    there = set(Account.objects.filter(entity=None).values_list("code", flat=True))
    wanted = [
        Account(code=code, name=name, type=kind, role=role, monetary=monetary, effective_from=since)
        for code, name, kind, role, monetary in ACCOUNTS
        if code not in there
    ]
    _make(Account, wanted)


def _dimensions(since: dt.date) -> None:
    there = set(Dimension.objects.values_list("code", flat=True))
    _make(Dimension, [Dimension(code=code, name=name) for code, (name, _) in DIMENSIONS.items() if code not in there])
    ids = dict(Dimension.objects.values_list("code", "id"))
    values = set(DimensionValue.objects.filter(entity=None).values_list("dimension_id", "code"))
    wanted = [
        DimensionValue(dimension_id=ids[code], code=value, effective_from=since)
        for code, (_, found) in DIMENSIONS.items()
        for value in found
        if (ids[code], value) not in values
    ]
    _make(DimensionValue, wanted)


def _dimension_rules(since: dt.date) -> None:
    dimensions = dict(Dimension.objects.values_list("code", "id"))
    accounts = dict(Account.objects.filter(entity=None).values_list("code", "id"))
    types = {kind for kind, _ in Account.TYPES}
    there = set(DimensionRule.objects.values_list("dimension_id", "account_id", "account_type"))
    wanted = [
        DimensionRule(
            dimension_id=dimensions[code],
            account_id=None if target in types else accounts[target],
            account_type=target if target in types else "",
            requirement=requirement,
            default_value=default,
            effective_from=since,
        )
        for target, code, requirement, default in DIMENSION_RULES
    ]
    _make(DimensionRule, [row for row in wanted if (row.dimension_id, row.account_id, row.account_type) not in there])


def _rules(since: dt.date) -> None:
    there = set(PostingRule.objects.filter(rule_set="primary").values_list("name", flat=True))
    lines = {rule.name: rule.lines for rule in RULES if rule.name not in there}
    rows = [
        PostingRule(name=rule.name, leg=rule.leg, effective_from=since, **rule.match)
        for rule in RULES
        if rule.name in lines
    ]
    _make(PostingRule, rows)
    wanted = [
        PostingRuleLine(rule=row, position=position, side=side, measure=measure, account_role=role, grouping=grouping)
        for row in PostingRule.objects.filter(rule_set="primary", version=1, name__in=lines)
        for position, side, measure, role, grouping in lines[row.name]
    ]
    _make(PostingRuleLine, wanted)
