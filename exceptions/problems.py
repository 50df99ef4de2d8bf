"""One root cause, however many cases: found or made, counted, ended; and platforms that are down.

Lock order: open cases before resolving others in one transaction. Making a problem shares its row with everybody
who fails for the same cause; ending one takes it alone and skips what somebody holds.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction

from exceptions import rowsets, sentences
from exceptions.failures import Failure, RawItem, blocker_of, fingerprint
from exceptions.models import Policy, Problem
from exceptions.models.case import UNRESOLVED
from exceptions.models.policy import SEVERITIES
from exceptions.routing import policies_for
from q2c import clock, keys, states
from q2c.reasons import Reason


def ensure(
    failures: Iterable[Failure | RawItem], policies: Mapping[str, Policy], now: dt.datetime
) -> dict[str, uuid.UUID]:
    """The open problems of these failures by fingerprint; made, or opened again, where need be. 3 to 4 statements."""
    by_print: dict[str, Failure | RawItem] = {}
    for failure in failures:
        by_print.setdefault(fingerprint(failure), failure)
    rows = [_columns(mark, failure, policies[str(failure.reason)], now) for mark, failure in sorted(by_print.items())]
    rowsets.insert(Problem, rows, on_conflict="ON CONFLICT (fingerprint) DO NOTHING")
    return dict(_held_open("fingerprint", list(by_print)))


def open_again(problem_ids: Iterable[uuid.UUID]) -> None:
    """A case of these is unresolved again, though nothing failed anew."""
    _held_open("id", list(problem_ids))


def _held_open(column: str, values: list[Any]) -> list[tuple[str, uuid.UUID]]:
    """(fingerprint, id) of these problems, open until the transaction ends: nobody ends one under a new case."""
    of_these = f"FROM exceptions_problem WHERE {column} = ANY(%s)"
    with connection.cursor() as cursor:
        # Alone: two who share a row could neither of them open it again.
        cursor.execute(f"SELECT id {of_these} AND state = 'resolved' ORDER BY id FOR NO KEY UPDATE", [values])
        cursor.execute(f"SELECT fingerprint, id, state {of_these} ORDER BY id FOR SHARE", [values])
        found = cursor.fetchall()
    states.move(
        Problem, "reopen", [problem_id for _, problem_id, state in found if state == "resolved"], resolved_at=None
    )
    return [(mark, problem_id) for mark, problem_id, _ in found]


def _columns(mark: str, failure: Failure | RawItem, policy: Policy, now: dt.datetime) -> dict[str, Any]:
    blocker = blocker_of(failure)
    where = failure.connection if isinstance(failure, Failure) else failure.source
    parts = blocker or ("", "", "", "")
    columns = {
        "id": keys.new_id(),
        "correlation_id": keys.new_id(),
        "state": "open",
        "kind": "cases",
        "fingerprint": mark,
        "reason": str(failure.reason),
        "title": sentences.problem_title(policy.title, blocker, where, failure.code),
        "connection": where,
        "code": failure.code,
        "blocker_connection": parts[0],
        "blocker_type": parts[1],
        "blocker_key": parts[2],
        "blocker_condition": parts[3],
        "owner_team": policy.owner_team_id,
        "severity": policy.severity,
        "first_seen_at": now,
        "last_seen_at": now,
        "waiting": {},
    }
    return rowsets.fitted(Problem, columns)


def settle(problem_ids: Iterable[uuid.UUID] | None = None) -> list[uuid.UUID]:
    """End the problems (of these, or of all) that have no unresolved case left. Returns their ids.

    Skips a problem that another transaction uses; the sweeper comes by again.
    """
    ids = None if problem_ids is None else list(set(problem_ids))
    if ids == []:
        return []
    chosen = "" if ids is None else "AND p.id = ANY(%(ids)s)"
    empty = (
        "NOT EXISTS (SELECT FROM exceptions_case c WHERE c.problem_id = p.id AND c.state = ANY(%(unresolved)s::text[]))"
    )
    values = {"ids": ids, "unresolved": list(UNRESOLVED)}
    base = f"SELECT p.id FROM exceptions_problem p WHERE p.state = 'open' AND p.kind = 'cases' AND {empty}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{base} {chosen} ORDER BY p.id FOR UPDATE SKIP LOCKED", values)
        locked = [row[0] for row in cursor.fetchall()]
        if not locked:
            return []
        # A second look with the rows in hand: a case may have come between the first look and the lock.
        cursor.execute(f"{base} AND p.id = ANY(%(ids)s)", values | {"ids": locked})
        still = [row[0] for row in cursor.fetchall()]
        return states.move(Problem, "resolve", still, resolved_at=clock.now())


@dataclass(slots=True)
class Totals:
    """What a problem blocks: unresolved cases, minor units by currency, entities and periods; first and last seen."""

    cases: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    # What of these amounts are credits: below zero, or not there.
    credits: dict[str, int] = field(default_factory=dict)
    entities: set[str] = field(default_factory=set)
    periods: set[tuple[str, str]] = field(default_factory=set)
    by_state: dict[str, int] = field(default_factory=dict)
    first_at: dt.datetime | None = None
    last_at: dt.datetime | None = None
    oldest_due_at: dt.datetime | None = None


_SUMS = """
SELECT problem_id, state, entity, period, currency, sum(cases), sum(amount_minor), min(first_at), max(last_at)
FROM exceptions_problemamount WHERE problem_id = ANY(%s) GROUP BY 1, 2, 3, 4, 5
"""
# A credit that failed does not make an invoice that failed smaller. The counts know no signs; the few credits do.
_CREDITS = """
SELECT problem_id, currency, sum(amount_minor) FROM exceptions_case
WHERE problem_id = ANY(%s) AND amount_minor < 0 AND state IN ({states}) GROUP BY 1, 2
"""
# What is snoozed stands still, and is late for nobody.
_OLDEST = """
SELECT p.id, (SELECT c.due_at FROM exceptions_case c
              WHERE c.problem_id = p.id AND c.state IN ({states}) ORDER BY c.due_at, c.id LIMIT 1)
FROM unnest(%s::uuid[]) AS p(id)
"""


_NO_STEP = """
SELECT p.id FROM unnest(%s::uuid[]) AS p(id)
WHERE EXISTS (SELECT FROM exceptions_case c WHERE c.problem_id = p.id AND c.state IN ({states}))
  AND NOT EXISTS (SELECT FROM exceptions_case c
                  WHERE c.problem_id = p.id AND c.state IN ({states}) AND c.step_id IS NOT NULL)
"""


def kept_raw(found: Iterable[Problem]) -> set[uuid.UUID]:
    """Those of which every unresolved case came in unreadable: none has a step that could be replayed."""
    ids = [problem.id for problem in found if problem.kind == "cases" and problem.blocker_type in ("", "connection")]
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_NO_STEP.format(states=_listed(UNRESOLVED)), [ids])
        return {problem_id for (problem_id,) in cursor.fetchall()}


def totals(problem_ids: Sequence[uuid.UUID], counted: Sequence[str] = UNRESOLVED) -> dict[uuid.UUID, Totals]:
    """Totals of each problem over its cases in the states `counted`, from the counts the database keeps.

    Three statements, whatever the number of cases; `by_state` has every state.
    """
    result = {problem_id: Totals() for problem_id in problem_ids}
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, [list(result)])
        for problem_id, state, entity, period, currency, cases, minor, first_at, last_at in cursor.fetchall():
            place = (state, entity, period, currency)
            _add(result[problem_id], place, int(cases), int(minor), (first_at, last_at), state in counted)
        cursor.execute(_OLDEST.format(states=_listed(_ticking(counted))), [list(result)])
        for problem_id, due_at in cursor.fetchall():
            result[problem_id].oldest_due_at = due_at
        cursor.execute(_CREDITS.format(states=_listed(counted)), [list(result)])
        for problem_id, currency, minor in cursor.fetchall():
            result[problem_id].credits[currency] = int(minor)
    return result


def _add(
    one: Totals,
    place: tuple[str, str, str, str],
    cases: int,
    minor: int,
    seen: tuple[dt.datetime | None, dt.datetime | None],
    counts: bool,
) -> None:
    state, entity, period, currency = place
    first_at, last_at = seen
    one.first_at = min(filter(None, (one.first_at, first_at)), default=None)
    one.last_at = max(filter(None, (one.last_at, last_at)), default=None)
    if not cases:
        return
    one.by_state[state] = one.by_state.get(state, 0) + cases
    if not counts:
        return
    one.cases += cases
    if currency and minor:
        one.amounts[currency] = one.amounts.get(currency, 0) + minor
    if entity:
        one.entities.add(entity)
    if period:
        one.periods.add((entity, period))


_BIGGEST = """
SELECT problem_id, sum(cases) AS n, max(last_at) AS seen FROM exceptions_problemamount
WHERE state IN ({states}) AND problem_id IN ({visible}) GROUP BY 1 HAVING sum(cases) > 0
ORDER BY {order}, problem_id LIMIT {limit}
"""
# Severity, then what is past its service level. Few problems stand open at a time, however many cases they hold.
_SEVERITY = (
    "(SELECT array_position(ARRAY[{severities}], p.severity::text) FROM exceptions_problem p"
    " WHERE p.id = exceptions_problemamount.problem_id)"
)
_LATE = (
    "(SELECT c.due_at < %s FROM exceptions_case c"
    " WHERE c.problem_id = exceptions_problemamount.problem_id AND c.state IN ({states})"
    " ORDER BY c.due_at LIMIT 1) DESC NULLS LAST"
)


def cards(
    user: Any, *, teams: Sequence[str] = (), by: str = "cases", limit: int = 50, counted: Sequence[str] = UNRESOLVED
) -> list[tuple[Problem, Totals]]:
    """Open problems with what they block: platforms that are down first, then by `cases`, `last_seen` or `urgency`.

    Urgency is the severity, then what is late, then cases. Cases count in the states `counted`.
    """
    visible = Problem.objects.visible_to(user).filter(state="open")
    if teams:
        visible = visible.filter(owner_team__in=teams)
    down = list(visible.filter(kind="connection").order_by("first_seen_at")[:limit])
    try:
        ids, params = visible.filter(kind="cases").order_by().values("id").query.sql_with_params()
    except EmptyResultSet:
        # Nothing is visible to this person.
        return []
    states_ = _listed(counted)
    urgency = (
        _SEVERITY.format(severities=_listed(SEVERITIES)),
        _LATE.format(states=_listed(_ticking(counted))),
        "n DESC",
    )
    order = {"cases": "n DESC", "last_seen": "seen DESC", "urgency": ", ".join(urgency)}[by]
    params = (*params, clock.now()) if by == "urgency" else params
    with connection.cursor() as cursor:
        cursor.execute(_BIGGEST.format(states=states_, visible=ids, order=order, limit=int(limit)), params)
        chosen = [row[0] for row in cursor.fetchall()]
    rows = Problem.objects.select_related("owner_team").in_bulk([*chosen, *(problem.id for problem in down)])
    sums = totals(chosen, counted)
    return [(problem, Totals()) for problem in down] + [(rows[i], sums[i]) for i in chosen if i in rows]


def _ticking(counted: Iterable[str]) -> list[str]:
    return [state for state in counted if state != "snoozed"]


def _listed(words: Iterable[str]) -> str:
    """Our own words, as SQL lists them."""
    return ", ".join(f"'{word}'" for word in words)


def connection_down(
    name: str,
    since: dt.datetime,
    waiting: Mapping[str, Any],
    *,
    called: str = "",
    text: str = "",
    actor: str = "breaker",
) -> uuid.UUID:
    """Raise, or bring up to date, the one problem of a platform that is down. It has no cases of its own.

    `called` is how people read its name: Credit service (credit).
    `waiting`: {"noun": "journal", "count": 1204, "amounts": {"EUR": 4821000}}; what waits, not what failed.
    """
    now = clock.now()
    reason = Reason.PLATFORM_UNAVAILABLE.value
    policy = policies_for([reason])[reason]
    count = sentences.count(int(waiting.get("count", 0)), str(waiting.get("noun") or "document"))
    verb = "waits" if int(waiting.get("count", 0)) == 1 else "wait"
    title = f"{called or name} is down since {_minute(since)}, {count} {verb}"
    columns = {
        "id": keys.new_id(), "correlation_id": keys.new_id(), "state": "open", "kind": "connection",
        "fingerprint": _down_print(name), "reason": reason, "title": title, "connection": name, "code": "",
        "blocker_connection": name, "blocker_type": "connection", "blocker_key": name, "blocker_condition": "down",
        "owner_team": policy.owner_team_id, "severity": "urgent", "first_seen_at": since, "last_seen_at": now,
        "waiting": {**waiting, "text": text},
    }  # fmt: skip
    with states.acting(actor, title):
        found = rowsets.insert(
            Problem,
            [rowsets.fitted(Problem, columns)],
            on_conflict=(
                "ON CONFLICT (fingerprint) DO UPDATE SET title = excluded.title, waiting = excluded.waiting, "
                "last_seen_at = excluded.last_seen_at, "
                "first_seen_at = CASE t.state WHEN 'open' THEN t.first_seen_at ELSE excluded.first_seen_at END"
            ),
        )
        states.move(Problem, "reopen", [found[0][0]], resolved_at=None)
    return found[0][0]


def connection_up(name: str, *, called: str = "", actor: str = "breaker") -> bool:
    """End the problem of a platform that answers again. False where there was none."""
    now = clock.now()
    with states.acting(actor, f"{called or name} answers again"):
        found = Problem.objects.filter(fingerprint=_down_print(name), state="open").first()
        if found is None:
            return False
        count = sentences.count(int(found.waiting.get("count", 0)), str(found.waiting.get("noun") or "document"))
        title = f"{called or name} was down from {_minute(found.first_seen_at)} until {_minute(now)}, {count} waited"
        return bool(states.move(Problem, "resolve", [found.id], resolved_at=now, title=title))


def _minute(at: dt.datetime) -> str:
    """Pages show it in the reader's zone and format."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _down_print(name: str) -> str:
    return keys.fingerprint(keys.canonical(["connection down", name])).hex()
