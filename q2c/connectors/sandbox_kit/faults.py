"""Fault switches: what a person, or a test, makes a platform do wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from q2c.connectors.sandbox_kit.store import Store

PARTIAL = "partial_failure"
# name → (what it does, unit of its value)
SWITCHES: dict[str, tuple[str, str]] = {
    "latency": ("Answers late", "ms"),
    "too_many": ("Answers 429 with Retry-After", "s"),
    "unavailable": ("Answers 503", ""),
    "drop_before": ("Drops the connection before anything is done", ""),
    "drop_after": ("Does it, then drops the connection", ""),
    "late_commit": ("Lets the caller time out, then does it", "s"),
    "token_expired": ("Refuses the token as expired", ""),
    "business_failure": ("Answers 200 with a business failure", ""),
    "search_lag": ("New documents are not found for a while", "s"),
    PARTIAL: ("Fails one item of each batch", ""),
}


# A setting, so that a sandbox without faults asks nothing.
_ANY = "has_faults"


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on. `operation` empty: every operation; `times` None: until switched off."""

    name: str
    operation: str
    value: float


def set_fault(store: Store, switch: dict[str, Any], there: Mapping[str, Collection[str]]) -> None:
    """Switch one on: {name, operation, value, times, for_s}. `there`: the vendor's switches, each with what it strikes.

    One that would strike nothing here is refused: whoever waited for it would wait for ever.
    """
    name, operation = switch["name"], switch.get("operation") or ""
    if name not in there:
        raise ValueError(f"{name} is no fault switch here; there are {', '.join(there)}")
    if operation and operation not in there[name]:
        raise ValueError(f"{operation} is no operation that {name} strikes; there are {', '.join(sorted(there[name]))}")
    until = None if not switch.get("for_s") else store.now() + dt.timedelta(seconds=float(switch["for_s"]))
    store.connection.execute(
        f"INSERT INTO {store.schema}.fault (name, operation, value, times, until) VALUES (%s, %s, %s, %s, %s)",
        [name, operation, switch.get("value", 0), switch.get("times"), until],
    )
    store.set(_ANY, True)


def clear(store: Store, name: str = "") -> None:
    """Switch off: one by name, or all."""
    store.connection.execute(f"DELETE FROM {store.schema}.fault WHERE %s IN ('', name)", [name])
    left = store.connection.execute(f"SELECT EXISTS (SELECT FROM {store.schema}.fault)").fetchone()
    store.set(_ANY, bool(left and left[0]))


def listed(store: Store) -> list[dict[str, Any]]:
    rows = store.connection.execute(
        f"SELECT name, operation, value, times, until, hits FROM {store.schema}.fault ORDER BY id"
    )
    keys = ("name", "operation", "value", "times", "until", "hits")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def struck(store: Store, operation: str, spared: Sequence[str] = ()) -> dict[str, Fault]:
    """The faults that hit this operation now; each hit is counted, and a switch with `times` used up goes off.

    `until` follows the sandbox's clock. `spared` switches do not strike here, and lose no hit.
    """
    if not store.setting(_ANY, False):
        return {}
    rows = store.connection.execute(
        f"UPDATE {store.schema}.fault SET hits = hits + 1 "
        f"WHERE operation IN ('', %s) AND (times IS NULL OR hits < times) AND (until IS NULL OR until > %s) "
        f"AND NOT (name = ANY(%s)) RETURNING name, operation, value",
        [operation, store.now(), list(spared)],
    ).fetchall()
    return {row[0]: Fault(*row) for row in rows}
