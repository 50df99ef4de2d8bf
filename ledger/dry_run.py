"""Dry runs: what a fact would become on today's master data, and each thing that was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.booking import identity, latest
from ledger.facts import Fact, Finding
from ledger.models import JournalEntry
from ledger.reading import EntryView, as_view, read
from ledger.rules import Derived, derive
from q2c.reasons import Reason

# Which line of the checklist a finding belongs to; the rest is about the header.
_CHECK_OF = {
    Reason.PERIOD_CLOSED: "period",
    Reason.PERIOD_MISSING: "period",
    Reason.POSTING_RULE_MISSING: "rules",
    Reason.ACCOUNT_UNKNOWN: "accounts",
    Reason.ACCOUNT_INACTIVE: "accounts",
    Reason.DIMENSION_MISSING: "dimensions",
    Reason.DIMENSION_INACTIVE: "dimensions",
    Reason.FX_RATE_MISSING: "rates",
    Reason.JOURNAL_UNBALANCED: "balance",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a dry run's checklist."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A dry run: the entry that the fact would become today, or has become (`existing`), and what was checked."""

    fact: Fact
    entry: EntryView | None
    existing: bool
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]


def preview(facts: Sequence[Fact]) -> list[Preview]:
    """What post_ready would do today, without writing. `existing` entries are shown as they were booked."""
    known = latest(facts)
    alive = {key: row for key, row in known.items() if row.state != "superseded"}
    booked = {view.id: view for view in read([row.id for row in alive.values()])}
    shown = []
    for one in derive(facts):
        row = alive.get(identity(one.fact))
        entry = booked[row.id] if row else as_view(one) if one.lines else None
        shown.append(Preview(one.fact, entry, row is not None, _checks(one, row), one.findings))
    return shown


def _checks(one: Derived, row: JournalEntry | None) -> tuple[Check, ...]:
    fact = one.fact
    wrong: dict[str, list[str]] = {}
    for finding in one.findings:
        wrong.setdefault(_CHECK_OF.get(finding.reason, "header"), []).append(finding.text)
    passed = {
        "period": f"{one.period.name} is open" if one.period else "",
        "rules": "every line is decided by a posting rule",
        "accounts": "every account is active",
        "dimensions": "every required dimension is given and active",
        "rates": "every exchange rate is known",
        "balance": "debits and credits are equal in all three amounts",
        "header": f"entity and currency ({fact.entity_code}, {fact.currency}) are allowed",
    }
    checks = [Check(name, name not in wrong, "; ".join(wrong.get(name, [text]))) for name, text in passed.items()]
    text = f"booked already as {row.number}, {row.state}" if row else "not booked before"
    return (*checks, Check("once", row is None, text))
