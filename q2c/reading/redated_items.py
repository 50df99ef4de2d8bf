"""Invoices booked in another month than that of their own date, by decision of two people (ledger/redating.py).

Billing has each in the month of its date, the books in the one decided: what reconciles the two (decided_items.py), and
no difference.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from q2c import bulk
from q2c.models import Invoice
from q2c.money import Money
from q2c.reading.two_months import Side
from q2c.stages import fiscal, in_billing

# The decision that the entry which books an invoice follows, or followed until it was reversed.
_DECIDED = """
SELECT DISTINCT ON (i.id) i.id, e.id, e.number, p.name, r.source_on, r.effective_on, r.reason, r.asked_by,
  r.approved_by, r.at
FROM ledger_redating r
JOIN q2c_invoice i ON i.event_id = r.event_id
JOIN ledger_journalentry e ON e.event_id = r.event_id AND e.entity_id = r.entity_id AND e.rule_set = r.rule_set
JOIN ledger_fiscalperiod p ON p.id = e.period_id
WHERE e.reverses_id IS NULL AND e.state <> 'superseded' AND e.effective_on = r.effective_on
  AND (%s::uuid IS NULL OR i.id = %s::uuid)
ORDER BY i.id, r.id DESC
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """By which the entry that books an invoice has its date. `asked_by` and `approved_by` are user names."""

    entry_id: uuid.UUID
    journal: str
    booked_in: str
    source_on: dt.date
    effective_on: dt.date
    reason: str
    asked_by: str
    approved_by: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Item:
    """`worth` is what billing has in `dated_in`; the decision says where it is booked instead.

    Reversed since, it is booked in neither: that is a difference of the month decided, which has it by the decision.
    """

    invoice_id: uuid.UUID
    number: str
    entity: str
    worth: Money
    dated_in: str
    decision: Decision
    is_reversed: bool

    def sides(self) -> tuple[Side, Side]:
        booked_in = self.decision.booked_in
        return (
            Side("dated", self, self.dated_in, booked_in, self.worth),
            Side("booked", self, booked_in, self.dated_in, -self.worth),
        )


def of_invoice(invoice: Invoice) -> Decision | None:
    """By which it is, or was, booked on another day than its own, whatever billing made of it since. One statement."""
    return _decided(invoice.id).get(invoice.id)


def of(user: Any, entities: Collection[str]) -> list[Item]:
    """By number. What billing dates on another day, or bills from another entity, since: a difference, and not here.

    At most five statements.
    """
    decided = _decided(None)
    seen = Invoice.objects.visible_to(user).filter(entity__in=entities, id__in=list(decided), taken_back_at=None)
    seen = seen.exclude(state__in=("voided", "credited"))
    invoices = list(seen.order_by("number", "id")) if decided else []
    now = in_billing.newest(invoices)
    periods = fiscal.periods_on({(one.entity, one.issued_on) for one in invoices})
    found = []
    for one in invoices:
        decision, dated_in = decided[one.id], periods[one.entity, one.issued_on]
        there = now.get(one.id)
        worth = there.worth if there is not None else Money(one.total_minor, one.currency)
        stays = there is None or (there.entity, there.issued_on) == (one.entity, one.issued_on)
        if stays and dated_in != decision.booked_in:
            reversed_ = one.reversed_at is not None
            found.append(Item(one.id, one.number, one.entity, worth, dated_in, decision, reversed_))
    return found


def _decided(invoice_id: uuid.UUID | None) -> dict[uuid.UUID, Decision]:
    """By invoice: of one, or of all."""
    return {id_: Decision(*told) for id_, *told in bulk.execute(_DECIDED, [invoice_id, invoice_id])}
