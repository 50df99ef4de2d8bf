"""Why the lines of an entry are what they are: by what its rules matched on, and what has changed since."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from exceptions.sentences import listed
from ledger import matched, rules
from ledger.derivation import spoken
from ledger.facts import Fact, FactLine, Finding
from ledger.models import JournalEntry
from q2c.models import Product
from q2c.stages import booking

SINCE_MAX = 50


@dataclass(frozen=True, slots=True)
class Why:
    """`choices`: by what was kept with the entry (`kept`), else by what its order and the rules say today.

    `since`: sentences on what is no longer as it was booked. `findings`: what would keep it from being booked today.
    """

    choices: tuple[rules.Choice, ...]
    kept: bool
    since: tuple[str, ...]
    findings: tuple[Finding, ...]


def explain(user: Any, entry_id: uuid.UUID) -> Why | None:
    """None where no rule made it. A mirror entry is its original with the signs turned."""
    entry = JournalEntry.objects.visible_to(user).filter(id=entry_id).select_related("entity").first()
    if entry is None or entry.reverses_id:
        return None
    fact = booking.facts_of_events([entry.event_id]).get(entry.event_id)
    today = rules.explain(fact) if fact else None
    if not entry.matched:
        if today is None or fact is None:
            return None
        since = (*_other_rules(entry, today), *_products(fact.lines))
        return Why(today.choices, False, since, today.findings)
    choices, lines = rules.explain_booked(entry), [line for line, _ in matched.lines_of(entry.matched)]
    told = [*_outdone(choices), *(_changed(lines, fact) if fact else ()), *_products(lines)]
    if len(told) > SINCE_MAX:
        told = [*told[:SINCE_MAX], f"And {len(told) - SINCE_MAX} more"]
    return Why(choices, True, tuple(told), today.findings if today else ())


def _outdone(choices: tuple[rules.Choice, ...]) -> Iterator[str]:
    for one in choices:
        if one.today:
            leg = f", {one.leg}" if one.leg else ""
            yield f"Line {one.line}{leg}: booked by {one.winner}, {one.today} would win today"


def _changed(lines: list[FactLine], fact: Fact) -> Iterator[str]:
    for number, what, was, now in matched.changes(lines, fact.lines):
        yield (
            f"Line {number}: booked with {spoken(what)} {was or 'none'}, its order and item mapping say "
            f"{now or 'none'} today"
        )


def _other_rules(entry: JournalEntry, today: rules.Explanation) -> Iterator[str]:
    """Of an entry that keeps nothing but the names of its rules."""
    used = entry.rules_used.splitlines()
    would = list(dict.fromkeys(line.rule for line in today.lines))
    if today.lines and set(would) != set(used):
        yield f"Booked by {listed(used)}; by its order and the rules of today it would be by {listed(would)}"


def _products(lines: tuple[FactLine, ...] | list[FactLine]) -> Iterator[str]:
    """Master data is for what is sold from now on; whoever compares is told that it is another."""
    there = {row.code: row for row in Product.objects.filter(code__in={line.product for line in lines})}
    told = set()
    for line in lines:
        product = there.get(line.product)
        for name in ("revenue_treatment", "product_line"):
            was, now = getattr(line, name), getattr(product, name, None)
            if product is not None and was != now and (line.product, name, was) not in told:
                told.add((line.product, name, was))
                yield (
                    f"Product {line.product} has {spoken(name)} {spoken(now or 'none')} today, for new orders; here "
                    f"it is {spoken(was or 'none')}, as it was sold"
                )
