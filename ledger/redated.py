"""Facts on the day on which they are booked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from django.db import connection

from ledger.facts import Fact

_LATEST = """
SELECT r.event_id, e.code, r.rule_set, r.effective_on
FROM ledger_redating r JOIN ledger_legalentity e ON e.id = r.entity_id WHERE r.event_id = ANY(%s::uuid[]) ORDER BY r.id
"""


def applied(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, those that were re-dated on the day that was decided last; one statement. Idempotent."""
    events = ",".join({str(fact.event_id) for fact in facts})
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [f"{{{events}}}"])
        days = {(event_id, code, rules): day for event_id, code, rules, day in cursor.fetchall()}
    if not days:
        return list(facts)
    return [_on(fact, days.get((fact.event_id, fact.entity_code, fact.rule_set))) for fact in facts]


def proposed(fact: Fact, day: dt.date) -> Fact:
    """The fact as it would be booked on a day that nobody has decided yet."""
    return _on(fact, day)


def _on(fact: Fact, day: dt.date | None) -> Fact:
    if day is None or fact.dated_on is not None:
        return fact
    memo = f"{fact.memo[:180]} (dated {fact.effective_on})".strip()
    return replace(fact, effective_on=day, dated_on=fact.effective_on, memo=memo)
