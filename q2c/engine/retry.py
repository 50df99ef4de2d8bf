"""When a step comes up again. Transient reasons back off with full jitter up to a budget, then a person is asked."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from functools import cached_property

from exceptions.models import Policy
from q2c import clock
from q2c.reasons import TRANSIENT, Reason

_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `attempts` tries; the n-th delay is drawn from 0 … min(first × 2ⁿ, most) seconds."""

    attempts: int
    first_s: float
    most_s: float


NONE = Budget(0, 0, 0)


class Budgets:
    """What the policies of the transient reasons allow, read once for a batch and only where one is needed."""

    @cached_property
    def _by_reason(self) -> dict[str, Budget]:
        rows = Policy.objects.filter(reason__in=TRANSIENT)
        found = rows.values_list("reason", "retry_attempts", "retry_first_s", "retry_max_s")
        return {reason: Budget(*numbers) for reason, *numbers in found}

    def of(self, reason: Reason) -> Budget:
        """Permanent reasons have none: they fail at once."""
        return self._by_reason.get(reason, NONE) if reason in TRANSIENT else NONE

    def next_try(self, reason: Reason, attempts: int, retry_after_s: float | None) -> dt.datetime | None:
        """When to try again after `attempts` tries; None when the budget is spent."""
        budget = self.of(reason)
        if attempts >= budget.attempts:
            return None
        wait_s = retry_after_s if retry_after_s is not None else delay_s(budget, attempts)
        return clock.now() + clock.seconds(max(wait_s, 0.05))


def delay_s(budget: Budget, attempts: int) -> float:
    """Full jitter: desynchronises workers that failed together."""
    return _random.uniform(0, min(budget.first_s * 2 ** min(attempts, 20), budget.most_s))
