"""What the ledger is told: facts in canonical form. What it answers when it cannot book one: findings."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field

from ledger.models.period import SUBLEDGERS
from ledger.models.series import JOURNALS
from q2c.money import exponent
from q2c.reasons import Reason


class FactMalformed(ValueError):
    """The caller built a fact that no books could hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FactLine:
    """One line of the business document, in minor units of the fact's currency.

    `kind`, `revenue_treatment`, `product` and `tax_code` are what posting rules match; `product_line` and `region`
    are dimensions too. `dimensions` maps dimension code → value code. Negative amounts book the other way round.
    """

    line: int = 1
    product: str = ""
    product_line: str = ""
    kind: str = ""
    revenue_treatment: str = ""
    tax_code: str = ""
    region: str = ""
    net_minor: int = 0
    tax_minor: int = 0
    dimensions: dict[str, str] = field(default_factory=dict)
    memo: str = ""

    def __post_init__(self) -> None:
        if type(self.net_minor) is not int or type(self.tax_minor) is not int:
            raise FactMalformed(f"line {self.line}: amounts are whole minor units")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One event as one entity books it.

    `journal` is a row of models.series.JOURNALS, `business_document` reads like `invoice:INV-001`:
    with the event's type it says what is booked, and makes the key under which the ERP finds it. Books kept side
    by side (local, group) name their own `rule_set`. `dated_on` is the document's own day where the fact was re-dated
    (ledger/redated.py); rates are of that day.
    """

    event_id: uuid.UUID
    event_type: str
    entity_code: str
    effective_on: dt.date
    currency: str
    subledger: str
    journal: str
    business_document: str = ""
    customer: str = ""
    memo: str = ""
    correlation_id: uuid.UUID
    lines: tuple[FactLine, ...]
    rule_set: str = "primary"
    dated_on: dt.date | None = None

    def __post_init__(self) -> None:
        if self.subledger not in SUBLEDGERS:
            raise FactMalformed(f"{self.subledger!r} is not one of {', '.join(SUBLEDGERS)}")
        if self.journal not in JOURNALS:
            raise FactMalformed(f"{self.journal!r} is not one of {', '.join(JOURNALS)}")
        exponent(self.currency)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a fact cannot be booked: the reason, the object in the way, and the part of the fact that meets it.

    (object_type, object_key) is what a case keeps as its blocker: ("fiscal_period", "US01:general:2026-10"),
    ("cost_center", "CC-410"), ("account", "4000"). `field` points into the fact: `lines/2/dimensions/cost_center`;
    `product` is that of its line.
    """

    reason: Reason
    text: str
    object_type: str = ""
    object_key: str = ""
    field: str = ""
    product: str = ""
