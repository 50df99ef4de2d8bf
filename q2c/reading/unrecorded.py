"""Invoices of a journey that came and are not recorded: what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exceptions.models import Case
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.reading.differences import Difference
from q2c.reasons import Reason


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """`step` is of the newest version that came. `state` is given_up, changed (of one that is recorded under another
    number), stopped, under_way or gone: billing took it back, or another version took its place."""

    step: Step
    state: str
    case: Case | None = None

    @property
    def amount(self) -> tuple[int, str] | None:
        """(minor units, currency), where it is known."""
        minor, currency = self.step.amount_minor, self.step.currency
        return (minor, currency) if minor is not None and currency else None


def of(
    steps: Iterable[Step], invoices: Iterable[Invoice], cases: Iterable[Case], given_up: Sequence[Difference]
) -> list[Unrecorded]:
    """One for each number and legal entity of which no invoice is among `invoices`, as they first came."""
    recorded = {(one.entity, one.number) for one in invoices}
    newest: dict[tuple[str, str], Step] = {}
    for step in steps:
        named = (step.entity, step.business_key)
        if step.stage == "record_invoice" and named not in recorded:
            known = newest.get(named)
            if known is None or (step.event.occurred_at, step.seq) > (known.event.occurred_at, known.seq):
                newest[named] = step
    of_step = {case.step_id: case for case in cases}
    left = {one.step.id for one in given_up if one.step is not None and one.kind == "invoice"}
    return [Unrecorded(step, _state(step, left), of_step.get(step.id)) for step in newest.values()]


def _state(step: Step, given_up: set[uuid.UUID]) -> str:
    if step.id in given_up:
        return "given_up"
    if step.reason == Reason.INVOICE_CHANGED:
        return "changed"
    if step.state == "failed":
        return "stopped"
    return "under_way" if step.state in OPEN else "gone"
