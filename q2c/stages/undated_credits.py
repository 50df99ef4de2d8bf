"""Credits that name no days: of two that are equal nobody could see that they are one, sent twice."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from exceptions.sentences import listed
from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import periods
from q2c.stages.verb import Finding

# An invoice whose journal was reversed counts for nothing, until restored.
_STANDING = """
SELECT i.order_id, i."group", l.product, l.kind, l.service_starts_on, l.service_ends_on, l.net_minor, i.number
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.net_minor < 0 AND i.state <> 'voided'
  AND (l.kind = 'one_time' OR (l.service_starts_on < l.service_ends_on) IS NOT TRUE)
  AND NOT ledger_counts_no_more(i.event_id)
ORDER BY i.number, l.line
"""

# Order, group, product, kind, what it says of days, minor units.
Key = tuple[UUID, str, str, str, dt.date | None, dt.date | None, int]
# The invoices that took the same back.
Standing = Mapping[Key, Sequence[str]]


def there(order_ids: Collection[UUID]) -> defaultdict[Key, list[str]]:
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for *key, number in bulk.execute(_STANDING, [list(order_ids)]):
        found[tuple(key)].append(number)  # type: ignore[index]
    return found


def of(invoice: InvoiceDocument, order: Order) -> dict[int, Key]:
    """By place in the document. A one-time fee has no days to be held to, whatever it says."""
    dated = periods.of(invoice, order)
    return {
        i: (
            order.id, invoice.group, line.product, line.kind, line.service_starts_on, line.service_ends_on,
            line.net_minor,
        )
        for i, line in enumerate(invoice.lines)
        if line.net_minor < 0 and i not in dated
    }  # fmt: skip


def repeated(invoice: InvoiceDocument, order: Order, standing: Standing) -> Iterator[Finding]:
    """It may be meant, or the same credit again: a second person says so."""
    for i, key in of(invoice, order).items():
        others = [number for number in standing.get(key, ()) if number != invoice.invoice_number]
        if not others:
            continue
        line = invoice.lines[i]
        yield Finding(
            reason=Reason.INVOICE_APPROVAL_REQUIRED, pointer=f"/lines/{i}/net_minor", seen=line.net_minor,
            text=f"Invoice {invoice.invoice_number} credits {Money(-line.net_minor, invoice.currency)} of "
            f"{line.product}, as {listed(list(dict.fromkeys(others)))} did already, and no days tell the two apart",
            remedy="Void one of them in billing; where both are right, a second person approves it",
        )  # fmt: skip
