"""From a fact line and the winning rules to accounts and dimensions: what is found once holds for the batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ledger.books import AccountRow, Books, DimensionRuleRow, Entity, RuleLineRow, RuleRow, holds
from ledger.facts import Fact, FactLine, Finding
from ledger.matching import Context, context, winners
from ledger.models.posting_rule import PLACEHOLDERS
from q2c.reasons import Reason

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Posting:
    """One rule line applied to one kind of fact line. With findings it cannot be booked."""

    rule: RuleRow
    rule_line_id: int
    position: int
    measure: str
    sign: int
    per_line: bool
    account: AccountRow | None
    dimensions: dict[str, str]
    dimensions_json: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How lines of one kind are booked; `missing` are the legs for which no rule fits."""

    postings: tuple[Posting, ...]
    missing: tuple[Finding, ...]


class Desk:
    """Works through the facts of one batch with the same books."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._contexts: dict[tuple[object, ...], Context] = {}
        self._headers: dict[tuple[object, ...], Any] = {}

    def header(self, fact: Fact, look: Callable[[Books, Fact], T]) -> T:
        """What `look` finds for the entity, subledger, currency and day of a fact."""
        key = (fact.entity_code, fact.subledger, fact.currency, fact.effective_on, fact.dated_on)
        found = self._headers.get(key)
        if found is None:
            found = self._headers[key] = look(self.books, fact)
        return found

    def context(self, fact: Fact, entity: Entity) -> Context:
        key = (fact.rule_set, entity.id, fact.event_type, fact.currency, fact.effective_on)
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = context(self.books, fact, entity)
        return found

    def plan(self, where: Context, fact: Fact, line: FactLine) -> Plan:
        """Equal kinds of line are looked at once."""
        key = (
            line.product,
            line.product_line,
            line.kind,
            line.revenue_treatment,
            line.tax_code,
            line.region,
            tuple(line.dimensions.items()),
        )
        found = where.plans.get(key)
        if found is None:
            found = where.plans[key] = self._plan(where, fact, line)
        return found  # type: ignore[return-value]

    def _plan(self, where: Context, fact: Fact, line: FactLine) -> Plan:
        chosen = winners(where, line) or {"": None}
        missing = tuple(_no_rule(where.entity, fact, line, leg) for leg, rule in chosen.items() if rule is None)
        postings = (
            self._posting(where, fact, line, rule, rule_line)
            for rule in chosen.values()
            if rule is not None
            for rule_line in self.books.rule_lines.get(rule.id, ())
        )
        return Plan(tuple(postings), missing)

    def _posting(self, where: Context, fact: Fact, line: FactLine, rule: RuleRow, rule_line: RuleLineRow) -> Posting:
        account, findings = self._account(where, fact, line, rule_line)
        dimensions: dict[str, str] = {}
        if account is not None:
            given = {"product_line": line.product_line, "region": line.region, **line.dimensions}
            dimensions, wrong = self._dimensions(where, account, given | rule_line.dimensions)
            findings += wrong
        return Posting(
            rule=rule,
            rule_line_id=rule_line.id,
            position=rule_line.position,
            measure=rule_line.measure,
            sign=1 if rule_line.side == "debit" else -1,
            per_line=rule_line.grouping == "line",
            account=account,
            dimensions=dimensions,
            dimensions_json=json.dumps(dimensions, ensure_ascii=False),
            findings=tuple(findings),
        )

    def _account(
        self, where: Context, fact: Fact, line: FactLine, rule_line: RuleLineRow
    ) -> tuple[AccountRow | None, list[Finding]]:
        role = rule_line.account_role
        for name in PLACEHOLDERS:
            if "{" in role:
                role = role.replace(f"{{{name}}}", getattr(fact if name == "currency" else line, name))
        entity = where.entity
        account = self.books.account(entity, role, where.day) or self.books.account(
            entity, role.partition(":")[0], where.day
        )
        if account is None:
            text = f"No account of {entity.code} has the role {role}"
            return None, [Finding(Reason.ACCOUNT_UNKNOWN, text, "account_role", f"{entity.code}:{role}")]
        if not account.is_active or not holds(account, where.day):
            text = f"Account {account.code} {account.name} is not active on {where.day}"
            return account, [Finding(Reason.ACCOUNT_INACTIVE, text, "account", account.code)]
        return account, []

    def _dimensions(
        self, where: Context, account: AccountRow, given: dict[str, str]
    ) -> tuple[dict[str, str], list[Finding]]:
        rules = self._rules_for(where, account)
        carried: dict[str, str] = {}
        findings: list[Finding] = []
        for code in sorted(given.keys() | rules.keys()):
            rule = rules.get(code)
            requirement = rule.requirement if rule else "optional"
            value = given.get(code) or (rule.default_value if rule else "")
            if requirement == "forbidden" or (requirement == "optional" and not value):
                continue
            if not value:
                text, key = f"Account {account.code} {account.name} requires a {spoken(code)}", f"{account.code}:{code}"
                findings.append(Finding(Reason.DIMENSION_MISSING, text, "dimension_rule", key, f"dimensions/{code}"))
                continue
            findings.extend(self._value(where, code, value))
            carried[code] = value
        return carried, findings

    def _rules_for(self, where: Context, account: AccountRow) -> dict[str, DimensionRuleRow]:
        found: dict[str, DimensionRuleRow] = {}
        for key in (account.type, account.id):
            for code, rows in self.books.dimension_rules.get(key, {}).items():
                found.update((code, row) for row in rows if holds(row, where.day))
        return found

    def _value(self, where: Context, dimension: str, value: str) -> Iterator[Finding]:
        rows = self.books.values.get((dimension, value), ())
        mine = [row for row in rows if row.entity_id in (None, where.entity.id)]
        if any(row.is_active and holds(row, where.day) for row in mine):
            return
        if mine:
            reason, text = Reason.DIMENSION_INACTIVE, f"{spoken(dimension)} {value} is not active on {where.day}"
        elif rows:
            reason, text = Reason.DIMENSION_INACTIVE, f"{spoken(dimension)} {value} is not for {where.entity.code}"
        else:
            reason, text = Reason.DIMENSION_MISSING, f"{spoken(dimension)} {value} is not known"
        yield Finding(reason, text, dimension, value, f"dimensions/{dimension}")


def spoken(dimension: str) -> str:
    """cost centre, product line: codes are spelled as the ledgers spell them, sentences are not."""
    return dimension.replace("cost_center", "cost centre").replace("_", " ")


def at_line(finding: Finding, line: FactLine) -> Finding:
    """The finding with its pointer into the fact, and the product whose line gives no value for a dimension."""
    path = f"lines/{line.line}/{finding.field}" if finding.field else f"lines/{line.line}"
    if finding.object_type != "dimension_rule" or not line.product:
        return replace(finding, field=path)
    text = f"{finding.text}, and product {line.product} on line {line.line} gives none"
    return replace(finding, field=path, text=text, product=line.product)


def _no_rule(entity: Entity, fact: Fact, line: FactLine, leg: str) -> Finding:
    about = {"product": line.product, "treatment": line.revenue_treatment, "kind": line.kind, "tax code": line.tax_code}
    told = ", ".join(f"{name} {value}" for name, value in about.items() if value) or "a line without any of them"
    what = f"the {leg} leg of " if leg else ""
    return Finding(
        Reason.POSTING_RULE_MISSING,
        f"No posting rule for {what}{fact.event_type} in {entity.code} on {fact.effective_on} fits {told}",
        "posting_rule",
        f"{entity.code}:{fact.event_type}:{leg}",
    )
