"""What pages say of recorded invoices beside their state: their journal is reversed, billing has them otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from q2c.models import Invoice
from q2c.reading import differences, recorded_otherwise, reversals
from q2c.reading.differences import Difference


@dataclass(frozen=True, slots=True)
class Marks:
    """Where nothing differs, billing has what was taken back no more (`cancelled`), nor have the books."""

    reversal: reversals.Reversal | None = None
    differences: list[Difference] = field(default_factory=list)
    taken_back: bool = False

    @property
    def cancelled(self) -> bool:
        return self.taken_back and not self.differences

    @property
    def open(self) -> list[Difference]:
        """The differences that somebody still works on."""
        return [one for one in self.differences if one.is_open]


def of(user: Any, invoices: Sequence[Invoice], differing: Iterable[Difference] | None = None) -> dict[uuid.UUID, Marks]:
    """By invoice id, each of them. `differing` are those of recorded_otherwise, where they were read before."""
    if differing is None:
        differing = recorded_otherwise.of(user, Q(id__in=[one.id for one in invoices]))
    turned, told = reversals.of_invoices(user, invoices), differences.by_invoice(differing)
    return {
        one.id: Marks(
            turned.get(one.id), told.get(one.id, []),
            one.taken_back_at is not None and one.state not in ("voided", "credited"),
        )
        for one in invoices
    }  # fmt: skip
