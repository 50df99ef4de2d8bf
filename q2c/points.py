"""Named points of a step's protocol, in its order: where a process may die or stand still, and nothing must be lost.

`bin/faults` strikes processes there; everywhere else a point is a call that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = {
    "before_claim_commits": "steps are marked as a worker's, and nobody else sees it yet",
    "after_claim": "they are its own, under a lease",
    "before_send": "a write is about to leave; that it may have left is committed",
    "after_send": "it has left, and no answer came yet",
    "after_answer": "the answer is there and stands nowhere",
    "inside_record": "what came of it is being written, the step has not moved",
    "between_step_and_case": "the step has moved, its case is not opened or resolved yet",
    "after_record": "all is committed, the message that woke the worker is not acknowledged",
}


def _nobody(point: str) -> None:
    pass


# Who is told; set before the process begins its work.
told: Callable[[str], None] = _nobody


def reach(point: str) -> None:
    """This thread is at a point, a key of POINTS."""
    told(point)
