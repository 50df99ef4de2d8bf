"""A cancellation as of a day that is invoiced already: billing credits what it billed ahead, which wants two people."""

from __future__ import annotations

import datetime as dt

from exceptions.sentences import listed
from q2c import bulk
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import signed
from q2c.stages.asking import Asker
from q2c.stages.verb import Finding, Work

# What of each line lies after the day, by days: (currency, minor units, invoices).
_AFTER = """
SELECT i.currency, sum(l.net_minor * least(l.service_ends_on - %s::date, l.service_ends_on - l.service_starts_on)
                       / (l.service_ends_on - l.service_starts_on))::bigint, count(DISTINCT i.id)
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = %s::uuid AND l.kind = 'recurring' AND i.state <> 'voided' AND l.service_ends_on > %s::date
  AND l.service_starts_on < l.service_ends_on
  AND NOT EXISTS (SELECT FROM ledger_journalentry e WHERE e.event_id = i.event_id AND e.state = 'reversed')
GROUP BY 1 HAVING sum(l.net_minor) > 0 ORDER BY 1
"""


def wants_a_signature(work: Work, order: Order, asker: Asker) -> list[Finding]:
    """What is asked of a second person, unless they said so already. In the journals' own words: net, by currency."""
    asked = work.fact.payload
    on = max(asked.effective_on, order.starts_on)
    back = bulk.execute(_AFTER, [on, order.id, on])
    if not back:
        return []
    worth = listed([str(Money(minor, currency)) for currency, minor, _ in back])
    count = sum(invoices for _, _, invoices in back)
    finding = Finding(
        reason=Reason.CANCELLATION_APPROVAL_REQUIRED,
        text=_text(order, asker.name or work.fact.source, on, asked.reason, worth, count),
        pointer="/effective_on",
        seen=asked.effective_on.isoformat(),
        remedy="A second person approves or refuses it",
    )
    return signed.left({work.step.id: [finding]})[work.step.id]


def _text(order: Order, who: str, on: dt.date, why: str, worth: str, count: int) -> str:
    invoices = f"{count} invoices bill" if count > 1 else "an invoice bills"
    return (
        f"{who} asks to cancel order {order.number} as of {on}{': ' if why else ''}{why}; {invoices} about {worth} net "
        "for days after that, which billing credits then"
    )
