"""When a step comes up again. Transient reasons back off with full jitter up to a budget, then a person is asked."""

from __future__ import annotations

import datetime as dt
import math
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
# Whatever a platform or a policy says: nothing waits longer than a day without anybody hearing of it.
LONGEST_S = 24 * 3600.0
SHORTEST_S = 0.05


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
        """When to try again after `attempts` tries; None when the budget is spent.

        What the platform asks for counts up to the policy's longest pause: the budget ends in a foreseeable time.
        """
        budget = self.of(reason)
        if attempts >= budget.attempts:
            return None
        if retry_after_s is None:
            return after(delay_s(budget, attempts))
        return after(min(budget.most_s, retry_after_s))


def after(wait_s: float) -> dt.datetime:
    """The instant so many seconds from now, within bounds; what is no number waits longest."""
    return clock.now() + clock.seconds(LONGEST_S if math.isnan(wait_s) else max(SHORTEST_S, min(wait_s, LONGEST_S)))


def delay_s(budget: Budget, attempts: int) -> float:
    """Full jitter: desynchronises workers that failed together."""
    return _random.uniform(0, min(budget.first_s * 2 ** min(attempts, 20), budget.most_s))
