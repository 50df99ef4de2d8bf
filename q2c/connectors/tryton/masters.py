"""Tryton's master data by our names, read over REST; what speaks for a journal is kept for a few seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from q2c.connectors.kept import Kept
from q2c.connectors.tryton.door import Door, Record

# The default search hides what is inactive.
_ALL = ["active", "in", [True, False]]
_ACCOUNT = ("code", "name", "closed", "start_date", "end_date", "party_required", "type.id")
_ANALYTIC = ("code", "name", "active", "state", "type", "root.code")
_PERIOD = ("name", "state", "start_date", "end_date", "fiscalyear.name")
Rows = Mapping[str, Record]


class Masters:
    """All by company, which Tryton numbers: `company` finds the number by our code, that of the company's party."""

    def __init__(self, door: Door, journal: str) -> None:
        self.door, self.journal_code = door, journal
        self._kept = Kept()

    def companies(self, codes: Iterable[str], *, fresh: bool = False) -> Rows:
        fields = ("party.code", "currency.code", "currency.digits")

        def read(names: list[str]) -> Rows:
            rows = self.door.search("company.company", [["party.code", "in", names]], fields)
            return {str(row["party"]["code"]): row for row in rows}

        return self._kept.through("company", codes, read, is_active, fresh=fresh)

    def currencies(self, codes: Iterable[str], *, fresh: bool = False) -> Rows:
        read = self._reader("currency.currency", ("code", "digits", "active"), _ALL)
        return self._kept.through("currency", codes, read, is_active, fresh=fresh)

    def journal(self, *, fresh: bool = False) -> Record | None:
        read = self._reader("account.journal", ("code", "active"), _ALL)
        found = self._kept.through("journal", [self.journal_code], read, is_active, fresh=fresh)
        return found.get(self.journal_code)

    def accounts(self, company: int, codes: Iterable[str], on: dt.date, *, fresh: bool = False) -> Rows:
        """`on` is for what is kept: an account that ends is not good for every day."""
        read = self._reader("account.account", _ACCOUNT, ["company", "=", company])
        return self._kept.through(
            ("account", company), codes, read, lambda row: is_account_usable(row, on), fresh=fresh
        )

    def values(self, company: int, root: str, codes: Iterable[str], *, fresh: bool = False) -> Rows:
        """Analytic accounts of one root, which stands for one of our dimensions."""
        domain = (["company", "=", company], ["root.code", "=", root], _ALL)
        read = self._reader("analytic_account.account", _ANALYTIC, *domain)
        return self._kept.through(("analytic", company, root), codes, read, is_value_usable, fresh=fresh)

    def parties(self, codes: Iterable[str], *, fresh: bool = False) -> Rows:
        read = self._reader("party.party", ("code", "name", "active"), _ALL)
        return self._kept.through("party", codes, read, is_active, fresh=fresh)

    def _reader(self, model: str, fields: tuple[str, ...], *domain: Any) -> Callable[[list[str]], Rows]:
        """By code."""
        return lambda names: {
            str(row["code"]): row for row in self.door.search(model, [["code", "in", names], *domain], fields)
        }

    def periods(self, company: int, days: Iterable[dt.date], *, fresh: bool = False) -> Rows:
        """The month of each day, by the day in ISO format; `journal_state` is our journal's in it, once used."""
        return self._kept.through(
            ("period", company), [day.isoformat() for day in days], lambda names: self._periods(company, names),
            is_open, fresh=fresh,
        )  # fmt: skip

    def _periods(self, company: int, days: list[str]) -> Rows:
        domain = [
            ["company", "=", company], ["type", "=", "standard"],
            ["start_date", "<=", dt.date.fromisoformat(days[-1])], ["end_date", ">=", dt.date.fromisoformat(days[0])],
        ]  # fmt: skip
        rows = self.door.search("account.period", domain, _PERIOD, company=company)
        used = self.journal_periods(company, [row["id"] for row in rows])
        found = {}
        for day in days:
            for row in rows:
                if row["start_date"] <= dt.date.fromisoformat(day) <= row["end_date"]:
                    found[day] = {**row, "journal_state": used.get(row["id"], "")}
        return found

    def journal_periods(self, company: int, periods: Iterable[int]) -> dict[int, str]:
        """State of our journal in each of these periods; one that was never used there has none yet."""
        domain = [["period", "in", list(periods)], ["journal.code", "=", self.journal_code]]
        rows = self.door.search("account.journal.period", domain, ("state", "period"), company=company)
        return {row["period"]: str(row["state"]) for row in rows}

    def period_named(self, company: int, name: str) -> Record | None:
        domain = [["company", "=", company], ["name", "=", name]]
        rows = self.door.search("account.period", domain, _PERIOD, company=company)
        if not rows:
            return None
        state = self.journal_periods(company, [rows[0]["id"]]).get(rows[0]["id"], "")
        return {**rows[0], "journal_state": state}


def is_active(row: Record) -> bool:
    """Of what has no such field, always."""
    return row.get("active", True) is not False


def is_open(period: Record) -> bool:
    """Reopening a period does not reopen the journal in it."""
    return period["state"] == "open" and period["journal_state"] in ("", "open")


def is_account_usable(account: Record, on: dt.date) -> bool:
    starts, ends = account.get("start_date"), account.get("end_date")
    return bool(account.get("type")) and not account.get("closed") and (starts or on) <= on <= (ends or on)


def is_value_usable(value: Record) -> bool:
    """Tryton posts to one that is inactive or closed without a word."""
    return (
        bool(value.get("active")) and value.get("state") == "opened" and value.get("type") in ("normal", "distribution")
    )
