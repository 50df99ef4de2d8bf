"""What the rules of an entry matched on, kept with it: the lines of its fact, equal ones together, and who won.

[{"lines": [1, 3], "product": "PLATFORM", "kind": "recurring", "revenue_treatment": "ratable_daily", …,
  "dimensions": {"cost_center": "CC-410"}, "won": {"revenue": 17, "receivable": 12}}]
What is empty is left out; `won` is leg → id of the rule. Mirror entries keep none: no rule made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ledger.facts import Fact, FactLine
from ledger.models import JournalEntry

NAMES = ("product", "product_line", "kind", "revenue_treatment", "tax_code", "region")


def row(line: FactLine, won: Mapping[str, int]) -> dict[str, Any]:
    """Of one line; equal ones join its `lines`."""
    told = {name: value for name in NAMES if (value := getattr(line, name))}
    dimensions = {"dimensions": line.dimensions} if line.dimensions else {}
    return {"lines": [line.line], **told, **dimensions, "won": dict(won)}


def lines_of(matched: Sequence[Mapping[str, Any]]) -> Iterator[tuple[FactLine, dict[str, int]]]:
    """Each line as it was matched, without amounts, and the rules that won it by leg; in the order of the lines."""
    rows = sorted(((number, row) for row in matched for number in row["lines"]), key=lambda pair: pair[0])
    for number, found in rows:
        told = {name: found.get(name, "") for name in NAMES}
        yield FactLine(line=number, dimensions=found.get("dimensions", {}), **told), found["won"]


def fact_of(entry: JournalEntry) -> Fact:
    """What was matched, on the day and in the currency that it was booked in; lines have no amounts."""
    return Fact(
        event_id=entry.event_id, event_type=entry.event_type, entity_code=entry.entity.code,
        effective_on=entry.effective_on, currency=entry.currency, subledger=entry.subledger, journal=entry.journal,
        correlation_id=entry.correlation_id, rule_set=entry.rule_set,
        lines=tuple(line for line, _ in lines_of(entry.matched)),
    )  # fmt: skip


def changes(before: Iterable[FactLine], after: Iterable[FactLine]) -> list[tuple[int, str, str, str]]:
    """(line, what of it, before, after) of what is no longer as it was; `what`: a column, or a dimension's code."""
    now = {line.line: line for line in after}
    found = []
    for line in before:
        other = now.get(line.line)
        if other is None:
            continue
        pairs = [(name, getattr(line, name), getattr(other, name)) for name in NAMES]
        codes = sorted(line.dimensions.keys() | other.dimensions.keys())
        pairs += [(code, line.dimensions.get(code, ""), other.dimensions.get(code, "")) for code in codes]
        found += [(line.line, name, was, is_now) for name, was, is_now in pairs if was != is_now]
    return found
