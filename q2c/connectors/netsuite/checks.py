"""What NetSuite would refuse, or wrongly take, read before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from q2c.connectors.netsuite.suiteql import SuiteQL, literal
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable
from q2c.contracts.documents import JournalDocument
from q2c.reasons import Reason

TABLES = {"department": "department", "class": "classification", "location": "location"}
_PERIODS = """SELECT id, periodname, TO_CHAR(startdate, 'YYYY-MM-DD') AS startdate, TO_CHAR(enddate, 'YYYY-MM-DD')
AS enddate, closed, alllocked, arlocked FROM accountingperiod WHERE startdate <= TO_DATE({last}, 'YYYY-MM-DD')
AND enddate >= TO_DATE({first}, 'YYYY-MM-DD') AND isposting = 'T' AND isyear = 'F' AND isquarter = 'F' ORDER BY id"""

Row = Mapping[str, str]


def check(
    suiteql: SuiteQL, connection: str, journals: Sequence[JournalDocument], segments: Mapping[str, str]
) -> list[Rejected | Unavailable | None]:
    """One finding per journal, the first that stands in its way. Three to five reads, however many journals."""
    days = [journal.effective_on for journal in journals]
    periods = _periods(suiteql, min(days), max(days))
    accounts = _by(suiteql, "account", "acctnumber", {line.account for j in journals for line in j.lines})
    values = {
        dimension: _by(
            suiteql,
            TABLES[segment],
            "externalid",
            {line.dimensions[dimension] for j in journals for line in j.lines if line.dimensions.get(dimension)},
        )
        for dimension, segment in segments.items()
    }
    return [
        _period_finding(connection, j, periods)
        or _account_finding(connection, j, accounts)
        or _dimension_finding(connection, j, values)
        for j in journals
    ]


def _by(suiteql: SuiteQL, table: str, column: str, wanted: Iterable[str]) -> dict[str, Row]:
    names = sorted(set(wanted))
    if not names:
        return {}
    listed = ", ".join(literal(name) for name in names)
    rows = suiteql.rows(f"SELECT id, {column}, isinactive FROM {table} WHERE {column} IN ({listed}) ORDER BY id")
    return {row[column]: row for row in rows}


def _periods(suiteql: SuiteQL, first: dt.date, last: dt.date) -> list[dict[str, str]]:
    return suiteql.rows(_PERIODS.format(first=literal(first.isoformat()), last=literal(last.isoformat())))


def period_of(suiteql: SuiteQL, day: dt.date) -> Row | None:
    """The posting month of a day, open or not."""
    return _containing(_periods(suiteql, day, day), day)


def _containing(periods: Sequence[Row], day: dt.date) -> Row | None:
    return next((p for p in periods if p["startdate"] <= day.isoformat() <= p["enddate"]), None)


def _is_shut(period: Row) -> bool:
    return "T" in (period["closed"], period["alllocked"])


def no_period(connection: str, journal: JournalDocument) -> Rejected:
    return Rejected(
        reason=Reason.PERIOD_MISSING,
        text=f"NetSuite has no posting period for {journal.effective_on}",
        field="tranDate",
        blocker=Blocker(
            connection=connection, object_type="fiscal_period", object_key=f"{journal.effective_on:%Y-%m}",
            condition="missing",
        ),
    )  # fmt: skip


def _period_finding(connection: str, journal: JournalDocument, periods: Sequence[Row]) -> Rejected | None:
    period = _containing(periods, journal.effective_on)
    if period is None:
        return no_period(connection, journal)
    if not _is_shut(period):
        return None
    return Rejected(
        reason=Reason.PERIOD_CLOSED,
        text=f"Period {period['periodname']} is closed in NetSuite",
        field="postingPeriod",
        blocker=Blocker(
            connection=connection, object_type="fiscal_period", object_key=period["periodname"], condition="closed"
        ),
    )


def _account_finding(connection: str, journal: JournalDocument, accounts: Mapping[str, Row]) -> Rejected | None:
    for line in journal.lines:
        row = accounts.get(line.account)
        if row is not None and row["isinactive"] != "T":
            continue
        known = row is not None
        return Rejected(
            reason=Reason.ACCOUNT_INACTIVE if known else Reason.ACCOUNT_UNKNOWN,
            text=f"Account {line.account} is {'inactive' if known else 'not known'} in NetSuite",
            field=f"line.items[{line.line - 1}].account",
            blocker=Blocker(
                connection=connection, object_type="account", object_key=line.account,
                condition="inactive" if known else "unknown",
            ),
        )  # fmt: skip
    return None


def _dimension_finding(
    connection: str, journal: JournalDocument, values: Mapping[str, Mapping[str, Row]]
) -> Rejected | None:
    for line in journal.lines:
        for dimension, rows in values.items():
            code = line.dimensions.get(dimension)
            row = rows.get(code) if code else None
            if not code or (row is not None and row["isinactive"] != "T"):
                continue
            known = row is not None
            return Rejected(
                reason=Reason.DIMENSION_INACTIVE if known else Reason.DIMENSION_MISSING,
                text=f"{dimension.replace('_', ' ').capitalize()} {code} is "
                f"{'inactive' if known else 'not known'} in NetSuite",
                field=f"line.items[{line.line - 1}].{dimension}",
                blocker=Blocker(
                    connection=connection, object_type=dimension, object_key=code,
                    condition="inactive" if known else "unknown",
                ),
            )  # fmt: skip
    return None


def still_blocked(suiteql: SuiteQL, blocker: Blocker, segments: Mapping[str, str]) -> bool | None:
    """Whether the object of a blocker stands in the way now; None for what NetSuite knows nothing of."""
    key = blocker.object_key
    if blocker.object_type == "fiscal_period":
        rows = suiteql.rows(
            f"SELECT id, periodname, closed, alllocked FROM accountingperiod "
            f"WHERE periodname = {literal(key)} ORDER BY id"
        )
        return not rows or _is_shut(rows[0])
    if blocker.object_type == "account":
        row = _by(suiteql, "account", "acctnumber", [key]).get(key)
        return row is None or row["isinactive"] == "T"
    if blocker.object_type in segments:
        row = _by(suiteql, TABLES[segments[blocker.object_type]], "externalid", [key]).get(key)
        return row is None or row["isinactive"] == "T"
    return None
