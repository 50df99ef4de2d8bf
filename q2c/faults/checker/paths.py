"""Each record's moves are a path: from nothing to its first state, link by link along legal edges, to where it is."""

from __future__ import annotations

from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, rows

_OPEN_CASE = ("open", "in_progress", "reopened", "snoozed", "awaiting_approval")
# By table: where a record begins, and from each state where it may go. Written down from the documents, not derived.
EDGES: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "q2c_step": ("waiting", {
        "waiting": ("running", "abandoned"),
        "running": ("done", "waiting", "accepted", "unknown", "failed"),
        "accepted": ("running",),
        "unknown": ("running",),
        "failed": ("waiting", "abandoned"),
        "abandoned": ("failed",),
    }),
    "q2c_order": ("received", {
        "received": ("accepted", "rejected", "awaiting_approval", "cancelled"),
        "awaiting_approval": ("accepted", "rejected", "received", "cancelled"),
        "accepted": ("provisioning", "cancelled"),
        "provisioning": ("active", "cancelled"),
        "active": ("completed", "cancelled"),
    }),
    "q2c_subscription": ("provisioned", {
        "provisioned": ("active", "cancelled"),
        "active": ("suspended", "cancelled", "expired"),
        "suspended": ("active", "cancelled"),
    }),
    "q2c_invoice": ("issued", {
        "issued": ("recorded", "voided"),
        "recorded": ("posted", "voided"),
        "posted": ("partly_paid", "paid", "credited"),
        "partly_paid": ("paid", "credited"),
        "paid": ("credited",),
    }),
    "ledger_journalentry": ("drafted", {
        "drafted": ("ready",),
        "ready": ("posting", "superseded"),
        "posting": ("posted", "blocked"),
        "blocked": ("posting", "superseded"),
        "posted": ("reversed",),
    }),
    "ledger_fiscalperiod": ("open", {
        "open": ("soft_closed",),
        "soft_closed": ("closed", "open"),
        "closed": ("open",),
    }),
    "exceptions_case": ("open", {
        "open": ("in_progress", "snoozed", "awaiting_approval", "replaying", "resolved"),
        "reopened": ("in_progress", "snoozed", "awaiting_approval", "replaying", "resolved"),
        "in_progress": ("open", "snoozed", "awaiting_approval", "replaying", "resolved"),
        "snoozed": ("open", "awaiting_approval", "replaying", "resolved"),
        "awaiting_approval": ("open", "closed_without_fix", "replaying", "resolved"),
        "replaying": ("open", "resolved"),
        "resolved": ("reopened", "open"),
        "closed_without_fix": ("reopened", "open"),
    }),
    "exceptions_replaybatch": ("dry_run", {
        "dry_run": ("queued", "cancelled"),
        "queued": ("running", "cancelled"),
        "running": ("finished", "cancelled", "stopped"),
    }),
    "exceptions_problem": ("open", {"open": ("resolved",), "resolved": ("open",)}),
    "exceptions_offer": ("open", {"open": ("taken", "dismissed", "withdrawn")}),
    "exceptions_approval": ("requested", {"requested": ("approved", "refused", "withdrawn")}),
}  # fmt: skip

_FIRSTS = {(machine, "", begins) for machine, (begins, _) in EDGES.items()}
_LATER = {
    (machine, source, target)
    for machine, (_, edges) in EDGES.items()
    for source, targets in edges.items()
    for target in targets
}
_LEGAL = ", ".join(f"('{machine}', '{source}', '{target}')" for machine, source, target in sorted(_FIRSTS | _LATER))
_ILLEGAL = f"""
SELECT t.machine, t.record_id, t.source, t.target, t.at, t.actor, t.correlation_id FROM q2c_transition t
WHERE NOT EXISTS (SELECT FROM (VALUES {_LEGAL}) AS l (machine, source, target)
  WHERE (l.machine, l.source, l.target) = (t.machine, t.source, t.target)) ORDER BY t.id
"""
_BROKEN = """
SELECT * FROM (
  SELECT machine, record_id, source, target, at, correlation_id,
    lag(target, 1, '') OVER (PARTITION BY record_id, machine ORDER BY id) AS before
  FROM q2c_transition) t
WHERE source <> before ORDER BY at
"""
# The last move of each record beside its state. `table` is one of EDGES.
_STATE = """
SELECT r.id, r.state, r.correlation_id, t.target FROM {table} r
LEFT JOIN LATERAL (SELECT target FROM q2c_transition t WHERE t.record_id = r.id AND t.machine = '{table}'
  ORDER BY t.id DESC LIMIT 1) t ON true
WHERE t.target IS DISTINCT FROM r.state
"""
_MOVES = "SELECT count(*) AS moves FROM q2c_transition"
_GONE = """
SELECT DISTINCT t.record_id, t.correlation_id FROM q2c_transition t
WHERE t.machine = '{table}' AND t.source = '' AND NOT EXISTS (SELECT FROM {table} r WHERE r.id = t.record_id)
"""


def check(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _MOVES):
        found.count("moves", row.moves)
    for row in rows(databases.ours, _ILLEGAL):
        text = f"{row.machine} {row.record_id} went from {row.source or 'nothing'} to {row.target}, which is no move"
        found.add("illegal_move", f"{text} (at {row.at:%Y-%m-%d %H:%M:%S}, by {row.actor})", row.correlation_id)
    for row in rows(databases.ours, _BROKEN):
        text = f"{row.machine} {row.record_id} went from {row.source or 'nothing'} to {row.target}"
        found.add("broken_path", f"{text}, and was {row.before or 'not there'} before", row.correlation_id)
    for table in EDGES:
        for row in rows(databases.ours, _STATE.format(table=table)):
            text = f"{table} {row.id} is {row.state}, and its last move led to {row.target or 'nothing'}"
            found.add("state_without_move", text, row.correlation_id)
        for row in rows(databases.ours, _GONE.format(table=table)):
            text = f"{table} {row.record_id} has moves, and is not there any more"
            found.add("lost_record", text, row.correlation_id)
