"""The periods that invoice lines bill or take back."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.stages import sold
from q2c.stages.overlaps import Days

# The periods billed, of what has one. An invoice whose journal was reversed counts for nothing, until restored.
_PERIODS = """
SELECT i.order_id, i."group", l.product, l.kind, l.charge, l.service_starts_on, l.service_ends_on, l.net_minor, i.number
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'one_time' AND l.net_minor <> 0 AND i.state <> 'voided'
  AND l.service_starts_on < l.service_ends_on
  AND NOT ledger_counts_no_more(i.event_id)
ORDER BY i.number, l.line
"""

# Order, group, product, kind.
Key = tuple[UUID, str, str, str]


@dataclass(frozen=True, slots=True)
class Period:
    """One invoice line's. What is less than nothing takes back."""

    order_id: UUID
    group: str
    product: str
    kind: str
    charge: str
    starts_on: dt.date
    ends_on: dt.date
    net_minor: int
    invoice: str

    @property
    def of(self) -> Key:
        return self.order_id, self.group, self.product, self.kind

    @property
    def sold(self) -> sold.Key:
        return self.group, self.product, self.kind

    @property
    def sign(self) -> int:
        return 1 if self.net_minor > 0 else -1

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        return self.starts_on, self.ends_on

    @property
    def stretch(self) -> Days:
        return self.starts_on.toordinal(), self.ends_on.toordinal()


# What is billed of some orders.
Periods = Mapping[Key, Sequence[Period]]
# Of one invoice, by place in the document.
Own = Mapping[int, Period]


def there(order_ids: Collection[UUID]) -> defaultdict[Key, list[Period]]:
    found: defaultdict[Key, list[Period]] = defaultdict(list)
    for row in bulk.execute(_PERIODS, [list(order_ids)]):
        period = Period(*row)
        found[period.of].append(period)
    return found


def of(invoice: InvoiceDocument, order: Order) -> dict[int, Period]:
    """By place in the document."""
    return {
        i: Period(
            order.id, invoice.group, line.product, line.kind, line.charge, line.service_starts_on, line.service_ends_on,
            line.net_minor, invoice.invoice_number,
        )
        for i, line in enumerate(invoice.lines)
        if line.kind != "one_time" and line.net_minor and line.service_starts_on and line.service_ends_on
        and line.service_starts_on < line.service_ends_on
    }  # fmt: skip
