"""Customers of accepted orders ↔ accounts in billing and customers in the ledgers: each there once."""

from __future__ import annotations

from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Platform, Row, differing, paired, rows

# Billing has an account per payer and currency, a ledger one customer per payer.
_KEYS = {"billing": "g.bill_to || '-' || g.currency", "journals": "g.bill_to"}
_WANTED = """
SELECT DISTINCT {key} AS key, min(o.number) OVER (PARTITION BY {key}) AS number
FROM q2c_ordergroup g JOIN q2c_order o ON o.id = g.order_id LEFT JOIN ledger_legalentity e ON e.code = g.entity
WHERE o.accepted_at IS NOT NULL AND o.state <> 'cancelled' AND (%(service)s = 'billing' OR e.erp_connection = %(name)s)
  AND NOT EXISTS (SELECT FROM q2c_crossreference x
    WHERE x.connection = %(name)s AND x.kind = 'customer' AND x.our_key = {key})
"""
_KNOWN = """
SELECT our_key COLLATE "C" AS key, reference FROM q2c_crossreference
WHERE connection = %s AND kind = 'customer' ORDER BY 1
"""
# By the name that is ours; without one, by what the platform calls it.
_ZUORA = """
SELECT a.number COLLATE "C" AS key, a.id AS reference, a.body->>'currency' AS currency, a.body->>'parentId' AS parent,
  p.number AS parent_number
FROM {schema}.record a LEFT JOIN {schema}.record p ON p.kind = 'account' AND p.id = a.body->>'parentId'
WHERE a.kind = 'account' ORDER BY 1
"""
_NETSUITE = """
SELECT coalesce(external_id, 'no external id: ' || id) COLLATE "C" AS key, id AS reference, '' AS currency,
  NULL AS parent, NULL AS parent_number
FROM {schema}.record WHERE kind = 'customer' ORDER BY 1
"""
# One customer under two numbers: what we wrote into it tells that it is the same.
_ZUORA_TWICE = """
SELECT body->>'crmId' || ' in ' || (body->>'currency') AS what, array_agg(number ORDER BY number) AS numbers
FROM {schema}.record WHERE kind = 'account' AND body->>'crmId' <> '' GROUP BY 1 HAVING count(*) > 1
"""
_NETSUITE_TWICE = """
SELECT body->>'entityId' AS what, array_agg(id ORDER BY id) AS numbers
FROM {schema}.record WHERE kind = 'customer' GROUP BY 1 HAVING count(*) > 1
"""
_THERE = {"zuora": (_ZUORA, _ZUORA_TWICE), "netsuite": (_NETSUITE, _NETSUITE_TWICE)}


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    for platform in databases.platforms:
        if platform.vendor in _THERE and platform.service in _KEYS:
            _wanted(databases, platform, excuses, found)
            _there(databases, platform, excuses, found)


def _wanted(databases: Databases, platform: Platform, excuses: Excuses, found: Found) -> None:
    asked = _WANTED.format(key=_KEYS[platform.service])
    for row in rows(databases.ours, asked, {"service": platform.service, "name": platform.name}):
        why = excuses.of("sync_customer", f"{platform.name}|{row.key}", row.number)
        text = f"Customer {row.key} of order {row.number} is not known in {platform.name}"
        found.unless(why, "lost_customer", text, row.number)


def _there(databases: Databases, platform: Platform, excuses: Excuses, found: Found) -> None:
    there, twice = (sql.format(schema=platform.schema) for sql in _THERE[platform.vendor])
    for row in rows(databases.theirs, twice):
        text = f"Customer {row.what} is in {platform.name} {len(row.numbers)} times: {', '.join(row.numbers)}"
        found.add("double_customer", text, row.what)
    known = rows(databases.ours, _KNOWN, [platform.name])
    for key, ours, theirs in paired(known, rows(databases.theirs, there)):
        if not theirs:
            found.count(f"customers in {platform.name}")
            text = f"Customer {key} is {ours[0].reference} in {platform.name} as far as q2c knows, and is not there"
            found.add("lost_customer", text, key)
        elif not ours:
            why = excuses.of("sync_customer", f"{platform.name}|{key}")
            text = f"Customer {key} is in {platform.name} ({theirs[0].reference}), and q2c knows nothing of it"
            found.unless(why, "orphan_customer", text, key)
        else:
            found.count(f"customers in {platform.name}")
            _compared(platform, key, ours[0], theirs[0], found)


def _compared(platform: Platform, key: str, ours: Row, theirs: Row, found: Found) -> None:
    different = differing({"its id": (ours.reference, theirs.reference)})
    if platform.service == "billing":
        different += differing({"its currency": (key.rpartition("-")[2], theirs.currency)})
    if theirs.parent and not theirs.parent_number:
        different.append(f"its parent {theirs.parent} is not there")
    for text in different:
        found.add("customer_differs", f"Customer {key} in {platform.name}: {text}", key)
