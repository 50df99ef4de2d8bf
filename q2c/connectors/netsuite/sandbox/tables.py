"""The tables of SuiteQL, as views over the sandbox's documents: what the analytics schema calls a record's fields.

Columns ending in __df are what BUILTIN.DF shows of a reference. References are internal ids; flags are T and F.
"""

from __future__ import annotations

from q2c import keys
from q2c.connectors.sandbox_kit.store import pool

SCHEMA = "sandbox_netsuite_suiteql"
_STORE = "sandbox_netsuite"

# Documents of other kinds have ids that are no numbers.
_NUMBER = "CASE WHEN {alias}id ~ '^[0-9]{{1,18}}$' THEN {alias}id::bigint END"
_ID = _NUMBER.format(alias="r.")

# The lines of journals as rows, kept by a trigger whoever writes the document: reading them out of it at each query
# would leave the planner blind.
_LINES = f"""
DROP TABLE IF EXISTS {_STORE}.journal_line CASCADE;
CREATE TABLE {_STORE}.journal_line (
  transaction bigint NOT NULL, line bigint NOT NULL, account bigint, department bigint, class bigint, location bigint,
  entity bigint, subsidiary bigint, debit numeric, credit numeric, memo text, rate numeric NOT NULL,
  base numeric NOT NULL, posting text NOT NULL, visible_at timestamptz NOT NULL, PRIMARY KEY (transaction, line));
CREATE INDEX IF NOT EXISTS record_number_id ON {_STORE}.record (kind, ({_NUMBER.format(alias="")}));
CREATE OR REPLACE FUNCTION {_STORE}.lines_of(r {_STORE}.record) RETURNS SETOF {_STORE}.journal_line
LANGUAGE sql STABLE AS $$
  SELECT r.id::bigint, (item->>'line')::bigint, (item->'account'->>'id')::bigint,
    (item->'department'->>'id')::bigint, (item->'class'->>'id')::bigint, (item->'location'->>'id')::bigint,
    (item->'entity'->>'id')::bigint, (r.body->'subsidiary'->>'id')::bigint,
    (item->>'debit')::numeric, (item->>'credit')::numeric, item->>'memo', own.rate,
    -- What rounding left over goes onto the largest line, the first of equals.
    own.base - CASE WHEN row_number() OVER (ORDER BY abs(own.base) DESC, (item->>'line')::bigint) = 1
               THEN sum(own.base) OVER () ELSE 0 END,
    CASE WHEN r.body->'approvalStatus'->>'id' = '2' THEN 'T' ELSE 'F' END, r.visible_at
  FROM json_array_elements(r.body->'line'->'items') AS item CROSS JOIN LATERAL (
    SELECT rates.rate, round((coalesce((item->>'debit')::numeric, 0) - coalesce((item->>'credit')::numeric, 0))
                             * rates.rate, coalesce((r.body->>'_baseDecimals')::int, 2)) AS base
    FROM (SELECT coalesce((r.body->>'exchangeRate')::numeric, 1) AS rate) AS rates) AS own $$;
CREATE OR REPLACE FUNCTION {_STORE}.keep_lines() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN DELETE FROM {_STORE}.journal_line WHERE transaction = OLD.id::bigint; END IF;
  IF TG_OP <> 'DELETE' THEN INSERT INTO {_STORE}.journal_line SELECT (f).* FROM {_STORE}.lines_of(NEW) AS f; END IF;
  RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER keep_lines_new AFTER INSERT OR UPDATE ON {_STORE}.record FOR EACH ROW
  WHEN (NEW.kind = 'journalEntry') EXECUTE FUNCTION {_STORE}.keep_lines();
CREATE OR REPLACE TRIGGER keep_lines_old AFTER DELETE ON {_STORE}.record FOR EACH ROW
  WHEN (OLD.kind = 'journalEntry') EXECUTE FUNCTION {_STORE}.keep_lines();
INSERT INTO {_STORE}.journal_line
  SELECT (f).* FROM {_STORE}.record r, {_STORE}.lines_of(r) AS f WHERE r.kind = 'journalEntry';
"""


def _flag(name: str) -> str:
    return f"CASE WHEN r.body->>'{name}' IN ('true', 'T') THEN 'T' ELSE 'F' END"


def _ref(name: str) -> str:
    return f"(r.body->'{name}'->>'id')::bigint"


def _shown(kind: str, id_: str, name: str) -> str:
    """What BUILTIN.DF shows of a reference."""
    return f"(SELECT o.body->>'{name}' FROM {_STORE}.record o WHERE o.kind = '{kind}' AND o.id = ({id_})::text)"


def _view(table: str, columns: dict[str, str], source: str, where: str = "true") -> str:
    listed = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return (
        f"CREATE VIEW {SCHEMA}.{table} AS SELECT {listed} FROM {_STORE}.{source} "
        f"WHERE {where} AND visible_at <= statement_timestamp()"
    )


def _simple(table: str, kind: str, columns: dict[str, str]) -> str:
    shared = {"id": _ID, "externalid": "r.external_id", "isinactive": _flag("isInactive")}
    return _view(table, shared | columns, "record r", f"r.kind = '{kind}'")


_FOREIGN = "(coalesce(l.debit, 0) - coalesce(l.credit, 0))"
_POSTING = "CASE WHEN r.body->'approvalStatus'->>'id' = '2' THEN 'T' ELSE 'F' END"
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
    _view("transaction", {
        "id": _ID, "externalid": "r.external_id", "tranid": "r.body->>'tranId'", "type": "'Journal'::text",
        "recordtype": "'journalentry'::text", "transactionnumber": "r.body->>'transactionNumber'",
        "trandate": "(r.body->>'tranDate')::date", "postingperiod": _ref("postingPeriod"),
        "postingperiod__df": _shown("accountingPeriod", _ref("postingPeriod"), "periodName"),
        "currency": _ref("currency"), "currency__df": _shown("currency", _ref("currency"), "name"),
        "exchangerate": "coalesce((r.body->>'exchangeRate')::numeric, 1)", "memo": "r.body->>'memo'",
        "posting": _POSTING, "voided": "'F'::text", "approvalstatus": _ref("approvalStatus"),
        "createddate": "r.created_at AT TIME ZONE 'UTC'", "lastmodifieddate": "r.updated_at AT TIME ZONE 'UTC'",
    }, "record r", "r.kind = 'journalEntry'"),
    _view("transactionline", {
        "transaction": "l.transaction", "id": "l.line", "linesequencenumber": "l.line",
        "uniquekey": "l.transaction * 1000 + l.line", "mainline": "'F'::text",
        "subsidiary": "l.subsidiary", "subsidiary__df": _shown("subsidiary", "l.subsidiary", "name"),
        **{name: f"l.{name}" for name, _ in _SEGMENTS},
        **{f"{name}__df": _shown(kind, f"l.{name}", "name") for name, kind in _SEGMENTS},
        "entity": "l.entity", "entity__df": _shown("customer", "l.entity", "entityId"), "memo": "l.memo",
        "foreignamount": _FOREIGN, "netamount": "l.base", "eliminate": "'F'::text",
    }, "journal_line l"),
    # In the subsidiary's own currency, as is all of this table.
    _view("transactionaccountingline", {
        "transaction": "l.transaction", "transactionline": "l.line", "accountingbook": "1::bigint",
        "account": "l.account", "account__df": _shown("account", "l.account", "acctName"),
        "debit": "CASE WHEN l.debit IS NOT NULL THEN l.base END",
        "credit": "CASE WHEN l.credit IS NOT NULL THEN -l.base END", "amount": "l.base",
        "exchangerate": "l.rate", "posting": "l.posting",
    }, "journal_line l"),
    f"CREATE VIEW {SCHEMA}.dual AS SELECT 'X'::text AS dummy",
)  # fmt: skip


def prepare() -> None:
    """Make the views and the lines, anew when their shape has changed: all they hold is in the documents."""
    shape = keys.fingerprint("\n".join((_LINES, *VIEWS)).encode()).hex()
    with pool().connection() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7103)")
        known = connection.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", [SCHEMA])
        if known.fetchone() == (shape,):
            return
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(_LINES.encode())
        for view in VIEWS:
            connection.execute(view)
        connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{shape}'")
