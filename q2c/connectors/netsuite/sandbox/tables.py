"""The tables of SuiteQL, as views over the sandbox's documents: what the analytics schema calls a record's fields.

Columns ending in __df are what BUILTIN.DF shows of a reference. References are internal ids; flags are T and F.
"""

from __future__ import annotations

from q2c.connectors.sandbox_kit.store import pool

SCHEMA = "sandbox_netsuite_suiteql"
_STORE = "sandbox_netsuite"

_INDEX = f"""CREATE INDEX IF NOT EXISTS record_journal_id ON {_STORE}.record
((CASE WHEN kind = 'journalEntry' THEN id::bigint END))"""

# The cast stands inside a CASE: other kinds have ids that are no numbers.
_ID = "CASE WHEN r.kind = '{kind}' THEN r.id::bigint END"


def _flag(name: str) -> str:
    return f"CASE WHEN r.body->>'{name}' IN ('true', 'T') THEN 'T' ELSE 'F' END"


def _ref(name: str, source: str = "r.body") -> str:
    return f"({source}->'{name}'->>'id')::bigint"


def _shown(kind: str, id_: str, name: str) -> str:
    """What BUILTIN.DF shows of a reference."""
    return f"(SELECT o.body->>'{name}' FROM {_STORE}.record o WHERE o.kind = '{kind}' AND o.id = ({id_})::text)"


def _view(table: str, kind: str, columns: dict[str, str], lateral: str = "") -> str:
    listed = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return (
        f"CREATE VIEW {SCHEMA}.{table} AS SELECT {listed} FROM {_STORE}.record r{lateral} "
        f"WHERE r.kind = '{kind}' AND r.visible_at <= statement_timestamp()"
    )


def _simple(table: str, kind: str, columns: dict[str, str]) -> str:
    shared = {"id": _ID.format(kind=kind), "externalid": "r.external_id", "isinactive": _flag("isInactive")}
    return _view(table, kind, shared | columns)


_LINE = "CROSS JOIN LATERAL json_array_elements(r.body->'line'->'items') AS l(item)"
_JOURNAL_ID = _ID.format(kind="journalEntry")
_FOREIGN = "(coalesce((l.item->>'debit')::numeric, 0) - coalesce((l.item->>'credit')::numeric, 0))"
_RATE = "coalesce((r.body->>'exchangeRate')::numeric, 1)"
_BASE = "coalesce((r.body->>'_baseDecimals')::int, 2)"
_POSTING = "CASE WHEN r.body->'approvalStatus'->>'id' = '2' THEN 'T' ELSE 'F' END"


def _line_view(table: str, columns: dict[str, str]) -> str:
    return _view(table, "journalEntry", columns, f" {_LINE}")


_SEGMENTS = (("department", "department"), ("class", "classification"), ("location", "location"))

VIEWS = (
    _simple("subsidiary", "subsidiary", {
        "name": "r.body->>'name'", "fullname": "r.body->>'name'", "parent": _ref("parent"),
        "currency": _ref("currency"), "currency__df": _shown("currency", _ref("currency"), "name"),
        "country": "r.body->>'country'", "iselimination": _flag("isElimination"),
    }),
    _simple("currency", "currency", {
        "symbol": "r.body->>'symbol'", "name": "r.body->>'name'", "displaysymbol": "r.body->>'symbol'",
        "exchangerate": "(r.body->>'exchangeRate')::numeric",
        "currencyprecision": "(r.body->>'currencyPrecision')::int", "isbasecurrency": _flag("isBaseCurrency"),
    }),
    _simple("account", "account", {
        "acctnumber": "r.body->>'acctNumber'", "accttype": "r.body->>'acctType'",
        "accountsearchdisplayname": "r.body->>'acctName'", "fullname": "r.body->>'acctName'",
    }),
    *(
        _simple(kind, kind, {"name": "r.body->>'name'", "fullname": "r.body->>'name'", "parent": _ref("parent")})
        for kind in ("department", "classification", "location")
    ),
    _simple("item", "item", {
        "itemid": "r.body->>'itemId'", "displayname": "r.body->>'displayName'", "itemtype": "r.body->>'itemType'",
    }),
    *(
        _simple(table, "customer", {
            "entityid": "r.body->>'entityId'", "companyname": "r.body->>'companyName'", "parent": _ref("parent"),
            "subsidiary": _ref("subsidiary"), "currency": _ref("currency"), "email": "r.body->>'email'",
            "comments": "r.body->>'comments'", "lastmodifieddate": "r.updated_at AT TIME ZONE 'UTC'",
        })
        for table in ("customer", "entity")
    ),
    _simple("accountingperiod", "accountingPeriod", {
        "periodname": "r.body->>'periodName'", "startdate": "(r.body->>'startDate')::date",
        "enddate": "(r.body->>'endDate')::date", "closed": _flag("closed"), "alllocked": _flag("allLocked"),
        "arlocked": _flag("arLocked"), "aplocked": _flag("apLocked"), "isadjust": _flag("isAdjust"),
        "isposting": _flag("isPosting"), "isquarter": _flag("isQuarter"), "isyear": _flag("isYear"),
        "closedondate": "(r.body->>'closedOnDate')::date", "parent": _ref("parent"),
    }),
    _view("transaction", "journalEntry", {
        "id": _JOURNAL_ID, "externalid": "r.external_id", "tranid": "r.body->>'tranId'", "type": "'Journal'::text",
        "recordtype": "'journalentry'::text", "transactionnumber": "r.body->>'transactionNumber'",
        "trandate": "(r.body->>'tranDate')::date", "postingperiod": _ref("postingPeriod"),
        "postingperiod__df": _shown("accountingPeriod", _ref("postingPeriod"), "periodName"),
        "currency": _ref("currency"), "currency__df": _shown("currency", _ref("currency"), "name"),
        "exchangerate": _RATE, "memo": "r.body->>'memo'", "posting": _POSTING, "voided": "'F'::text",
        "approvalstatus": _ref("approvalStatus"), "createddate": "r.created_at AT TIME ZONE 'UTC'",
        "lastmodifieddate": "r.updated_at AT TIME ZONE 'UTC'",
    }),
    _line_view("transactionline", {
        "transaction": _JOURNAL_ID, "id": "(l.item->>'line')::bigint",
        "linesequencenumber": "(l.item->>'line')::bigint",
        "uniquekey": f"{_JOURNAL_ID} * 1000 + (l.item->>'line')::bigint", "mainline": "'F'::text",
        "subsidiary": _ref("subsidiary"), "subsidiary__df": _shown("subsidiary", _ref("subsidiary"), "name"),
        **{name: _ref(name, "l.item") for name, _ in _SEGMENTS},
        **{f"{name}__df": _shown(kind, _ref(name, "l.item"), "name") for name, kind in _SEGMENTS},
        "entity": _ref("entity", "l.item"),
        "entity__df": _shown("customer", _ref("entity", "l.item"), "entityId"),
        "memo": "l.item->>'memo'", "foreignamount": _FOREIGN,
        "netamount": f"round({_FOREIGN} * {_RATE}, {_BASE})", "eliminate": "'F'::text",
    }),
    _line_view("transactionaccountingline", {
        "transaction": _JOURNAL_ID, "transactionline": "(l.item->>'line')::bigint", "accountingbook": "1::bigint",
        "account": _ref("account", "l.item"),
        "account__df": _shown("account", _ref("account", "l.item"), "acctName"),
        # In the subsidiary's own currency, as is all of this table.
        "debit": f"round((l.item->>'debit')::numeric * {_RATE}, {_BASE})",
        "credit": f"round((l.item->>'credit')::numeric * {_RATE}, {_BASE})",
        "amount": f"round({_FOREIGN} * {_RATE}, {_BASE})", "exchangerate": _RATE, "posting": _POSTING,
    }),
    f"CREATE VIEW {SCHEMA}.dual AS SELECT 'X'::text AS dummy",
)  # fmt: skip


def prepare() -> None:
    """Make the views anew: they hold nothing."""
    with pool().connection() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7103)")
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(_INDEX)
        for view in VIEWS:
            connection.execute(view)
