"""What the parts of a page are made of: the shapes that views hand to templates/parts/."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from q2c.money import Money


@dataclass(frozen=True)
class Crumb:
    """One step of the way back; the last has no address."""

    label: str
    href: str = ""


@dataclass(frozen=True)
class Tab:
    """One tab. `count` None shows no number."""

    label: str
    href: str
    count: int | None = None
    current: bool = False
    key: str = ""


@dataclass(frozen=True)
class Chip:
    """One filter in force, and the address without it."""

    key: str
    value: str
    without: str


@dataclass(frozen=True)
class Stage:
    """One station of the flow. `counts` are (state, how many), in the order of the flow; `amounts` what is under way.

    `held` steps wait behind another one. `trouble` says how many need a person, `trouble_as` what they are;
    `trouble_worth` what they are about, where they are none of those counted.
    """

    label: str
    counts: Sequence[tuple[str, int]] = ()
    amounts: Sequence[Any] = ()
    oldest: dt.datetime | None = None
    href: str = ""
    trend: Sequence[int] = ()
    noun: str = "step"
    note: str = ""
    held: int = 0
    trouble: int = 0
    trouble_as: str = "failed"
    trouble_worth: Sequence[Any] = ()

    @property
    def total(self) -> int:
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Entry:
    """One line of a timeline. `detail` is text that opens underneath; `payload` a document to look into.

    `day` is shown instead of `at` where a calendar day is meant. `sought`: it is what the reader asked for.
    """

    at: dt.datetime
    what: str
    actor: str = ""
    text: str = ""
    tone: str = "quiet"
    icon: str = ""
    href: str = ""
    link: str = ""
    detail: str = ""
    payload: Any = None
    day: dt.date | None = None
    sought: bool = False


@dataclass(frozen=True)
class Change:
    """One field before and after. None means it was not there. `at` is where it stands in the document."""

    field: str
    old: Any = None
    new: Any = None
    at: str = ""

    @property
    def kind(self) -> str:
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The fields in which two documents differ, in the order of the old one, then what is new."""
    names = [*old, *(name for name in new if name not in old)]
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


@dataclass(frozen=True)
class JournalLine:
    """One line of a preview: exactly one of debit and credit is set, in minor units."""

    account: str
    name: str = ""
    debit_minor: int = 0
    credit_minor: int = 0
    text: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    changed: bool = False


@dataclass(frozen=True)
class JournalPreview:
    """Debits and credits before (or after) they are sent, one currency."""

    currency: str
    lines: Sequence[JournalLine]
    entity: str = ""
    period: str = ""
    effective: dt.date | None = None
    number: str = ""
    reference: str = ""
    # Its debits, and so its credits, where the books are kept in another currency.
    in_books: Money | None = None

    @property
    def debit(self) -> Money:
        return Money(sum(line.debit_minor for line in self.lines), self.currency)

    @property
    def credit(self) -> Money:
        return Money(sum(line.credit_minor for line in self.lines), self.currency)

    @property
    def difference(self) -> Money:
        return self.debit - self.credit


@dataclass(frozen=True)
class Check:
    """One check of a dry run."""

    label: str
    passed: bool
    text: str = ""


@dataclass(frozen=True)
class Progress:
    """Long work as the server knows it. `url` answers with this part again; empty when there is no more to ask."""

    label: str
    total: int
    done: int = 0
    failed: int = 0
    unknown: int = 0
    state: str = "running"
    url: str = ""
    cancel_url: str = ""
    note: str = ""
    # Whether what is done has no more to come, and so may look it.
    through: bool = True

    @property
    def finished(self) -> bool:
        return self.state not in {"queued", "running", "waiting", "sending"}

    @property
    def reached(self) -> int:
        return self.done + self.failed + self.unknown


@dataclass(frozen=True)
class Point:
    """One value of a chart; `display` is how it is written, `also` a second value stacked on it."""

    label: str
    value: int
    display: str = ""
    also: int = 0
    href: str = ""
    tone: str = "accent"


def facts(*pairs: tuple[str, Any]) -> list[tuple[str, Any]]:
    """Label and value, without the pairs that have nothing to say."""
    return [(label, value) for label, value in pairs if value not in (None, "", [], ())]


@dataclass(frozen=True, slots=True, order=False)
class Credits(Money):
    """A sum of credits, which stands beside the charges of its currency: "USD −436.20 of credits"."""

    @property
    def called(self) -> str:
        return "of credits"


@dataclass(frozen=True, slots=True, order=False)
class Differences(Money):
    """What billing has more, or less, than is booked: "USD −436.20 of differences"."""

    @property
    def called(self) -> str:
        return "of differences"


@dataclass(frozen=True, slots=True, order=False)
class Reversals(Money):
    """What reversals and what they reverse come to: nothing, unless one of both is not posted, or not among what is
    counted.
    """

    @property
    def called(self) -> str:
        return "half reversed"


def apart(amounts: Iterable[tuple[int, str]], credits: Iterable[tuple[int, str]]) -> list[Money]:
    """Per currency the charges, then the credits: the largest first. `credits` are what of `amounts` is below zero.

    Never netted: an invoice and a credit that both failed are two failures, not none.
    """
    below: dict[str, int] = {}
    for minor, currency in credits:
        below[currency] = below.get(currency, 0) + minor
    charges: dict[str, int] = {currency: -minor for currency, minor in below.items()}
    for minor, currency in amounts:
        charges[currency] = charges.get(currency, 0) + minor
    size = {code: max(abs(minor), abs(below.get(code, 0))) for code, minor in charges.items()}
    found: list[Money] = []
    for code in sorted(charges, key=lambda code: (-size[code], code)):
        if charges[code] or not below.get(code):
            found.append(Money(charges[code], code))
        if below.get(code):
            found.append(Credits(below[code], code))
    return found


def up_and_down(amounts: Iterable[tuple[int, str]], below: Iterable[tuple[int, str]]) -> list[Money]:
    """The same of differences: what goes up, then what goes down, which is no credit."""
    return [Money(each.minor, each.currency) for each in apart(amounts, below)]


def reversals(amounts: Iterable[tuple[int, str]]) -> list[Money]:
    """What mirror entries and what they reverse come to, by currency: nothing is said of both together."""
    return [Reversals(one.minor, one.currency) for one in by_currency(amounts) if one.minor]


def by_sign(amounts: Iterable[tuple[int, str]]) -> list[Money]:
    """The same of amounts of single documents, or of sums of one sign each."""
    given = list(amounts)
    return apart(given, [pair for pair in given if pair[0] < 0])


def by_currency(amounts: Iterable[tuple[int, str]]) -> list[Money]:
    """One sum per currency, the largest count of minor units first. Currencies are never added together."""
    sums: dict[str, int] = {}
    for minor, currency in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    return [Money(minor, code) for code, minor in sorted(sums.items(), key=lambda item: (-abs(item[1]), item[0]))]
