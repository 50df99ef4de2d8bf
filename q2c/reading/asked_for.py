"""What is asked for and not decided, by the legal entity and month that the decision would change.

A cancellation stands where its credits would: in the month of its day. A document to be re-dated stands in the month
that it would go into, since its case stands in the other; a reversal in the month of its mirror entry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exceptions.approvals import REDATE
from exceptions.models import Approval, Case
from q2c import bulk
from q2c.reading import credits_due
from q2c.reading.differences import Sums
from q2c.reasons import Reason
from q2c.stages.fiscal import periods_on
from q2c.stages.verb import Month

_CANCELLATION = str(Reason.CANCELLATION_APPROVAL_REQUIRED)
_REVERSAL = str(Reason.REVERSAL_APPROVAL_REQUIRED)
_ACTIONS = {_CANCELLATION: "cancellation", REDATE: "redate", _REVERSAL: "reversal"}
# (event of the request, day of the mirror entry, what that is worth in minor units, currency)
_MIRRORS = """
SELECT e.id, (e.payload ->> 'effective_on')::date, -j.worth_minor, j.currency
FROM q2c_event e JOIN ledger_journalentry j ON j.id = (e.payload ->> 'journal_id')::uuid WHERE e.id = ANY(%s::uuid[])
"""


class Kind(NamedTuple):
    """What it is counted as, and what is said before and after its amounts."""

    noun: str
    before: str = ""
    after: str = ""


# In the order in which they are told.
KINDS = {
    "cancellation": Kind("cancellation", "about ", " net"),
    "redate": Kind("re-dating", after=" into the month"),
    "reversal": Kind("reversal"),
}


@dataclass(slots=True)
class Request:
    """`worth`, (minor units, currency) each, is what the books of the month would change by; a credit is negative.

    `differs`: it is about a difference that the month tells as well.
    """

    kind: str
    case: Case
    entity: str
    period: str
    worth: list[tuple[int, str]]
    differs: bool = False


@dataclass(slots=True)
class Asked:
    """Of one legal entity's month, by kind."""

    found: dict[str, list[Request]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self.found]

    def each(self, kind: str) -> list[tuple[int, str]]:
        """(minor units, currency) of each request of a kind."""
        return [pair for one in self.found.get(kind, ()) for pair in one.worth]

    def beside(self, differing: Sums | None) -> None:
        """Mark reversals of what stands among these differences, too."""
        rows = (one for found in differing.found.values() for one in found) if differing else ()
        known = {(one.booked_by, one.number) for one in rows}
        for one in self.found.get("reversal", ()):
            one.differs = (one.case.entity, one.case.business_key) in known


def by_month(user: Any, months: Iterable[Month] | None = None) -> dict[Month, Asked]:
    """Of these months, or of all, the newest first; those without any are left out. At most four statements.

    As the user sees cases: nothing without that right.
    """
    wanted, found = None if months is None else set(months), dict[Month, Asked]()
    for one in sorted(_of(user), key=lambda one: (one.period, one.case.number), reverse=True):
        if wanted is None or (one.entity, one.period) in wanted:
            found.setdefault((one.entity, one.period), Asked()).found.setdefault(one.kind, []).append(one)
    return found


def _of(user: Any) -> list[Request]:
    rows = Approval.objects.visible_to(user).filter(state="requested", action__in=_ACTIONS, case__isnull=False)
    asked = list(rows.select_related("case").defer("case__context", "case__proof", "case__haystack"))
    apart: dict[str, list[Approval]] = {}
    for one in asked:
        apart.setdefault(_ACTIONS[one.action], []).append(one)
    return [*_cancellations(apart.get("cancellation", ())), *_on_a_day(apart)]


def _cancellations(asked: Sequence[Approval]) -> Iterator[Request]:
    """One each of a legal entity and month; what would credit nothing any more is none."""
    cases = {one.case.business_key: one.case for one in asked if one.case is not None}
    worth: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    steps = [case.step_id for case in cases.values() if case.step_id]
    for order, entity, period, currency, minor in credits_due.would_be(steps) if steps else ():
        worth.setdefault((order, entity, period), []).append((-minor, currency))
    for (order, entity, period), sums in worth.items():
        yield Request("cancellation", cases[order], entity, period, sums)


def _on_a_day(apart: dict[str, list[Approval]]) -> list[Request]:
    """Re-datings and reversals: what is booked on a day that was asked for."""
    days: list[tuple[str, Case, dt.date, list[tuple[int, str]]]] = []
    for one in apart.get("redate", ()):
        if (case := one.case) is not None:
            worth = [] if case.amount_minor is None else [(case.amount_minor, case.currency)]
            days.append(("redate", case, dt.date.fromisoformat(one.data["effective_on"]), worth))
    reversing = {one.case.event_id: one.case for one in apart.get("reversal", ()) if one.case is not None}
    for event_id, day, minor, currency in bulk.execute(_MIRRORS, [list(reversing)]) if reversing else ():
        days.append(("reversal", reversing[event_id], day, [(minor, currency)]))
    periods = periods_on({(case.entity, day) for _, case, day, _ in days})
    return [Request(kind, case, case.entity, periods[case.entity, day], worth) for kind, case, day, worth in days]
