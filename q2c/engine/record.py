"""Record what a batch came to: re-lock, move, emit, open or resolve cases, in one transaction."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from exceptions import cases
from q2c import bulk, clock, correlation, points, states
from q2c.connectors import http
from q2c.connectors.outcomes import Accepted, NotFound, Posted, Rejected, Unavailable, Unknown
from q2c.engine import apart, breaker, counts, emit, failures, gates, lines, mended, retry, run, wake
from q2c.engine.claim import still_ours
from q2c.models import Step
from q2c.reasons import Reason
from q2c.stages.verb import REST_UNSENT, Stage, Work

log = logging.getLogger(__name__)

_MOVE = """
UPDATE q2c_step s
SET state = u.state, attempts = s.attempts + u.tried, failures = u.failures::jsonb, next_at = u.next_at, lease = NULL,
    lease_until = NULL, sent_at = u.sent_at, handle = u.handle, accepted_at = u.accepted_at, reason = u.reason,
    text = u.text, blocker = u.blocker::jsonb, proof = u.proof::jsonb, reference = u.reference, document = u.document,
    finished_at = u.finished_at, waiting_for = u.waiting_for
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[],
            %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
            %s::timestamptz[])
  AS u(id, state, tried, failures, next_at, sent_at, handle, reason, text, blocker, proof, reference, document,
       finished_at, waiting_for, accepted_at)
WHERE s.id = u.id AND s.state = 'running'
"""

# States in which it is told since when a platform works on it.
_AT_WORK = ("accepted", "failed")


def record(stage: Stage, works: list[Work], attempts: list[tuple[Work, list[Any]]], open_gates: gates.Gates) -> None:
    """The third part. A work whose lease was taken over leaves only its attempts behind.

    The batch in one transaction; where that breaks, each work in its own, so that none undoes its neighbours' records.
    """
    before = [apart.before(work) for work in works]
    try:
        kept = _record(stage, works, attempts, open_gates)
    except (OperationalError, InterfaceError):
        # The database is away or overtaxed, nobody's fault here: the leases run out, what was sent is looked up.
        raise
    except Exception:
        log.exception("recording a batch failed, recording one by one", extra={"stage": stage.name})
        kept = _one_by_one(stage, before, attempts, open_gates)
    counts.recorded(stage, kept)
    lines.recorded(stage, kept, attempts, http.machine_time_s() - open_gates.began_s)
    breaker.note(stage, kept)
    if any(work.notes.get("target") in ("waiting", "accepted", "unknown") for work in works):
        wake.now([stage.name])


def _record(
    stage: Stage, works: list[Work], attempts: list[tuple[Work, list[Any]]], open_gates: gates.Gates
) -> list[Work]:
    with transaction.atomic():
        states.say("q2c", "")
        gates.keep_attempts(attempts)
        ours = still_ours([work.step for work in works])
        kept = [work for work in works if work.step.id in ours]
        budgets = retry.Budgets()
        for work in kept:
            _settle(work, open_gates, budgets)
        done = [work for work in kept if not work.findings and isinstance(work.outcome, Posted)]
        run.each_or_all(done, lambda batch: _record_and_emit(stage, batch))
        open_still = [work for work in kept if work.findings or not isinstance(work.outcome, Posted)]
        if begun := [work for work in run.readable(open_still) if work.kept]:
            stage.verb.partly(begun)
        failed = [work for work in kept if work.findings]
        if known := run.readable(failed):
            stage.verb.failed(known)
        if silent := [work for work in kept if not work.findings and isinstance(work.outcome, Unavailable)]:
            stage.verb.waits(silent)
        points.reach("inside_record")
        _move(kept)
        points.reach("between_step_and_case")
        _tell_cases(stage, kept, [work for work in failed if work.findings])
    return kept


def _one_by_one(
    stage: Stage, before: list[apart.Before], attempts: list[tuple[Work, list[Any]]], open_gates: gates.Gates
) -> list[Work]:
    """Whoever cannot be recorded is a case. Raises the first error of those that cannot even be that, at the end."""
    kept: list[Work] = []
    worst: Exception | None = None
    for was in before:
        work, its = was.work, [row for row in attempts if row[0] is was.work]
        was.restore()
        try:
            kept += _record(stage, [work], its, open_gates)
            continue
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            broken = error
        with correlation.bound(work.fact.correlation_id, step=str(work.step.id)):
            log.error("recording a step failed", exc_info=broken)
            was.restore()
            try:
                kept += give_up(stage, work, its, apart.said(broken))
            except Exception as error:
                log.exception("a step that could not be recorded could not fail, either")
                worst = worst or error
    if worst is not None:
        raise worst
    return kept


def give_up(stage: Stage, work: Work, attempts: list[tuple[Work, list[Any]]], text: str) -> list[Work]:
    """The step fails by a fault of ours; what its verb and its calls leave behind is kept where it can be."""
    with transaction.atomic():
        states.say("q2c", "")
        apart.tried(lambda: gates.keep_attempts(attempts))
        if work.step.id not in still_ours([work.step]):
            return []
        work.findings.clear()
        work.emitted.clear()
        work.notes.update(
            next_at=clock.now(), sent_at=work.step.sent_at, tried=1, failures=work.step.failures, accepted_at=None
        )
        work.reject(Reason.INTERNAL_ERROR, text, remedy="Tell the platform team, then replay")
        if run.readable([work]):
            if work.kept:
                apart.tried(lambda: stage.verb.partly([work]))
            apart.tried(lambda: stage.verb.failed([work]))
        _move([work])
        _tell_cases(stage, [work], [work] if work.findings else [])
    return [work]


def _record_and_emit(stage: Stage, works: Sequence[Work]) -> None:
    stage.verb.record(works)
    emit.emit([work for work in works if not work.findings])


def _settle(work: Work, open_gates: gates.Gates, budgets: retry.Budgets) -> None:
    """Turn an outcome into what happens next: work.notes target, next_at, sent_at; work.findings when it fails."""
    notes, step = work.notes, work.step
    if "called" in notes and step.sent_at is not None and isinstance(work.outcome, Unknown):
        # A batch is marked before its first call leaves, and this one may be a second send: settling begins now.
        step.sent_at = clock.now()
    if "called" in notes or "asked" not in notes or step.phase == "poll":
        # A search between two sends says nothing about a send that takes its worker down.
        step.failures = retry.came_back(step.failures)
    notes.update(
        next_at=clock.now(), sent_at=step.sent_at, tried=1, failures=step.failures, accepted_at=step.accepted_at
    )
    if work.findings:
        return
    match work.outcome:
        case None:
            work.outcome = Posted(reference="")
        case Posted():
            pass
        case Accepted() as job:
            _settle_accepted(work, job, open_gates)
        case Rejected() as refused:
            if step.phase == "poll" and (not refused.held or refused.reason == Reason.CONTENT_DIFFERS):
                # The job is over: a replay looks for what it made, and compares that with today's request.
                notes["handle"] = ""
            if _is_surely_not_there(work, refused):
                notes["handle"] = ""
                _nothing_left(work)
            work.findings.append(failures.refusal(refused))
        case Unavailable() as away:
            _settle_unavailable(work, away, open_gates, budgets)
        case Unknown(text=text):
            _settle_unknown(work, text, open_gates, budgets)
        case NotFound() as nothing:
            note_search(work, nothing)
            _settle_unknown(work, "not found yet; the platform may still commit it", open_gates, budgets)


def _settle_accepted(work: Work, job: Accepted, open_gates: gates.Gates) -> None:
    """The platform works on it: ask again, until the time that the connection gives a job is over."""
    step, notes, moment = work.step, work.notes, clock.now()
    if "called" in notes:
        step.proof["sent_once"] = "first_send" in notes
    still = step.phase == "poll"
    since = (step.accepted_at if still else None) or moment
    until = since + clock.seconds(open_gates.job_limit_s(step.connection))
    notes.update(handle=job.handle, accepted_at=since, failures=retry.going_on(step.failures))
    if still and moment >= until:
        text = f"It works on job {job.handle} since {since:%Y-%m-%d %H:%M} UTC and says that it goes on"
        work.reject(Reason.JOB_OVERDUE, text, remedy="See to the job in the platform, then replay")
        return
    notes.update(target="accepted", next_at=min(retry.after(job.poll_after_s), until), tried=0 if still else 1)


def _is_surely_not_there(work: Work, refused: Rejected) -> bool:
    """Whether nothing of this step is on the platform: clears the mark that something may be.

    A refused send says so, or a job that failed: not a refused look-up. What the platform holds is not of this step
    where it was there before anything of it left.
    """
    if refused.held:
        if work.step.phase == "poll":
            return refused.was_there and bool(work.step.proof.get("sent_once"))
        return "first_send" in work.notes and ("called" not in work.notes or refused.was_there)
    return work.step.phase == "poll" or "called" in work.notes or "first_send" in work.notes


def _nothing_left(work: Work) -> None:
    """Surely not done. What the platform has of the step stays marked as sent; of the rest the next send is a first."""
    if work.kept:
        work.step.proof[REST_UNSENT] = True
    else:
        work.notes["sent_at"] = None


def _settle_unavailable(work: Work, away: Unavailable, open_gates: gates.Gates, budgets: retry.Budgets) -> None:
    """Surely not done: wait. A look-up or poll that finds nobody keeps its question open."""
    step = work.step
    if work.not_before is not None:
        # Its day is still to come: that is no failure.
        work.notes.update(target="waiting", next_at=work.not_before, text=away.text)
        return
    again = budgets.next_try(away.reason, step.failures.get(away.reason, 0), away.retry_after_s)
    target = {"poll": "accepted", "look_up": "unknown"}.get(step.phase, "waiting")
    if again is None:
        asked = work.waiting_for or step.connection
        blocker = mended.unused(asked) if asked and asked not in open_gates.configs else None
        work.reject(away.reason, away.text, remedy="Check the platform, then replay", blocker=blocker)
        return
    work.notes.update(target=target, next_at=again, text=away.text, reason=away.reason)
    work.notes["failures"] = retry.once_more(step.failures, away.reason)
    if target == "waiting" and "first_send" in work.notes:
        _nothing_left(work)
    if "called" in work.notes:
        # A platform that said no, or nobody in front of it, is believed; the next try looks all the same.
        step.proof["tried"] = True


def _settle_unknown(work: Work, text: str, open_gates: gates.Gates, budgets: retry.Budgets) -> None:
    """Look it up again until the platform's time for committing it is over; then it may be sent again."""
    if work.step.phase == "poll":
        # The platform cannot tell any more what became of the job.
        work.notes["handle"] = ""
    if work.step.sent_at is None:
        work.notes.update(target="waiting", text=text, next_at=clock.now() + clock.seconds(1))
        return
    settled = run.settled_at(work, open_gates)
    if isinstance(work.outcome, NotFound) and clock.now() >= settled:
        work.notes.update(target="waiting", text="searched over the settle time, none found: sent again")
        return
    lost = work.step.failures.get(Reason.OUTCOME_UNKNOWN, 0)
    if isinstance(work.outcome, NotFound):
        # An answer, and no failure: the settle time bounds how often it is looked up.
        again: dt.datetime | None = budgets.pause(Reason.OUTCOME_UNKNOWN, work.step.attempts)
    else:
        again = budgets.next_try(Reason.OUTCOME_UNKNOWN, lost, None)
        work.notes["failures"] = retry.once_more(work.step.failures, Reason.OUTCOME_UNKNOWN)
    if again is None:
        work.reject(Reason.OUTCOME_UNKNOWN, text, remedy="Look the key up in the platform, then replay")
        return
    work.notes.update(
        target="unknown", reason=Reason.OUTCOME_UNKNOWN, text=text, next_at=min(again, max(settled, clock.now()))
    )


def note_search(work: Work, nothing: NotFound) -> None:
    """Keep when it was searched for and not found: part of the proof that nothing is doubled."""
    searches = work.step.proof.setdefault("searches", [])
    told = {"at": nothing.searched_at.isoformat(), "found": None}
    # Whoever decides whether to send tells of it, and so does whoever records what it came to.
    if told not in searches:
        searches.append(told)


def _found(work: Work, posted: Posted) -> None:
    """Keep that it was found there: after something of ours had left, or before anything had."""
    work.step.proof.pop("found", None)
    if posted.found and work.step.connection and work.step.sent_at is not None:
        never_sent = "first_send" in work.notes and "called" not in work.notes
        work.step.proof["found"] = "before" if never_sent else "after"


def _move(works: list[Work]) -> None:
    """One UPDATE for the batch; the database's trigger checks each edge and writes each transition."""
    rows = [_row(work) for work in works]
    if not rows:
        return
    bulk.execute(_MOVE, [list(column) for column in zip(*rows, strict=True)])


def _row(work: Work) -> tuple[Any, ...]:
    step, notes, moment = work.step, work.notes, clock.now()
    reference = document = reason = ""
    finished: dt.datetime | None = None
    blocker: str | None = None
    if work.findings:
        first = work.findings[0]
        target, reason, text = states.edge(Step, "fail")[1], first.reason, first.text
        blocker = json.dumps(asdict(first.blocker)) if first.blocker else None
    elif isinstance(work.outcome, Posted):
        target, reason, text = states.edge(Step, "finish")[1], "", ""
        reference, document, finished = work.outcome.reference, work.outcome.document, moment
        step.proof.update(work.outcome.proof)
        _found(work, work.outcome)
    else:
        target, reason, text = notes["target"], notes.get("reason", ""), notes.get("text", "")
    notes["target"] = target
    return (
        step.id, target, notes["tried"], json.dumps(notes["failures"]), notes["next_at"], notes["sent_at"],
        notes.get("handle", step.handle), reason, text, blocker, json.dumps(step.proof, default=str), reference,
        document, finished, work.waiting_for if target == "waiting" else "",
        notes["accepted_at"] if target in _AT_WORK else None,
    )  # fmt: skip


def _tell_cases(stage: Stage, kept: list[Work], failed: list[Work]) -> None:
    """Open cases for what failed, resolve those of what is done, show what is being verified."""
    if failed:
        cases.open_for(failures.of(stage, failed), actor="q2c")
    proofs = {
        work.step.id: {**work.step.proof, "document": work.outcome.document, "reference": work.outcome.reference}
        for work in kept
        if work.notes["target"] == "done" and isinstance(work.outcome, Posted)
    }
    cases.resolve_for(proofs, actor="q2c")
    lost = [work.step.id for work in kept if work.notes["target"] == "unknown"]
    if lost:
        cases.outcome_unknown(lost, actor="q2c")
