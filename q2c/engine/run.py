"""Run one batch of one stage: claim, prepare, call, record. The only loop in which work gets done."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from q2c import bulk, clock, correlation, points, states
from q2c.connectors.outcomes import NotFound, Unknown
from q2c.contracts import stored
from q2c.contracts.events import EVENTS
from q2c.engine import apart, gates, given_back, record
from q2c.engine.claim import claim, still_ours
from q2c.engine.lease import Lease
from q2c.models import Event, Step
from q2c.reasons import Reason
from q2c.stages import STAGES
from q2c.stages.verb import REST_UNSENT, Fact, Stage, Verb, Work

log = logging.getLogger(__name__)

_MARK = f"""
UPDATE q2c_step SET sent_at = %s::timestamptz, proof = proof - '{REST_UNSENT}' WHERE id = ANY(%s::uuid[])
"""


def run_stage(name: str, limit: int | None = None) -> int:
    """Claim and run one batch. Returns how many steps were claimed; 0 means nothing is due."""
    steps = claim(name, limit)
    if steps:
        run_claimed(name, steps)
    return len(steps)


def run_claimed(name: str, steps: Sequence[Step]) -> None:
    """The three parts, for steps that are ours already. Raises what our database refused them with."""
    try:
        _three_parts(STAGES[name], steps)
    except (OperationalError, InterfaceError) as error:
        given_back.give_back(steps, error)
        raise


def _three_parts(stage: Stage, steps: Sequence[Step]) -> None:
    points.reach("after_claim")
    open_gates = gates.Gates()
    lease = Lease(steps)
    works = load(steps)
    prepare(stage, works, open_gates)
    attempts = call(stage, [work for work in works if work.is_open], open_gates, lease)
    points.reach("after_answer")
    record.record(stage, works, attempts, open_gates)
    points.reach("after_record")


def drain(name: str, limit: int | None = None) -> int:
    """Run a stage until nothing of it is due."""
    done = 0
    while count := run_stage(name, limit):
        done += count
    return done


def load(steps: Sequence[Step]) -> list[Work]:
    """Steps with their decoded events, two statements whatever the size.

    An event that cannot be read is a finding of its own step: its work has no payload, and no verb sees it.
    """
    events = {event.id: event for event in Event.objects.filter(id__in={step.event_id for step in steps})}
    return [_work(step, events[step.event_id]) for step in steps]


def _work(step: Step, event: Event) -> Work:
    try:
        return Work(step=step, fact=fact_of(event))
    except Exception as error:
        with correlation.bound(event.correlation_id, step=str(step.id)):
            log.exception("a stored event cannot be read")
        work = Work(step=step, fact=_fact(event, None))
        text = f"Its stored {event.type} cannot be read: {apart.said(error)}"
        work.reject(Reason.INTERNAL_ERROR, text, remedy="Tell the platform team, then replay")
        return work


def fact_of(event: Event) -> Fact:
    """The event with its payload as the canonical document."""
    return _fact(event, stored.read(event.payload, EVENTS[event.type].payload))


def _fact(event: Event, payload: Any) -> Fact:
    return Fact(
        id=event.id,
        type=event.type,
        source=event.source,
        source_id=event.source_id,
        correlation_id=event.correlation_id,
        occurred_at=event.occurred_at,
        payload=payload,
        api_key=event.api_key_id,
        sent_by=event.sent_by_id,
    )


def readable(works: Sequence[Work]) -> list[Work]:
    """Those whose event could be read: only these does a verb look at."""
    return [work for work in works if work.fact.payload is not None]


def prepare(stage: Stage, works: list[Work], open_gates: gates.Gates) -> None:
    """Validate and derive in one transaction; what is about to be sent is marked as sent before it leaves."""
    with transaction.atomic():
        states.say("q2c", "")
        each_or_all(readable(works), stage.verb.prepare)
        if stage.verb.writes:
            _mark_sent(works, open_gates)


def _mark_sent(works: list[Work], open_gates: gates.Gates) -> None:
    """sent_at is committed before the first byte leaves. Steps that may have left something keep theirs."""
    moment = clock.now()
    ours = still_ours([work.step for work in works])
    fresh = []
    for work in works:
        if work.step.id not in ours:
            work.outcome = Unknown(text="another worker took this step over")
        elif work.is_open and work.step.phase == "send" and _is_unsent(work.step):
            work.notes["first_send"] = True
            work.step.sent_at = moment
            work.step.proof.pop(REST_UNSENT, None)
            fresh.append(work.step.id)
    if fresh:
        bulk.execute(_MARK, [moment, fresh])


def _is_unsent(step: Step) -> bool:
    """Whether nothing that a call would send now can have left before."""
    return step.sent_at is None or REST_UNSENT in step.proof


def each_or_all(works: list[Work], act: Callable[[Sequence[Work]], None]) -> None:
    """The batch at once; when one member breaks it, one by one, so that only the broken one fails."""
    if not works:
        return
    before = [work.outcome for work in works]
    try:
        with transaction.atomic():
            act(works)
        return
    except (OperationalError, InterfaceError):
        # Nobody's fault among them: nothing can be learned by trying each alone.
        raise
    except Exception:
        log.exception("batch failed, running one by one")
    for work, outcome in zip(works, before, strict=True):
        work.findings.clear()
        work.emitted.clear()
        work.outcome = outcome
        work.notes.pop("target", None)
        try:
            with transaction.atomic():
                act([work])
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            with correlation.bound(work.fact.correlation_id, step=str(work.step.id)):
                log.exception("step failed")
            work.emitted.clear()
            work.reject(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}", remedy="Tell the platform team")


def call(stage: Stage, works: list[Work], open_gates: gates.Gates, lease: Lease) -> list[tuple[Work, list[Any]]]:
    """Talk to the platforms, no transaction open. Each work gets its outcome."""
    # A verb without a call part asks nobody: what prepare left open is for record.
    if not works or type(stage.verb).call is Verb.call:
        return []
    with lease.kept():
        return _call(stage.verb, works, open_gates.ready(), lease)


def _call(verb: Verb, works: list[Work], open_gates: gates.Gates, lease: Lease) -> list[tuple[Work, list[Any]]]:
    attempts: list[tuple[Work, list[Any]]] = []

    def go(batch: list[Work], act: Callable[[Work], Any]) -> None:
        for work, (outcome, calls) in zip(batch, gates.on_threads(batch, act, lease), strict=True):
            work.outcome = outcome
            work.notes["asked"] = True
            attempts.append((work, calls))

    first = [work for work in works if work.step.phase == "send" and not _must_look(work, verb.writes)]
    polled = [work for work in works if work.step.phase == "poll"]
    looked = [work for work in works if work not in first and work not in polled]
    go(polled, lambda work: verb.poll(open_gates.open, work))
    go(looked, lambda work: verb.look_up(open_gates.open, work))
    again = [work for work in looked if _may_send(work, open_gates)]
    for work in first + again:
        work.notes["called"] = True
    _ahead(verb, first + again, open_gates)
    go(first + again, lambda work: verb.call(open_gates.open, work))
    return attempts


def _ahead(verb: Verb, works: Sequence[Work], open_gates: gates.Gates) -> None:
    """One reading for all that a connection is about to get, where the verb has one."""
    if type(verb).ahead is Verb.ahead:
        return
    together: dict[str, list[Work]] = {}
    for work in works:
        together.setdefault(work.step.connection, []).append(work)
    for same in together.values():
        if len(same) > 1:
            gates.ahead(same, lambda batch: verb.ahead(open_gates.open, batch))


def _must_look(work: Work, writes: bool) -> bool:
    """Every retry of a write looks first, and every replay: the search is its proof that nothing is doubled."""
    tried = work.step.replays > 0 or work.step.proof.get("tried", False)
    return writes and ("first_send" not in work.notes or tried)


def _may_send(work: Work, open_gates: gates.Gates) -> bool:
    """Nothing found, and the platform's time for committing a lost write is over: send (again)."""
    if not isinstance(work.outcome, NotFound):
        return False
    record.note_search(work, work.outcome)
    # A replay of what was surely not done has nothing to wait for.
    settled = "first_send" in work.notes or clock.now() >= settled_at(work, open_gates)
    return work.step.phase == "send" and settled


def settled_at(work: Work, open_gates: gates.Gates) -> dt.datetime:
    """From when on an empty search proves that nothing was done."""
    assert work.step.sent_at is not None
    return work.step.sent_at + clock.seconds(open_gates.settle_s(work.step.connection))
