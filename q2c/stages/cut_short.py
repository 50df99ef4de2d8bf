"""Subscriptions that billing ends before their order does: somebody cancelled there, or shortened the term.

The day is kept on the subscription as billing tells it, whoever ended it. What is told, and to whom, follows from what
stands: nobody hears of what a request of ours is ending, and a case ends once its order was cancelled here, or billing
goes on. Nothing of the order changes by itself.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions import cases
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from exceptions.sentences import listed
from q2c import bulk, clock
from q2c.connectors.ports import SubscriptionNotice
from q2c.models import Subscription
from q2c.models.subscription import ENDED
from q2c.reasons import Reason

# Of subscription `s`, minor units of what its order sold for days from `ended_there_on` on, by days: what recurs in
# part, what is billed once if it begins later. Usage has no amount.
REST = """
(SELECT coalesce(sum(CASE
     WHEN c.starts_on >= s.ended_there_on THEN c.amount_minor
     WHEN c.kind = 'recurring' AND c.ends_on > s.ended_there_on
     THEN round(c.amount_minor::numeric * (c.ends_on - s.ended_there_on) / (c.ends_on - c.starts_on)) ELSE 0 END), 0)
 FROM q2c_chargesegment c WHERE c.subscription_id = s.id AND c.kind <> 'usage')::bigint
"""
# A request that has asked billing may have ended it, as of its own day, or be about to; one that waits for the same
# day, or an earlier one, will find it ended.
_STANDING = f"""
SELECT s.number, s.connection, s.entity, s.currency, s.ended_there_on, s.ended_there_at, {REST}, o.number,
  o.customer_key, o.customer_name, o.correlation_id, s.ends_on, coalesce(t.asked, false), coalesce(t.ours, false)
FROM q2c_subscription s JOIN q2c_order o ON o.id = s.order_id
LEFT JOIN LATERAL (
  SELECT bool_or(t.sent_at IS NOT NULL OR (e.payload ->> 'effective_on')::date <= s.ended_there_on) AS asked,
    bool_or(t.sent_at IS NOT NULL AND greatest((e.payload ->> 'effective_on')::date, s.starts_on) = s.ended_there_on)
      AS ours
  FROM q2c_step t JOIN q2c_event e ON e.id = t.event_id
  WHERE t.stage = 'cancel_order' AND t.business_key = o.number
    AND t.state IN ('waiting', 'running', 'accepted', 'unknown', 'failed')
) AS t ON true
WHERE s.ended_there_on IS NOT NULL AND s.state NOT IN ('cancelled', 'expired')
  AND o.state IN ('accepted', 'provisioning', 'active') AND (s.connection = %s::text OR o.number = ANY(%s::text[]))
ORDER BY o.number, s.number
"""
_KEEP = """
UPDATE q2c_subscription s SET ended_there_on = r.on_, ended_there_at = CASE WHEN r.on_ IS NULL THEN NULL ELSE r.at END
FROM unnest(%s::text[], %s::date[], %s::timestamptz[]) AS r(number, on_, at)
WHERE s.number = r.number AND s.connection = %s::text AND s.ended_there_on IS DISTINCT FROM r.on_
RETURNING s.number
"""


@dataclass(frozen=True, slots=True)
class CutShort:
    """A subscription that `connection` ends as of `on`, first read at `at`, while its order goes on here.

    `rest_minor`, of `currency`, is what was sold for the days from then on; `is_asked`: a request to cancel the order
    is at it; `is_ours`: it may have ended that itself.
    """

    number: str
    connection: str
    entity: str
    currency: str
    on: dt.date
    at: dt.datetime
    rest_minor: int
    order: str
    customer_key: str
    customer_name: str
    correlation_id: uuid.UUID
    ends_on: dt.date
    is_asked: bool
    is_ours: bool


def keep(connection: str, notices: Sequence[SubscriptionNotice]) -> list[str]:
    """Which day billing says, of subscriptions of ours; the last notice of each counts. Returns those whose day
    changed. Two statements."""
    last = {notice.number: notice for notice in notices}
    ours = Subscription.objects.filter(number__in=list(last), connection=connection).exclude(state__in=ENDED)
    rows = [
        (number, notice.ends_on if notice.ends_on and notice.ends_on < ends_on else None, clock.now())
        for number, ends_on in ours.values_list("number", "ends_on")
        for notice in (last[number],)
    ]
    if not rows:
        return []
    return [
        number for (number,) in bulk.execute(_KEEP, [*(list(column) for column in zip(*rows, strict=True)), connection])
    ]


def of_connection(connection: str) -> list[CutShort]:
    """All that stand. One statement, so that a request and what it ended are seen together."""
    return [CutShort(*row) for row in bulk.execute(_STANDING, [connection, []])]


def of_orders(numbers: Iterable[str]) -> dict[str, list[CutShort]]:
    """By order, those that stand and that no request of ours may have ended. One statement."""
    found: dict[str, list[CutShort]] = {}
    asked = list(numbers)
    for row in bulk.execute(_STANDING, ["", asked]) if asked else ():
        one = CutShort(*row)
        if not one.is_ours:
            found.setdefault(one.order, []).append(one)
    return found


def days(numbers: Iterable[str]) -> dict[str, list[tuple[str, str, dt.date]]]:
    """By order, what billing ends of it before it ends here: (subscription, its invoice group, day). One statement."""
    ended = Subscription.objects.filter(order__number__in=list(numbers), ended_there_on__isnull=False)
    rows = ended.exclude(state__in=ENDED).order_by("ended_there_on", "number")
    found: dict[str, list[tuple[str, str, dt.date]]] = {}
    for order, number, group, on in rows.values_list("order__number", "number", "group", "ended_there_on"):
        if on is not None:
            found.setdefault(order, []).append((number, group, on))
    return found


def told(cuts: Sequence[CutShort], called: Mapping[str, str]) -> str:
    """What billing ends, and what follows: a sentence without its full stop. `called`: connections as people know
    them."""
    days: dict[tuple[str, dt.date], list[str]] = {}
    for one in cuts:
        days.setdefault((one.connection, one.on), []).append(one.number)
    ends = [f"{called.get(where, where)} ends {listed(names)} as of {on}" for (where, on), names in days.items()]
    goes_on = "they go" if len(cuts) > 1 else "it goes"
    return f"{listed(ends)}, and bills nothing for the days from then on; here {goes_on} on"


def open_cases(orders: Iterable[str] = (), connection: str = "") -> dict[uuid.UUID, tuple[str, str]]:
    """By case that is open: its subscription, and the day that it tells."""
    mine = Case.objects.filter(reason=Reason.SUBSCRIPTION_CUT_SHORT, step_id=None, state__in=UNRESOLVED)
    mine = mine.filter(source=connection) if connection else mine.filter(business_key__in=list(orders))
    return {id_: (context["reference"], context["ends_on"]) for id_, context in mine.values_list("id", "context")}


def end(orders: Iterable[str], subscriptions: Iterable[str], actor: str) -> None:
    """Their order, or that part of it, is cancelled here: whoever was told is done."""
    names = set(subscriptions)
    over([id_ for id_, (number, _) in open_cases(orders).items() if number in names], actor)


def over(ids: Iterable[uuid.UUID], actor: str) -> None:
    """These cases end: what they tell is not so any more."""
    if proofs := {id_: dict[str, Any]() for id_ in ids}:
        cases.resolve_cases(proofs, actor, "resolved_by_itself")
