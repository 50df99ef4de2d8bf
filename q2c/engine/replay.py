"""Dry run, replay and abandon: what happens to steps that failed when a person, or a fix, wants it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction

from exceptions import cases
from q2c import clock, states
from q2c.connectors import http
from q2c.connectors.outcomes import Posted, Rejected, Unavailable
from q2c.engine import emit, failures, gates, run, wake
from q2c.models import Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages import STAGES
from q2c.stages.verb import Finding, Said, Verb, Work, described

log = logging.getLogger(__name__)

_SOURCES, _TARGET = states.edge(Step, "replay")

_REPLAY = """
UPDATE q2c_step SET state = %s, next_at = %s, attempts = 0, failures = '{}', accepted_at = NULL,
    replays = replays + 1
WHERE id = ANY(%s) AND state = ANY(%s) RETURNING id, stage
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """What a replay of one step would do on today's master data; nothing was written and nothing sent.

    `platform` is what the platform `asked` said when it was: "" where it was not, "ready", "refuses", "silent", or
    "there" where it holds the document, whose number is the text. `beside` stops nothing, and is to be known.
    """

    step_id: uuid.UUID
    stage: str
    would_pass: bool
    findings: list[dict[str, object]] = field(default_factory=list)
    preview: dict[str, Any] = field(default_factory=dict)
    asked: str = ""
    platform: str = ""
    platform_text: str = ""
    beside: str = ""


def dry_run(step_ids: Sequence[uuid.UUID], *, ask: bool = False, beside: Collection[uuid.UUID] = ()) -> list[DryRun]:
    """Prepare the steps as a replay would, read the result, and roll all of it back.

    `ask`: then also let the platforms say, by reading only, what they would refuse; call it outside a transaction.
    `beside` are steps that would be replayed with these: what waits behind them does not wait for long.
    """
    by_stage, previews = _prepared(step_ids)
    answers = _ask(by_stage) if ask else {}
    works = [work for of_stage in by_stage.values() for work in of_stage]
    for work, earlier in _held(works, {*step_ids, *beside}):
        work.findings.append(earlier)
    known = {id_: text for name, of_stage in by_stage.items() for id_, text in _beside(name, of_stage).items()}
    found = {
        work.step.id: _read(name, work, previews[work.step.id], answers, known.get(work.step.id, ""))
        for name, works in by_stage.items()
        for work in works
    }
    return [found[id_] for id_ in step_ids if id_ in found]


def in_the_way(step_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Finding]]:
    """By step, those of which anything can be told: what would stop a replay now, as far as no platform is asked.

    Nothing is written. A fault of q2c itself says nothing about a record, and is left to the replay.
    """
    by_stage, _ = _prepared(step_ids)
    found = {work.step.id: _told(work) for works in by_stage.values() for work in works}
    mine = {id_: [one for one in of_step if one.reason != Reason.INTERNAL_ERROR] for id_, of_step in found.items()}
    return {id_: of_step for id_, of_step in mine.items() if of_step}


def _prepared(step_ids: Sequence[uuid.UUID]) -> tuple[dict[str, list[Work]], dict[uuid.UUID, dict[str, Any]]]:
    """The steps by stage, prepared as a replay would, and what each would come to; all of it is rolled back."""
    by_stage: dict[str, list[Work]] = {}
    for work in run.load(list(Step.objects.filter(id__in=step_ids).order_by("seq"))):
        work.step.phase = "send"
        by_stage.setdefault(work.step.stage, []).append(work)
    shown: dict[uuid.UUID, dict[str, Any]] = {}
    for name, works in by_stage.items():
        with transaction.atomic():
            run.each_or_all(run.readable(works), STAGES[name].verb.prepare)
            for work in works:
                shown[work.step.id] = {} if work.findings else _preview(STAGES[name].verb, work)
            transaction.set_rollback(True)
    return by_stage, shown


def _told(work: Work) -> list[Finding]:
    """What was found, and what would have to be waited for."""
    waits = work.outcome if isinstance(work.outcome, Unavailable) else None
    later = [Finding(reason=waits.reason, text=waits.text)] if waits else []
    return [*work.findings, *work.notes.get("found", []), *later]


def _preview(verb: Verb, work: Work) -> dict[str, Any]:
    """What cannot be shown is one row's failure, and spoils the dry run of no other."""
    try:
        with transaction.atomic():
            return verb.preview(work)
    except OperationalError:
        raise
    except Exception as error:
        log.exception("a dry run could not show a step", extra={"step": str(work.step.id)})
        work.reject(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}", remedy="Tell the platform team")
        return {}


def _held(works: Sequence[Work], going: Collection[uuid.UUID]) -> list[tuple[Work, Finding]]:
    """Works that a replay would leave waiting behind an earlier step of their order key, and what is told about it."""
    by_key: dict[str, list[Step]] = {}
    keys_ = {work.step.order_key for work in works} - {""}
    for step in Step.objects.filter(order_key__in=keys_, state__in=OPEN).exclude(id__in=going).order_by("seq"):
        by_key.setdefault(step.order_key, []).append(step)
    held = [(work, by_key[work.step.order_key][0]) for work in works if work.step.order_key in by_key]
    return [
        (
            work,
            Finding(
                reason=Reason(step.reason) if step.state == "failed" and step.reason else Reason.PLATFORM_BUSY,
                text=f"It waits for an earlier step: {step}, {step.state}{f' ({step.text})' if step.text else ''}",
                remedy="See to the earlier one first",
            ),
        )
        for work, step in held
        if step.seq < work.step.seq
    ]


def _ask(by_stage: dict[str, list[Work]]) -> dict[uuid.UUID, Said]:
    """What each platform would refuse, one question per stage and connection."""
    open_gates, answers = gates.Gates(), dict[uuid.UUID, Said]()
    groups: dict[tuple[str, str], list[Work]] = {}
    for name, works in by_stage.items():
        for work in works:
            asked = STAGES[name].verb.asks(work) if work.is_open and work.request is not None else ""
            if asked:
                groups.setdefault((name, asked), []).append(work)
    for (name, _), group in groups.items():
        with http.calling(group[0].fact.correlation_id):
            said = gates.guarded_all(group, partial(STAGES[name].verb.check, open_gates.open))
        answers |= {work.step.id: answer for work, answer in zip(group, said, strict=True)}
    return answers


def _beside(name: str, works: list[Work]) -> dict[uuid.UUID, str]:
    readable = run.readable(works)
    return STAGES[name].verb.beside(readable) if readable else {}


def _read(name: str, work: Work, preview: dict[str, Any], answers: dict[uuid.UUID, Said], beside: str) -> DryRun:
    answer = answers.get(work.step.id)
    platform, text = "", ""
    if work.step.id in answers:
        platform = {type(None): "ready", Posted: "there", Rejected: "refuses", Unavailable: "silent"}[type(answer)]
        text = answer.document if isinstance(answer, Posted) else answer.text if answer is not None else ""
    # What would have to wait would not pass now.
    findings = _told(work)
    if isinstance(answer, Rejected):
        findings.append(failures.refusal(answer))
    return DryRun(
        step_id=work.step.id,
        stage=name,
        would_pass=not findings,
        findings=[described(finding) for finding in findings],
        preview=preview,
        asked=STAGES[name].verb.asks(work) if platform else "",
        platform=platform,
        platform_text=text,
        beside=beside,
    )


def replay(step_ids: Sequence[uuid.UUID], actor: str, why: str = "") -> list[uuid.UUID]:
    """Put failed steps back to work; those in another state are left alone, so two people can press at once.

    Every write looks its key up before it is sent again (engine/run.py). Returns the ids that moved.
    """
    if not step_ids:
        return []
    with states.acting(actor, why or "replay"):
        with connection.cursor() as cursor:
            cursor.execute(_REPLAY, [_TARGET, clock.now(), list(step_ids), _SOURCES])
            moved = cursor.fetchall()
        ids = [row[0] for row in moved]
        if ids:
            cases.replaying(ids, actor=actor)
            wake.after_commit({row[1] for row in moved})
    return ids


def refused(step_ids: Sequence[uuid.UUID], actor: str, why: str) -> None:
    """A second person said no to failed steps that waited for them; they stay failed."""
    if not step_ids:
        return
    with states.acting(actor, why):
        for name, works in _by_stage(step_ids).items():
            STAGES[name].verb.refused(works)


def _by_stage(step_ids: Sequence[uuid.UUID]) -> dict[str, list[Work]]:
    """What their verbs have to hear of: not of a step whose event cannot be read."""
    found: dict[str, list[Work]] = {}
    for work in run.readable(run.load(list(Step.objects.filter(id__in=step_ids).order_by("seq")))):
        found.setdefault(work.step.stage, []).append(work)
    return found


def abandon(step_ids: Sequence[uuid.UUID], actor: str, why: str, *, told: str = "") -> list[uuid.UUID]:
    """Give failed steps up for an approved reason; what waits behind them goes on. Returns the ids that moved.

    `told` is what their text says from now on; left empty, it stays what failed.
    """
    if not step_ids:
        return []
    with states.acting(actor, why):
        text = {"text": told} if told else {}
        moved = states.move(Step, "abandon", list(step_ids), finished_at=clock.now(), **text)
        for name, works in _by_stage(moved).items():
            STAGES[name].verb.abandoned(works)
            emit.emit(works)
        # What waited behind them may belong to any stage.
        keys = Step.objects.filter(id__in=moved).exclude(order_key="").values("order_key")
        behind = Step.objects.filter(order_key__in=keys, state="waiting").values_list("stage", flat=True)
        wake.after_commit(set(behind))
    return moved


def take_up(step_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Steps that were given up and are wanted after all, with their cases, where two people agreed: failed again, for
    replay() to put back to work. What was sent, and its proof, stays known. Returns the ids that moved."""
    moved = states.move(Step, "take_up", list(step_ids))
    Step.objects.filter(id__in=moved).update(finished_at=None)
    cases.take_up(moved)
    return moved


def is_ours(finding: dict[str, object]) -> bool:
    """Whether a finding tells a fault of q2c itself, and so says nothing about the record it was looked at for."""
    return finding["reason"] == Reason.INTERNAL_ERROR
