"""What a cause looks like to people: its card, and the one button that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from exceptions import problems
from exceptions.models import Case, Problem
from exceptions.models.case import REPLAYABLE
from exceptions.problems import Totals
from q2c.models import Connection
from q2c.money import Money
from q2c.reasons import APPROVALS
from q2c.ui.acting import address_of


@dataclass(frozen=True, slots=True)
class Fix:
    """Where what stands in the way is put right. `right` is what opening it needs; "staff": the admin."""

    label: str
    href: str
    right: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One problem with what it blocks."""

    problem: Problem
    totals: Totals
    fix: Fix | None
    sums: list[Money]
    periods: list[str]

    @property
    def replayable(self) -> int:
        """How many could be replayed now."""
        return sum(self.totals.by_state.get(state, 0) for state in REPLAYABLE)

    @property
    def seen_long(self) -> bool:
        """Whether first and last seen are worth telling apart."""
        first, last = self.totals.first_at, self.totals.last_at
        return first is not None and last is not None and (last - first).total_seconds() >= 60

    @property
    def replay_label(self) -> str:
        return f"Replay {self.replayable:,}" if self.replayable > 1 else "Replay it"


# Objects of ours, by blocker type: (page of the admin, what its list is searched for, label).
_OURS: dict[str, tuple[str, str]] = {
    "fiscal_period": ("ledger_fiscalperiod", "the period"),
    "legal_entity": ("ledger_legalentity", "the legal entity"),
    "account": ("ledger_account", "the account"),
    "account_role": ("ledger_account", "the accounts"),
    "dimension_rule": ("ledger_dimensionrule", "the dimension rules"),
    "posting_rule": ("ledger_postingrule", "the posting rules"),
    "fx_rate": ("ledger_fxrate", "the exchange rates"),
    "customer": ("q2c_customer", "the customer"),
    "product": ("q2c_product", "the product"),
    "item_mapping": ("q2c_itemmapping", "the item mappings"),
    "tax_nexus": ("q2c_taxnexus", "the tax nexus"),
}
# What their list in the admin is searched for, where it is not the whole key.
_SOUGHT = {
    "fiscal_period": lambda key: key.rpartition(":")[2],
    "account_role": lambda key: key.partition(":")[2],
    "dimension_rule": lambda key: key.partition(":")[2],
    "posting_rule": lambda key: "",
    "fx_rate": lambda key: key.partition(":")[0],
    "tax_nexus": lambda key: key.partition(":")[0],
}


def fix_of(record: Any, connections: dict[str, Connection] | None = None) -> Fix | None:
    """The screen that puts right what blocks a case or a problem; None where nothing has a name."""
    kind, key, where = record.blocker_type, record.blocker_key, record.blocker_connection
    if record.reason in {reason.value for reason in APPROVALS}:
        # Refused, it is the deal that has to change.
        if isinstance(record, Case) and record.state != "awaiting_approval":
            return _page("orders", "Find the order", record.business_key)
        return _page("approvals", "Decide on it")
    if kind == "order":
        return _page("orders", "Find the order", key)
    if kind in _OURS and (not where or kind == "item_mapping"):
        page, label = _OURS[kind]
        return _admin(page, f"Open {label}", _SOUGHT.get(kind, str)(key))
    if kind and not where:
        return _admin("ledger_dimensionvalue", f"Open {kind.replace('_', ' ')} {key}", key)
    return _theirs(where or record.connection, kind, connections)


def _page(name: str, label: str, sought: str = "") -> Fix | None:
    address = address_of(name)
    return Fix(label, f"{address}?{urlencode({'q': sought})}" if sought else address) if address else None


def _admin(page: str, label: str, sought: str) -> Fix | None:
    address = address_of(f"admin:{page}_changelist")
    return Fix(label, f"{address}?{urlencode({'q': sought})}" if sought else address, "staff") if address else None


def _theirs(name: str, kind: str, connections: dict[str, Connection] | None) -> Fix | None:
    """In the platform: its own address, or the switches of its sandbox."""
    known = connections if connections is not None else by_name([name])
    connection = known.get(name)
    if connection is None:
        return None
    thing = kind.replace("_", " ").replace("cost center", "cost centre").replace("fiscal period", "period")
    label = f"Open {'the ' + thing + ' in ' if kind and kind != 'connection' else ''}{connection.title}"
    if connection.base_url.startswith("sandbox://"):
        address = address_of("sandbox")
        return Fix(label, f"{address}#{connection.vendor}", "q2c.change_connection") if address else None
    return Fix(label, connection.base_url)


def by_name(names: Sequence[str]) -> dict[str, Connection]:
    """Connections by name, in one statement."""
    return {row.name: row for row in Connection.objects.filter(name__in={name for name in names if name})}


def cards(user: Any, teams: Sequence[str] = (), *, by: str = "cases", limit: int = 50) -> list[Card]:
    """The open problems as cards: platforms that are down, then the largest."""
    found = problems.cards(user, teams=teams, by=by, limit=limit)
    known = by_name([p.blocker_connection or p.connection for p, _ in found])
    return [card_of(problem, totals, known) for problem, totals in found][:limit]


def card_of(problem: Problem, totals: Totals, known: dict[str, Connection] | None = None) -> Card:
    waiting = problem.waiting.get("amounts", {}) if problem.kind == "connection" else totals.amounts
    sums = sorted((Money(minor, code) for code, minor in waiting.items()), key=lambda m: (-abs(m.minor), m.currency))
    names = [f"{entity} {period}" if entity and entity not in period else period for entity, period in totals.periods]
    return Card(problem, totals, fix_of(problem, known), sums, sorted(names))
