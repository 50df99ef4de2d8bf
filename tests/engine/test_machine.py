"""A step in any story that can be made up: workers that die or stand still with it, answers that never come, writes that
come to light late, people who replay. The platform keeps no key unique, and must never hold two of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections import defaultdict
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from exceptions.models import Case
from q2c import clock, states
from q2c.connectors.outcomes import NotFound, Posted, Rejected, Unavailable, Unknown
from q2c.engine import breaker, gates, record, replay, retry, run, sweep, wake
from q2c.engine.claim import claim
from q2c.engine.lease import Lease
from q2c.faults import bad
from q2c.models import Breaker, Step, Transition
from q2c.reasons import Reason
from q2c.stages import STAGES
from tests.engine import scripted

pytestmark = pytest.mark.django_db(transaction=True)
# Of the connection that scripted.install makes: time limit and settle time.
BOUND_S = 40
LEASE_S = 120
ENDS = ("answered", "answer lost", "never came", "late", "refused", "away", "dies before", "dies after")
# Of what the platform does late: the commit, and until it is found. Together within its bound.
LATE_S, LAG_S = 25, 10


class Killed(BaseException):
    """The worker is gone at this point."""


class Loose(scripted.Scripted):
    """A platform without any key of its own. `ends` are the ends of the calls to come."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: dict[str, list[dt.datetime]] = defaultdict(list)
        self.ends: list[str] = []
        self.up = True

    def call(self, open_port: Any, work: Any) -> Any:
        end, key = self.ends.pop(0) if self.ends else "answered", work.request
        if not self.up or end == "away":
            return Unavailable(text="no answer")
        if end == "refused":
            return Rejected(reason=Reason.JOURNAL_REFUSED, text="no", code="NO")
        if end == "dies before":
            raise Killed
        if end == "never came":
            return Unknown(text="the line dropped")
        self.commits[key].append(clock.now() + clock.seconds(LATE_S if end == "late" else 0))
        if end == "dies after":
            raise Killed
        if end in ("answer lost", "late"):
            return Unknown(text="the line dropped")
        return Posted(reference=f"doc-{key}", document=f"J{key}")

    def look_up(self, open_port: Any, work: Any) -> Any:
        if not self.up:
            return Unavailable(text="no answer")
        found = [at for at in self.commits[work.request] if at + clock.seconds(LAG_S) <= clock.now()]
        if not found:
            return NotFound(searched_at=clock.now())
        return Posted(reference=f"doc-{work.request}", document=f"J{work.request}", found=True)


class Story(RuleBasedStateMachine):
    """Time stands still within an act and goes on between them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(wake, "send", None)
        # The same story twice is the same: jitter, too.
        self.patch.setattr(retry, "_random", random.Random(7))
        self.block = transaction.atomic()
        # Around a whole story, as a test's own.
        self.block._from_testcase = True  # type: ignore[attr-defined]
        self.block.__enter__()
        self.patch.setattr(scripted, "Scripted", Loose)
        self.now = scripted.NOW
        with clock.at(self.now):
            self.verb: Any = scripted.install(self.patch)
        self.steps: list[Step] = []
        # Batches of workers that stand still: (works, lease, gates), marked as sent, nothing sent yet.
        self.standing: list[tuple[list[Any], Lease, gates.Gates]] = []

    def teardown(self) -> None:
        try:
            self._comes_to_its_end()
        finally:
            self.undone()

    def undone(self) -> None:
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)
        self.patch.undo()

    # What happens --------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.steps) < 3)
    @rule()
    def a_fact_comes_in(self) -> None:
        with clock.at(self.now):
            self.steps += scripted.arrive(str(len(self.steps) + 1))

    @rule(seconds=st.sampled_from((1, 5, 15, 41, 121)))
    def time_passes(self, seconds: int) -> None:
        self.now += clock.seconds(seconds)

    @rule(ends=st.lists(st.sampled_from(ENDS), min_size=1, max_size=3))
    def a_worker_comes_by(self, ends: list[str]) -> None:
        with clock.at(self.now):
            self.verb.ends = list(ends)
            with contextlib.suppress(Killed):
                run.run_stage("scripted", 1)
            self.verb.ends = []

    @precondition(lambda self: len(self.standing) < 2)
    @rule()
    def a_worker_claims_and_stands_still(self) -> None:
        with clock.at(self.now):
            if steps := claim("scripted", 1):
                lease, open_gates, works = Lease(steps), gates.Gates(), run.load(steps)
                run.prepare(STAGES["scripted"], works, open_gates)
                self.standing.append((works, lease, open_gates))

    @rule()
    def others_take_over_what_is_lost(self) -> None:
        """A long while, in which the sweeper comes by, and workers whom nothing befalls."""
        for seconds in (121, 41, 41):
            self.time_passes(seconds)
            self.the_sweeper_comes_by()
            self.a_worker_comes_by([])

    @precondition(lambda self: self.standing)
    @rule(end=st.sampled_from(ENDS))
    def it_goes_on(self, end: str) -> None:
        """As if no time had passed for it; another may have its steps by now."""
        works, lease, open_gates = self.standing.pop(0)
        stage = STAGES["scripted"]
        with clock.at(self.now):
            self.verb.ends = [end]
            with contextlib.suppress(Killed):
                attempts = run.call(stage, [work for work in works if work.is_open], open_gates, lease)
                record.record(stage, works, attempts, open_gates)
            self.verb.ends = []

    @rule()
    def the_sweeper_comes_by(self) -> None:
        with clock.at(self.now):
            breaker.probe_due()
            sweep.sweep()

    @rule()
    def a_person_replays(self) -> None:
        with clock.at(self.now):
            failed = list(Step.objects.filter(stage="scripted", state="failed").values_list("id", flat=True))
            replay.replay(failed, "ann")

    @rule(up=st.booleans())
    def the_platform_goes_or_comes_back(self, up: bool) -> None:
        self.verb.up = up

    # What must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_there_twice(self) -> None:
        for key, commits in self.verb.commits.items():
            assert len(commits) <= 1, f"{key} is there {len(commits)} times"

    @invariant()
    def what_is_done_is_there(self) -> None:
        for step in Step.objects.filter(stage="scripted", state="done"):
            assert len(self.verb.commits[step.business_key]) == 1, step.business_key

    @invariant()
    def a_case_is_open_where_a_step_failed_and_nowhere_else(self) -> None:
        failed = set(Step.objects.filter(stage="scripted", state="failed").values_list("id", flat=True))
        cases = {case.step_id: case.state for case in Case.objects.exclude(state__in=("resolved",))}
        assert {id_ for id_, state in cases.items() if state != "replaying"} == failed

    @invariant()
    def it_went_only_where_it_may_go(self) -> None:
        legal = states.edges(Step)
        for step in self.steps:
            rows = list(Transition.objects.filter(record_id=step.id).order_by("id").values_list("source", "target"))
            assert [source for source, _ in rows[1:]] == [target for _, target in rows[:-1]]
            assert set(rows[1:]) <= legal and rows[-1][1] == scripted.fresh(step).state

    @invariant()
    def who_is_paused_has_failed_often(self) -> None:
        for row in Breaker.objects.exclude(opened_at=None):
            assert row.failures >= 5 and row.probe_at is not None

    def _comes_to_its_end(self) -> None:
        """With a platform that works, and people who replay, everything is done, once."""
        self.verb.up, self.verb.ends = True, []
        for _ in range(200):
            self.now += clock.seconds(60)
            with clock.at(self.now):
                sweep.sweep()
                Breaker.objects.update(opened_at=None, failures=0)
                self.a_person_replays()
                run.drain("scripted")
            if not Step.objects.filter(stage="scripted").exclude(state="done").exists():
                break
        for check in (self.nothing_is_there_twice, self.what_is_done_is_there):
            check()
        for step in self.steps:
            assert scripted.fresh(step).state == "done" and len(self.verb.commits[step.business_key]) == 1
        assert not Case.objects.exclude(state="resolved").exists()


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
# The same stories in each run: a new one that fails should not be somebody else's surprise.
THE_SAME = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=SLOW
)


def test_any_story_ends_with_one_document_each(transactional_db: None) -> None:
    run_state_machine_as_test(Story, settings=THE_SAME)


# Acts of a story, told: what random ones come to as well, once in a hundred or two.
Acts = list[tuple[str, dict[str, Any]]]
TOLD: dict[str, Acts] = {
    # The write comes to light late, after the first search has found nothing.
    "sends_again": [
        ("a_fact_comes_in", {}),
        ("a_worker_comes_by", {"ends": ["late"]}),
        *([("time_passes", {"seconds": 5}), ("a_worker_comes_by", {"ends": ["answered"]})] * 4),
    ],
    # It stands still until another has sent, and then sends as well.
    "forgets_leases": [
        ("a_fact_comes_in", {}),
        ("a_worker_claims_and_stands_still", {}),
        ("others_take_over_what_is_lost", {}),
        ("it_goes_on", {"end": "answered"}),
    ],
    "says_done_first": [("a_fact_comes_in", {}), ("a_worker_comes_by", {"ends": ["dies before"]})],
}


def tell(acts: Acts) -> None:
    """The story act by act, with all that must hold after each of them and at its end."""
    story = Story()
    try:
        for act, with_ in acts:
            getattr(story, act)(**with_)
            for held in story.invariants:
                held.function(story)
        story._comes_to_its_end()
    finally:
        story.undone()


@pytest.mark.parametrize("variant", TOLD)
def test_a_known_bad_engine_is_found_out(transactional_db: None, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    """That what holds above could fail: the right engine passes the very story in which a bad one is found out."""
    tell(TOLD[variant])
    owned = ((run, "settled_at"), (run, "prepare"), (run, "still_ours"), (record, "still_ours"), (Lease, "holds"))
    for owner, name in owned:
        # Put back afterwards.
        monkeypatch.setattr(owner, name, getattr(owner, name))
    bad.put_over(variant)
    with pytest.raises(AssertionError):
        tell(TOLD[variant])
