"""What blocks the close: unresolved cases by legal entity and period, and the journals of a period not posted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Count, Q, Sum

from ledger.models import FiscalPeriod, JournalEntry
from q2c.models import Step
from q2c.reading import asked_for, blocking, credits_due, decided_items, differences, given_up, two_months, unbooked

# What every flow of documents is booked in; other subledgers have neither cases nor documents under way.
SUBLEDGER = "receivables"
# Of a journal entry: not in the ERP yet, and meant to get there.
NOT_POSTED = ("drafted", "ready", "posting", "blocked")


@dataclass(frozen=True, slots=True)
class Blocked:
    """One entity's period: how many cases, their sums as (minor units, currency), the reasons, the states it is in.

    `credits` is what of the sums is below zero. `differing` of the cases are about a difference to billing, `asked` are
    reversals that are asked for: both are told with their own amounts (given_up.py, asked_for.py), and the sums leave
    them out.
    `query` is what the queue is asked to show exactly these cases.
    """

    entity: str
    period: str
    cases: int
    sums: list[tuple[int, str]]
    reasons: list[tuple[str, int]]
    period_states: list[tuple[str, str]]
    query: str
    credits: list[tuple[int, str]] = field(default_factory=list)
    differing: int = 0
    asked: int = 0


def blocked(user: Any) -> list[Blocked]:
    """Newest period first, then by entity; cases that belong to no period are left out. Four statements."""
    rows = [row for row in blocking.rows(user) if row["period"]]
    keys = sorted({(row["period"], row["entity"]) for row in rows}, key=lambda key: (_downwards(key[0]), key[1]))
    states = _period_states({entity for _, entity in keys}, {period for period, _ in keys})
    return [
        _one([row for row in rows if (row["period"], row["entity"]) == key], key, states.get((key[1], key[0]), []))
        for key in keys
    ]


def _downwards(period: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in period)


def _one(rows: Sequence[dict[str, Any]], key: tuple[str, str], states: list[tuple[str, str]]) -> Blocked:
    period, entity = key
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons[row["reason"]] += row["cases"]
    asked = [f"entity:{entity}"] if entity else []
    worth = _counting(rows)
    return Blocked(
        entity=entity,
        period=period,
        cases=sum(row["cases"] for row in rows),
        sums=[(row["amount_minor"], row["currency"]) for row in worth],
        reasons=reasons.most_common(),
        period_states=states,
        query=" ".join([*asked, f"period:{period}"]),
        credits=[(row["credit_minor"], row["currency"]) for row in worth if row["credit_minor"]],
        differing=_cases(rows, "differing"),
        asked=_cases(rows, "asked"),
    )


def _cases(rows: Iterable[dict[str, Any]], which: str) -> int:
    return sum(row["cases"] for row in rows if row[which])


def _counting(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose amounts are told with the cases, and nowhere else."""
    return [row for row in rows if row["currency"] and not row["differing"] and not row["asked"]]


def _period_states(entities: set[str], periods: set[str]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    rows = FiscalPeriod.objects.filter(entity__code__in=entities, name__in=periods)
    for entity, name, subledger, state in rows.values_list("entity__code", "name", "subledger", "state").order_by(
        "subledger"
    ):
        found.setdefault((entity, name), []).append((subledger, state))
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What is not done in one fiscal period. Sums as (minor units, currency), amounts only where there is a currency.

    Cases, differences, and what is still to be booked or credited, stand once, under the subledger that they are about:
    receivables. `cases` is None where the user may not see cases; `query` is what the queue is asked to show exactly
    these.
    `journals` are the period's own, by state.
    """

    period: FiscalPeriod
    cases: int | None
    case_sums: list[tuple[int, str]]
    reasons: list[tuple[str, int]]
    query: str
    under_way: int
    journals: list[tuple[str, int]]
    journal_sums: list[tuple[int, str]]
    # What of the journals' sums is below zero.
    journal_credits: list[tuple[int, str]] = field(default_factory=list)
    # What billing, the books and the ledger have otherwise, whether a case is open about it or not.
    given_up: differences.Sums | None = None
    # What of the cases' sums is below zero.
    case_credits: list[tuple[int, str]] = field(default_factory=list)
    # How many of the cases are about a difference to billing, or are reversals that are asked for: the cases' sums
    # leave those out.
    cases_differing: int = 0
    cases_asked: int = 0
    # What was received but not recorded, and which of the cases are about that, or about the journals not posted.
    unbooked: unbooked.Unbooked = field(default_factory=unbooked.Unbooked)
    # What billing is still to credit of orders cancelled as of a day of the period.
    credits: credits_due.Due | None = None
    # What is asked for, waits for a second person, and would change the month.
    asked: asked_for.Asked | None = None
    # What billing and the books have in two months because two people decided so: it is settled.
    decided: two_months.Sides | None = None

    @property
    def has_flow(self) -> bool:
        """Whether cases, differences and documents that come stand under it."""
        return _has_flow(self.period)

    @property
    def not_posted(self) -> int:
        return sum(number for _, number in self.journals)

    @property
    def unfinished(self) -> bool:
        """Whether anything may still be booked or posted."""
        return bool(self.cases or self.journals or self.under_way or self.unbooked.invoices or self.credits)


def standing(user: Any, chosen: Sequence[FiscalPeriod]) -> list[Standing]:
    """What a close of these periods would leave behind, in their order. Some fifteen statements, three more a month.

    `chosen` have their entity loaded.
    """
    months = dict.fromkeys((period.entity.code, period.name) for period in chosen)
    came = unbooked.by_month(user, months, NOT_POSTED)
    cases = {(entity, name): blocking.rows(user, entity, name) for entity, name in months}
    may = user.has_perm("exceptions.view_case")
    rows = JournalEntry.objects.visible_to(user).filter(period__in=[p.pk for p in chosen], state__in=NOT_POSTED)
    below = Sum("worth_minor", filter=Q(worth_minor__lt=0), default=0)
    by = rows.values("period_id", "state", "currency")
    summed = list(by.annotate(n=Count("id"), minor=Sum("worth_minor"), below=below))
    coming, left, due = _coming(user, months), given_up.by_month(user, months), credits_due.due(user).months
    decided, asked = decided_items.by_month(user, months), asked_for.by_month(user, months)
    for month, requests in asked.items():
        requests.beside(left.get(month))
    found = [
        _left(period, cases[period.entity.code, period.name] if may else None, summed, coming) for period in chosen
    ]
    return [
        replace(
            one,
            unbooked=came[one.period.entity.code, one.period.name],
            given_up=left.get((one.period.entity.code, one.period.name)),
            credits=due.get((one.period.entity.code, one.period.name)),
            asked=asked.get((one.period.entity.code, one.period.name)),
            decided=decided.get((one.period.entity.code, one.period.name)),
        )
        if _has_flow(one.period)
        else one
        for one in found
    ]


def _has_flow(period: FiscalPeriod) -> bool:
    return str(period.subledger) == SUBLEDGER


def _coming(user: Any, months: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """What is on its way to be booked, by entity and month: not failed, so no case tells of it."""
    entities, names = {entity for entity, _ in months}, {name for _, name in months}
    steps = Step.objects.visible_to(user).filter(
        stage__in=unbooked.BOOKING, state__in=unbooked.UNDER_WAY, entity__in=entities, period__in=names
    )
    return Counter(
        {(entity, name): n for entity, name, n in steps.values_list("entity", "period").annotate(n=Count("id"))}
    )


def _left(
    period: FiscalPeriod,
    cases: list[dict[str, Any]] | None,
    summed: list[dict[str, Any]],
    coming: Counter[tuple[str, str]],
) -> Standing:
    if not _has_flow(period):
        cases = None if cases is None else []
    reasons: Counter[str] = Counter()
    for row in cases or ():
        reasons[row["reason"]] += row["cases"]
    states: Counter[str] = Counter()
    journal_sums: Counter[str] = Counter()
    for row in summed:
        if row["period_id"] == period.pk:
            states[row["state"]] += row["n"]
            journal_sums[row["currency"]] += row["minor"]
    case_sums: Counter[str] = Counter()
    worth = _counting(cases or ())
    for row in worth:
        case_sums[row["currency"]] += row["amount_minor"]
    return Standing(
        period=period,
        cases=None if cases is None else sum(row["cases"] for row in cases),
        case_sums=[(minor, currency) for currency, minor in sorted(case_sums.items())],
        case_credits=[(row["credit_minor"], row["currency"]) for row in worth if row["credit_minor"]],
        cases_differing=_cases(cases or (), "differing"),
        cases_asked=_cases(cases or (), "asked"),
        reasons=reasons.most_common(),
        query=f"entity:{period.entity.code} period:{period.name}",
        under_way=coming[period.entity.code, period.name] if _has_flow(period) else 0,
        journals=[(state, states[state]) for state in NOT_POSTED if states[state]],
        journal_sums=[(minor, currency) for currency, minor in sorted(journal_sums.items())],
        journal_credits=[
            (row["below"], row["currency"]) for row in summed if row["below"] and row["period_id"] == period.pk
        ],
    )
