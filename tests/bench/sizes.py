"""How much each part does in one go: enough to be worth timing, or so little that it only shows that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    # intake: events of one request, requests of one run; events sent singly.
    lines: int = 500
    requests: int = 8
    singles: int = 800
    # journals: invoices of one batch, batches of one run; journals booked one by one, in process and over HTTP.
    invoices: int = 500
    batches: int = 8
    ones: int = 400
    # calls: steps of ours and tasks of Celery's in one run.
    steps: int = 3_000
    tasks: int = 2_000
    # reading: cases, events and steps of the generated database; pages and looks of one run.
    rows: int = 100_000
    pages: int = 15
    looks: int = 200


TINY = Sizes(
    lines=20, requests=4, singles=16, invoices=10, batches=4, ones=8, steps=64, tasks=16, rows=500, pages=2, looks=4
)
