"""What is not done in a period, in words that are kept: with its closing, and with the decision to reopen it.

One line a column of the close page, amounts by currency, charges and credits apart, and the first of what it counts by
name; pages write them as their reader does (q2c/ui/formats.dates).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from exceptions.sentences import amount, amounts, count, listed
from ledger.models import FiscalPeriod, JournalEntry
from q2c.reading import actors, asked_for, close, differences, not_read, two_months, unread

NOTHING = "Nothing is open"
# Of each column, so many are named.
NAMED = 5


@dataclass(slots=True)
class _Names:
    """The first open cases and journals not posted of one period, the invoices of no known period, by name, and
    the billing platforms that are not read to their end."""

    cases: list[str] = field(default_factory=list)
    journals: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)


def of(user: Any, period: FiscalPeriod) -> str:
    """As this person sees it now; cases, differences and what is to be booked under receivables alone."""
    return of_each(user, [period])[period.pk]


def of_each(user: Any, periods: Sequence[FiscalPeriod]) -> dict[Any, str]:
    """The same of many, by their ids; their entity is loaded. Four statements more than close.standing()."""
    standing = close.standing(user, periods)
    names = _names(user, standing)
    called = actors.names(name for side in _sides(standing) for name in _people(side))
    return {one.period.pk: _told(one, names[one.period.pk], called) for one in standing}


def _sides(standing: Iterable[close.Standing]) -> Iterator[two_months.Side]:
    """Those that are named."""
    for one in standing:
        for _, sides in one.decided.each() if one.decided else ():
            yield from sides[:NAMED]


def _names(user: Any, standing: Sequence[close.Standing]) -> dict[Any, _Names]:
    found = {one.period.pk: _Names() for one in standing}
    flowing = {(one.period.entity.code, one.period.name): found[one.period.pk] for one in standing if one.has_flow}
    entities, months = {entity for entity, _ in flowing}, {name for _, name in flowing}
    cases = Case.objects.visible_to(user).filter(state__in=UNRESOLVED, entity__in=entities, period__in=months)
    for case in _first(cases.only("number", "business_key", "entity", "period"), "entity", "period"):
        if (case.entity, case.period) in flowing:
            flowing[case.entity, case.period].cases.append(_called(case))
    entries = JournalEntry.objects.visible_to(user).filter(period__in=list(found), state__in=close.NOT_POSTED)
    for entry in _first(entries, "period"):
        found[entry.period_id].journals.append(str(entry))
    lost = [_called(case) for case in unread.unplaced(user)] if flowing else []
    behind = [str(one) for one in not_read.of_billing()] if flowing else []
    for names in flowing.values():
        names.unplaced, names.not_read = lost, behind
    return found


def _first(rows: QuerySet[Any], *by: str) -> QuerySet[Any]:
    """The oldest few of each: how many there are is counted elsewhere."""
    place = Window(RowNumber(), partition_by=[F(name) for name in by], order_by="id")
    return rows.annotate(place=place).filter(place__lte=NAMED).order_by("id")


def _called(case: Case) -> str:
    return f"{case.shown} of {case.business_key}" if case.business_key else case.shown


def _told(one: close.Standing, names: _Names, called: Mapping[str, str]) -> str:
    """Lines such as "Open cases: 3 cases, EUR 23,144.71 (C-1041 of INV-2, …)"."""
    journals = _worth(one.not_posted, "journal", one.journal_sums, one.journal_credits)
    columns = {
        "Open cases": [_cases(one, names.cases)],
        "Still to be booked": _to_book(one),
        "Journals not posted": [_with(journals, names.journals, one.not_posted)],
        "Differences": _differing(one.given_up) if one.given_up else [],
        "Asked for, not decided": _asked(one.asked) if one.asked else [],
        "Of no known period": _unplaced(names.unplaced),
    }
    told_of = {name: ", and ".join(part for part in parts if part) for name, parts in columns.items()}
    lines = [f"{name}: {text}" for name, text in told_of.items() if text]
    behind = [f"Not read: {text}" for text in names.not_read]
    return "\n".join([*(lines or [NOTHING]), *behind, *_decided(one, called)])


def _asked(found: asked_for.Asked) -> list[str]:
    """1 cancellation, about USD -6,250.00 of credits net (C-1187 of SO-2600240)"""
    told = []
    for kind in found.kinds:
        requests, each, said = found.found[kind], found.each(kind), asked_for.KINDS[kind]
        worth = amounts(_summed(each), _summed(pair for pair in each if pair[0] < 0))
        number = count(len(requests), said.noun)
        of_them = f"{number}, {said.before}{worth}{said.after}" if worth else number
        told.append(_with(of_them, [_request(one) for one in requests[:NAMED]], len(requests)))
    return told


def _request(one: asked_for.Request) -> str:
    return f"{_called(one.case)}{', among the differences' if one.differs else ''}"


def _decided(one: close.Standing, called: Mapping[str, str]) -> list[str]:
    """What two people decided is not open, and is kept with it: it says why billing and the books differ."""
    told: dict[str, list[str]] = {}
    for what, sides in one.decided.each() if one.decided else ():
        how = "Re-dated" if sides[0].is_redated else "Reversed in another month"
        said = _with(f"{_side(sides)} {what}", [_by(side, called) for side in sides[:NAMED]], len(sides))
        told.setdefault(how, []).append(said)
    return [f"{how}: {', and '.join(parts)}" for how, parts in told.items()]


def _by(side: two_months.Side, called: Mapping[str, str]) -> str:
    """INV-1 by DE01-26-S0000002, as Carla Weiss and Dmitri Orlov decided"""
    found = side.item.number if side.is_redated else f"{side.item.number} by {side.item.decision.journal}"
    people = [called[name] for name in _people(side)]
    return f"{found}, as {listed(people)} decided" if people else found


def _people(side: two_months.Side) -> list[str]:
    """Who asked and who approved, by user name, as far as they are known."""
    return [name for name in (side.item.decision.asked_by, side.item.decision.approved_by) if name]


def _side(sides: Sequence[two_months.Side]) -> str:
    sums = _summed((side.worth.minor, side.worth.currency) for side in sides)
    return f"{count(len(sides), 'invoice')}, {listed([amount(minor, code) for code, minor in sums.items()])}"


def _cases(one: close.Standing, names: Sequence[str]) -> str:
    if one.cases is None:
        return "not seen, which needs the right exceptions.view_case"
    return _with(_worth(one.cases, "case", one.case_sums, one.case_credits), names, one.cases)


def _to_book(one: close.Standing) -> list[str]:
    came = _worth(one.unbooked.invoices, "invoice", one.unbooked.sums, [s for s in one.unbooked.sums if s[0] < 0])
    due = one.credits
    return [
        f"{came} not recorded" if came else "",
        f"{count(one.under_way, 'document')} under way" if one.under_way else "",
        f"credits of {count(due.orders, 'cancelled order')}, about {amounts(_summed(due.sums))}" if due else "",
    ]


def _differing(found: differences.Sums) -> list[str]:
    return [_of_kind(found, kind) for kind in found.kinds]


def _of_kind(found: differences.Sums, kind: str) -> str:
    """1 invoice, EUR -119.00 in the books, not in billing (INV-2)"""
    (noun, what), number, each = differences.KINDS[kind], found.count(kind), found.each(kind)
    if kind in differences.SIGNED:
        # By how much billing has more, and by how much less: the one makes up for nothing of the other.
        apart = [_summed(p for p in each if p[0] > 0), _summed(p for p in each if p[0] < 0)]
        worth = listed([amount(minor, code) for sums in apart for code, minor in sums.items()]) or _nothing(each)
        told = f"{count(number, noun)}{f', {worth}' if worth else ''}"
    else:
        told = _worth(number, noun, each, [pair for pair in each if pair[0] < 0])
    return _with(f"{told} {what}", [_numbered(one) for one in found.found[kind][:NAMED]], number)


def _numbered(one: differences.Difference) -> str:
    return f"{one.number}, by {one.by}" if one.by else one.number


def _unplaced(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [_with(f"{count(len(names), 'invoice')} that cannot be read", names[:NAMED], len(names))]


def _worth(number: int, noun: str, sums: Iterable[tuple[int, str]], credits: Iterable[tuple[int, str]]) -> str:
    """3 cases, EUR 23,144.71; empty for none."""
    pairs = list(sums)
    worth = amounts(_summed(pairs), _summed(credits)) or _nothing(pairs)
    return f"{count(number, noun)}{f', {worth}' if worth else ''}" if number else ""


def _nothing(pairs: Iterable[tuple[int, str]]) -> str:
    """EUR 0.00, where something is there and comes to nothing."""
    return listed([amount(0, currency) for currency in sorted(_summed(pairs))])


def _with(told: str, names: Sequence[str], number: int) -> str:
    """3 cases, EUR 23,144.71 (C-1041 of INV-2, C-1042 of INV-3 and 1 more)"""
    if not told or not names:
        return told
    more = number - len(names)
    return f"{told} ({', '.join(names)}{f' and {more} more' if more > 0 else ''})"


def _summed(pairs: Iterable[tuple[int, str]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for minor, currency in pairs:
        sums[currency] += minor
    return dict(sums)
