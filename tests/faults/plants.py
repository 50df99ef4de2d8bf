"""Faults to plant into a good result, as SQL past its guards. Each names what the checker has to say of it.

%(entry)s, %(key)s, %(invoice)s, %(reference)s    one posted entry, its key, its invoice and that one's id in billing
%(order)s, %(deal)s                               one active order and its deal
%(subscription_number)s, %(subscription)s         its subscription and that one's id in billing
%(account)s, %(customer)s                         its account in billing, its customer in the ledger
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """`kinds` of what is found: one finding for each where they are all the same; else these kinds and no others.

    `ours` are statements on q2c's database, `theirs` on the platforms'; each changes one row, but those of lines.
    """

    name: str
    kinds: tuple[str, ...]
    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()


_COPY = "visible_at, created_at, updated_at FROM sandbox_{0}.record WHERE kind = '{1}' AND "
_INTO = "INSERT INTO sandbox_{0}.record (kind, id, number, external_id, body, visible_at, created_at, updated_at) "


def _copied(schema: str, kind: str, which: str, id_: str, number: str, external_id: str, body: str = "body") -> str:
    return f"{_INTO.format(schema)}SELECT kind, {id_}, {number}, {external_id}, {body}, {_COPY.format(schema, kind)}{which}"


def _set(schema: str, kind: str, which: str, path: str, value: str) -> str:
    changed = f"jsonb_set(body::jsonb, '{{{path}}}', '{value}')::json"
    return f"UPDATE sandbox_{schema}.record SET body = {changed} WHERE kind = '{kind}' AND {which}"


def _journal(path: str, value: str) -> tuple[str, ...]:
    return (_set("netsuite", "journalEntry", "external_id = %(key)s", path, value),)


def _invoice(path: str, value: str) -> tuple[str, ...]:
    return (_set("zuora", "invoice", "id = %(reference)s", path, value),)


def _again(table: str, which: str, changed: dict[str, str]) -> str:
    """A copy of one row; `changed` are columns with their SQL."""
    values = ", ".join(f"'{column}', {value}" for column, value in changed.items())
    return (
        f"INSERT INTO {table} SELECT r.* FROM {table} t, jsonb_populate_record(NULL::{table}, "
        f"to_jsonb(t) || jsonb_build_object({values})) r WHERE t.{which}"
    )


def _move(machine: str, which: str, source: str, target: str) -> str:
    return (
        "INSERT INTO q2c_transition (machine, record_id, source, target, at, actor, why, correlation_id) "
        f"SELECT '{machine}', id, '{source}', '{target}', now(), 'planted', '', correlation_id FROM {machine} "
        f"WHERE {which}"
    )


_KEY = "external_id = %(key)s"
JOURNALS = (
    Plant("a journal is there twice", ("double_journal",), theirs=(
        _copied("netsuite", "journalEntry", _KEY, "'999001'", "'JE999001'", "'Q2CSECONDSECONDSECON'"),)),
    Plant("a second one has no key", ("double_journal",), theirs=(
        _copied("netsuite", "journalEntry", _KEY, "'999001'", "'JE999001'", "NULL"),)),
    Plant("two journals have one key", ("double_journal",), theirs=(
        "DROP INDEX sandbox_netsuite.record_external",
        _copied("netsuite", "journalEntry", _KEY, "'999001'", "'JE999001'", "external_id"))),
    Plant("a journal is lost", ("lost_journal",), theirs=(
        f"DELETE FROM sandbox_netsuite.record WHERE kind = 'journalEntry' AND {_KEY}",)),
    Plant("a journal is nobody's", ("orphan_journal",), theirs=(
        _copied("netsuite", "journalEntry", _KEY, "'999001'", "'JE999001'", "NULL",
                """jsonb_set(body::jsonb, '{memo}', '"by hand"')::json"""),)),
    Plant("a journal has another key", ("double_journal", "lost_journal"), theirs=(
        f"UPDATE sandbox_netsuite.record SET external_id = 'Q2COTHER' WHERE kind = 'journalEntry' AND {_KEY}",)),
    Plant("another amount", ("journal_amount",), theirs=_journal("line,items,0,debit", "1.25")),
    Plant("a line more", ("journal_amount",), theirs=_journal("line,items,99", '{"line": 9, "account": {"id": "2"}, "debit": 5}')),
    Plant("another date", ("journal_date",), theirs=_journal("tranDate", '"2026-01-31"')),
    Plant("another period", ("journal_date",), theirs=_journal("postingPeriod", '{"id": "1"}')),
    Plant("another cost center", ("journal_dimension",), theirs=_journal("line,items,1,department", '{"id": "99"}')),
    Plant("another account", ("journal_account",), theirs=_journal("line,items,1,account", '{"id": "99"}')),
    Plant("another customer", ("journal_customer",), theirs=_journal("line,items,0,entity", '{"id": "99"}')),
    Plant("another subsidiary", ("journal_subsidiary",), theirs=_journal("subsidiary", '{"id": "99"}')),
    Plant("another currency", ("journal_currency",), theirs=_journal("currency", '{"id": "99"}')),
    Plant("another rate", ("journal_rate",), theirs=_journal("exchangeRate", "77")),
    Plant("not approved", ("journal_state",), theirs=_journal("approvalStatus", '{"id": "1"}')),
    Plant("another document number", ("journal_reference",), theirs=(
        f"UPDATE sandbox_netsuite.record SET number = 'JE7' WHERE kind = 'journalEntry' AND {_KEY}",)),
)  # fmt: skip

_SUBSCRIPTION = "id = %(subscription)s"
BILLING = (
    Plant("a subscription is there twice", ("double_subscription",), theirs=(
        _copied("zuora", "subscription", _SUBSCRIPTION, "'second'", "'S-SECOND'", "NULL"),)),
    Plant("a subscription is lost", ("lost_subscription",), theirs=(
        f"DELETE FROM sandbox_zuora.record WHERE kind = 'subscription' AND {_SUBSCRIPTION}",)),
    Plant("a subscription is of no order", ("orphan_subscription",), theirs=(
        _copied("zuora", "subscription", _SUBSCRIPTION, "'second'", "'S-SECOND'", "NULL",
                """jsonb_set(body::jsonb, '{custom,Q2C_Order__c}', '"SO-NOBODY"')::json"""),)),
    Plant("a subscription has another term", ("subscription_differs",), theirs=(
        _set("zuora", "subscription", _SUBSCRIPTION, "termMonths", "7"),)),
    Plant("a subscription was cancelled there", ("subscription_differs",), theirs=(
        _set("zuora", "subscription", _SUBSCRIPTION, "cancelledOn", '"2026-11-20"'),)),
    Plant("a charge has another price", ("subscription_differs",), theirs=(
        _set("zuora", "subscription", _SUBSCRIPTION, "charges,0,pricing", '{"recurringFlatFee": {"listPrice": 1}}'),)),
    Plant("a phase is not active", ("activation_differs",), theirs=(
        _set("zuora", "subscription", _SUBSCRIPTION, "charges,0,startsOn", "null"),)),
    Plant("an invoice is lost here", ("lost_invoice",), theirs=(
        _copied("zuora", "invoice", "id = %(reference)s", "'second'", "'INV-SECOND'", "NULL"),)),
    Plant("an invoice is not there", ("orphan_invoice",), theirs=(
        "DELETE FROM sandbox_zuora.record WHERE kind = 'invoice' AND id = %(reference)s",)),
    Plant("an invoice is a draft there", ("orphan_invoice",), theirs=_invoice("status", '"Draft"')),
    Plant("an invoice has another total", ("invoice_differs",), theirs=_invoice("amount", "1.25")),
    Plant("an invoice has another date", ("invoice_differs",), theirs=_invoice("invoiceDate", '"2026-01-31"')),
    Plant("a line has another amount", ("invoice_differs", "invoice_differs"), theirs=_invoice(
        "items,0,chargeAmount", "1.25")),
    Plant("a line is of another product", ("invoice_differs",), theirs=_invoice("items,0,sku", '"OTHER"')),
    Plant("an account is lost", ("lost_customer",), theirs=(
        "DELETE FROM sandbox_zuora.record WHERE kind = 'account' AND number = (SELECT max(a.number) FROM "
        "sandbox_zuora.record a WHERE a.kind = 'account' AND NOT EXISTS (SELECT FROM sandbox_zuora.record b "
        "WHERE b.kind = 'account' AND b.body->>'parentId' = a.id))",)),
    Plant("an account is there twice", ("double_customer", "orphan_customer"), theirs=(
        _copied("zuora", "account", "number = %(account)s", "'second'", "'A-SECOND'", "NULL"),)),
    Plant("an account has another currency", ("customer_differs",), theirs=(
        _set("zuora", "account", "number = %(account)s", "currency", '"XXX"'),)),
    Plant("a customer of the ledger is nobody's", ("orphan_customer",), theirs=(
        _copied("netsuite", "customer", "external_id = %(customer)s", "'999002'", "'A-NOBODY'", "'A-NOBODY'",
                """jsonb_set(body::jsonb, '{entityId}', '"A-NOBODY"')::json"""),)),
    Plant("a customer of the ledger is there twice", ("double_customer", "orphan_customer"), theirs=(
        _copied("netsuite", "customer", "external_id = %(customer)s", "'999002'", "'A-NOBODY'", "NULL"),)),
)  # fmt: skip

_TOLD_AGAIN = (
    "INSERT INTO q2c_event (id, type, schema_version, source, source_id, correlation_id, occurred_at, received_at, payload, "
    "payload_hash, envelope, data_at) SELECT gen_random_uuid(), type, schema_version, source, 'again', correlation_id, "
    "occurred_at, received_at, {1}, payload_hash, '', 0 FROM q2c_event WHERE {0} LIMIT 1"
)
_DEAL = "id = %(deal)s"
_LINE = "id = (SELECT min(id) FROM sandbox_salesforce.record WHERE kind = 'OpportunityLineItem' AND "
_LINE += "body->>'OpportunityId' = %(deal)s)"
SALES = (
    Plant("a deal is lost", ("lost_deal",), theirs=(
        _copied("salesforce", "Opportunity", _DEAL, "'006SECOND'", "NULL", "NULL",
                """jsonb_set(body::jsonb, '{Order_Number__c}', '"SO-LOST"')::json"""),)),
    Plant("a deal is not there", ("orphan_order",), theirs=(
        f"DELETE FROM sandbox_salesforce.record WHERE kind = 'Opportunity' AND {_DEAL}",)),
    Plant("a deal is no longer won", ("deal_no_longer_won",), theirs=(
        _set("salesforce", "Opportunity", _DEAL, "IsWon", "false"),)),
    Plant("a deal closed on another day", ("deal_differs",), theirs=(
        _set("salesforce", "Opportunity", _DEAL, "CloseDate", '"2026-01-31"'),)),
    Plant("a line of a deal is worth another amount", ("deal_differs", "deal_differs"), theirs=(
        _set("salesforce", "OpportunityLineItem", _LINE, "Contract_Amount__c", '"1.25"'),)),
    Plant("a deal does not show its status", ("write_back_differs",), theirs=(
        _set("salesforce", "Opportunity", _DEAL, "Billing_Status__c", '"Accepted"'),)),
    Plant("an order is another's, too", ("deal_differs", "double_deal", "lost_deal", "write_back_differs"), ours=(
        "UPDATE q2c_order SET source_id = %(deal)s || ':x' WHERE id = (SELECT min(id::text)::uuid FROM q2c_order "
        "WHERE source = 'salesforce' AND state = 'active' AND number <> %(order)s)",)),
    Plant("an order has another day", ("deal_differs", "order_differs"), ours=(
        "UPDATE q2c_order SET closed_on = closed_on + 1 WHERE number = %(order)s",)),
    Plant("an order's line has another amount", ("deal_differs", "order_differs"), ours=(
        "UPDATE q2c_orderline SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(l.id) FROM q2c_orderline l "
        "JOIN q2c_order o ON o.id = l.order_id WHERE o.number = %(order)s)",)),
    Plant("what was answered is gone", ("lost_event",), ours=("DELETE FROM q2c_event WHERE source_id = 'leaves'",)),
    Plant("what was answered is there twice", ("double_event", "event_without_step"), ours=(
        "ALTER TABLE q2c_event DROP CONSTRAINT event_identity",
        _TOLD_AGAIN.format("source_id = 'leaves'", "payload"),
        "UPDATE q2c_event SET source_id = 'leaves' WHERE source_id = 'again'")),
    Plant("an event called for nothing", ("event_without_step",), ours=(
        _TOLD_AGAIN.format("type = 'InvoiceIssued'", "payload"),)),
    Plant("a fact is told twice", ("double_fact",), ours=(
        _TOLD_AGAIN.format("type = 'OrderAccepted' AND payload->>'order_number' = %(order)s", "payload"),
        "INSERT INTO q2c_step (id, correlation_id, event_id, stage, part, connection, key, state, phase, attempts, replays, "
        "order_key, next_at, handle, reason, text, proof, reference, document, business_key, customer, currency, entity, "
        "period, created_at) SELECT gen_random_uuid(), s.correlation_id, e.id, s.stage, 'again', s.connection, s.key, "
        "'abandoned', s.phase, 0, 0, '', s.next_at, '', '', '', '{}', '', '', '', '', '', '', '', s.created_at "
        "FROM q2c_event e, q2c_step s WHERE e.source_id = 'again' AND s.stage = 'sync_customer' ORDER BY s.seq LIMIT 1",
        _move("q2c_step", "part = 'again'", "", "waiting"), _move("q2c_step", "part = 'again'", "waiting", "abandoned"))),
    Plant("a fact is told of nothing", ("untrue_fact",), ours=(
        _TOLD_AGAIN.format("type = 'JournalPosted'", """'{"journal_id": "none"}'"""),)),
    Plant("a fact was never told", ("lost_fact",), ours=(
        "DELETE FROM q2c_event WHERE type = 'JournalPosted' AND payload->>'number' = %(entry)s",)),
    Plant("a customer is forgotten here", ("done_without_record", "lost_customer", "orphan_customer"), ours=(
        "DELETE FROM q2c_crossreference WHERE kind = 'customer' AND our_key = %(customer)s AND connection = 'netsuite'",)),
)  # fmt: skip

_ENTRY = "(SELECT id FROM ledger_journalentry WHERE number = %(entry)s)"
_RECEIVABLE = f"entry_id = {_ENTRY} AND line = (SELECT min(line) FROM ledger_journalline WHERE entry_id = {_ENTRY})"
BOOKS = (
    Plant("an invoice has another total here", ("entry_differs", "invoice_differs", "invoice_sum"), ours=(
        "UPDATE q2c_invoice SET total_minor = total_minor + 1 WHERE number = %(invoice)s",)),
    Plant("an invoice has another date here", ("entry_differs", "invoice_differs"), ours=(
        "UPDATE q2c_invoice SET issued_on = issued_on + 1 WHERE number = %(invoice)s",)),
    Plant("an invoice is recorded twice", ("double_invoice", "invoice_differs", "invoice_sum", "state_without_move"), ours=(
        "DROP INDEX one_invoice_per_entity_number",
        "DROP INDEX one_invoice_per_billing_reference",
        _again("q2c_invoice", "number = %(invoice)s", {"id": "gen_random_uuid()"}))),
    Plant("an invoice is booked twice", (
        "double_entry", "entry_differs", "lost_fact", "number_gap", "state_without_move", "unbalanced_entry"), ours=(
        _again("ledger_journalentry", "number = %(entry)s", {
            "id": "gen_random_uuid()", "generation": "9", "number": "left(t.number, -7) || '0000999'"}),)),
    Plant("an entry is not posted, and its case says nothing", ("mute_case", "unposted_entry"), ours=(
        "UPDATE exceptions_case SET text = '' WHERE step_id = (SELECT id FROM q2c_step WHERE stage = 'post_journal' "
        "AND state = 'failed' LIMIT 1)",)),
    Plant("an invoice is forgotten here", ("done_without_record", "lost_invoice", "lost_record", "orphan_entry"), ours=(
        "DELETE FROM q2c_invoice WHERE number = %(invoice)s",)),
    Plant("an entry is lost", (
        "done_without_record", "lost_entry", "lost_record", "number_gap", "orphan_journal", "untrue_fact"), ours=(
        f"DELETE FROM ledger_journalline WHERE entry_id = {_ENTRY}",
        "DELETE FROM ledger_journalentry WHERE number = %(entry)s")),
    Plant("an entry has another day", ("entry_differs", "journal_date"), ours=(
        "UPDATE ledger_journalentry SET effective_on = effective_on - 1 WHERE number = %(entry)s",)),
    Plant("an entry is not balanced", (
        "entry_differs", "journal_amount", "unbalanced_books", "unbalanced_entry"), ours=(
        f"UPDATE ledger_journalline SET amount_minor = amount_minor + 1 WHERE {_RECEIVABLE}",)),
    Plant("an entry is not balanced in its entity's currency", ("unbalanced_books", "unbalanced_entry"), ours=(
        f"UPDATE ledger_journalline SET functional_minor = functional_minor + 1 WHERE {_RECEIVABLE}",)),
    Plant("an entry is not balanced in the group's currency", ("unbalanced_books", "unbalanced_entry"), ours=(
        f"UPDATE ledger_journalline SET group_minor = group_minor - 1 WHERE {_RECEIVABLE}",)),
    Plant("a line is of no entry", ("orphan_line",), ours=(
        "INSERT INTO ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor, "
        "dimensions, customer, memo) SELECT gen_random_uuid(), 1, account_id, 0, 0, 0, '{}', '', '' "
        "FROM ledger_journalline LIMIT 1",)),
    Plant("a number is left out", ("number_gap",), ours=(
        "UPDATE ledger_journalentry SET number = left(number, -7) || '0000999' WHERE number = (SELECT max(number) "
        "FROM ledger_journalentry WHERE number LIKE 'US01-%%')",)),
    Plant("a series has come further than its entries", ("number_gap",), ours=(
        "UPDATE ledger_journalseries SET last_number = last_number + 1 WHERE last_number > 0 AND prefix LIKE 'US01%%'",)),
    Plant("an entry is numbered in another series", ("number_gap", "wrong_number"), ours=(
        "UPDATE ledger_journalentry SET number = 'XX01-26-S0000001' WHERE number = (SELECT max(number) "
        "FROM ledger_journalentry WHERE number LIKE 'US01-%%')",)),
    Plant("a mirror takes back another amount", (
        "journal_amount", "mirror_differs", "unbalanced_books", "unbalanced_entry"), ours=(
        "UPDATE ledger_journalline SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(l.id) FROM "
        "ledger_journalline l JOIN ledger_journalentry m ON m.id = l.entry_id WHERE m.reverses_id IS NOT NULL)",)),
    Plant("what was mirrored still stands", ("mirror_differs", "state_without_move"), ours=(
        "UPDATE ledger_journalentry SET state = 'posted' WHERE state = 'reversed'",)),
)  # fmt: skip

_ORDER = "number = %(order)s"
_WAITS = "id = (SELECT min(id::text)::uuid FROM q2c_step WHERE stage = 'activate_subscription' AND state = 'waiting')"
_RUNS = "id = (SELECT min(id::text)::uuid FROM q2c_step WHERE stage = 'activate_subscription' AND state = 'running')"
_FAILS = "id = (SELECT min(id::text)::uuid FROM q2c_step WHERE stage = 'activate_subscription' AND state = 'failed')"
_RUN = "UPDATE q2c_step SET state = 'running', lease = {lease}, lease_until = {until} WHERE " + _WAITS
_PAST, _ID = "'2026-11-25 13:00+00'", "gen_random_uuid()"
_FIXED = "id = (SELECT min(id::text)::uuid FROM exceptions_case WHERE resolution = 'fixed_by_replay')"
_OPEN = (
    "id = (SELECT min(c.id::text)::uuid FROM exceptions_case c JOIN q2c_step s ON s.id = c.step_id "
    "WHERE c.state = 'open' AND s.stage = 'accept_order' AND s.state = 'failed')"
)
PATHS = (
    Plant("moves that are none", ("illegal_move", "illegal_move"), ours=(
        _move("q2c_order", _ORDER, "active", "received"), _move("q2c_order", _ORDER, "received", "active"))),
    Plant("a move is missing", ("broken_path",), ours=(
        "DELETE FROM q2c_transition WHERE machine = 'q2c_order' AND target = 'provisioning' "
        f"AND record_id = (SELECT id FROM q2c_order WHERE {_ORDER})",)),
    Plant("a record begins in the middle", ("broken_path",), ours=(
        "DELETE FROM q2c_transition WHERE machine = 'q2c_order' AND source = '' "
        f"AND record_id = (SELECT id FROM q2c_order WHERE {_ORDER})",)),
    Plant("a state was set by hand", ("state_without_move",), ours=(
        "UPDATE q2c_subscription SET state = 'suspended' WHERE number = %(subscription_number)s",)),
    Plant("a step is stuck", ("stuck_step",), ours=(
        f"UPDATE q2c_step SET next_at = {_PAST}, order_key = '' WHERE {_WAITS}",)),
    Plant("a lease is over", ("expired_lease",), ours=(
        _move("q2c_step", _WAITS, "waiting", "running"), _RUN.format(lease=_ID, until=_PAST))),
    Plant("a step runs under no lease", ("expired_lease",), ours=(
        _move("q2c_step", _WAITS, "waiting", "running"), _RUN.format(lease="NULL", until="NULL"))),
    Plant("a step failed and is nobody's", ("failed_without_case",), ours=(
        _move("q2c_step", _WAITS, "waiting", "running"), _RUN.format(lease="NULL", until="NULL"),
        _move("q2c_step", _RUNS, "running", "failed"), f"UPDATE q2c_step SET state = 'failed' WHERE {_RUNS}")),
    Plant("a step tries again and again", ("still_retrying",), ours=(
        f"UPDATE q2c_step SET stage = 'write_back', order_key = '' WHERE {_WAITS}",)),
    Plant("a case ended otherwise than its step", ("untrue_case",), ours=(
        f"UPDATE exceptions_case SET resolution = 'closed_without_fix' WHERE {_FIXED}",)),
    Plant("a case was resolved, and its step failed",
          ("failed_without_case", "undecided_order", "untrue_case", "untrue_problem", "wrong_count"), ours=(
        _move("exceptions_case", _OPEN, "open", "resolved"),
        f"UPDATE exceptions_case SET state = 'resolved', resolution = 'fixed_by_replay', resolved_at = now() WHERE {_OPEN}")),
    Plant("a case is open, and its step is done", ("untrue_case", "untrue_problem", "wrong_count"), ours=(
        _move("exceptions_case", _FIXED, "resolved", "reopened"),
        f"UPDATE exceptions_case SET state = 'reopened' WHERE {_FIXED}")),
    Plant("a case says nothing", ("mute_case", "undecided_order"), ours=(
        f"UPDATE exceptions_case SET text = '' WHERE {_OPEN}",)),
    Plant("a replay is confirmed as another document", ("untrue_replay",), ours=(
        "UPDATE exceptions_replayitem SET document = 'JE7' WHERE id = (SELECT min(id) FROM exceptions_replayitem "
        "WHERE outcome = 'confirmed')",)),
    Plant("a replay is confirmed, and failed", ("untrue_replay",), ours=(
        "UPDATE exceptions_replayitem SET outcome = 'confirmed', step_id = (SELECT id FROM q2c_step "
        "WHERE state = 'failed' LIMIT 1) WHERE id = (SELECT min(id) FROM exceptions_replayitem)",)),
    Plant("a replay is still out, and its step done", ("untrue_replay",), ours=(
        "UPDATE exceptions_replayitem SET outcome = 'sent' WHERE id = (SELECT min(id) FROM exceptions_replayitem "
        "WHERE outcome = 'confirmed')",)),
    Plant("a replay never ends", ("replay_under_way",), ours=(
        "DELETE FROM q2c_transition WHERE machine = 'exceptions_replaybatch' AND target = 'finished' AND record_id = "
        "(SELECT min(id::text)::uuid FROM exceptions_replaybatch WHERE state = 'finished')",
        "UPDATE exceptions_replaybatch SET state = 'running' WHERE id = "
        "(SELECT min(id::text)::uuid FROM exceptions_replaybatch WHERE state = 'finished')")),
    Plant("a problem is closed, and its cases are not", ("state_without_move", "untrue_problem"), ours=(
        "UPDATE exceptions_problem SET state = 'resolved' WHERE id = (SELECT min(id::text)::uuid FROM exceptions_problem "
        "WHERE state = 'open')",)),
    Plant("a problem counts a case too many", ("wrong_count",), ours=(
        "UPDATE exceptions_problemamount SET cases = cases + 1 WHERE id = (SELECT min(id) FROM exceptions_problemamount)",)),
    Plant("a connection is paused", ("open_breaker",), ours=(
        "INSERT INTO q2c_breaker (connection, failures, opened_at, text) VALUES ('netsuite', 5, now(), 'down') "
        "ON CONFLICT (connection) DO UPDATE SET opened_at = now()",)),
    Plant("a callout is not fetched", ("unfetched_callout",), ours=(
        "INSERT INTO q2c_callout (id, connection, reference, correlation_id, called_at, next_at, tries, text) VALUES "
        "(gen_random_uuid(), 'zuora', 'somewhere', gen_random_uuid(), now(), now(), 3, 'silent')",)),
)  # fmt: skip

PLANTS = (*JOURNALS, *BILLING, *SALES, *BOOKS, *PATHS)
