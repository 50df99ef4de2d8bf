"""What a list is asked for, read from an address: each value checked, each mistake named."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from q2c import clock, money
from q2c.reading import fiscal

TEXT_MAX = 200


@dataclass(slots=True)
class Wanted:
    """`wrong` is (field, sentence) for each value that could not be read; that value is then not asked for."""

    state: str = ""
    q: str = ""
    entity: str = ""
    currency: str = ""
    period: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    source: str = ""
    wrong: list[tuple[str, str]] = field(default_factory=list)

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for besides the state."""
        return bool(self.q or self.entity or self.currency or self.period or self.since or self.until or self.source)


def read(given: Mapping[str, str], states: tuple[str, ...], sourced: bool = False) -> Wanted:
    """The wish of ?state=&q=&entity=&currency=&period=&since=&until=, and &source= where `sourced`. Never raises."""
    state = _plain(given.get("state", ""))
    wanted = Wanted(
        state=state if state in states else "",
        q=_plain(given.get("q", ""))[:TEXT_MAX],
        entity=_plain(given.get("entity", "")).upper()[:20],
        source=_plain(given.get("source", ""))[:TEXT_MAX] if sourced else "",
    )
    if state and not wanted.state:
        wanted.wrong.append(("state", f"There is no state “{state[:40]}”"))
    currency = _plain(given.get("currency", "")).upper()
    if currency in money.EXPONENTS:
        wanted.currency = currency
    elif currency:
        wanted.wrong.append(("currency", f"“{currency[:10]}” is no ISO 4217 currency code"))
    period = _plain(given.get("period", ""))
    if re.fullmatch(r"\d{4}-\d{2}", period) or (period and fiscal.is_one(period)):
        wanted.period = period
    elif period:
        wanted.wrong.append(("period", f"“{period[:20]}” is no period; write it like 2026-10, or as it is named"))
    wanted.since, wanted.until = _day(given, "since", wanted), _day(given, "until", wanted)
    if wanted.since and wanted.until and wanted.since > wanted.until:
        wanted.wrong.append(("until", "The last day lies before the first, so nothing is between them"))
    return wanted


def _day(given: Mapping[str, str], name: str, wanted: Wanted) -> dt.date | None:
    text = _plain(given.get(name, ""))
    if not text:
        return None
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        wanted.wrong.append((name, f"“{text[:20]}” is no day; write it like 2026-10-31"))
        return None
    # A day beyond what an instant can hold would fail only in the database.
    if not clock.is_tellable(found):
        wanted.wrong.append((name, f"{text} lies too far away"))
        return None
    return found


def _plain(text: str) -> str:
    """Without what no database takes, and without blanks around it."""
    return "".join(letter for letter in text if letter.isprintable()).strip()


def day_begins(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def day_ends(day: dt.date) -> dt.datetime:
    return day_begins(day + dt.timedelta(days=1))
