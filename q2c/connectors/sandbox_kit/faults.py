"""Fault switches: what a person, or a test, makes a platform do wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from q2c.connectors.sandbox_kit.store import Store

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
    "partial_failure": ("Fails one item of each batch", ""),
}


# A setting, so that a sandbox without faults asks nothing.
_ANY = "has_faults"


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on. `operation` empty: every operation; `times` None: until switched off."""

    name: str
    operation: str
    value: float


def set_fault(store: Store, switch: dict[str, Any], operations: Collection[str]) -> None:
    """Switch one on: {name, operation, value, times, for_s}. `operations` are those that the vendor knows."""
    if switch["name"] not in SWITCHES:
        raise ValueError(f"{switch['name']} is no fault switch; there are {', '.join(SWITCHES)}")
    operation = switch.get("operation") or ""
    if operation and operation not in operations:
        raise ValueError(f"{operation} is no operation here; there are {', '.join(sorted(operations))}")
    until = None if not switch.get("for_s") else store.now() + dt.timedelta(seconds=float(switch["for_s"]))
    store.connection.execute(
        f"INSERT INTO {store.schema}.fault (name, operation, value, times, until) VALUES (%s, %s, %s, %s, %s)",
        [switch["name"], operation, switch.get("value", 0), switch.get("times"), until],
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
