"""The checker: reads q2c's database and the platforms' after a run, and tells what is not as it has to be.

It shares no code with what it checks: keys, states, legal moves and formats are written down here once more. All
faults are over and all is at rest by then. What is proven, a file each:

    events.py         what was answered is kept, each event was worked on, orders are what was sent
    deals.py          won opportunities ↔ orders, and what the deal shows of them
    customers.py      payers of accepted orders ↔ accounts in billing, customers in the ledger
    subscriptions.py  invoice groups ↔ subscriptions, their charges and phases
    invoices.py       posted invoices in billing ↔ recorded ones
    entries.py        recorded invoices ↔ one entry each, mirrors
    journals.py       posted entries ↔ journals in NetSuite, line by line
    books.py          balances and numbers
    paths.py          moves of every record
    facts.py          what follows from a record was told once
    cases.py          cases, replays, and what steps that are done left behind
    problems.py       problems last as long as their cause, and count their cases
    waiting.py        nothing waits for ever

Whatever is missing or differs is wrong, unless excuses.py knows the case, the day or the step in front that says why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

import psycopg

from q2c.faults.checker import (
    books,
    cases,
    customers,
    deals,
    entries,
    events,
    facts,
    invoices,
    journals,
    paths,
    problems,
    subscriptions,
    waiting,
)
from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found, Wrong
from q2c.faults.checker.reading import Databases

__all__ = ["Found", "Wrong", "check", "look_through"]


def check(
    database_url: str, sandbox_database_url: str, *, answered: Collection[str] = (), at: dt.datetime | None = None
) -> Found:
    """`answered`: source ids of events that were answered as taken. `at`: the time by which things are due, where it
    is not the database's own. Each database is read as of one moment."""
    with _snapshot(database_url) as ours, _snapshot(sandbox_database_url) as theirs:
        return look_through(ours, theirs, answered=answered, at=at)


def look_through(
    ours: psycopg.Connection[Any],
    theirs: psycopg.Connection[Any],
    *,
    answered: Collection[str] = (),
    at: dt.datetime | None = None,
) -> Found:
    """The same within transactions that are open on both; they see what they have not committed."""
    moment = at or ours.execute("SELECT now()").fetchone()[0]  # type: ignore[index]
    databases, found = Databases(ours, theirs, moment), Found()
    excuses = Excuses(databases)
    events.check(databases, found, answered)
    deals.check(databases, excuses, found)
    customers.check(databases, excuses, found)
    subscriptions.check(databases, excuses, found)
    invoices.check(databases, excuses, found)
    entries.check(databases, found)
    journals.check(databases, excuses, found)
    books.check(databases, found)
    paths.check(databases, found)
    facts.check(databases, found)
    cases.check(databases, found)
    problems.check(databases, found)
    waiting.check(databases, excuses, found)
    return found


def _snapshot(url: str) -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] = psycopg.connect(url)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection
