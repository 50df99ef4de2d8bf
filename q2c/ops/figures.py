"""Business figures for Prometheus, read from the database as they are scraped.

Each is one statement over what is open, or over one day, by an index: what the flow has done since it began is
counted by its processes (engine/counts.py), not here. A statement that takes too long is given up and said to be.
Amounts are minor units of the currency in the label.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exceptions.models.case import UNRESOLVED
from q2c import clock, keys
from q2c.engine.claim import FREE
from q2c.engine.sources import POLLED
from q2c.models.step import DUE, OPEN
from q2c.ops import readiness
from q2c.reading.held import HELD

log = logging.getLogger(__name__)

STATEMENT_MS_MAX = 3000
Figure = Callable[[], Iterator[GaugeMetricFamily]]


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS_MAX}")
        cursor.execute(sql, values)
        return cursor.fetchall()


def _gauge(name: str, about: str, labels: list[str], rows: list[tuple[Any, ...]]) -> GaugeMetricFamily:
    """Rows are the labels' values, then the figure."""
    family = GaugeMetricFamily(f"q2c_{name}", about, labels=labels)
    for *values, figure in rows:
        family.add_metric([str(value) for value in values], figure)
    return family


def _a_day_ago() -> Any:
    """Ids are ordered by time, so a day is a range of the primary key."""
    return keys.first_id(clock.now() - dt.timedelta(days=1))


def records() -> Iterator[GaugeMetricFamily]:
    """From the tallies that the database keeps: a few thousand rows, however many records there are."""
    rows = _rows(
        "SELECT noun, state, sum(records)::bigint FROM q2c_tally GROUP BY 1, 2 HAVING sum(records) > 0 ORDER BY 1, 2"
    )
    about = "Orders, subscriptions, invoices and journals, by state"
    yield _gauge("records", about, ["noun", "state"], rows)


def steps() -> Iterator[GaugeMetricFamily]:
    rows = _rows(
        "SELECT stage, state, count(*) FROM q2c_step WHERE state = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2", list(OPEN)
    )
    yield _gauge("steps_open", "Steps not yet done, by stage and state", ["stage", "state"], rows)


_OLDEST = f"""
SELECT stage, min(next_at) FROM q2c_step s WHERE state = ANY(%s) AND next_at <= %s
  AND NOT EXISTS (SELECT 1 FROM q2c_breaker b
    WHERE b.opened_at IS NOT NULL AND b.connection IN (s.connection, s.waiting_for))
  AND {FREE}
GROUP BY 1 ORDER BY 1
"""


def oldest_due() -> Iterator[GaugeMetricFamily]:
    """What a worker could take and has not; held and paused steps wait for something else than a worker."""
    moment = clock.now()
    rows = [(stage, (moment - at).total_seconds()) for stage, at in _rows(_OLDEST, list(DUE), moment)]
    yield _gauge("step_oldest_due_seconds", "Age of the oldest step that a worker could take", ["stage"], rows)


def oldest_held() -> Iterator[GaugeMetricFamily]:
    """Held behind another step of its order key, which stopped or is in the middle; since it was due."""
    moment = clock.now()
    found = _rows(f"SELECT s.stage, min(s.next_at) {HELD} GROUP BY 1 ORDER BY 1", moment)
    rows = [(stage, (moment - at).total_seconds()) for stage, at in found]
    about = "How long the oldest step that waits behind another of its order key has been due"
    yield _gauge("step_oldest_held_seconds", about, ["stage"], rows)


def journals() -> Iterator[GaugeMetricFamily]:
    """The share that got through of those that were tried; absent while none was."""
    rows = _rows("SELECT state, count(*) FROM ledger_journalentry WHERE id >= %s GROUP BY 1 ORDER BY 1", _a_day_ago())
    yield _gauge("journals_24h", "Journal entries booked in the last 24 hours, by state", ["state"], rows)
    found = dict(rows)
    posted, blocked = found.get("posted", 0) + found.get("reversed", 0), found.get("blocked", 0)
    share = [(posted / (posted + blocked),)] if posted + blocked else []
    about = "Journals of the last 24 hours that the ledger took, of those that were sent"
    yield _gauge("posting_success_ratio", about, [], share)


_CREDITS = """
SELECT owner_team_id, currency, sum(amount_minor)::float8 FROM exceptions_case
WHERE state = ANY(%s) AND amount_minor < 0 GROUP BY 1, 2
"""
_CASES = """
SELECT owner_team, currency, sum(cases)::bigint, sum(amount_minor)::float8 FROM exceptions_facet
WHERE state = ANY(%s) GROUP BY 1, 2 HAVING sum(cases) > 0 ORDER BY 1, 2
"""


def cases() -> Iterator[GaugeMetricFamily]:
    rows = _rows(_CASES, list(UNRESOLVED))
    labels = ["team", "currency"]
    yield _gauge("cases_open", "Cases not resolved, by owner", labels, [(*row[:2], row[2]) for row in rows])
    amounts = [(*row[:2], row[3]) for row in rows if row[1]]
    about = "Minor units that open cases hold up, by owner: credits and reversals are below zero"
    yield _gauge("cases_open_amount_minor", about, labels, amounts)
    below = {tuple(row[:2]): row[2] for row in _rows(_CREDITS, list(UNRESOLVED))}
    about = "What of them is below zero: credits, and what reversals take back"
    yield _gauge("cases_open_credit_minor", about, labels, [(*row[:2], below.get(row[:2], 0)) for row in amounts])


_BREAKERS = """
SELECT c.name, CASE WHEN b.opened_at IS NULL THEN 0 ELSE 1 END, coalesce(b.failures, 0)
FROM q2c_connection c LEFT JOIN q2c_breaker b ON b.connection = c.name WHERE c.active ORDER BY 1
"""


def breakers() -> Iterator[GaugeMetricFamily]:
    rows = _rows(_BREAKERS)
    about = "1 while a connection's steps are paused"
    yield _gauge("breaker_open", about, ["connection"], [row[:2] for row in rows])
    about = "Calls without an answer since the last one with"
    yield _gauge("breaker_failures", about, ["connection"], [(row[0], row[2]) for row in rows])


# One that was never read waits for it since it was made.
_POLLED = """
SELECT c.name, coalesce(p.read_at, (SELECT min(h.history_date) FROM q2c_historicalconnection h WHERE h.id = c.id))
FROM q2c_connection c LEFT JOIN q2c_pollcursor p ON p.connection = c.name
WHERE c.active AND c.service = ANY(%s) ORDER BY 1
"""


def polls() -> Iterator[GaugeMetricFamily]:
    moment = clock.now()
    rows = _rows(_POLLED, list(POLLED))
    aged = [(name, (moment - at).total_seconds()) for name, at in rows if at is not None]
    yield _gauge("poll_age_seconds", "Since a source was last read to the end of what changed", ["connection"], aged)


def signs_of_life() -> Iterator[GaugeMetricFamily]:
    about = "Since a queue's worker, or the sweeper, was last seen"
    yield _gauge("seen_age_seconds", about, ["who"], sorted(readiness.ages_s().items()))


FIGURES: tuple[Figure, ...] = (
    records, steps, oldest_due, oldest_held, journals, cases, breakers, polls, signs_of_life,
)  # fmt: skip


class Figures(Collector):
    """All figures. One that fails costs the others nothing."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        failed: list[tuple[str, int]] = []
        # A server that hangs, and does not even give up on a statement, must not hold those who scrape.
        answers = readiness.database_answers()
        if not answers:
            failed = [(figure.__name__, 1) for figure in FIGURES]
        for figure in FIGURES if answers else ():
            try:
                families = list(figure())
            except Exception:
                log.warning("figure not read", extra={"figure": figure.__name__}, exc_info=True)
                failed.append((figure.__name__, 1))
                continue
            failed.append((figure.__name__, 0))
            yield from families
        yield _gauge("figure_failed", "1 where a figure could not be read for this scrape", ["figure"], failed)
