"""When a step comes up again. Transient reasons back off with full jitter up to a budget, then a person is asked."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from q2c import clock
from q2c.reasons import Reason

_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `attempts` tries; the n-th delay is drawn from 0 … min(first × 2ⁿ, most) seconds."""

    attempts: int
    first_s: float
    most_s: float


BUDGETS = {
    Reason.PLATFORM_UNAVAILABLE: Budget(12, 2, 900),
    Reason.PLATFORM_BUSY: Budget(30, 1, 120),
    # Look-ups of a lost answer; what is spent after the settle time goes to a person.
    Reason.OUTCOME_UNKNOWN: Budget(20, 1, 60),
}


def delay_s(budget: Budget, attempts: int) -> float:
    """Full jitter: desynchronises workers that failed together."""
    return _random.uniform(0, min(budget.first_s * 2 ** min(attempts, 20), budget.most_s))


def next_try(reason: Reason, attempts: int, retry_after_s: float | None) -> dt.datetime | None:
    """When to try again after `attempts` tries; None when the budget is spent."""
    budget = BUDGETS[reason]
    if attempts >= budget.attempts:
        return None
    wait_s = retry_after_s if retry_after_s is not None else delay_s(budget, attempts)
    return clock.now() + clock.seconds(max(wait_s, 0.05))
