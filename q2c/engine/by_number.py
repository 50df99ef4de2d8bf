"""Cases of invoices that were asked for by their number, and whose own id was not known: nothing of them was read.

What is read is known by its own id from then on, so the case under the number ends as soon as it is read so; and it is
asked for by its number once more as soon as it is read under its id.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence

from django.db.models import QuerySet

from exceptions import cases
from exceptions.models import Case
from exceptions.models.case import CALLED, UNRESOLVED, called
from q2c import keys
from q2c.connectors.outcomes import Rejected
from q2c.connectors.ports import NOT_POSTED
from q2c.engine.reads import Read
from q2c.models import Callout


def settle(source: str, reads: Sequence[Read], events: Mapping[str, uuid.UUID | None], actor: str) -> None:
    """Called once these reads were taken in, or told under their ids. `events`: what became of those that are invoices,
    by id. Three statements where no such case is open."""
    by_name = {read.reference[:80]: read for read in reads if read.reference != read.id}
    right, told = dict[uuid.UUID, dict[str, str]](), dict[uuid.UUID, dict[str, str]]()
    for case_id, name in _open(source, by_name).values_list("id", CALLED):
        read = by_name[name]
        if isinstance(read.found, Rejected) and read.found.field != NOT_POSTED:
            told[case_id] = {}
        elif isinstance(read.found, Rejected) or read.id in events:
            right[case_id] = {"event": str(events.get(read.id) or "")}
    for proofs, resolution in ((right, "resolved_by_itself"), (told, "superseded")):
        if proofs:
            cases.resolve_cases(proofs, actor=actor, resolution=resolution)
    numbers = {read.invoice_number[:80] for read in reads if read.reference != read.invoice_number}
    # An entity may use another's number: billing says which of them it means by it.
    Callout.remember(source, _open(source, numbers).values_list(CALLED, flat=True), keys.new_id())


def _open(source: str, names: Collection[str]) -> QuerySet[Case]:
    """What was kept under these names; what billing took back is told under its number, and is no such case."""
    wanted = [name for name in names if name]
    kept = Case.objects.filter(called(wanted), source=source[:60], state__in=UNRESOLVED).exclude(field=NOT_POSTED)
    # The number is the key of those as well that are known by their id.
    rows: QuerySet[Case] = kept.annotate(name=CALLED).filter(name__in=wanted)
    return rows
