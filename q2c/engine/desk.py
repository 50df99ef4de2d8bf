"""What people do with cases where steps are touched: the one door for pages and API.

    batch = desk.plan(user, case_ids, canary=5, stop_after=10)   frozen, and looked at on today's master data
    desk.send(user, batch.id)                                    the person has seen it and wants it
    desk.replay_one(user, case_id)                               both at once, for one case

Steps are put back to work by advance(), bit by bit, in the transaction that moves their cases. It is woken when a
replay is sent, and by the sweeper, so a lost Redis or a worker that dies loses nothing. What of a dry run is left for
the background is woken the same way, and by the schedule: it asks platforms, which the sweeper never does.

Lock order: replay, steps, cases. The engine takes steps before cases, and a replay only when nothing of it is left.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from exceptions import approvals, batches, cases, casework, next_cause, rights, search, tabs, unblock
from exceptions.approvals import Decision
from exceptions.done import Done
from exceptions.errors import NotPossible
from exceptions.models import Approval, Case, Offer, ReplayBatch, ReplayItem
from exceptions.models.batch import UNDERWAY
from q2c import clock
from q2c.engine import callouts, decisions, previews, replay, wake
from q2c.engine.sources import POLLED
from q2c.models import Connection, Step
from q2c.stages import STAGES

log = logging.getLogger(__name__)

# Dry runs while the person waits; the rest follows in the background.
LOOK_NOW = 100
CHUNK = 50
# How much of one replay may be on its way at a time; less where failures are to stop it.
WINDOW, CAREFUL_WINDOW = 500, 50
_UNSEEN = ("Its step is not there any more", {"passes": False, "findings": [], "checks": [], "journal": None})
# A dry run that nobody sent is not looked at any more after this.
STALE_S = 3600


def chosen(user: Any, query: str, tab: str = "", as_of: Any = None) -> QuerySet[Case]:
    """All that a filter finds and that was there at the instant `as_of`. Raises QueryError."""
    found = tabs.of_tab(tab, user).filter(search.parse(query, user)) if tab else search.search(user, query)
    return found.filter(opened_at__lte=as_of) if as_of is not None else found


def plan(
    user: Any,
    wanted: Sequence[uuid.UUID] | QuerySet[Case],
    *,
    title: str = "",
    why: str = "",
    canary: int = 0,
    stop_after: int = 0,
) -> ReplayBatch:
    """Freeze what is to be replayed, and dry-run it. Raises Refused or NotPossible."""
    batch = batches.create(user, wanted, title=title, why=why, canary=canary, stop_after=stop_after)
    _look_first(batch)
    return batch


def _look_first(batch: ReplayBatch) -> None:
    if look(batch.id, LOOK_NOW) >= LOOK_NOW:
        wake.task_after_commit("look_at_replays")


def look(batch_id: uuid.UUID, limit: int = CHUNK) -> int:
    """Dry-run items that nobody looked at yet, platforms included. Returns how many were looked at."""
    todo = ReplayItem.objects.filter(batch=batch_id, outcome="queued", preview__isnull=True).order_by("ordinal")
    items = list(todo.values_list("case_id", "step_id")[:limit])
    beside = set(ReplayItem.objects.filter(batch=batch_id, outcome="queued").values_list("step_id", flat=True))
    for start in range(0, len(items), CHUNK):
        by_step, since = {step_id: case_id for case_id, step_id in items[start : start + CHUNK]}, clock.now()
        runs = replay.dry_run(list(by_step), ask=True, beside=beside)
        next_cause.found({by_step[run.step_id]: run.findings for run in runs}, since)
        found = {by_step[run.step_id]: (previews.text(run), previews.shown(run)) for run in runs}
        batches.preview(batch_id, dict.fromkeys(by_step.values(), _UNSEEN) | found)
    return len(items)


def dry_run(user: Any, case_id: uuid.UUID) -> dict[str, Any] | None:
    """What a replay of one case would do now (see previews.shown); None where there is no step to replay."""
    rights.require(user, rights.REPLAY, "dry-run a replay", [case_id])
    step_id = Case.objects.visible_to(user).filter(id=case_id).values_list("step_id", flat=True).first()
    since = clock.now()
    runs = replay.dry_run([step_id], ask=True) if step_id else []
    if not runs:
        return None
    next_cause.found({case_id: runs[0].findings}, since)
    return previews.shown(runs[0])


def send(
    user: Any,
    batch_id: uuid.UUID,
    *,
    canary: int | None = None,
    stop_after: int | None = None,
    leave_out: bool = False,
) -> ReplayBatch:
    """Let a dry run become real; canary and brake may still be set. Raises Refused or NotPossible.

    `leave_out`: without those that the dry run knows to fail; they stay in the queue as they are.
    """
    size = ReplayBatch.objects.filter(id=batch_id).values_list("size", flat=True).first() or 0
    rights.require(user, rights.BULK if size > 1 else rights.REPLAY, "send this replay")
    given = {name: value for name, value in (("canary", canary), ("stop_after", stop_after)) if value is not None}
    with transaction.atomic():
        if ReplayBatch.objects.filter(id=batch_id, state="dry_run").exists() and not left(batch_id):
            raise NotPossible("Nothing is left to send: its cases have ended or are on their way since the dry run")
        if leave_out and not batches.sendable(batch_id).exclude(preview__passes=False).exists():
            raise NotPossible("None of what is left would pass; put right what the dry run names, and make it anew")
        batch = batches.queue(user, batch_id, leave_out=leave_out, **given)
        unblock.sent(user, batch)
        wake.task_after_commit("advance_batches")
        # The first of them go at once: whoever pressed sees them go.
        advance(batch_id)
    return ReplayBatch.objects.get(id=batch.id)


def left(batch_id: uuid.UUID) -> int:
    """How many cases of a dry run could still be sent; the others have ended since, or were sent otherwise."""
    return batches.sendable(batch_id).count()


def anew(user: Any, batch_id: uuid.UUID) -> ReplayBatch:
    """The dry run of what is left of another one, in its place. Raises Refused or NotPossible."""
    with transaction.atomic():
        old = ReplayBatch.objects.get(id=batch_id)
        if old.state != "dry_run":
            raise NotPossible(f"R-{old.number} is {old.state.replace('_', ' ')}; there is no dry run to make anew")
        ids = list(old.items.filter(outcome="queued").order_by("ordinal").values_list("case_id", flat=True))
        batch = plan(user, ids, title=old.title, why=old.why, canary=old.canary, stop_after=old.stop_after)
        batches.cancel(user, batch_id, f"made anew as R-{batch.number}")
    return batch


def replay_one(user: Any, case_id: uuid.UUID, why: str = "") -> ReplayBatch:
    """Replay one case now: frozen, queued and put back to work in one transaction. Raises Refused or NotPossible."""
    rights.require(user, rights.REPLAY, "replay", [case_id])
    with transaction.atomic():
        case = Case.objects.visible_to(user).filter(id=case_id).first()
        if case is None:
            raise NotPossible("There is no such case")
        title = f"Replay of {case.shown}{f', {case.business_key}' if case.business_key else ''}"
        batch = batches.create(user, [case_id], title=title, why=why)
        unblock.sent(user, batches.queue(user, batch.id))
        advance(batch.id)
    return ReplayBatch.objects.get(id=batch.id)


def source_to_ask(case: Case) -> Connection | None:
    """The platform that gave what could not be read, where it can be asked for it once more."""
    if case.step_id is not None or not callouts.unread(case.source).filter(id=case.id).exists():
        return None
    return Connection.objects.filter(name=case.source, active=True, service__in=POLLED).first()


def read_again(user: Any, case_id: uuid.UUID) -> str:
    """Fetch anew what a platform gave and could not be read. Returns the connection. Raises Refused or NotPossible."""
    rights.require(user, rights.REPLAY, "have it read again", [case_id])
    case = Case.objects.visible_to(user).filter(id=case_id).first()
    connection = source_to_ask(case) if case is not None else None
    if connection is None:
        raise NotPossible("It did not come from a platform that can be asked again, or has ended")
    callouts.ask_again(connection, case_id, rights.name_of(user))
    return connection.name


def cancel(user: Any, batch_id: uuid.UUID, why: str = "") -> ReplayBatch:
    """Nothing more goes out. Raises Refused or NotPossible."""
    return batches.cancel(user, batch_id, why)


def work(turn_s: float = 20.0) -> int:
    """Go on with every replay that was sent, for one turn; no platform is asked. Returns how many cases went.

    Safe to run twice at once.
    """
    ends = clock.now() + clock.seconds(turn_s)
    return sum(_until(ends, advance, batch_id) for batch_id in batches.to_work())


def look_on(turn_s: float = 20.0) -> int:
    """Go on with the dry runs of replays, platforms included, for one turn. Returns how many cases were looked at."""
    ends = clock.now() + clock.seconds(turn_s)
    fresh = ReplayBatch.objects.filter(state="dry_run", created_at__gt=clock.now() - clock.seconds(STALE_S))
    unseen = fresh.filter(items__outcome="queued", items__preview__isnull=True).order_by("created_at")
    looking = list(dict.fromkeys(unseen.values_list("id", flat=True)))
    return sum(_until(ends, look, batch_id) for batch_id in looking)


def _until(ends: dt.datetime, act: Callable[[uuid.UUID], int], batch_id: uuid.UUID) -> int:
    """Repeat until nothing is left or the turn is over; one replay that breaks does not stop the others."""
    done = 0
    try:
        while clock.now() < ends and (count := act(batch_id)):
            done += count
    except Exception:
        log.exception("replay could not go on", extra={"batch": str(batch_id)})
    return done


def advance(batch_id: uuid.UUID, limit: int = CHUNK) -> int:
    """Put the next items of one replay back to work. Returns how many went; 0: wait, or it has ended."""
    with transaction.atomic():
        held = ReplayBatch.objects.select_for_update(of=("self",)).select_related("created_by", "sent_by")
        batch = held.get(id=batch_id)
        if batch.state not in ("queued", "running"):
            return 0
        room = min(limit, _room(batch))
        coming = batch.items.filter(outcome="queued").order_by("ordinal").values_list("step_id", flat=True)
        _hold(step_id for step_id in coming[:room] if step_id)
        # Replays from before the sender was kept have their planner alone.
        actor = rights.name_of(batch.sent_by or batch.created_by)
        steps = batches.advance(batch_id, room, actor=actor)
        moved = set(replay.replay(steps, actor, batch.why or f"R-{batch.number}"))
        _already([step_id for step_id in steps if step_id not in moved], actor)
        unblock.withdraw_spent_of(steps)
    return len(steps)


def _room(batch: ReplayBatch) -> int:
    """How many more may be on their way now."""
    window = CAREFUL_WINDOW if batch.stop_after else WINDOW
    return max(0, window - batch.items.filter(outcome__in=UNDERWAY).count())


def _hold(step_ids: Iterable[uuid.UUID]) -> None:
    """Lock steps before their cases, as the engine does."""
    held = Step.objects.select_for_update().filter(id__in=list(step_ids)).order_by("id")
    list(held.values_list("id"))


def _already(step_ids: Sequence[uuid.UUID], actor: str) -> None:
    """What needs no replay: done steps resolve their case, abandoned ones are skipped, others are on their way."""
    if not step_ids:
        return
    steps = list(Step.objects.filter(id__in=step_ids))
    given_up = [step.id for step in steps if step.state == "abandoned"]
    batches.skipped(given_up, "It was given up in the meantime")
    cases.resolve_for({step_id: {} for step_id in given_up}, actor, "superseded")
    done = {
        step.id: {**step.proof, "document": step.document, "reference": step.reference}
        for step in steps
        if step.state == "done"
    }
    cases.resolve_for(done, actor)


def approve(user: Any, approval_ids: Sequence[uuid.UUID], text: str = "", *, shown: str = "") -> Decision:
    """Agree: what waited for a signature is replayed, what was to be closed is given up, a period is opened.

    `shown` is what the person read of the matter; it is kept with the decision. What is in the way of what is signed
    all the same, without asking a platform, is told with it. What cannot be done any more is `left` unsigned with its
    own reason, and keeps none of the others. Raises Refused.
    """
    asked = approvals.decidable(user, approval_ids, "approve")
    in_the_way, refused = decisions.ahead(asked.done)
    left, decision = asked.left | refused, Decision()
    while signable := [id_ for id_ in asked.done if id_ not in left]:
        try:
            decision = _sign(user, signable, text, shown)
            break
        except decisions.CannotBeDone as stopped:
            left[stopped.approval_id] = stopped.text
    decision.in_the_way = {id_: told for id_, told in in_the_way.items() if id_ in decision.done}
    decision.left |= left
    return decision


def _sign(user: Any, approval_ids: Sequence[uuid.UUID], text: str, shown: str) -> Decision:
    """All of them or none. Raises CannotBeDone of the one by which it is none."""
    with transaction.atomic():
        concerned = Approval.objects.filter(id__in=approval_ids).exclude(case=None)
        _hold(step_id for step_id in concerned.values_list("case__step_id", flat=True) if step_id)
        approvals.shown(approval_ids, shown)
        decision = approvals.approve(user, approval_ids, text)
        decisions.carry_out(user, decision.rows)
        actor = rights.name_of(user)
        replay.abandon(decision.closed_steps, actor, text or "closed without a fix")
        replay.replay(decision.granted_steps, actor, text or "approved")
    return decision


def withdraw(user: Any, approval_ids: Sequence[uuid.UUID], text: str = "") -> Decision:
    """Take back one's own request; a reversal that was asked for is given up. Raises Refused."""
    with transaction.atomic():
        concerned = Approval.objects.filter(id__in=approval_ids).exclude(case=None)
        _hold(step_id for step_id in concerned.values_list("case__step_id", flat=True) if step_id)
        decision = approvals.withdraw(user, approval_ids, text)
        actor = rights.name_of(user)
        replay.abandon(decision.closed_steps, actor, text or "taken back", told=f"Taken back by {rights.called(user)}")
    return decision


def refuse(
    user: Any, approval_ids: Sequence[uuid.UUID], text: str, *, for_good: bool = False, shown: str = ""
) -> Decision:
    """Disagree, and say why: the cases go back into the queue, or, for good, what waited for it is given up.

    `shown` as for approve().
    Raises Refused or NotPossible.
    """
    asked = approvals.decidable(user, approval_ids, "refuse")
    with transaction.atomic():
        concerned = Approval.objects.filter(id__in=asked.done).exclude(case=None)
        _hold(step_id for step_id in concerned.values_list("case__step_id", flat=True) if step_id)
        owners = {name: stage.team for name, stage in STAGES.items()}
        approvals.shown(asked.done, shown)
        decision = approvals.refuse(user, asked.done, text, for_good=for_good, owners=owners)
        actor = rights.name_of(user)
        replay.refused([id_ for id_ in decision.refused_steps if id_ not in decision.closed_steps], actor, text)
        said = f"Refused by {rights.called(user)}: {text.strip().rstrip('.')}"
        replay.abandon(decision.closed_steps, actor, text, told=said)
    decision.left |= asked.left
    return decision


def close_without_fix(user: Any, case_ids: Sequence[uuid.UUID], why: str, root_cause: str) -> Done:
    """Ask that nothing be done; approve() ends it. Raises Refused or NotPossible."""
    return casework.close_without_fix(user, case_ids, why, root_cause)


def take_offer(user: Any, offer_id: uuid.UUID, *, canary: int = 0, stop_after: int = 0) -> ReplayBatch:
    """A dry run of what an offer has found, which stays until one is sent. Raises Refused or NotPossible."""
    batch = unblock.take(user, offer_id, canary=canary, stop_after=stop_after)
    _look_first(batch)
    return batch


def dismiss_offer(user: Any, offer_id: uuid.UUID) -> Offer:
    """Not now. Raises Refused or NotPossible."""
    return unblock.dismiss(user, offer_id)
