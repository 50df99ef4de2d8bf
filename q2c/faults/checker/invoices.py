"""Posted invoices in billing ↔ invoices here: each there once, with equal days, sums and lines."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Platform, Row, differing, minor, paired, rows

_HERE = """
SELECT i.billing_reference COLLATE "C" AS key, i.number, i.state, i.currency, i.issued_on, i.due_on, i.net_minor,
  i.tax_minor, i.total_minor, i.account, i.subscription_number, i.correlation_id, l.lines
FROM q2c_invoice i LEFT JOIN (
  SELECT invoice_id, json_agg(json_build_array(product, kind, service_starts_on, service_ends_on, net_minor, tax_minor)
    ORDER BY line) AS lines FROM q2c_invoiceline GROUP BY 1
) l ON l.invoice_id = i.id
WHERE i.source = %s AND i.state <> 'voided' ORDER BY 1
"""
_THERE = """
SELECT id COLLATE "C" AS key, number, body FROM {schema}.record
WHERE kind = 'invoice' AND body->>'status' = 'Posted' ORDER BY 1
"""
_TWICE = """
SELECT entity, number, count(*) AS times FROM q2c_invoice WHERE state <> 'voided' GROUP BY 1, 2 HAVING count(*) > 1
"""
_SUMS = """
SELECT i.number, i.net_minor, i.tax_minor, i.total_minor, coalesce(sum(l.net_minor), 0) AS net,
  coalesce(sum(l.tax_minor), 0) AS tax
FROM q2c_invoice i LEFT JOIN q2c_invoiceline l ON l.invoice_id = i.id GROUP BY i.id
HAVING i.net_minor <> coalesce(sum(l.net_minor), 0) OR i.tax_minor <> coalesce(sum(l.tax_minor), 0)
  OR i.total_minor <> i.net_minor + i.tax_minor
"""
_KINDS = {"OneTime": "one_time", "Recurring": "recurring", "Usage": "usage"}


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    for row in rows(databases.ours, _TWICE):
        text = f"Invoice {row.number} of {row.entity} is recorded {row.times} times"
        found.add("double_invoice", text, row.number)
    for row in rows(databases.ours, _SUMS):
        text = (
            f"Invoice {row.number}: net {row.net_minor}, tax {row.tax_minor}, total {row.total_minor}, and its lines "
        )
        found.add("invoice_sum", f"{text}come to net {row.net}, tax {row.tax}", row.number)
    billing = databases.platform("billing", "zuora")
    if billing is None:
        return
    here = rows(databases.ours, _HERE, [billing.name])
    for key, ours, theirs in paired(here, rows(databases.theirs, _THERE.format(schema=billing.schema))):
        found.count("invoices")
        _one(billing, key, ours, theirs[0] if theirs else None, excuses, found)


def _one(billing: Platform, key: str, ours: list[Row], there: Row | None, excuses: Excuses, found: Found) -> None:
    number = there.number if there else ours[0].number
    why = excuses.of("record_invoice", key, number) or excuses.raw(key, number)
    if len(ours) > 1:
        numbers = ", ".join(each.number for each in ours)
        found.add(
            "double_invoice", f"Invoice {number} of {billing.name} is recorded {len(ours)} times: {numbers}", number
        )
    if there is None:
        text = f"Invoice {number} is {ours[0].state} here, and not posted in {billing.name}"
        found.unless(why, "orphan_invoice", text, number)
    elif not ours:
        # Voided here, when its journal was given up as a mistake: that is a case of the journal.
        why = why or excuses.of("post_journal", number)
        found.unless(
            why, "lost_invoice", f"Invoice {number} is posted in {billing.name}, and not recorded here", number
        )
    else:
        for here in ours:
            for text in _differences(here, there):
                found.unless(why, "invoice_differs", f"Invoice {number}: {text}", number)


def _differences(here: Row, there: Row) -> list[str]:
    body: dict[str, Any] = there.body
    currency, items = str(body["currency"]), body["items"]
    net, tax = sum(item["chargeAmount"] for item in items), sum(item["taxAmount"] for item in items)
    named = sorted({item["subscriptionName"] for item in items})
    different = differing(
        {
            "number": (here.number, there.number),
            "currency": (here.currency, currency),
            "issue date": (here.issued_on, body["invoiceDate"]),
            "due date": (here.due_on, body["dueDate"]),
            "total": (here.total_minor, minor(body["amount"], currency)),
            "net": (here.net_minor, minor(net, currency)),
            "tax": (here.tax_minor, minor(tax, currency)),
            "account": (here.account, body["accountNumber"]),
            "subscription": (here.subscription_number, named[0] if named else ""),
        }
    )
    ours, theirs = here.lines or [], _lines(items, currency)
    if len(ours) != len(theirs):
        different.append(f"it has {len(ours)} lines here and {len(theirs)} there")
    for number, (line, other) in enumerate(zip(ours, theirs, strict=False), 1):
        different += differing({f"line {number}": (_told(line), _told(other))})
    return different


def _lines(items: list[dict[str, Any]], currency: str) -> list[list[Any]]:
    """One line per charge; a discount is taken off the one that it applies to."""
    lines: dict[str, list[Any]] = {}
    for item in items:
        if not (item.get("processingType") == "Discount" and item.get("appliedToItemId")):
            amounts = [minor(item["chargeAmount"], currency), minor(item["taxAmount"], currency)]
            days = [item.get("serviceStartDate"), _day_after(item.get("serviceEndDate"))]
            about = [item["sku"], _KINDS.get(item["chargeType"]), *days]
            lines[item["id"]] = [*about, *amounts]
    for item in items:
        if item.get("processingType") == "Discount" and item.get("appliedToItemId") in lines:
            line = lines[item["appliedToItemId"]]
            line[4] += minor(item["chargeAmount"], currency)
            line[5] += minor(item.get("taxAmount") or 0, currency)
    return list(lines.values())


def _day_after(day: str | None) -> str | None:
    """Billing names the last day of a service; here it ends before a day."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat() if day else None


def _told(line: list[Any]) -> str:
    return " ".join(map(str, line))
