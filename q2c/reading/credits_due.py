"""What billing has not credited yet of orders that were cancelled, also in part, by legal entity and month of that.

Counted by the database, however many orders were cancelled; one order's own is told by `cancellation.not_credited`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from q2c import bulk
from q2c.models import Order
from q2c.stages.in_billing import billing_credits

# As stages/cancellation_credits.py counts for one order: what is recorded, and what came and is not. An order was
# ended by the request that cancelled it, and an invoice group by the first request that got so far; of an invoice that
# came several times what is recorded counts, else the newest. Billing rounds each line that it credits: what is left
# of a minor unit for each was credited. What another system alone billed, billing never credits.
_BILLED = f"""
recorded AS (
  SELECT d.id, d.day, i.entity, i.currency, i.number, round(sum(
           l.net_minor::numeric * least(l.service_ends_on - d.day, l.service_ends_on - l.service_starts_on)
           / (l.service_ends_on - l.service_starts_on)))::bigint AS minor,
         count(*) FILTER (WHERE l.net_minor < 0) AS credits
  FROM (SELECT e.id, i.id AS invoice, coalesce((e.days ->> i."group")::date, e.day) AS day
        FROM ended e JOIN q2c_invoice i ON i.order_id = e.id
        WHERE {billing_credits("i.source", "i.number", "i.entity", "i.order_id")}) AS d
  JOIN q2c_invoice i ON i.id = d.invoice JOIN q2c_invoiceline l ON l.invoice_id = i.id
  WHERE l.kind = 'recurring' AND i.state <> 'voided' AND l.service_ends_on > d.day
    AND l.service_starts_on < l.service_ends_on AND NOT ledger_counts_no_more(i.event_id)
  GROUP BY 1, 2, 3, 4, 5
), came AS (
  SELECT DISTINCT ON (d.id, s.business_key, e.payload ->> 'legal_entity') d.id,
         coalesce((d.days ->> (e.payload ->> 'group'))::date, d.day) AS day,
         e.payload ->> 'legal_entity' AS entity,
         e.payload ->> 'currency' AS currency, e.payload ->> 'invoice_number' AS number,
         e.payload::jsonb -> 'lines' AS lines
  FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id JOIN ended d ON d.number = e.payload ->> 'order_number'
  WHERE s.stage = 'record_invoice' AND s.state IN ('waiting', 'running', 'failed') AND s.business_key <> ''
    AND {billing_credits("e.source", "s.business_key", "s.entity", "d.id")}
  ORDER BY d.id, s.business_key, e.payload ->> 'legal_entity', s.seq DESC
), waiting AS (
  SELECT c.id, c.day, c.entity, c.currency, c.number, sum(
           floor(t.net_minor::numeric * least(t.service_ends_on - c.day, t.service_ends_on - t.service_starts_on)
           / (t.service_ends_on - t.service_starts_on)))::bigint AS minor,
         count(*) FILTER (WHERE t.net_minor < 0) AS credits
  FROM came c, jsonb_to_recordset(c.lines) AS t(
    kind text, net_minor bigint, service_starts_on date, service_ends_on date)
  WHERE t.kind = 'recurring' AND t.service_ends_on > c.day AND t.service_starts_on < t.service_ends_on
    AND NOT EXISTS (SELECT FROM recorded r WHERE r.id = c.id AND r.entity = c.entity AND r.number = c.number)
  GROUP BY 1, 2, 3, 4, 5
), due AS (
  SELECT id, day, entity, currency, sum(minor) AS minor
  FROM (SELECT * FROM recorded UNION ALL SELECT * FROM waiting) AS billed GROUP BY 1, 2, 3, 4
  HAVING sum(minor) > sum(credits)
), placed AS (
  SELECT due.*, coalesce(p.name, to_char(due.day, 'YYYY-MM')) AS period FROM due
  LEFT JOIN ledger_legalentity n ON n.code = due.entity
  LEFT JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
    AND p.starts_on <= due.day AND p.ends_on > due.day
)
"""
_DUE = """
WITH whole AS (
  SELECT o.id, o.number, greatest((e.payload ->> 'effective_on')::date, o.starts_on) AS day
  FROM q2c_order o
  JOIN q2c_step s ON s.business_key = o.number AND s.stage = 'cancel_order' AND s.state = 'done'
  JOIN q2c_event e ON e.id = s.event_id
  WHERE o.state = 'cancelled' AND o.id IN ({seen})
    AND EXISTS (SELECT FROM q2c_event c WHERE c.correlation_id = e.correlation_id AND c.causation_id = e.id
                AND c.source = 'q2c' AND c.type = 'OrderCancelled')
), part AS (
  SELECT o.id, o.number, jsonb_object_agg(k.value ->> 'group', k.value ->> 'on' ORDER BY s.seq DESC) AS days
  FROM q2c_step s JOIN q2c_order o ON o.number = s.business_key CROSS JOIN LATERAL jsonb_each(s.proof -> 'kept') k
  WHERE s.stage = 'cancel_order' AND s.proof ? 'kept' AND o.id IN ({seen})
  GROUP BY 1, 2
), ended AS (
  SELECT id, number, w.day, p.days FROM whole w FULL JOIN part p USING (id, number)
), {billed}
SELECT d.entity, d.period, d.currency, sum(d.minor)::bigint, count(DISTINCT d.id), (array_agg(d.id))[1] FROM placed d
GROUP BY GROUPING SETS ((d.entity, d.period, d.currency), (d.entity, d.period), (d.currency), ())
ORDER BY 2 DESC, 1, 3
"""
# Of cancellations that are only asked for, of what billing has not cancelled of the order yet, and from its own day on
# what it has ended before that.
_WOULD_BE = """
WITH asked AS (
  SELECT DISTINCT ON (o.id) o.id, o.number, greatest((e.payload ->> 'effective_on')::date, o.starts_on) AS day
  FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id JOIN q2c_order o ON o.number = s.business_key
  WHERE s.id = ANY(%s::uuid[]) ORDER BY o.id, s.seq DESC
), cut AS (
  SELECT id, jsonb_object_agg("group", day ORDER BY day) AS days FROM (
    SELECT a.id, k.value ->> 'group' AS "group", DATE '9999-12-31' AS day
    FROM asked a JOIN q2c_step s ON s.business_key = a.number CROSS JOIN LATERAL jsonb_each(s.proof -> 'kept') k
    WHERE s.stage = 'cancel_order' AND s.proof ? 'kept'
    UNION ALL
    SELECT a.id, s."group", s.ended_there_on FROM asked a JOIN q2c_subscription s ON s.order_id = a.id
    WHERE s.ended_there_on < a.day AND s.state NOT IN ('cancelled', 'expired')
  ) AS apart GROUP BY 1
), ended AS (
  SELECT id, number, a.day, c.days FROM asked a LEFT JOIN cut c USING (id)
), {billed}
SELECT o.number, d.entity, d.period, d.currency, sum(d.minor)::bigint FROM placed d JOIN asked o USING (id)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
Month = tuple[str, str]


@dataclass(slots=True)
class Due:
    """`sums` are (minor units, currency), net, above zero, of that many `orders`; `order_id` is one of them."""

    sums: list[tuple[int, str]] = field(default_factory=list)
    orders: int = 0
    order_id: UUID | None = None


@dataclass(slots=True)
class Credits:
    """By (entity, month), the newest first; and of all of them together."""

    months: dict[Month, Due] = field(default_factory=dict)
    total: Due = field(default_factory=Due)


def due(user: Any) -> Credits:
    """Of the orders that the user may see. One statement, whose rows are as many as there are such months."""
    found = Credits()
    try:
        seen, params = Order.objects.visible_to(user).order_by().values("id").query.sql_with_params()
    except EmptyResultSet:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_DUE.format(seen=seen, billed=_BILLED), [*params, *params])
        rows = cursor.fetchall()
    for entity, period, currency, minor, orders, order_id in rows:
        one = found.total if period is None else found.months.setdefault((entity, period), Due())
        if currency is not None:
            one.sums.append((minor, currency))
        else:
            one.orders, one.order_id = orders, order_id
    return found


def would_be(step_ids: Collection[UUID]) -> list[tuple[str, str, str, str, int]]:
    """What these requests to cancel would have credited: (order number, legal entity, month, currency, minor units
    above zero). One statement.
    """
    return bulk.execute(_WOULD_BE.format(billed=_BILLED), [list(step_ids)])
