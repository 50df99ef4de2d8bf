"""What the flow has done, counted by the process that did it once it is committed; /metrics adds the processes up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import prometheus_client

from q2c.stages.verb import Stage, Work

# `outcome`: done, failed, or what it waits as (waiting, accepted, unknown).
STEPS = prometheus_client.Counter("q2c_steps", "Runs of steps", ["stage", "outcome"])
# OrderReceived, OrderAccepted, OrderRejected, JournalPosted and so on.
EVENTS = prometheus_client.Counter("q2c_events", "Events stored, taken in or emitted", ["type"])


def recorded(stage: Stage, works: Iterable[Work]) -> None:
    """A batch whose outcomes are committed."""
    for work in works:
        STEPS.labels(stage.name, work.notes["target"]).inc()


def stored(types: Iterable[str]) -> None:
    """New events, by type."""
    for type_, count in Counter(types).items():
        EVENTS.labels(type_).inc(count)
