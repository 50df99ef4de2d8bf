"""Which posting rule wins for a fact line, leg by leg (the order is told in models/posting_rule.py)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from ledger.books import Books, Entity, RuleRow, holds
from ledger.facts import Fact, FactLine
from ledger.models.posting_rule import MATCH


def filled(rule: RuleRow) -> tuple[str, ...]:
    """The match columns that a rule fills, most telling first."""
    return tuple(name for name in MATCH if getattr(rule, "entity_id" if name == "entity" else name))


def rank(rule: RuleRow) -> tuple[bool, ...]:
    """Compares as the rules do: greater is more specific."""
    columns = filled(rule)
    return tuple(name in columns for name in MATCH)


def misfit(rule: RuleRow, entity: Entity, fact: Fact, line: FactLine) -> str:
    """The first match column that keeps the rule from the line, in words; empty when it fits."""
    if rule.entity_id not in (None, entity.id):
        return "is for another entity"
    for name in MATCH[1:]:
        wanted = getattr(rule, name)
        found = getattr(fact if name in ("currency", "event_type") else line, name)
        if wanted and wanted != found:
            return f"wants {name.replace('_', ' ')} {wanted}, the fact has {found or 'none'}"
    return "" if holds(rule, fact.effective_on) else f"is not in force on {fact.effective_on}"


@dataclass(slots=True)
class Context:
    """The rules of one entity, event type, currency and day, per leg, the most specific first."""

    entity: Entity
    day: dt.date
    legs: dict[str, list[RuleRow]]
    # What is found for a kind of fact line once holds for the batch.
    plans: dict[tuple[object, ...], object] = field(default_factory=dict)


def context(books: Books, fact: Fact, entity: Entity) -> Context:
    """A leg exists for an event as soon as one rule in force knows the event; then every line needs a winner."""
    legs: dict[str, list[RuleRow]] = {}
    for rule in books.rules.get(fact.rule_set, ()):
        if (
            rule.entity_id in (None, entity.id)
            and rule.event_type in ("", fact.event_type)
            and rule.currency in ("", fact.currency)
            and holds(rule, fact.effective_on)
        ):
            legs.setdefault(rule.leg, []).append(rule)
    for rules in legs.values():
        rules.sort(key=rank, reverse=True)
    return Context(entity, fact.effective_on, legs)


def winners(where: Context, line: FactLine) -> dict[str, RuleRow | None]:
    """Per leg the most specific rule that fits the line; None where none does."""
    return {leg: next((rule for rule in rules if _fits(rule, line)), None) for leg, rules in where.legs.items()}


def _fits(rule: RuleRow, line: FactLine) -> bool:
    return (
        rule.product in ("", line.product)
        and rule.revenue_treatment in ("", line.revenue_treatment)
        and rule.kind in ("", line.kind)
        and rule.tax_code in ("", line.tax_code)
    )
