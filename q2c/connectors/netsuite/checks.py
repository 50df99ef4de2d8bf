"""What NetSuite would refuse, or wrongly take, read before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from q2c.connectors.netsuite.masters import Masters, Row, is_open, is_usable, month_of
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.contracts.documents import JournalDocument, JournalLine
from q2c.reasons import Reason

Rows = Mapping[str, Row]


class Found:
    """The master data that some journals name. Raises ReadRefused.

    A journal that passes needs none of it read twice; `fresh` reads all anew, customers too, to name what was refused.
    """

    def __init__(
        self, masters: Masters, journals: Sequence[JournalDocument], segments: Mapping[str, str], *, fresh: bool = False
    ) -> None:
        lines = [line for journal in journals for line in journal.lines]
        self.fresh, self.segments = fresh, segments
        self.periods: Rows = masters.periods((j.effective_on for j in journals), fresh=fresh)
        self.subsidiaries: Rows = masters.find("subsidiary", (j.entity for j in journals), fresh=fresh)
        self.currencies: Rows = masters.find("currency", (j.currency for j in journals), fresh=fresh)
        self.accounts: Rows = masters.find("account", (line.account for line in lines), fresh=fresh)
        self.values: dict[str, Rows] = {
            dimension: masters.find(segment, _codes(lines, dimension), fresh=fresh)
            for dimension, segment in segments.items()
        }
        customers = {line.customer for line in lines if line.customer} if fresh else set()
        self.customers: Rows = masters.find("customer", customers, fresh=fresh)


def _codes(lines: Sequence[JournalLine], dimension: str) -> set[str]:
    return {line.dimensions[dimension] for line in lines if line.dimensions.get(dimension)}


def finding(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    """The first thing that stands in the way of a journal."""
    return (
        _period(connection, journal, found.periods)
        or _header(connection, "subsidiary", journal.entity, found.subsidiaries)
        or _header(connection, "currency", journal.currency, found.currencies)
        or _accounts(connection, journal, found.accounts)
        or _dimensions(connection, journal, found)
        or (_customers(connection, journal, found.customers) if found.fresh else None)
    )


def _period(connection: str, journal: JournalDocument, periods: Rows) -> Rejected | None:
    period = periods.get(journal.effective_on.isoformat())
    if period is None:
        month = f"{journal.effective_on:%Y-%m}"
        return _rejected(
            Reason.PERIOD_MISSING, f"NetSuite has no posting period for {journal.effective_on}", "tranDate",
            Blocker(connection=connection, object_type="fiscal_period", object_key=month, condition="missing"),
        )  # fmt: skip
    if is_open(period):
        return None
    name = period["periodname"]
    return _rejected(
        Reason.PERIOD_CLOSED, f"Period {name} is closed in NetSuite", "postingPeriod",
        Blocker(connection=connection, object_type="fiscal_period", object_key=name, condition="closed"),
    )  # fmt: skip


def _header(connection: str, kind: str, name: str, rows: Rows) -> Rejected | None:
    return _state(connection, kind, name, rows, kind, (Reason.JOURNAL_REFUSED, Reason.JOURNAL_REFUSED))


def _accounts(connection: str, journal: JournalDocument, rows: Rows) -> Rejected | None:
    reasons = (Reason.ACCOUNT_UNKNOWN, Reason.ACCOUNT_INACTIVE)
    found = (_state(connection, "account", line.account, rows, _at(line, "account"), reasons) for line in journal.lines)
    return next((each for each in found if each), None)


def _dimensions(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    reasons = (Reason.DIMENSION_MISSING, Reason.DIMENSION_INACTIVE)
    for line in journal.lines:
        for dimension, segment in found.segments.items():
            code = line.dimensions.get(dimension)
            if not code:
                continue
            refused = _state(connection, dimension, code, found.values[dimension], _at(line, segment), reasons)
            if refused is not None:
                return refused
    return None


def _customers(connection: str, journal: JournalDocument, rows: Rows) -> Rejected | None:
    reasons = (Reason.CUSTOMER_UNKNOWN, Reason.CUSTOMER_INACTIVE)
    for line in journal.lines:
        if line.customer and (
            refused := _state(connection, "customer", line.customer, rows, _at(line, "entity"), reasons)
        ):
            return refused
    return None


def _at(line: JournalLine, field: str) -> str:
    return f"line.items[{line.line - 1}].{field}"


def _state(
    connection: str, kind: str, name: str, rows: Rows, field: str, reasons: tuple[Reason, Reason]
) -> Rejected | None:
    """Unknown, inactive, or nothing to say."""
    row = rows.get(name)
    if row is not None and is_usable(row):
        return None
    condition = "unknown" if row is None else "inactive"
    said = "is not known" if row is None else "is inactive"
    return _rejected(
        reasons[0] if row is None else reasons[1], f"{kind.replace('_', ' ').capitalize()} {name} {said} in NetSuite",
        field, Blocker(connection=connection, object_type=kind, object_key=name, condition=condition),
    )  # fmt: skip


def _rejected(reason: Reason, text: str, field: str, blocker: Blocker) -> Rejected:
    return Rejected(reason=reason, text=text, field=field, blocker=blocker)


def still_blocked(masters: Masters, blocker: Blocker, segments: Mapping[str, str]) -> bool | None:
    """Whether the object of a blocker stands in the way now; None for what cannot be read. Raises ReadRefused."""
    kind, key = blocker.object_type, blocker.object_key
    if kind == "fiscal_period":
        return _period_blocked(masters, blocker)
    kind = segments.get(kind, kind)
    if kind not in masters.columns:
        return None
    row = masters.find(kind, [key], fresh=True).get(key)
    return row is None or not is_usable(row)


def _period_blocked(masters: Masters, blocker: Blocker) -> bool | None:
    if blocker.condition == "missing" and (month := month_of(blocker.object_key)):
        return not masters.periods([month], fresh=True)
    row = masters.period_named(blocker.object_key)
    if row is None or not is_open(row):
        return True
    # A lock for one subsidiary cannot be read; only a journal that is sent can tell.
    return None if blocker.condition == "locked" else False
