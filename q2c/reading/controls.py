"""The controls an order passes, as people know them, and how they came out for one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from exceptions.policies import POLICIES
from q2c.models import Order
from q2c.reasons import APPROVALS
from q2c.reasons import Reason as R

# In the order in which accept_order runs them (stages/controls), then the two services; with the names they fail by.
CONTROLS: tuple[tuple[str, frozenset[R]], ...] = (
    ("Customer and its parents are known and active", frozenset({R.CUSTOMER_UNKNOWN, R.CUSTOMER_INACTIVE})),
    (
        "Hierarchy without a loop, one paying account",
        frozenset({R.CUSTOMER_HIERARCHY_LOOP, R.PAYING_ACCOUNT_AMBIGUOUS}),
    ),
    ("Products are known", frozenset({R.PRODUCT_UNKNOWN})),
    ("Revenue treatment agrees with the product", frozenset({R.REVENUE_TREATMENT_MISMATCH})),
    ("Legal entity is determined", frozenset({R.LEGAL_ENTITY_UNDETERMINED})),
    ("Currency is allowed for the entity", frozenset({R.CURRENCY_NOT_ALLOWED})),
    ("Exchange rates for the total", frozenset({R.FX_RATE_MISSING})),
    ("Products have an item in the entity's ledger", frozenset({R.ITEM_MAPPING_MISSING})),
    ("Tax nexus where it ships to", frozenset({R.TAX_NEXUS_MISSING})),
    ("Tax codes are set", frozenset({R.TAX_CODE_MISSING})),
    ("Term and activation dates", frozenset({R.TERM_INVALID})),
    ("Billing schedule and phases", frozenset({R.BILLING_SCHEDULE_INVALID})),
    ("Price arithmetic, exact", frozenset({R.PRICE_MISMATCH})),
    ("Usage terms: meter, included quantity, tiers", frozenset({R.USAGE_TERMS_INCOMPLETE})),
    ("Billing can express what is sold", frozenset({R.BILLING_INEXPRESSIBLE})),
    ("The price list has a price for what is sold", frozenset({R.LIST_PRICE_MISSING})),
    ("Discount within the limit", frozenset({R.DISCOUNT_APPROVAL_REQUIRED})),
    ("Credit limit", frozenset({R.CREDIT_REFUSED, R.CREDIT_APPROVAL_REQUIRED})),
    ("Tax estimate", frozenset({R.TAX_REFUSED})),
)

# By what a service tells; until it has, nothing is passed.
_ASKED = {"Credit limit": "credit", "Tax estimate": "tax"}


@dataclass(frozen=True, slots=True)
class Control:
    """`outcome` passed | failed | waits (for a signature) | approved | unknown (not checked, or not answered yet)."""

    name: str
    outcome: str
    findings: list[dict[str, Any]] = field(default_factory=list)


def of(order: Order, findings: Sequence[dict[str, Any]]) -> list[Control]:
    """Each control with its findings as the order's case tells them; without a case by their names alone.

    A reason that no line of CONTROLS names stands under its policy's title, so that nothing found is left out. Of an
    order that is accepted only what was signed stands beside what passed: what failed before that is put right.
    """
    checked = bool(order.controls.get("checked_at"))
    # Orders of before do not say which service answered.
    told = order.controls.get("told", list(_ASKED.values())) if order.accepted_at is None else list(_ASKED.values())
    named = set(order.controls.get("findings", ()))
    explained = {finding["reason"] for finding in findings}
    all_findings = [*findings, *({"reason": reason, "text": ""} for reason in sorted(named - explained))]
    if order.accepted_at:
        all_findings = [finding for finding in all_findings if finding["reason"] in APPROVALS]
    found = []
    for name, reasons in (*CONTROLS, *_unlisted(all_findings)):
        mine = [finding for finding in all_findings if finding["reason"] in reasons]
        found.append(
            Control(name, _outcome(order, mine, checked and (name not in _ASKED or _ASKED[name] in told)), mine)
        )
    return found


def _unlisted(findings: Sequence[dict[str, Any]]) -> list[tuple[str, frozenset[R]]]:
    listed = frozenset[R]().union(*(reasons for _, reasons in CONTROLS))
    told = dict.fromkeys(finding["reason"] for finding in findings)
    return [
        (POLICIES[reason].title, frozenset({reason})) for reason in POLICIES if reason in told and reason not in listed
    ]


def _outcome(order: Order, mine: Sequence[dict[str, Any]], checked: bool) -> str:
    if not mine:
        return "passed" if checked else "unknown"
    if all(finding["reason"] in APPROVALS for finding in mine):
        return "approved" if order.accepted_at else "waits"
    return "failed"
