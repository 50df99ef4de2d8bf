"""What a cause looks like to people: its card, and the one button that fits it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions import problems, sentences, unblock
from exceptions.approvals import rights_for
from exceptions.models import Case, Problem
from exceptions.models.case import REPLAYABLE, UNRESOLVED
from exceptions.policies import POLICIES
from exceptions.problems import Totals
from q2c.models import Connection
from q2c.money import Money
from q2c.reading import billing_now, credited
from q2c.reading.differences import REASONS
from q2c.reasons import APPROVALS, APPROVALS_OF_INVOICES, Reason
from q2c.stages.days_billed import CREDITED
from q2c.stages.reverse_journal import PLACE
from q2c.ui import formats, links, parts, sandbox_words, words


@dataclass(frozen=True, slots=True)
class Fix:
    """Where what stands in the way is put right. `right` is what that needs, several with a space between; `staff`: it
    is in the admin.
    """

    label: str
    href: str
    right: str = ""
    staff: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One problem with what it blocks."""

    problem: Problem
    totals: Totals
    fix: Fix | None
    sums: list[Money]
    periods: list[str]
    # Found gone, and offered for replay.
    gone: bool = False
    # Whose its cases are, where they were handed over.
    handed_to: str = ""
    # All of them came in unreadable.
    kept_raw: bool = False

    @property
    def owner(self) -> str:
        return self.handed_to or self.problem.owner_team.name

    @property
    def replayable(self) -> int:
        """How many could be replayed now."""
        return 0 if self.kept_raw else sum(self.totals.by_state.get(state, 0) for state in REPLAYABLE)

    @property
    def seen_long(self) -> bool:
        """Whether first and last seen are worth telling apart."""
        first, last = self.totals.first_at, self.totals.last_at
        return first is not None and last is not None and (last - first).total_seconds() >= 60

    @property
    def cured_by_replay(self) -> bool:
        """Whether a replay is what it comes to: what billing changed or took back is put right there, or reversed."""
        return self.problem.reason not in REASONS

    @property
    def replay_label(self) -> str:
        return f"Replay {formats.number(self.replayable)}" if self.replayable > 1 else "Replay it"


# Of a problem, the newest cases that are asked which products they are about.
PRODUCTS_MAX = 50
# Objects of ours, by blocker type: (page of the admin, label, what is done there).
_OURS: dict[str, tuple[str, str, str]] = {
    "fiscal_period": ("ledger_fiscalperiod", "the period", "add"),
    "legal_entity": ("ledger_legalentity", "the legal entity", "change"),
    "account": ("ledger_account", "the account", "change"),
    "account_role": ("ledger_account", "the accounts", "change"),
    "dimension_rule": ("ledger_dimensionrule", "the dimension rules", "change"),
    "posting_rule": ("ledger_postingrule", "the posting rules", "add"),
    "fx_rate": ("ledger_fxrate", "the exchange rates", "add"),
    "customer": ("q2c_customer", "the customer", "change"),
    "product": ("q2c_product", "the product", "change"),
    "tax_nexus": ("q2c_taxnexus", "the tax nexus", "add"),
}
# What their list in the admin is asked for, where it is not the whole key.
_SOUGHT: dict[str, Callable[[str], dict[str, str]]] = {
    "fiscal_period": lambda key: _period(*key.split(":")),
    "account_role": lambda key: {"q": key.partition(":")[2]},
    "dimension_rule": lambda key: {"q": key.partition(":")[2]},
    "posting_rule": lambda key: {},
    "fx_rate": lambda key: {"q": key.partition(":")[0]},
    "tax_nexus": lambda key: {"q": key.partition(":")[0]},
}


def _period(entity: str, subledger: str = "", name: str = "", *_: str) -> dict[str, str]:
    """JP:receivables:2026-11"""
    return {"q": f"{entity} {name}".strip(), "subledger": subledger} if name else {"q": entity}


def fix_of(record: Any, connections: dict[str, Connection] | None = None, totals: Totals | None = None) -> Fix | None:
    """The screen that puts right what blocks a case or a problem; None where nothing has a name."""
    if record.blocker_type == CREDITED:
        return _credited(record)
    if record.blocker_type == PLACE:
        return _page("Find the order", "orders", record.blocker_key.partition(":")[0])
    if isinstance(record, Problem) and record.reason in REASONS:
        return _its_cases(record, totals)
    booked = billing_now.entry_of(record) if isinstance(record, Case) else None
    return _reversal(booked) if booked is not None else _unblocking(record, connections, totals)


def _unblocking(record: Any, connections: dict[str, Connection] | None, totals: Totals | None) -> Fix | None:
    kind, key, where = record.blocker_type, record.blocker_key, record.blocker_connection
    if record.reason in {reason.value for reason in APPROVALS}:
        # Refused, it is the deal that has to change; what became of an invoice is billing's.
        if isinstance(record, Case) and record.state != "awaiting_approval":
            is_invoice = record.reason in APPROVALS_OF_INVOICES
            return None if is_invoice else _page("Find the order", "orders", record.business_key)
        if totals is not None and not totals.by_state.get("awaiting_approval"):
            # All were refused: each case says what becomes of it, and who owns it now.
            return None
        return _page("Decide on it", "approvals", right=" ".join(rights_for(record.reason)))
    if kind == "order" or (not where and _is_of_the_deal(record)):
        if kind != "order" and isinstance(record, Problem):
            # Of several orders: each case leads to its own.
            return None
        return _page("Find the order", "orders", key if kind == "order" else getattr(record, "business_key", ""))
    unused = (kind, record.blocker_condition) == ("connection", "inactive")
    if unused or record.reason in (Reason.CREDENTIALS_REFUSED, Reason.PLATFORM_BUSY, Reason.SOURCE_NOT_READ):
        # A case about reading itself names its source alone.
        name = where or record.connection or getattr(record, "source", "")
        # What is busy, or not read, is polled from the list.
        as_form = unused or record.reason == Reason.CREDENTIALS_REFUSED
        return _settings(name, connections) if as_form else _connections(name)
    if kind == "item_mapping":
        return _new_mapping(record)
    if kind == "dimension_rule" and (products := _products(record)):
        one = len(products) == 1
        label = f"Open the item mapping of {products[0]}" if one else "Open the item mappings"
        return _admin("q2c_itemmapping", label, {"q": products[0]} if one else {}, "change")
    if kind == "product" and record.reason == Reason.PRODUCT_UNKNOWN:
        address = links.to("admin:q2c_product_add", code=key)
        return Fix("Add the product", address, "q2c.add_product", staff=True) if address else None
    if kind in _OURS and not where:
        page, label, verb = _OURS[kind]
        if kind == "fiscal_period" and "closed" in record.blocker_condition:
            return _admin(page, f"Open {label}", _SOUGHT[kind](key), "ledger.reopen_period")
        return _admin(page, f"Open {label}", _SOUGHT.get(kind, lambda key: {"q": key})(key), verb)
    if kind and not where:
        return _admin("ledger_dimensionvalue", f"Open {words.spoken(kind)} {key}", {"q": key}, "change")
    return _theirs(where or record.connection, kind, key, connections)


def _credited(record: Any) -> Fix | None:
    """The case of the invoice that a credit may be waiting for; else its order, with all that is billed of it."""
    steps = [step.id for step in credited.waiting(record)] if isinstance(record, Case) else []
    case = Case.objects.filter(step_id__in=steps, state__in=UNRESOLVED).order_by("opened_at").first()
    if case is not None:
        return Fix(f"Open the case of {case.business_key}", links.to("case", case.id), "exceptions.view_case")
    return _page("Find the order", "orders", record.blocker_key)


def _its_cases(problem: Problem, totals: Totals | None) -> Fix | None:
    """Each is put right by itself: in billing, or by reversing its journal, which its case leads to."""
    if totals is not None and totals.cases == 1:
        case = Case.objects.filter(problem=problem.id, state__in=UNRESOLVED).order_by("id").first()
        if case is not None:
            return Fix(f"Open {case.business_key or case.shown}", links.to("case", case.id), "exceptions.view_case")
    address = links.to("queue", tab="all", q=f"problem:P-{problem.number}")
    return Fix("Open its cases", address, "exceptions.view_case") if address else None


def _reversal(booked: billing_now.Booked) -> Fix | None:
    """Where the journal of what billing took back, or changed, is reversed."""
    address = links.to("journal", booked.entry.id)
    if not booked.may_be_reversed:
        return Fix(f"Open journal {booked.entry}", address, "ledger.view_journalentry") if address else None
    return Fix(f"Reverse journal {booked.entry}", address, "ledger.reverse_journalentry") if address else None


def _products(record: Any) -> list[str]:
    """The products whose lines give no value for a dimension: that of a case, those of the open cases of a problem."""
    if isinstance(record, Case):
        return record.lacking
    if not isinstance(record.number, int):
        # Given by the database, so only of what is stored.
        return []
    cases = Case.objects.filter(problem=record.id, state__in=UNRESOLVED).only("context", "field")
    return sorted({product for case in cases.order_by("-id")[:PRODUCTS_MAX] for product in case.lacking})


def _is_of_the_deal(record: Any) -> bool:
    """Whether what is to be changed is the order itself, whatever it disagrees with."""
    return record.reason in set(Reason) and POLICIES[Reason(record.reason)].fix_kind == "order"


def _page(label: str, name: str, sought: str = "", right: str = "") -> Fix | None:
    address = links.to(name, q=sought)
    return Fix(label, address, right) if address else None


def _new_mapping(record: Any) -> Fix | None:
    """The form that makes it, with what is known of it; the form tells what the product has there already."""
    known = {"product": record.blocker_key, "connection": record.blocker_connection}
    # Given by the database, so only of what is stored.
    if isinstance(record, Case) and isinstance(record.number, int):
        known["change_reason"] = f"Case {record.number}: no item for {record.business_key}"[:100]
    address = links.to("admin:q2c_itemmapping_add", **known)
    return Fix("Add the item mapping", address, "q2c.add_itemmapping", staff=True) if address else None


def _admin(page: str, label: str, sought: dict[str, str], right: str) -> Fix | None:
    """`right` is a right, or what is done to the records of that page: add, change."""
    app, _, model = page.partition("_")
    address = links.to(f"admin:{page}_changelist", **sought)
    return Fix(label, address, right if "." in right else f"{app}.{right}_{model}", staff=True) if address else None


def _settings(name: str, connections: dict[str, Connection] | None) -> Fix | None:
    """The form of a connection, where its secret goes in; the list that is looked through where it is not known."""
    known = connections if connections is not None else by_name([name])
    address = links.to("admin:q2c_connection_change", known[name].pk) if name in known else ""
    if not address:
        return _connections(name)
    return Fix("Open the connection", address, "q2c.change_connection", staff=True)


def _connections(name: str) -> Fix | None:
    return _admin("q2c_connection", "Open the connection", {"q": name}, "change")


def _theirs(name: str, kind: str, key: str, connections: dict[str, Connection] | None) -> Fix | None:
    """In the platform: its own address, or that very record in its sandbox, or the switches of that sandbox."""
    known = connections if connections is not None else by_name([name])
    connection = known.get(name)
    if connection is None:
        return None
    thing = words.spoken(kind).replace("fiscal period", "period")
    label = f"Open {'the ' + thing + ' in ' if kind and kind != 'connection' else ''}{connection.title}"
    if not connection.base_url.startswith("sandbox://"):
        return Fix(label, connection.base_url)
    if place := sandbox_words.place_of(connection.vendor, kind, key, connection.options):
        address = links.to("sandbox-records", connection.vendor, place[0], find=place[1])
        return Fix(label, address, "q2c.use_sandbox") if address else None
    address = links.to("sandbox-vendor", connection.vendor)
    return Fix(label, address, "q2c.change_connection") if address else None


def by_name(names: Sequence[str]) -> dict[str, Connection]:
    """Connections by name, in one statement."""
    return {row.name: row for row in Connection.objects.filter(name__in={name for name in names if name})}


def cards(user: Any, teams: Sequence[str] = (), *, by: str = "cases", limit: int = 50) -> list[Card]:
    """The open problems as cards: platforms that are down, then the largest."""
    found = problems.cards(user, teams=teams, by=by, limit=limit)
    known = by_name([p.blocker_connection or p.connection for p, _ in found])
    gone = unblock.gone_now(user, [p for p, _ in found])
    owners = handed_over([problem for problem, _ in found])
    raw = problems.kept_raw(problem for problem, _ in found)
    return [
        card_of(problem, totals, known, problem.id in gone, owners.get(problem.id, ""), kept_raw=problem.id in raw)
        for problem, totals in found
    ][:limit]


def handed_over(problems_: Sequence[Problem]) -> dict[uuid.UUID, str]:
    """Of what waited for a signature and was refused: the teams that have it now."""
    asked = [problem.id for problem in problems_ if problem.reason in {reason.value for reason in APPROVALS}]
    found: dict[uuid.UUID, list[str]] = {}
    cases = Case.objects.filter(problem__in=asked, state__in=UNRESOLVED).order_by("owner_team__name")
    for problem_id, team in cases.values_list("problem", "owner_team__name").distinct() if asked else ():
        found.setdefault(problem_id, []).append(team)
    return {problem_id: sentences.listed(teams) for problem_id, teams in found.items()}


def worth_of(problem: Problem) -> Callable[..., list[Money]]:
    """How sums of a cause are told: a difference to billing that is below zero is no credit."""
    return parts.up_and_down if problem.reason in REASONS else parts.apart


def card_of(
    problem: Problem,
    totals: Totals,
    known: dict[str, Connection] | None = None,
    gone: bool = False,
    handed_to: str = "",
    *,
    kept_raw: bool,
) -> Card:
    is_down = problem.kind == "connection"
    waiting = problem.waiting.get("amounts", {}) if is_down else totals.amounts
    credits = problem.waiting.get("credits", {}) if is_down else totals.credits
    sums = worth_of(problem)(*([(minor, code) for code, minor in some.items()] for some in (waiting, credits)))
    months = [(entity, formats.period_text(period)) for entity, period in sorted(totals.periods)]
    names = [f"{entity} {month}" if entity and entity not in month else month for entity, month in months]
    fix = fix_of(problem, known, totals) or (_its_cases(problem, totals) if kept_raw else None)
    return Card(problem, totals, fix, sums, names, gone, handed_to, kept_raw)
