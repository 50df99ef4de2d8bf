"""NetSuite's master data by our names, read by SuiteQL; what speaks for a journal is kept for a few seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from q2c.connectors.kept import Kept
from q2c.connectors.netsuite.suiteql import SuiteQL, literal

Row = Mapping[str, str]

# Our name for a kind of master data → table, the column that holds the names we use.
TABLES = {
    "account": ("account", "acctnumber"),
    "department": ("department", "externalid"),
    "class": ("classification", "externalid"),
    "location": ("location", "externalid"),
    "currency": ("currency", "symbol"),
    "subsidiary": ("subsidiary", "externalid"),
    "customer": ("customer", "externalid"),
    "item": ("item", "itemid"),
}
_PERIODS = """SELECT id, periodname, TO_CHAR(startdate, 'YYYY-MM-DD') AS startdate, TO_CHAR(enddate, 'YYYY-MM-DD')
AS enddate, closed, alllocked FROM accountingperiod WHERE startdate <= TO_DATE({last}, 'YYYY-MM-DD')
AND enddate >= TO_DATE({first}, 'YYYY-MM-DD') AND isposting = 'T' AND isadjust = 'F' AND isyear = 'F'
AND isquarter = 'F' ORDER BY id"""


class Masters:
    """Rows by kind and name. `names` of the options tells which column holds our names where it is another."""

    def __init__(self, suiteql: SuiteQL, names: Mapping[str, str] | None = None) -> None:
        self.suiteql = suiteql
        self.columns = {kind: (names or {}).get(kind, column) for kind, (_, column) in TABLES.items()}
        self._kept = Kept()

    def find(self, kind: str, names: Iterable[str], *, fresh: bool = False) -> dict[str, Row]:
        """Rows by name; what is not there is not in it. Raises ReadRefused."""
        column = self.columns[kind]
        return self._kept.through(
            kind, names, lambda missing: self._read(kind, column, missing), is_usable, fresh=fresh
        )

    def periods(self, days: Iterable[dt.date], *, fresh: bool = False) -> dict[str, Row]:
        """The posting month of each day, by the day in ISO format."""
        return self._kept.through("period", [day.isoformat() for day in days], self._read_periods, is_open, fresh=fresh)

    def _read(self, kind: str, column: str, names: list[str]) -> dict[str, Row]:
        # A name that is a number may be the internal id.
        columns = sorted({"id", column, "isinactive"})
        listed = ", ".join(literal(name) for name in names)
        query = f"SELECT {', '.join(columns)} FROM {TABLES[kind][0]} WHERE {column} IN ({listed}) ORDER BY id"
        return {row[column]: row for row in self.suiteql.rows(query)}

    def _read_periods(self, days: list[str]) -> dict[str, Row]:
        rows = self.suiteql.rows(_PERIODS.format(first=literal(days[0]), last=literal(days[-1])))
        found = {day: next((r for r in rows if r["startdate"] <= day <= r["enddate"]), None) for day in days}
        return {day: row for day, row in found.items() if row is not None}

    def period_named(self, name: str) -> Row | None:
        rows = self.suiteql.rows(
            "SELECT id, periodname, closed, alllocked FROM accountingperiod "
            f"WHERE periodname = {literal(name)} ORDER BY id"
        )
        return rows[0] if rows else None


def is_usable(row: Row) -> bool:
    return row.get("isinactive") != "T"


def is_open(row: Row) -> bool:
    return "T" not in (row.get("closed"), row.get("alllocked"))


def month_of(period_key: str) -> dt.date | None:
    """The first day of a month named 2026-10; None for another name."""
    try:
        return dt.date.fromisoformat(f"{period_key}-01")
    except ValueError:
        return None


def reference(row: Row | None, name: str) -> dict[str, Any]:
    """A reference by internal id where it is known."""
    return {"id": row["id"]} if row is not None else {"externalId": name}
