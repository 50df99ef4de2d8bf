"""What two people gave up, and what came of it since cannot be read: the case of that stands for the invoice.

Told with both, one invoice's money would count twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.stages.taken_back_there import CANCELLED

# By event of an invoice, the latest case of what came since under the same reference in the same system.
_SINCE = """
SELECT DISTINCT ON (e.id) e.id, c.id FROM q2c_event e
CROSS JOIN LATERAL (SELECT e.payload ->> 'billing_reference' AS reference) r
JOIN exceptions_case c ON c.step_id IS NULL AND c.raw_hash IS NOT NULL AND c.code <> %s::text
  AND (c.business_key = r.reference OR c.context @> jsonb_build_object('reference', r.reference))
WHERE e.id = ANY(%s::uuid[]) AND coalesce(c.context ->> 'reference', c.business_key) = r.reference
  AND coalesce(c.context ->> 'source', c.source) = e.source AND c.opened_at > e.received_at
  AND c.reason <> 'event_conflict'
  AND c.state = ANY(%s::text[])
  AND NOT EXISTS (SELECT FROM exceptions_caseevent t WHERE t.case_id = c.id AND t.kind = 'readable_again')
ORDER BY e.id, c.opened_at DESC, c.id DESC
"""


def since(user: Any, event_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Case]:
    """By event: the case, if this person sees it, open or given up as well. Two statements."""
    if not event_ids:
        return {}
    found = dict(bulk.execute(_SINCE, [CANCELLED, list(event_ids), [*UNRESOLVED, "closed_without_fix"]]))
    cases = {case.id: case for case in Case.objects.visible_to(user).filter(id__in=found.values()).defer("haystack")}
    return {event_id: cases[case_id] for event_id, case_id in found.items() if case_id in cases}
