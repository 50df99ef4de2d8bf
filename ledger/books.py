"""The master data that one batch of facts needs, read with one query per noun whatever the batch's size."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import models

from ledger import fx
from ledger.facts import Fact, Finding
from ledger.models import (
    Account,
    DimensionRule,
    DimensionValue,
    FiscalPeriod,
    LegalEntity,
    PostingRule,
    PostingRuleLine,
)
from ledger.models.effective import overlaps
from ledger.models.entity import fiscal_year


class Entity(NamedTuple):
    id: int
    code: str
    number_code: str
    currency: str
    group_currency: str
    start_month: int
    allowed_currencies: frozenset[str]
    is_active: bool

    def fiscal_year(self, day: dt.date) -> int:
        return fiscal_year(day, self.start_month)


class AccountRow(NamedTuple):
    id: int
    entity_id: int | None
    code: str
    name: str
    type: str
    role: str
    is_active: bool
    effective_from: dt.date
    effective_to: dt.date | None


class ValueRow(NamedTuple):
    dimension: str
    code: str
    entity_id: int | None
    is_active: bool
    effective_from: dt.date
    effective_to: dt.date | None


class DimensionRuleRow(NamedTuple):
    dimension: str
    account_id: int | None
    account_type: str
    requirement: str
    default_value: str
    effective_from: dt.date
    effective_to: dt.date | None


class PeriodRow(NamedTuple):
    id: uuid.UUID
    entity_id: int
    subledger: str
    name: str
    fiscal_year: int
    starts_on: dt.date
    ends_on: dt.date
    state: str


class RuleLineRow(NamedTuple):
    id: int
    rule_id: int
    position: int
    measure: str
    side: str
    account_role: str
    dimensions: dict[str, str]
    grouping: str


class RuleRow(NamedTuple):
    id: int
    name: str
    version: int
    leg: str
    entity_id: int | None
    event_type: str
    product: str
    revenue_treatment: str
    kind: str
    tax_code: str
    currency: str
    effective_from: dt.date
    effective_to: dt.date | None

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"


def holds(row: AccountRow | ValueRow | DimensionRuleRow | RuleRow, day: dt.date) -> bool:
    """Whether an effective-dated row is in force on a day."""
    return row.effective_from <= day and (row.effective_to is None or day < row.effective_to)


@dataclass
class Books:
    """Read once per call; every look-up after that is in memory."""

    entities: dict[str, Entity]
    accounts: dict[str, list[AccountRow]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[ValueRow]] = field(default_factory=dict)
    dimension_rules: dict[int | str, dict[str, list[DimensionRuleRow]]] = field(default_factory=dict)
    rules: dict[str, list[RuleRow]] = field(default_factory=dict)
    rule_lines: dict[int, list[RuleLineRow]] = field(default_factory=dict)
    periods: dict[tuple[int, str], list[PeriodRow]] = field(default_factory=dict)
    rates: dict[tuple[str, str], fx.Rates] = field(default_factory=dict)

    @classmethod
    def load(cls, facts: Sequence[Fact]) -> Books:
        """Everything that `facts` could touch: at most eight queries."""
        books = cls(entities=_entities())
        if not facts:
            return books
        used = {fact.entity_code for fact in facts} & books.entities.keys()
        ids = [books.entities[code].id for code in used]
        days = [day for fact in facts for day in (fact.effective_on, fact.dated_on) if day is not None]
        span = min(days), max(days) + dt.timedelta(days=1)
        shared_or_own = models.Q(entity__isnull=True) | models.Q(entity__in=ids)
        accounts = Account.objects.filter(shared_or_own, role__gt="")
        books.accounts = _by(_rows(accounts, AccountRow), lambda row: row.role)
        books._load_rules({fact.rule_set for fact in facts}, {fact.event_type for fact in facts}, span)
        books._load_dimensions(facts)
        months = FiscalPeriod.objects.filter(entity__in=ids, starts_on__lt=span[1], ends_on__gt=span[0])
        books.periods = _by(_rows(months, PeriodRow), lambda row: (row.entity_id, row.subledger))
        pairs = {
            (fact.currency, target)
            for fact in facts
            if fact.entity_code in used
            for target in books.entities[fact.entity_code][3:5]
        }
        books.rates = fx.load(pairs, span)
        return books

    def _load_rules(self, sets: set[str], event_types: set[str], span: tuple[dt.date, dt.date]) -> None:
        found = PostingRule.objects.filter(overlaps(*span), rule_set__in=sets, event_type__in=[*event_types, ""])
        names = ["rule_set", *RuleRow._fields]
        by_set = defaultdict(list)
        for rule_set, *row in found.order_by("name", "-version").values_list(*names):
            by_set[rule_set].append(RuleRow(*row))
        self.rules = dict(by_set)
        ids = [row.id for rows in by_set.values() for row in rows]
        lines = _rows(PostingRuleLine.objects.filter(rule__in=ids), RuleLineRow)
        self.rule_lines = _by(sorted(lines, key=lambda row: row.position), lambda row: row.rule_id)

    def _load_dimensions(self, facts: Sequence[Fact]) -> None:
        rows = list(_rows(DimensionRule.objects.all(), DimensionRuleRow))
        for row in rows:
            self.dimension_rules.setdefault(row.account_id or row.account_type, {}).setdefault(
                row.dimension, []
            ).append(row)
        codes = {row.default_value for row in rows}
        for rule_lines in self.rule_lines.values():
            for rule_line in rule_lines:
                codes.update(rule_line.dimensions.values())
        for fact in facts:
            for line in fact.lines:
                codes.update((line.product_line, line.region), line.dimensions.values())
        found = _rows(DimensionValue.objects.filter(code__in=codes), ValueRow)
        self.values = _by(found, lambda row: (row.dimension, row.code))

    def period(self, entity: Entity, subledger: str, day: dt.date) -> PeriodRow | None:
        """The period that holds a day, whatever its state."""
        for row in self.periods.get((entity.id, subledger), ()):
            if row.starts_on <= day < row.ends_on:
                return row
        return None

    def account(self, entity: Entity, role: str, day: dt.date) -> AccountRow | None:
        """The entity's own account with the role, else the shared one, in force on the day or else any."""
        rows = [row for row in self.accounts.get(role, ()) if row.entity_id in (entity.id, None)]
        rows.sort(key=lambda row: (not holds(row, day), row.entity_id is None))
        return rows[0] if rows else None

    def rate(self, source: str, target: str, day: dt.date) -> Decimal | None:
        """Units of `target` for one of `source`: the latest on or before the day; None: there is none, or too old."""
        if source == target:
            return Decimal(1)
        return self.rates.get((source, target), fx.Rates()).on(day)

    def rate_missing(self, source: str, target: str, day: dt.date) -> Finding:
        """What rate() being None is told as."""
        return fx.missing(source, target, day, latest=self.rates.get((source, target), fx.Rates()).latest(day))


def _rows(found: models.QuerySet[Any], row: Any) -> Iterator[Any]:
    """Named tuples of the columns that `row` names; `dimension` is the dimension's code."""
    names = ["dimension__code" if name == "dimension" else name for name in row._fields]
    return (row(*values) for values in found.order_by().values_list(*names))


def _by(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def _entities() -> dict[str, Entity]:
    rows = list(
        LegalEntity.objects.order_by().values_list(
            "id", "code", "number_code", "functional_currency", "parent_id", "fiscal_year_start_month",
            "allowed_currencies", "is_active",
        )
    )  # fmt: skip
    parents = {row[0]: row[4] for row in rows}
    currencies = {row[0]: row[3] for row in rows}

    def root(entity_id: int) -> int:
        seen: set[int] = set()
        while parents[entity_id] is not None and entity_id not in seen:
            seen.add(entity_id)
            entity_id = parents[entity_id]
        return entity_id

    return {
        row[1]: Entity(row[0], row[1], row[2], row[3], currencies[root(row[0])], row[5], frozenset(row[6]), row[7])
        for row in rows
    }
