"""The real flow in one process, with the clock in hand: poll the platforms, run every stage until nothing is due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Min

from q2c import clock
from q2c.demo.platforms import Platforms
from q2c.engine import breaker, poll, run, sweep
from q2c.models import Breaker, Connection, Step
from q2c.models.step import DUE
from q2c.stages import STAGES

# How far ahead of a moment its own retries and look-ups may lead; what is due later waits for a later moment.
HORIZON = dt.timedelta(minutes=12)
BATCH = 500


class Flow:
    """Whoever uses it must be the only one who works on the database."""

    def __init__(self, platforms: Platforms) -> None:
        self.platforms = platforms
        self.steps_run = 0

    @contextmanager
    def at(self, instant: dt.datetime, *, everywhere: bool = True) -> Iterator[None]:
        """Time stands still at an instant; `everywhere`: in the platforms it runs on from there."""
        if everywhere:
            self.platforms.move_clocks(instant)
        with clock.at(instant):
            yield

    def poll(self, connection: str) -> None:
        """Take in what has changed in a platform since the last time."""
        poll.poll(Connection.objects.get(name=connection))

    def work(self) -> int:
        """Run what is due, and what comes due soon after it, until all is quiet. Returns how many steps ran."""
        began, done = clock.now(), 0
        moment = began
        while moment <= began + HORIZON:
            with clock.at(moment):
                done += self._drain()
                following = _next_due(moment)
            if following is None:
                break
            moment = following
        self.steps_run += done
        return done

    def _drain(self) -> int:
        """All stages at this moment. What is held behind a failed step stays due without being claimed."""
        done = 0
        while ran := sum(run.run_stage(name, BATCH) for name in _due_stages()):
            done += ran
        return done

    def sweep(self) -> None:
        """Let breakers probe, replays go on and lost steps come back, as the beat does every few seconds."""
        breaker.probe_due()
        sweep.sweep()


def _due_stages() -> list[str]:
    """In the order of the flow."""
    due = set(Step.objects.filter(state__in=DUE, next_at__lte=clock.now()).values_list("stage", flat=True).distinct())
    return [name for name in STAGES if name in due]


def _next_due(after: dt.datetime) -> dt.datetime | None:
    """When the next step that nothing pauses comes due."""
    paused = Breaker.objects.filter(opened_at__isnull=False).values("connection")
    waiting = Step.objects.filter(state__in=DUE, next_at__gt=after).exclude(connection__in=paused)
    waiting = waiting.exclude(waiting_for__in=paused)
    return waiting.aggregate(first=Min("next_at"))["first"]
