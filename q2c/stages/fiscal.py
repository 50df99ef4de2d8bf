"""The fiscal period of receivables that holds a day, as the calendar of its legal entity has it: a month, or not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from q2c import bulk

_HOLDS = """
SELECT a.entity, a.day, p.name FROM unnest(%s::text[], %s::date[]) AS a(entity, day)
JOIN ledger_legalentity n ON n.code = a.entity JOIN ledger_fiscalperiod p ON p.entity_id = n.id
AND p.subledger = 'receivables' AND p.starts_on <= a.day AND p.ends_on > a.day
"""


def periods_on(days: Collection[tuple[str, dt.date]]) -> dict[tuple[str, dt.date], str]:
    """Its name, by (legal entity, day); where there is none yet, the month's. One statement.

    What is not booked follows where a period is made or gets other days (the trigger of migration q2c 0065).
    """
    entities, dates = [entity for entity, _ in days], [day for _, day in days]
    found = {(entity, day): name for entity, day, name in bulk.execute(_HOLDS, [entities, dates])} if days else {}
    return {(entity, day): found.get((entity, day), f"{day:%Y-%m}") for entity, day in days}
