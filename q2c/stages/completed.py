"""What time alone does to orders: one whose term is over and of which all is billed is completed.

Of one that billing has cancelled in part, all of what goes on.

No event says so: the last invoice of a term usually comes at its beginning.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from q2c import bulk, clock, states
from q2c.models import Order, Subscription

# Each invoice line was rounded once, by one minor unit at most. Usage has no amount in the order.
_BILLED = """
SELECT o.id FROM q2c_order o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.amount_minor), 0) AS minor FROM q2c_orderline l WHERE l.order_id = o.id AND l.kind <> 'usage'
      AND NOT EXISTS (SELECT FROM q2c_subscription s WHERE s.order_id = o.id AND s."group" = l."group"
                      AND s.state = 'cancelled')
) sold
CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.net_minor), 0) AS minor, count(*) AS lines
    FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
    WHERE i.order_id = o.id AND l.kind <> 'usage' AND i.state <> 'voided'
      AND NOT EXISTS (SELECT FROM q2c_subscription s WHERE s.order_id = o.id AND s."group" = i."group"
                      AND s.state = 'cancelled')
      AND NOT ledger_taken_back(i.event_id)
) billed
WHERE o.state = 'active' AND billed.minor >= sold.minor - billed.lines
"""
_METERED = "EXISTS (SELECT 1 FROM q2c_orderline u WHERE u.order_id = o.id AND u.kind = 'usage')"
_OVER = f"""{_BILLED}
  AND (o.starts_on + make_interval(months => o.term_months))::date <= %s::date
  - CASE WHEN {_METERED} THEN %s::int ELSE 0 END
ORDER BY o.id LIMIT %s::int FOR UPDATE OF o SKIP LOCKED
"""
# What costs nothing is billed all the same, so an order without any invoice has some to come.
_NOTHING_LEFT = f"{_BILLED} AND o.id = %s::uuid AND billed.lines > 0 AND NOT {_METERED}"
BATCH = 500
# So long after the term its last usage is billed.
USAGE_DAYS = 45


def is_all_billed(order: Order) -> bool:
    """Whether billing has nothing of it left to bill, though its term goes on; what was used is billed to its end."""
    return bool(bulk.execute(_NOTHING_LEFT, [order.id]))


def complete() -> int:
    """Complete the orders that are over in every zone, and expire their subscriptions. Returns how many."""
    yesterday, done = clock.today() - dt.timedelta(days=1), 0
    while True:
        with transaction.atomic():
            states.say("q2c", "its term is over and all of it is billed")
            ids = [id_ for (id_,) in bulk.execute(_OVER, [yesterday, USAGE_DAYS, BATCH])]
            moved = states.move(Order, "complete", ids)
            live = Subscription.objects.filter(order_id__in=moved, state="active").values_list("id", flat=True)
            states.move(Subscription, "expire", list(live))
        done += len(moved)
        if len(ids) < BATCH or not moved:
            return done
