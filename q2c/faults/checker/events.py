"""What was answered is kept; what is kept was worked on; an accepted order is what its event said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Row, differing, rows

CHUNK = 5000
# The stages that each event calls for whatever it says; write_back and provision_billing depend on what it says.
CALLS_FOR = (
    ("OrderReceived", "accept_order"), ("OrderAccepted", "sync_customer"),
    ("SubscriptionProvisioned", "activate_subscription"), ("InvoiceIssued", "record_invoice"),
    ("JournalReady", "post_journal"), ("OrderCancelRequested", "cancel_order"),
    ("JournalReversalRequested", "reverse_journal"),
)  # fmt: skip
_WANTED = ", ".join(f"('{event}', '{stage}')" for event, stage in CALLS_FOR)

_ANSWERED = (
    "SELECT source_id, count(*) AS times FROM q2c_event WHERE source_id = ANY(%s) AND source <> 'q2c' GROUP BY 1"
)
_WITHOUT_STEP = f"""
SELECT e.type, e.source, e.source_id, e.correlation_id, w.stage
FROM q2c_event e JOIN (VALUES {_WANTED}) AS w (type, stage) ON w.type = e.type
WHERE NOT EXISTS (SELECT FROM q2c_step s WHERE s.event_id = e.id AND s.stage = w.stage)
  AND NOT EXISTS (SELECT FROM exceptions_case c WHERE c.event_id = e.id)
"""
# Each accepted order beside the event that it was made of.
_ORDERS = """
SELECT o.number, o.correlation_id, o.currency, o.closed_on, o.starts_on, o.term_months, o.customer_key,
  o.contract_entity, e.payload, l.lines, g.groups
FROM q2c_order o JOIN q2c_event e ON e.id = o.event_id
LEFT JOIN (SELECT order_id, json_agg(json_build_array(line, product, kind, "group", amount_minor, discount_minor))
  AS lines FROM q2c_orderline GROUP BY 1) l ON l.order_id = o.id
LEFT JOIN (SELECT order_id, json_object_agg(key, total_minor) AS groups FROM q2c_ordergroup GROUP BY 1) g
  ON g.order_id = o.id
WHERE o.accepted_at IS NOT NULL
"""
_HEAD = {
    "number": "order_number", "currency": "currency", "closed_on": "closed_on", "starts_on": "starts_on",
    "term_months": "term_months", "customer_key": "customer", "contract_entity": "contract_entity",
}  # fmt: skip


def check(databases: Databases, found: Found, answered: Collection[str]) -> None:
    _answered(databases, found, answered)
    for row in rows(databases.ours, _WITHOUT_STEP):
        text = f"{row.type} {row.source_id} of {row.source} has neither a step of {row.stage} nor a case"
        found.add("event_without_step", text, row.correlation_id)
    for row in rows(databases.ours, _ORDERS):
        found.count("orders as sent")
        for text in _order_differs(row):
            found.add("order_differs", f"Order {row.number}: {text} (here is the order, there its event)", row.number)


def _answered(databases: Databases, found: Found, answered: Collection[str]) -> None:
    every = iter(sorted(answered))
    while chunk := list(islice(every, CHUNK)):
        times = {row.source_id: row.times for row in rows(databases.ours, _ANSWERED, [chunk])}
        for id_ in chunk:
            found.count("events answered")
            if id_ not in times:
                found.add("lost_event", f"Event {id_} was answered as taken, and is not there")
            elif times[id_] > 1:
                found.add("double_event", f"Event {id_} is there {times[id_]} times", id_)


def _order_differs(row: Row) -> Iterator[str]:
    said: dict[str, Any] = row.payload
    yield from differing({name: (getattr(row, name), said.get(there)) for name, there in _HEAD.items()})
    ours = {line[0]: line[1:] for line in row.lines or []}
    theirs = {line["line"]: _line(line) for line in said.get("lines", [])}
    yield from differing({f"line {n}": (ours.get(n), theirs.get(n)) for n in sorted({*ours, *theirs})})
    sums: Counter[str] = Counter()
    for line in said.get("lines", []):
        sums[line["group"]] += line["amount_minor"]
    groups = row.groups or {}
    yield from differing({f"group {key}": (groups.get(key), sums.get(key)) for key in sorted({*groups, *sums})})


def _line(line: dict[str, Any]) -> list[Any]:
    # What a line does not say is what is usual.
    return [line["product"], line["kind"], line["group"], line["amount_minor"], line.get("discount_minor", 0)]
