"""Known-bad variants of the engine: each breaks one promise, so that it shows whether the harness would see it.

They are put over the engine of a process that runs within `q2c.faults.within`, and are nowhere else to be found.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

VARIANTS = {
    "sends_again": "one empty search proves that nothing was done",
    "forgets_leases": "whoever records does not ask whether its steps are still its own",
    "says_done_first": "a step is done before what it is for is committed",
}


def put_over(name: str) -> None:
    """Of VARIANTS; raises KeyError. Django is set up."""
    _DOES[name]()


def _sends_again() -> None:
    from q2c import clock
    from q2c.engine import run

    def settled_at(work: Any, open_gates: Any) -> dt.datetime:
        return clock.now() - clock.days(1)

    run.settled_at = settled_at


def _forgets_leases() -> None:
    from q2c.engine import lease, record, run

    def all_ours(steps: list[Any]) -> set[Any]:
        return {step.id for step in steps}

    record.still_ours = all_ours  # type: ignore[attr-defined]
    run.still_ours = all_ours  # type: ignore[attr-defined]
    lease.Lease.holds = lambda self, step_id: True  # type: ignore[method-assign]


def _says_done_first() -> None:
    from django.db import connection

    from q2c.engine import run

    prepare = run.prepare

    def done_already(stage: Any, works: list[Any], open_gates: Any) -> None:
        prepare(stage, works, open_gates)
        if stage.verb.writes:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE q2c_step SET state = 'done', lease = NULL, finished_at = now() "
                    "WHERE id = ANY(%s) AND state = 'running'",
                    [[work.step.id for work in works if work.is_open]],
                )

    run.prepare = done_already


_DOES: dict[str, Callable[[], None]] = {
    "sends_again": _sends_again, "forgets_leases": _forgets_leases, "says_done_first": _says_done_first,
}  # fmt: skip
