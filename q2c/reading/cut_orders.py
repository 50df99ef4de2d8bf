"""What billing has cancelled of orders that go on: told with what was cancelled whole, and worth nothing any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import BigIntegerField, Func, QuerySet

from q2c.models import Subscription
from q2c.reading import tallies

# Minor units in the currency of the contract, at the rate at which its total was counted; what had no rate then is in
# no total, and is taken out of none.
_CUT = """
(SELECT coalesce(sum(CASE WHEN q2c_order.portions = '[]' THEN cut.minor
                          ELSE round(part.worth * cut.minor / nullif(part.minor, 0)) END), 0)::bigint
 FROM (SELECT g.currency, sum(g.total_minor) AS minor FROM q2c_subscription s
       JOIN q2c_ordergroup g ON g.order_id = s.order_id AND g.key = s.group
       WHERE s.order_id = q2c_order.id AND s.state = 'cancelled' GROUP BY 1) AS cut
 LEFT JOIN LATERAL (SELECT (p ->> 'worth_minor')::numeric AS worth, (p ->> 'amount_minor')::numeric AS minor
                    FROM jsonb_array_elements(q2c_order.portions) AS p WHERE p ->> 'currency' = cut.currency) AS part
 ON true)
"""


def with_cut(orders: QuerySet[Any]) -> QuerySet[Any]:
    """Each with `cut`: what of its total was sold with subscriptions that are cancelled now."""
    return orders.annotate(cut=Func(template=_CUT, output_field=BigIntegerField()))


def sums(orders: QuerySet[Any], but: Collection[str]) -> dict[str, list[tuple[int, str]]]:
    """By state, except those of `but`, what was cancelled of these orders: (minor units, currency). One statement."""
    some = Subscription.objects.filter(state="cancelled").values("order_id")
    rows = with_cut(orders.filter(pk__in=some).exclude(state__in=but).order_by())
    return _by_state(rows.values_list("state", "currency", "cut")[: tallies.MOST])


def _by_state(rows: Iterable[tuple[str, str, int]]) -> dict[str, list[tuple[int, str]]]:
    added: Counter[tuple[str, str]] = Counter()
    for state, currency, minor in rows:
        added[state, currency] += minor
    found: dict[str, list[tuple[int, str]]] = {}
    for (state, currency), minor in sorted(added.items()):
        if minor:
            found.setdefault(state, []).append((minor, currency))
    return found
