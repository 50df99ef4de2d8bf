"""When a step comes up again. Transient reasons back off with full jitter up to a budget, then a person is asked."""

from __future__ import annotations

import datetime as dt
import math
import secrets
from dataclasses import dataclass
from functools import cached_property

from exceptions.models import Policy
from exceptions.routing import policies_for
from q2c import clock
from q2c.reasons import TRANSIENT, Reason

_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `attempts` failures in a row; the n-th delay is drawn from 0 … min(first × 2ⁿ, most) seconds."""

    attempts: int
    first_s: float
    most_s: float

    def longest_s(self, failures: int) -> float:
        """The most that the delay after so many failures may be."""
        return min(self.first_s * 2 ** min(failures, 20), self.most_s)


NONE = Budget(0, 0, 0)
# Whatever a platform or a policy says: nothing waits longer than a day without anybody hearing of it.
LONGEST_S = 24 * 3600.0
SHORTEST_S = 0.05
# Among the failures of a step: how often in a row its worker was lost (lost_workers.py).
WORKER_LOST = "worker_lost"


def longest(reason: Reason) -> dt.timedelta:
    """For how long at most something is tried before a person is asked, by its policy."""
    policy = policies_for([reason])[reason]
    budget = Budget(policy.retry_attempts, policy.retry_first_s, policy.retry_max_s)
    return clock.seconds(min(sum(map(budget.longest_s, range(budget.attempts))), LONGEST_S))


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

    def next_try(self, reason: Reason, failures: int, retry_after_s: float | None) -> dt.datetime | None:
        """When to try again after `failures` earlier ones of this kind in a row; None when the budget is spent.

        What the platform asks for counts up to the policy's longest pause: the budget ends in a foreseeable time.
        """
        budget = self.of(reason)
        if failures >= budget.attempts:
            return None
        if retry_after_s is None:
            return after(delay_s(budget, failures))
        return after(min(budget.most_s, retry_after_s))

    def pause(self, reason: Reason, tries: int) -> dt.datetime:
        """When to ask again after an answer that decides nothing yet; it uses nothing of the budget."""
        return after(delay_s(self.of(reason), tries))


def after(wait_s: float) -> dt.datetime:
    """The instant so many seconds from now, within bounds; what is no number waits longest."""
    return clock.now() + clock.seconds(LONGEST_S if math.isnan(wait_s) else max(SHORTEST_S, min(wait_s, LONGEST_S)))


def delay_s(budget: Budget, failures: int) -> float:
    """Full jitter: desynchronises workers that failed together."""
    return _random.uniform(0, budget.longest_s(failures))


def once_more(failures: dict[str, int], reason: Reason) -> dict[str, int]:
    """Each kind is counted by itself, and no other kind takes it back: turning ways of failing come to an end, too."""
    return {**failures, reason: failures.get(reason, 0) + 1}


def going_on(failures: dict[str, int]) -> dict[str, int]:
    """What is left of them once a platform works on it: an answer that was lost stays lost.

    Else a job that ends without a trace would be sent anew for ever.
    """
    return {reason: count for reason, count in failures.items() if reason == Reason.OUTCOME_UNKNOWN}


def came_back(failures: dict[str, int]) -> dict[str, int]:
    """A try that ended, however: its worker was not lost, so the next loss is the first in a row."""
    return {reason: count for reason, count in failures.items() if reason != WORKER_LOST}
