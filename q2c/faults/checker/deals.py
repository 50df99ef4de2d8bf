"""Won opportunities ↔ orders: each there once, with equal content; and what sales reads of them on the deal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Platform, Row, differing, minor, paired, rows

# What sales is to read on the deal of an order in this state.
STATUS = {
    "accepted": "Accepted", "provisioning": "Accepted", "active": "Active", "completed": "Active",
    "rejected": "Rejected", "cancelled": "Cancelled",
}  # fmt: skip

# The id of a deal's event is the deal's, a colon and its version.
_ORDERS = """
SELECT split_part(o.source_id, ':', 1) COLLATE "C" AS key, o.number, o.state, o.accepted_at IS NOT NULL AS accepted,
  o.currency, o.closed_on, o.starts_on, o.term_months, o.contract_entity, o.customer_key, o.correlation_id, l.lines
FROM q2c_order o LEFT JOIN (
  SELECT l.order_id, json_agg(json_build_array(l.product, l.kind, l."group", l.revenue_treatment, g.currency,
    l.amount_minor, l.discount_minor)) AS lines
  FROM q2c_orderline l JOIN q2c_ordergroup g ON g.order_id = l.order_id AND g.key = l."group" GROUP BY l.order_id
) l ON l.order_id = o.id
WHERE o.source = %s ORDER BY 1
"""
_DEALS = """
SELECT o.id COLLATE "C" AS key, o.body->>'Order_Number__c' AS number, (o.body->>'IsWon')::boolean AS won,
  (o.body->>'IsDeleted')::boolean AS deleted, o.body->>'StageName' AS stage, o.body->>'CurrencyIsoCode' AS currency,
  o.body->>'CloseDate' AS closed_on, o.body->>'Contract_Start__c' AS starts_on,
  (o.body->>'Term_Months__c')::numeric AS term_months, o.body->>'Contract_Entity__c' AS contract_entity,
  a.body->>'AccountNumber' AS customer_key, o.body->>'Billing_Order_Number__c' AS told_number,
  o.body->>'Billing_Status__c' AS told_status, l.lines
FROM {schema}.record o
LEFT JOIN {schema}.record a ON a.kind = 'Account' AND a.id = o.body->>'AccountId'
LEFT JOIN (SELECT body->>'OpportunityId' AS deal, json_agg(body) AS lines FROM {schema}.record
  WHERE kind = 'OpportunityLineItem' AND NOT coalesce((body->>'IsDeleted')::boolean, false) GROUP BY 1
) l ON l.deal = o.id
WHERE o.kind = 'Opportunity' ORDER BY 1
"""


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    crm = databases.platform("crm", "salesforce")
    if crm is None:
        return
    orders = rows(databases.ours, _ORDERS, [crm.name])
    deals = rows(databases.theirs, _DEALS.format(schema=crm.schema))
    for key, ours, theirs in paired(orders, deals):
        _one(crm, key, ours, theirs[0] if theirs else None, excuses, found)


def _one(crm: Platform, key: str, orders: list[Row], deal: Row, excuses: Excuses, found: Found) -> None:
    number = orders[0].number if orders else deal.number
    why = excuses.of("accept_order", key) or excuses.raw(key, number)
    if len(orders) > 1:
        numbers = ", ".join(order.number for order in orders)
        found.add("double_deal", f"Deal {key} is {len(orders)} orders: {numbers}", number)
    if deal is None:
        if orders[0].state not in ("cancelled", "rejected"):
            text = f"Order {number} is {orders[0].state}, and its deal {key} is not in {crm.name}"
            found.unless(why, "orphan_order", text, number)
        return
    is_won = deal.won and not deal.deleted
    if not orders:
        if is_won:
            found.count("won deals")
            text = f"Deal {key} ({deal.number}) is won in {crm.name}, and there is no order of it"
            found.unless(why, "lost_deal", text, number)
        return
    found.count("won deals", int(is_won))
    for order in orders:
        _compared(crm, key, order, deal, why, found)
        _told(crm, key, order, deal, excuses, found)


def _compared(crm: Platform, key: str, order: Row, deal: Row, why: str, found: Found) -> None:
    if order.state in ("received", "awaiting_approval"):
        found.unless(
            why, "undecided_order", f"Order {order.number} is {order.state}, and no case says why", order.number
        )
        return
    if order.state == "rejected" or not order.accepted:
        return
    if not deal.won or deal.deleted:
        if order.state != "cancelled":
            text = f"Order {order.number} is {order.state}, and its deal {key} is {deal.stage} in {crm.name}"
            found.unless(why, "deal_no_longer_won", text, order.number)
        return
    names = ("number", "currency", "closed_on", "starts_on", "term_months", "contract_entity", "customer_key")
    different = differing({name: (getattr(order, name), getattr(deal, name)) for name in names})
    different += _lines_differ(order, deal)
    found.count("orders of deals")
    for text in different:
        found.unless(why, "deal_differs", f"Order {order.number}, deal {key} of {crm.name}: {text}", order.number)


def _lines_differ(order: Row, deal: Row) -> Iterator[str]:
    ours = Counter(tuple(line) for line in order.lines or [])
    theirs = Counter(_line(line, deal.currency) for line in deal.lines or [])
    for line in ours - theirs:
        yield f"line {_shown(line)} is only here"
    for line in theirs - ours:
        yield f"line {_shown(line)} is only there"


def _line(line: dict[str, str | None], currency: str) -> tuple[object, ...]:
    """Product, kind, group, treatment, currency, amount and discount in minor units."""
    kind = _label(line.get("Line_Kind__c"))
    own = str(line.get("Group_Currency__c") or currency)
    amount = line.get("Contract_Amount__c")
    if amount is None:
        amount = line.get("TotalPrice") if kind == "one_time" else "0"
    group = line.get("Invoice_Group__c") or line.get("Region__c")
    discount = minor(line.get("Discount_Amount__c") or "0", own)
    treatment = _label(line.get("Revenue_Treatment__c"))
    return line.get("ProductCode"), kind, group, treatment, own, minor(amount, own), discount


def _label(text: str | None) -> str:
    """A label of a list as a word: One-time → one_time."""
    return re.sub(r"[^a-z0-9]+", "_", (text or "").lower()).strip("_")


def _shown(line: tuple[object, ...]) -> str:
    return " ".join(map(str, line))


def _told(crm: Platform, key: str, order: Row, deal: Row, excuses: Excuses, found: Found) -> None:
    """What the deal shows; a word that is still to be written has its step."""
    if order.state not in STATUS or deal.deleted:
        return
    found.count("deals written back")
    shown = {"order number": (order.number, deal.told_number), "status": (STATUS[order.state], deal.told_status)}
    why = excuses.of("write_back", order.number)
    for text in differing(shown):
        found.unless(why, "write_back_differs", f"Deal {key} of {crm.name}, order {order.number}: {text}", order.number)
