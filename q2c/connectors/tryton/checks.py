"""What Tryton would refuse, or wrongly take, read before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from q2c.connectors.outcomes import Blocker, Rejected
from q2c.connectors.tryton.door import Record
from q2c.connectors.tryton.masters import Masters, Rows, is_account_usable, is_open, is_value_usable
from q2c.contracts.documents import JournalDocument
from q2c.reasons import Reason


class Found:
    """The master data that journals of one company name. Raises ReadRefused. `fresh` reads all of it anew."""

    company: Record
    journal: Record

    def __init__(
        self, masters: Masters, entity: str, journals: Sequence[JournalDocument], roots: Mapping[str, str], *,
        fresh: bool = False,
    ) -> None:  # fmt: skip
        self.roots, self.entity = roots, entity
        lines = [line for journal in journals for line in journal.lines]
        companies = masters.companies([entity], fresh=fresh)
        self.known = entity in companies
        self.company = companies.get(entity) or {"id": 0, "currency": {"code": ""}}
        self.journal_code = masters.journal_code
        self.journal = masters.journal(fresh=fresh) or {}
        self.currencies: Rows = masters.currencies({j.currency for j in journals}, fresh=fresh)
        self.periods: Rows = {}
        self.accounts: Rows = {}
        self.values: dict[str, Rows] = {}
        if self.known:
            id_ = self.company["id"]
            self.periods = masters.periods(id_, {j.effective_on for j in journals}, fresh=fresh)
            last = max(j.effective_on for j in journals)
            self.accounts = masters.accounts(id_, {line.account for line in lines}, last, fresh=fresh)
            self.values = {
                dimension: masters.values(
                    id_,
                    root,
                    {line.dimensions[dimension] for line in lines if line.dimensions.get(dimension)},
                    fresh=fresh,
                )
                for dimension, root in roots.items()
            }
        self.parties: Rows = masters.parties({line.customer for line in lines if line.customer}, fresh=fresh)


def finding(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    """The first thing that stands in the way of a journal."""
    return (
        _books(connection, journal, found)
        or _period(connection, journal, found.periods)
        or _accounts(connection, journal, found)
        or _dimensions(connection, journal, found)
        or _customers(connection, journal, found)
    )


def _books(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    if not found.known:
        return _rejected(connection, Reason.JOURNAL_REFUSED, "company", journal.entity, "unknown", "company")
    own = found.company["currency"]["code"]
    ours = journal.functional_currency or journal.currency
    if own != ours:
        return Rejected(
            reason=Reason.JOURNAL_REFUSED, field="currency",
            text=f"Company {journal.entity} keeps its books in {own} in Tryton, and the journal in {ours}",
        )  # fmt: skip
    if found.journal.get("active", bool(found.journal)) is False or not found.journal:
        condition = "inactive" if found.journal else "unknown"
        return _rejected(connection, Reason.JOURNAL_REFUSED, "journal", found.journal_code, condition, "journal")
    if journal.currency not in found.currencies:
        return _rejected(connection, Reason.JOURNAL_REFUSED, "currency", journal.currency, "unknown", "currency")
    return None


def _period(connection: str, journal: JournalDocument, periods: Rows) -> Rejected | None:
    period = periods.get(journal.effective_on.isoformat())
    if period is None:
        text = f"Tryton has no period for {journal.effective_on}"
        return _no_period(connection, Reason.PERIOD_MISSING, journal, f"{journal.effective_on:%Y-%m}", "missing", text)
    if is_open(period):
        return None
    where = "is closed" if period["state"] != "open" else "is open, and the journal in it is closed: reopen that, too,"
    text = f"Period {period['name']} of {journal.entity} {where} in Tryton"
    return _no_period(connection, Reason.PERIOD_CLOSED, journal, str(period["name"]), "closed", text)


def _no_period(
    connection: str, reason: Reason, journal: JournalDocument, name: str, condition: str, text: str
) -> Rejected:
    key = f"{journal.entity}:{name}"
    blocker = Blocker(connection=connection, object_type="fiscal_period", object_key=key, condition=condition)
    return Rejected(reason=reason, text=text, field="period", blocker=blocker)


def _accounts(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    for line in journal.lines:
        account = found.accounts.get(line.account)
        if account is None:
            return _rejected(
                connection,
                Reason.ACCOUNT_UNKNOWN,
                "account",
                f"{journal.entity}:{line.account}",
                "unknown",
                _at(line.line, "account"),
            )
        if not is_account_usable(account, journal.effective_on):
            return _rejected(
                connection,
                Reason.ACCOUNT_INACTIVE,
                "account",
                f"{journal.entity}:{line.account}",
                "inactive",
                _at(line.line, "account"),
            )
    return None


def _dimensions(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    for line in journal.lines:
        for dimension in found.roots:
            code = line.dimensions.get(dimension)
            if not code:
                continue
            value = found.values[dimension].get(code)
            if value is None:
                return _rejected(
                    connection,
                    Reason.DIMENSION_MISSING,
                    dimension,
                    f"{journal.entity}:{code}",
                    "unknown",
                    _at(line.line, dimension),
                )
            if not is_value_usable(value):
                return _rejected(
                    connection,
                    Reason.DIMENSION_INACTIVE,
                    dimension,
                    f"{journal.entity}:{code}",
                    "inactive",
                    _at(line.line, dimension),
                )
    return None


def _customers(connection: str, journal: JournalDocument, found: Found) -> Rejected | None:
    for line in journal.lines:
        if not found.accounts[line.account].get("party_required"):
            continue
        party = found.parties.get(line.customer)
        if party is None:
            return _rejected(
                connection, Reason.CUSTOMER_UNKNOWN, "customer", line.customer, "unknown", _at(line.line, "party")
            )
        if not party.get("active"):
            return _rejected(
                connection, Reason.CUSTOMER_INACTIVE, "customer", line.customer, "inactive", _at(line.line, "party")
            )
    return None


def _at(line: int, field: str) -> str:
    return f"lines.{line - 1}.{field}"


def _rejected(connection: str, reason: Reason, kind: str, key: str, condition: str, field: str) -> Rejected:
    said = "is not known" if condition == "unknown" else "is inactive or closed"
    return Rejected(
        reason=reason, text=f"{kind.replace('_', ' ').capitalize()} {key or 'none'} {said} in Tryton", field=field,
        blocker=Blocker(connection=connection, object_type=kind, object_key=key, condition=condition),
    )  # fmt: skip
