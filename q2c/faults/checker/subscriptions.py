"""Invoice groups of accepted orders ↔ subscriptions in billing: one each, as sold, activated and ended as here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Platform, Row, differing, minor, paired, rows

# What lies between the parts of a key: in no number and no group.
_BETWEEN = "chr(31)"
_GROUPS = f"""
SELECT (o.number || {_BETWEEN} || g.key) COLLATE "C" AS key, o.number AS "order", g.key AS "group", g.entity,
  g.currency, g.bill_to || '-' || g.currency AS account, o.state AS order_state, o.starts_on, o.term_months, s.number,
  s.state, s.account AS own_account, s.entity AS own_entity, s.currency AS own_currency, s.starts_on AS own_start,
  s.ends_on, c.segments, a.phases, coalesce(k.ended_on, x.ended_on) AS ended_on
FROM q2c_order o JOIN q2c_ordergroup g ON g.order_id = o.id
LEFT JOIN q2c_subscription s ON s.order_id = o.id AND s."group" = g.key
LEFT JOIN (SELECT subscription_id, json_agg(json_build_array(line, phase, product, kind, starts_on, ends_on,
  amount_minor) ORDER BY line, phase) AS segments FROM q2c_chargesegment GROUP BY 1) c ON c.subscription_id = s.id
LEFT JOIN (SELECT e.payload->>'subscription_id' AS subscription,
  json_agg(split_part(t.part, '-', 2)::int ORDER BY t.part) AS phases
  FROM q2c_step t JOIN q2c_event e ON e.id = t.event_id
  WHERE t.stage = 'activate_subscription' AND t.state = 'done' AND NOT t.proof ? 'not_needed' GROUP BY 1
) a ON a.subscription = s.id::text
LEFT JOIN (SELECT t.business_key, min(e.payload->>'effective_on')::date AS ended_on
  FROM q2c_step t JOIN q2c_event e ON e.id = t.event_id
  WHERE t.stage = 'cancel_order' AND t.state = 'done' AND NOT t.proof ? 'nothing_to_do' GROUP BY 1
) x ON x.business_key = o.number
LEFT JOIN (SELECT t.business_key, e.key AS number, min((e.value->>'on')::date) AS ended_on
  FROM q2c_step t CROSS JOIN LATERAL jsonb_each(t.proof->'kept') e
  WHERE t.stage = 'cancel_order' AND t.proof ? 'kept' GROUP BY 1, 2
) k ON k.business_key = o.number AND k.number = s.number
WHERE o.accepted_at IS NOT NULL ORDER BY 1
"""
_THERE = f"""
SELECT ((body->'custom'->>'Q2C_Order__c') || {_BETWEEN} || (body->'custom'->>'Q2C_Group__c')) COLLATE "C" AS key,
  body->'custom'->>'Q2C_Order__c' AS "order", number, id, body->>'accountNumber' AS account,
  body->>'currency' AS currency, body->'custom'->>'Q2C_Entity__c' AS entity, body->>'termStart' AS starts_on,
  body->>'termEnd' AS ends_on, (body->>'termMonths')::int AS term_months, body->>'cancelledOn' AS cancelled_on,
  body->'charges' AS charges
FROM {{schema}}.record WHERE kind = 'subscription' AND body->'custom'->>'Q2C_Order__c' IS NOT NULL ORDER BY 1
"""
_NOBODYS = (
    "SELECT number, id FROM {schema}.record WHERE kind = 'subscription' AND body->'custom'->>'Q2C_Order__c' IS NULL"
)
_MAKING = ("sync_customer", "provision_billing", "cancel_order")
_KINDS = {"OneTime": "one_time", "Recurring": "recurring", "Usage": "usage"}
_BASES = {"Per_Month": 1, "Per_Year": 12}


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    billing = databases.platform("billing", "zuora")
    if billing is None:
        return
    for row in rows(databases.theirs, _NOBODYS.format(schema=billing.schema)):
        found.add("orphan_subscription", f"Subscription {row.number} of {billing.name} names no order", row.number)
    there = rows(databases.theirs, _THERE.format(schema=billing.schema))
    for _, ours, theirs in paired(rows(databases.ours, _GROUPS), there):
        if len(theirs) > 1:
            numbers = ", ".join(each.number for each in theirs)
            text = f"Order {theirs[0].order} has {len(theirs)} subscriptions for one group in {billing.name}: {numbers}"
            found.add("double_subscription", text, theirs[0].order)
        if not ours:
            text = f"Subscription {theirs[0].number} of {billing.name} is of order {theirs[0].order}, not accepted here"
            found.add("orphan_subscription", text, theirs[0].order)
            continue
        found.count("subscriptions")
        group = ours[0]
        there_now = next((each for each in theirs if each.number == group.number), theirs[0] if theirs else None)
        _one(billing, group, there_now, excuses, found)


def _one(billing: Platform, group: Row, there: Row | None, excuses: Excuses, found: Found) -> None:
    about, why = f"Order {group.order}, group {group.group}", excuses.of(_MAKING, group.order)
    if there is None:
        if group.number is not None:
            text = f"{about}: subscription {group.number} is {group.state} here, and is not in {billing.name}"
            found.add("lost_subscription", text, group.order)
        elif group.order_state != "cancelled":
            found.unless(why, "lost_subscription", f"{about} has no subscription in {billing.name}", group.order)
        return
    if group.number is None:
        # Cancelled before it was known whether it came to something: then that is cancelled, too.
        if not (group.order_state == "cancelled" and there.cancelled_on):
            text = f"{about}: q2c knows nothing of {there.number} in {billing.name}"
            found.unless(why, "orphan_subscription", text, group.order)
        return
    for text in _head_differs(group, there):
        found.unless(why, "subscription_differs", f"{about}, subscription {there.number}: {text}", group.order)
    for text in _charges_differ(group, there):
        found.add("subscription_differs", f"{about}, subscription {there.number}: {text}", group.order)
    done = set(group.phases or [])
    wanted = sorted(_place(charge) for charge in there.charges if _place(charge)[1] in done)
    active = sorted(_place(charge) for charge in there.charges if charge["startsOn"])
    why = excuses.of("activate_subscription", group.order) if set(active) - set(wanted) else ""
    for text in differing({"active, by line and phase,": (wanted, active)}):
        found.unless(why, "activation_differs", f"{about}, subscription {there.number}: {text}", group.order)


def _head_differs(group: Row, there: Row) -> list[str]:
    ended = max(group.ended_on, group.starts_on) if group.state == "cancelled" and group.ended_on else None
    if group.state == "cancelled" and ended is None:
        ended = there.cancelled_on or "some day"
    return differing(
        {
            "number": (group.number, there.number),
            "account": (group.account, there.account),
            "account as recorded": (group.own_account, there.account),
            "currency": (group.currency, there.currency),
            "currency as recorded": (group.own_currency, there.currency),
            "entity": (group.entity, there.entity),
            "entity as recorded": (group.own_entity, there.entity),
            "start": (group.starts_on, there.starts_on),
            "start as recorded": (group.own_start, there.starts_on),
            "term in months": (group.term_months, there.term_months),
            "end": (group.ends_on, there.ends_on) if not there.cancelled_on else ("", ""),
            "cancelled as of": (ended, there.cancelled_on),
        }
    )


def _charges_differ(group: Row, there: Row) -> Iterator[str]:
    ours = {(line, phase): rest for line, phase, *rest in group.segments or []}
    theirs = {_place(charge): charge for charge in there.charges}
    if len(theirs) < len(there.charges):
        yield f"{len(there.charges)} charges there are of {len(theirs)} lines and phases"
    for place in sorted({*ours, *theirs}):
        line, charge = ours.get(place), theirs.get(place)
        about = f"line {place[0]}, phase {place[1]}"
        if line is None or charge is None:
            yield f"{about} is only {'there' if line is None else 'here'}"
            continue
        product, kind, starts_on, ends_on, amount_minor = line
        days = {
            "product": (product, charge["sku"]),
            "kind": (kind, _KINDS.get(charge["type"])),
            "start": (starts_on, charge["startsOn"] or starts_on),
            "end": (ends_on, charge["endsOn"] if not there.cancelled_on else ends_on),
        }
        if kind != "usage":
            first, last = (dt.date.fromisoformat(day) for day in (starts_on, ends_on))
            days["amount in minor units"] = (amount_minor, minor(_worth(charge, first, last), there.currency))
        yield from (f"{about}: {text}" for text in differing(days))


def _place(charge: dict[str, Any]) -> tuple[int, int]:
    return int(charge["custom"].get("Q2C_Line__c", 0)), int(charge["custom"].get("Q2C_Phase__c", 0))


def _worth(charge: dict[str, Any], starts_on: dt.date, ends_on: dt.date) -> Decimal:
    """What a charge comes to from day to day, in its currency: all of it once, or so much for each month."""
    (price,) = charge["pricing"].values()
    once = Decimal(str(price.get("listPrice", 0))) * Decimal(str(price.get("quantity", 1)))
    if charge["type"] == "OneTime":
        return once
    months = (ends_on.year - starts_on.year) * 12 + ends_on.month - starts_on.month
    base = price.get("specificListPriceBase") or _BASES.get(price.get("listPriceBase", ""), 1)
    return once * months / base
