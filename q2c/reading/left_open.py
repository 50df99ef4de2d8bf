"""What is not done in a period, in words that are kept: with its closing, and with the decision to reopen it.

One line a column of the close page, amounts by currency, charges and credits apart; pages write them as their reader
does (q2c/ui/formats.dates).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from exceptions.sentences import amounts, count
from ledger.models import FiscalPeriod
from q2c.reading import close, differences

NOTHING = "Nothing is open"


def of(user: Any, period: FiscalPeriod) -> str:
    """As this person sees it now; cases, differences and what is to be booked under receivables alone."""
    (one,) = close.standing(user, [period])
    return told(one)


def told(one: close.Standing) -> str:
    """Lines such as "Open cases: 3 cases, EUR 23,144.71"."""
    columns = {
        "Open cases": [_cases(one)],
        "Still to be booked": _to_book(one),
        "Journals not posted": [_worth(one.not_posted, "journal", one.journal_sums, one.journal_credits)],
        "Differences": _differing(one.given_up) if one.given_up else [],
    }
    told_of = {name: ", and ".join(part for part in parts if part) for name, parts in columns.items()}
    lines = [f"{name}: {text}" for name, text in told_of.items() if text]
    return "\n".join(lines) or NOTHING


def _cases(one: close.Standing) -> str:
    if one.cases is None:
        return "not seen, which needs the right exceptions.view_case"
    return _worth(one.cases, "case", one.case_sums, one.case_credits)


def _to_book(one: close.Standing) -> list[str]:
    came = _worth(one.unbooked.invoices, "invoice", one.unbooked.sums, [s for s in one.unbooked.sums if s[0] < 0])
    due = one.credits
    return [
        f"{came} not recorded" if came else "",
        f"{count(one.under_way, 'document')} under way" if one.under_way else "",
        f"credits of {count(due.orders, 'cancelled order')}, about {amounts(_summed(due.sums))}" if due else "",
    ]


def _differing(found: differences.Sums) -> list[str]:
    return [
        f"{_worth(found.count(kind), noun, each, [pair for pair in each if pair[0] < 0])} {what}"
        for kind, (noun, what) in differences.KINDS.items()
        if found.count(kind)
        for each in [found.each(kind)]
    ]


def _worth(number: int, noun: str, sums: Iterable[tuple[int, str]], credits: Iterable[tuple[int, str]]) -> str:
    """3 cases, EUR 23,144.71; empty for none."""
    worth = amounts(_summed(sums), _summed(credits))
    return f"{count(number, noun)}{f', {worth}' if worth else ''}" if number else ""


def _summed(pairs: Iterable[tuple[int, str]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for minor, currency in pairs:
        sums[currency] += minor
    return dict(sums)
