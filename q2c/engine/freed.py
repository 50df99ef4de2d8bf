"""Which cases are free of what q2c owns: asked of each by its own dry run, in batches.

A mapping, a rate or a rule holds from a day on, or for a product: it may free one case and leave another that names the
very same object. Where thousands wait, a round looks at some, spread over all, and goes on as long as it finds news;
the next round takes others.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exceptions import sentences, unblock
from exceptions.models import Offer
from q2c import clock
from q2c.engine import replay, wake

# Cases that one look prepares together, shared by the blockers it is about.
A_LOOK = 120
# Of one blocker at least so many.
EACH_AT_LEAST = 6
# As long as news are found, a round goes on; whoever saved a record does not wait as long.
A_ROUND_S, A_CHANGE_S = 8.0, 2.0

Blocker = sentences.Blocker
# Case and step.
Waiting = tuple[uuid.UUID, uuid.UUID]


@dataclass(slots=True)
class Told:
    """What the dry runs of cases say about one blocker: in whose way it is no longer, in whose it still is."""

    free: set[uuid.UUID] = field(default_factory=set)
    held: set[uuid.UUID] = field(default_factory=set)
    # As the last of those that are held says it.
    text: str = ""


def look(named: Sequence[Blocker], actor: str, visit: Mapping[Blocker, int] | None = None) -> list[Offer]:
    """Judge what waits for these, offer what is free; what there is no time for is left to a round, which is woken.

    `visit`, in a round, says how often each was looked at before: it takes up where the last one ended.
    """
    waiting = {blocker: _waiting(blocker) for blocker in named}
    ends = clock.now() + clock.seconds(A_CHANGE_S if visit is None else A_ROUND_S)
    offers: dict[Blocker, Offer | None] = {}
    for chosen in _slices(waiting, visit or {}):
        if clock.now() >= ends:
            wake.task_after_commit("watch_blockers")
            break
        news = 0
        for blocker, told in judge(chosen).items():
            offers[blocker], moved = unblock.judged(blocker, told.free, told.held, actor=actor)
            news += moved
        if not news:
            break
    return [offer for offer in offers.values() if offer is not None]


def judge(chosen: Mapping[Blocker, Sequence[Waiting]]) -> dict[Blocker, Told]:
    """By one dry run for all. A case of which it cannot be told, for a fault of ours, is in neither set."""
    steps = [step_id for cases in chosen.values() for _, step_id in cases]
    runs = {run.step_id: run for run in replay.dry_run(steps)}
    found: dict[Blocker, Told] = {}
    for blocker, cases in chosen.items():
        told = found[blocker] = Told()
        for case_id, step_id in cases:
            run = runs.get(step_id)
            if run is None or any(replay.is_ours(finding) for finding in run.findings):
                continue
            still = [str(finding["text"]) for finding in run.findings if blocker_of(finding) == blocker]
            (told.held if still else told.free).add(case_id)
            told.text = still[0] if still else told.text
    return found


def blocker_of(finding: Mapping[str, object]) -> Blocker | None:
    found = finding["blocker"]
    if not isinstance(found, Mapping):
        return None
    return (found["connection"], found["object_type"], found["object_key"], found["condition"])


def _waiting(blocker: Blocker) -> list[Waiting]:
    rows = unblock.waiting_for(blocker).exclude(step_id=None).order_by("id").values_list("id", "step_id")
    return [(case_id, step_id) for case_id, step_id in rows if step_id is not None]


def _slices(
    waiting: Mapping[Blocker, Sequence[Waiting]], visit: Mapping[Blocker, int]
) -> Iterator[dict[Blocker, Sequence[Waiting]]]:
    """One after the other, until each case was in one."""
    each = max(A_LOOK // max(len(waiting), 1), EACH_AT_LEAST)
    parts = {blocker: _parts(cases, each) for blocker, cases in waiting.items()}
    for number in range(max((len(those) for those in parts.values()), default=0)):
        yield {
            blocker: those[(number + visit.get(blocker, 0)) % len(those)]
            for blocker, those in parts.items()
            if number < len(those)
        }


def _parts(cases: Sequence[Waiting], each: int) -> list[Sequence[Waiting]]:
    """As many to each as may be, and each spread over all: neighbours are often of one day."""
    count = -(-len(cases) // each)
    return [cases[start::count] for start in range(count)]
