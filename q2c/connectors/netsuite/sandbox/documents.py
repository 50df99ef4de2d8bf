"""POST /netsuite/_control/document {"key": id, number or external id}: a journal as the account's user would open it.

Read from the tables that SuiteQL reads, so the amounts in the subsidiary's own currency are those of its ledger.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from q2c.connectors.netsuite.sandbox import tables
from q2c.connectors.sandbox_kit import Store

_HEADER = f"""
SELECT t.id, t.tranid, t.externalid, t.transactionnumber, t.trandate, t.postingperiod__df, t.currency__symbol, t.memo,
       t.exchangerate, t.posting, t.createddate, s.name, b.symbol
FROM (SELECT t.*, c.symbol AS currency__symbol,
             (SELECT l.subsidiary FROM {tables.SCHEMA}.transactionline l WHERE l.transaction = t.id LIMIT 1) AS own
      FROM {tables.SCHEMA}.transaction t JOIN {tables.SCHEMA}.currency c ON c.id = t.currency) AS t
JOIN {tables.SCHEMA}.subsidiary s ON s.id = t.own JOIN {tables.SCHEMA}.currency b ON b.id = s.currency
WHERE t.id::text = %(key)s OR t.tranid = %(key)s OR t.externalid = %(key)s
"""
_LINES = f"""
SELECT l.id, a.acctnumber, a.accountsearchdisplayname, l.foreignamount, g.amount, l.department__df, l.class__df,
       l.location__df, l.entity__df, l.memo
FROM {tables.SCHEMA}.transactionline l
JOIN {tables.SCHEMA}.transactionaccountingline g ON g.transaction = l.transaction AND g.transactionline = l.id
JOIN {tables.SCHEMA}.account a ON a.id = g.account
WHERE l.transaction = %(id)s ORDER BY l.id
"""
_HEAD = (
    "id", "number", "external_id", "transaction_number", "date", "period", "currency", "memo", "rate", "posting",
    "created_at", "subsidiary", "own_currency",
)  # fmt: skip
_LINE = ("line", "account", "name", "amount", "own_amount", "department", "class", "location", "customer", "memo")


def opened(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """Header and lines; amounts and rate are exact decimals as text, a debit above zero. ValueError: not there."""
    key = str(document["key"])
    head = store.connection.execute(_HEADER.encode(), {"key": key}).fetchone()
    if head is None:
        raise ValueError(f"there is no journal {key}")
    found = dict(zip(_HEAD, map(_plain, head), strict=True))
    rows = store.connection.execute(_LINES.encode(), {"id": head[0]}).fetchall()
    return {**found, "lines": [dict(zip(_LINE, map(_plain, row), strict=True)) for row in rows]}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if hasattr(value, "isoformat") else value
