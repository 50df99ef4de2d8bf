"""Exchange rates: the latest on or before a day, if it is not too old."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from ledger.facts import Finding
from q2c.reasons import Reason

# A rate of an earlier day holds for so many days: a month, and some to load the next. After that it is missing.
DAYS_MAX = 35


@dataclass
class Rates:
    """The rates of one pair, oldest first."""

    days: list[dt.date] = field(default_factory=list)
    rates: list[Decimal] = field(default_factory=list)

    def on(self, day: dt.date) -> Decimal | None:
        """The latest on or before the day, of the DAYS_MAX days before it."""
        found = self.dated(day)
        return found[1] if found else None

    def dated(self, day: dt.date) -> tuple[dt.date, Decimal] | None:
        """As on(), with its own day."""
        latest = self.latest(day)
        if latest is None or (day - latest).days > DAYS_MAX:
            return None
        return latest, self.rates[bisect_right(self.days, day) - 1]

    def latest(self, day: dt.date) -> dt.date | None:
        """The day of the latest on or before the day, however old."""
        index = bisect_right(self.days, day)
        return self.days[index - 1] if index else None


def load(
    pairs: Iterable[tuple[str, str]], span: tuple[dt.date, dt.date], kind: str = "spot"
) -> dict[tuple[str, str], Rates]:
    """For each (from, to): the rates of the span, and the latest one before it, in one query."""
    wanted = sorted({(source, target) for source, target in pairs if source != target})
    found: dict[tuple[str, str], Rates] = {pair: Rates() for pair in wanted}
    if not wanted:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.source, p.target, r.on, r.rate"
            " FROM unnest(%(sources)s::text[], %(targets)s::text[]) AS p(source, target)"
            " CROSS JOIN LATERAL ("
            "   (SELECT f.on, f.rate FROM ledger_fxrate f WHERE f.from_currency = p.source AND f.to_currency = p.target"
            "      AND f.kind = %(kind)s AND f.on <= %(start)s ORDER BY f.on DESC LIMIT 1)"
            "   UNION ALL"
            "   (SELECT f.on, f.rate FROM ledger_fxrate f WHERE f.from_currency = p.source AND f.to_currency = p.target"
            "      AND f.kind = %(kind)s AND f.on > %(start)s AND f.on < %(end)s)) AS r ORDER BY r.on",
            {
                "sources": [source for source, _ in wanted],
                "targets": [target for _, target in wanted],
                "kind": kind,
                "start": span[0],
                "end": span[1],
            },
        )
        for source, target, day, rate in cursor.fetchall():
            found[source, target].days.append(day)
            found[source, target].rates.append(rate)
    return found


def missing(source: str, target: str, day: dt.date, kind: str = "spot", latest: dt.date | None = None) -> Finding:
    """There is no rate for the pair on or before the day, or its `latest` is too old. No rate is ever turned round."""
    text = f"No {kind} rate from {source} to {target} on or before {day}"
    if latest is not None:
        text = (
            f"No {kind} rate from {source} to {target} for {day}: the latest is of {latest}, and one holds for"
            f" {DAYS_MAX} days. Load the rate of {day}, or of a day shortly before it"
        )
    return Finding(
        Reason.FX_RATE_MISSING,
        text,
        "fx_rate",
        f"{source}:{target}",
        "currency",
    )


def rate(source: str, target: str, on: dt.date, kind: str = "spot") -> Decimal | Finding:
    """Units of `target` for one unit of `source` on a day."""
    if source == target:
        return Decimal(1)
    rates = load([(source, target)], (on, on + dt.timedelta(days=1)), kind)[source, target]
    found = rates.on(on)
    return missing(source, target, on, kind, rates.latest(on)) if found is None else found
