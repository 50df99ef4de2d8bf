"""Fix once: what waited for an object that has changed is found, totalled and offered for replay.

What a platform owns stands in the way of all that wait for it, or of none. What q2c owns may stand in the way of one
and not of another: a mapping or a rate holds from a day on, a rule for a product. So each case knows by itself whether
its cause is gone (`blocker_gone_at`), and an offer holds those of which it is.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from exceptions import batches, casework, moves, rights, rowsets, sentences, timeline
from exceptions.errors import NotPossible
from exceptions.models import Case, Offer, Problem, ReplayBatch, ReplayItem
from exceptions.models.case import REPLAYABLE, held_up_by
from exceptions.models.offer import worth_of
from q2c import clock, keys, states

_ONE_OPEN = (
    "ON CONFLICT (blocker_type, blocker_key, blocker_connection, blocker_condition) WHERE state = 'open' "
    "DO UPDATE SET cases = excluded.cases, totals = excluded.totals, title = excluded.title, "
    "counted_at = excluded.counted_at"
)


_BLOCKER = ("blocker_connection", "blocker_type", "blocker_key", "blocker_condition")
# Records of ours that are about a connection.
_OURS = frozenset({"item_mapping"})
# How long a person's "not now" holds.
NOT_NOW = dt.timedelta(hours=24)
# A dry run of an offer as young as this is opened again instead of made again.
LOOKED_JUST_NOW = dt.timedelta(minutes=3)
# Whoever made a dry run longer ago and did not send it is not told as looking at it.
LOOKING = dt.timedelta(days=1)


def is_ours(blocker: sentences.Blocker) -> bool:
    """Whether q2c owns it, so that it is told case by case whether it is in the way."""
    return not blocker[0] or blocker[1] in _OURS


def waiting_for(blocker: sentences.Blocker) -> QuerySet[Case]:
    """The cases that this blocker holds up and that could be replayed."""
    return Case.objects.filter(held_up_by(blocker))


def freed_of(blocker: sentences.Blocker) -> QuerySet[Case]:
    """Those of them in whose way it is no longer."""
    return waiting_for(blocker).filter(blocker_gone_at__isnull=False)


def offered_for(blocker: sentences.Blocker) -> QuerySet[Case]:
    """Those that are free of it and that no replay is sending: none is offered a second time. A dry run sends none."""
    return freed_of(blocker).filter(~Exists(batches.under_way(OuterRef("id"))))


def blocker_gone(
    connection: str, object_type: str, object_key: str, condition: str, *, actor: str = "q2c"
) -> Offer | None:
    """The object no longer is what it was, for whatever waits: as judged()."""
    blocker = (connection, object_type, object_key, condition)
    waiting = waiting_for(blocker).filter(blocker_gone_at__isnull=True)
    return judged(blocker, list(waiting.values_list("id", flat=True)), actor=actor)[0]


def judged(
    blocker: sentences.Blocker, free: Collection[uuid.UUID], held: Collection[uuid.UUID] = (), *, actor: str = "q2c"
) -> tuple[Offer | None, int]:
    """It stands in the way of `free` no longer, and of `held` it does: wake what slept until then, offer what is free.

    Others stay as they were. Said again, the open offer is counted anew; there is one per blocker. One that a person
    did not want now is not made again for NOT_NOW, unless another case that is free has failed for it since.
    Returns the offer, None where nothing is offered, and of how many cases this was not known before.
    """
    with states.acting(actor, sentences.again(blocker)):
        now = clock.now()
        gone = _mark(waiting_for(blocker).filter(id__in=free, blocker_gone_at__isnull=True), now)
        moved = len(gone) + len(_mark(freed_of(blocker).filter(id__in=held), None))
        asleep = freed_of(blocker).filter(state="snoozed", snooze_until_blocker=True)
        casework.rouse(moves.held(id__in=list(asleep.values_list("id", flat=True))), actor, sentences.again(blocker))
        found = _counted(blocker)
        if not found:
            _take_back([blocker])
            return None, moved
        if _not_now(blocker, now):
            return None, moved
        offer_id, is_new = _made(blocker, found, now, actor)
        # Told once: of all as it is made, later of those that came free.
        _tell(blocker, offer_id, actor, None if is_new else gone)
    return Offer.objects.get(id=offer_id), moved


def _mark(cases: QuerySet[Case], gone_at: dt.datetime | None) -> list[uuid.UUID]:
    """What somebody else is changing is left: it is judged again soon."""
    ids = list(cases.order_by("id").select_for_update(skip_locked=True).values_list("id", flat=True))
    Case.objects.filter(id__in=ids).update(blocker_gone_at=gone_at)
    return ids


def _made(
    blocker: sentences.Blocker, found: list[dict[str, Any]], now: dt.datetime, actor: str
) -> tuple[uuid.UUID, bool]:
    """The one open offer: its id, and whether it was made now. One that was there is counted anew."""
    number = sum(row["cases"] for row in found)
    columns = {
        "id": keys.new_id(), "correlation_id": keys.new_id(), "state": "open",
        **dict(zip(_BLOCKER, blocker, strict=True)), "cases": number, "totals": found,
        "title": sentences.offer_title(number, worth_of(found), blocker), "created_at": now, "counted_at": now,
        "raised_by": actor, "looked": {}, "looking": {},
    }  # fmt: skip
    # A row that the conflict updated was locked by this transaction before it was written.
    [(offer_id, is_new)] = rowsets.insert(Offer, [columns], on_conflict=_ONE_OPEN, returning="id, xmax = 0")
    return offer_id, is_new


def _not_now(blocker: sentences.Blocker, now: dt.datetime) -> bool:
    dismissed = _of(blocker).filter(state="dismissed", decided_at__gt=now - NOT_NOW)
    last = dismissed.order_by("-decided_at").values_list("decided_at", flat=True).first()
    return last is not None and not freed_of(blocker).filter(last_failed_at__gt=last).exists()


def _of(blocker: sentences.Blocker) -> Any:
    connection, kind, key, condition = blocker
    return Offer.objects.filter(
        blocker_type=kind, blocker_key=key, blocker_connection=connection, blocker_condition=condition
    )


def found_gone(user: Any, case: Case) -> Offer | None:
    """The offer that says since when the cause of a case is gone; None where it stands, or nobody has noticed yet."""
    if case.blocker is None or case.blocker_gone_at is None or case.state not in REPLAYABLE:
        return None
    offers = Offer.objects.visible_to(user) & _of(case.blocker)
    # Taken back means that it stands again, or that nothing waited any more.
    last = offers.order_by("-created_at", "-id").first()
    return last if last is not None and last.state != "withdrawn" else None


def ready(user: Any, cases: Iterable[Case]) -> set[uuid.UUID]:
    """Those of these cases whose cause is gone, which are offered for replay, and of which none is known to fail."""
    waiting = [
        case for case in cases
        if case.blocker_gone_at is not None and case.next_cause is None and case.state in REPLAYABLE
    ]  # fmt: skip
    if not waiting:
        return set()
    chosen = Offer.objects.visible_to(user).filter(state="open", blocker_key__in={case.blocker_key for case in waiting})
    gone = {_blocker(offer) for offer in chosen}
    return {case.id for case in waiting if case.blocker in gone}


def gone_now(user: Any, problems: Iterable[Problem]) -> set[uuid.UUID]:
    """Those of these problems whose cause is gone for all that wait, and which are offered for replay."""
    named = {problem.id: _blocker(problem) for problem in problems if problem.blocker_type}
    if not named:
        return set()
    wanted = {blocker[2] for blocker in named.values()}
    gone = {_blocker(offer) for offer in Offer.objects.visible_to(user).filter(state="open", blocker_key__in=wanted)}
    found = {id_ for id_, blocker in named.items() if blocker in gone}
    held = Case.objects.filter(problem__in=found, state__in=REPLAYABLE, blocker_gone_at__isnull=True)
    held = held.exclude(step_id=None)
    return found - set(held.order_by().values_list("problem", flat=True).distinct())


def freed_since(offer: Offer, since: dt.datetime) -> str:
    """What an offer says of the cases that came free since then; empty where none did."""
    return offer.headline_of(_counted(offer.blocker, since), since)


def _counted(blocker: sentences.Blocker, since: dt.datetime | None = None) -> list[dict[str, Any]]:
    below = Sum("amount_minor", filter=Q(amount_minor__lt=0))
    rows = offered_for(blocker) if since is None else offered_for(blocker).filter(blocker_gone_at__gte=since)
    summed = rows.values("currency", "entity", "period").annotate(n=Count("id"), minor=Sum("amount_minor"), below=below)
    return [
        {"currency": row["currency"], "entity": row["entity"], "period": row["period"], "cases": row["n"],
         "amount_minor": int(row["minor"] or 0), "credit_minor": int(row["below"] or 0)}
        for row in summed.order_by("currency", "entity", "period")
    ]  # fmt: skip


def _tell(
    blocker: sentences.Blocker, offer_id: uuid.UUID, actor: str, only: Collection[uuid.UUID] | None = None
) -> None:
    if only is not None and not only:
        return
    chosen = offered_for(blocker)
    ids = (chosen if only is None else chosen.filter(id__in=only)).values_list("id", flat=True)
    timeline.record([(i, "offered", sentences.again(blocker), {"offer": str(offer_id)}) for i in ids], actor)


def blocked_again(blockers: Iterable[sentences.Blocker]) -> None:
    """A case failed for each of these: what a platform owns stands in the way of all then, of ours each case tells."""
    named = set(blockers)
    withdraw([blocker for blocker in named if not is_ours(blocker)])
    chosen = _any_of([blocker for blocker in named if is_ours(blocker)])
    if chosen:
        withdraw_spent(Offer.objects.filter(chosen))


def withdraw(blockers: Iterable[sentences.Blocker]) -> None:
    """These stand in the way again, of whatever waits: what was offered is offered no longer."""
    named = list(blockers)
    for blocker in named:
        _mark(freed_of(blocker), None)
    _take_back(named)


def _take_back(blockers: Iterable[sentences.Blocker]) -> None:
    if chosen := _any_of(blockers):
        states.move(Offer, "withdraw", list(Offer.objects.filter(chosen, state="open").values_list("id", flat=True)))


def _any_of(blockers: Iterable[sentences.Blocker]) -> Q:
    chosen = Q()
    for blocker in blockers:
        chosen |= Q(**dict(zip(_BLOCKER, blocker, strict=True)))
    return chosen


def withdraw_spent_of(step_ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """As withdraw_spent(), of what these steps waited for: in the transaction that sends or ends the last of them."""
    if not Offer.objects.filter(state="open").exists():
        return []
    return withdraw_spent(_for(Case.objects.filter(step_id__in=list(step_ids))))


def _for(cases: QuerySet[Case]) -> QuerySet[Offer]:
    """The open offers for what stands in the way of these cases."""
    blockers = cases.exclude(blocker_type="").order_by().values_list(*_BLOCKER).distinct()
    return Offer.objects.filter(_any_of(blockers) or Q(pk__in=[]), state="open")


def withdraw_spent(offers: QuerySet[Offer] | None = None) -> list[uuid.UUID]:
    """Take back open offers for which nothing waits any more, whoever replayed it and why. Returns their ids."""
    return states.move(Offer, "withdraw", _spent(Offer.objects.all() if offers is None else offers))


def sent(user: Any, batch: ReplayBatch) -> None:
    """A replay was sent: the offers of which it leaves nothing are taken by it. In the transaction that sends it."""
    with states.acting(rights.name_of(user)):
        cases = Case.objects.filter(replays__batch=batch, replays__outcome="queued")
        states.move(Offer, "take", _spent(_for(cases)), **_by(user), batch_id=batch.id)


def _spent(offers: QuerySet[Offer]) -> list[uuid.UUID]:
    """Those of the open ones for which nothing waits that is not being sent."""
    its = [OuterRef(f"blocker_{part}") for part in ("connection", "type", "key", "condition")]
    waiting = Case.objects.filter(
        ~Exists(batches.under_way(OuterRef("id"))), held_up_by(its), blocker_gone_at__isnull=False
    )
    return list(offers.filter(~Exists(waiting), state="open").values_list("id", flat=True))


def take(user: Any, offer_id: uuid.UUID, *, canary: int = 0, stop_after: int = 0) -> ReplayBatch:
    """A replay, as a dry run, of what the offer's blocker holds up now. Raises Refused or NotPossible.

    To look is not to send: the offer stays until a replay of its cases is sent. One dry run a person: draft_of()
    is given again, an older one gives way to the new one.
    """
    rights.require(user, rights.REPLAY, "replay")
    with transaction.atomic():
        offer = _open(user, offer_id)
        last = draft_of(user, offer, canary=canary, stop_after=stop_after)
        if last is not None:
            return last
        title, why = _headline(offer), sentences.again(_blocker(offer))
        waiting = offered_for(_blocker(offer))
        batch = batches.create(user, waiting, title=title, why=why, canary=canary, stop_after=stop_after)
        for old in _drafts(user, offer).filter(created_at__gt=clock.now() - LOOKING).exclude(id=batch.id):
            batches.cancel(user, old.id, f"looked at anew as R-{batch.number}")
    return batch


def draft_of(user: Any, offer: Offer, *, canary: int = 0, stop_after: int = 0) -> ReplayBatch | None:
    """The dry run that take() gives this person again: of a moment ago, of just its cases, and no older than what the
    offer says by its own."""
    since = clock.now() - LOOKED_JUST_NOW
    since = max(since, offer.looked_at) if offer.looked_at is not None else since
    made = _drafts(user, offer).filter(created_at__gt=since, canary=canary, stop_after=stop_after)
    last = made.order_by("-created_at").first()
    return last if last is not None and _same(last, offered_for(_blocker(offer))) else None


def _drafts(user: Any, offer: Offer) -> QuerySet[ReplayBatch]:
    """The dry runs that this person made of it, and did not send."""
    named = {"title": _headline(offer), "why": sentences.again(_blocker(offer))}
    return ReplayBatch.objects.filter(created_by=user, state="dry_run", **named)


def _same(batch: ReplayBatch, cases: QuerySet[Case]) -> bool:
    """Whether a dry run is about just these cases."""
    return set(batch.items.filter(outcome="queued").values_list("case_id", flat=True)) == set(
        cases.values_list("id", flat=True)
    )


def looks(user: Any, offers: Iterable[Offer]) -> dict[uuid.UUID, list[ReplayBatch]]:
    """Offer id → the dry runs of its cases that somebody made and nobody sent, the latest first. Two statements."""
    named = {_blocker(offer): offer.id for offer in offers if offer.state == "open"}
    found: dict[uuid.UUID, list[ReplayBatch]] = {id_: [] for id_ in named.values()}
    if not named:
        return found
    unsent = ReplayItem.objects.filter(
        batch__state="dry_run", batch__created_at__gt=clock.now() - LOOKING, outcome="queued",
        case__state__in=REPLAYABLE, case__blocker_key__in={blocker[2] for blocker in named},
    )  # fmt: skip
    rows = unsent.order_by().values_list("batch_id", *(f"case__{name}" for name in _BLOCKER)).distinct()
    of_batch: dict[uuid.UUID, list[uuid.UUID]] = {}
    for batch_id, *blocker in rows:
        if offer_id := named.get(tuple(blocker)):
            of_batch.setdefault(batch_id, []).append(offer_id)
    seen = ReplayBatch.objects.visible_to(user).filter(id__in=list(of_batch)).select_related("created_by")
    for batch in seen.order_by("-created_at", "-id"):
        for offer_id in of_batch[batch.id]:
            found[offer_id].append(batch)
    return found


def _headline(offer: Offer) -> str:
    """What was put right; how many there are is counted when the replay is frozen."""
    text = sentences.again(_blocker(offer))
    return f"{text[:1].upper()}{text[1:]}"


def dismiss(user: Any, offer_id: uuid.UUID) -> Offer:
    """Not now: the cases stay where they are. Raises Refused or NotPossible."""
    rights.require(user, rights.WORK, "dismiss an offer")
    with states.acting(rights.name_of(user)):
        _open(user, offer_id)
        states.move(Offer, "dismiss", [offer_id], **_by(user))
    return Offer.objects.get(id=offer_id)


def _open(user: Any, offer_id: uuid.UUID) -> Offer:
    offer = Offer.objects.visible_to(user).select_for_update(of=("self",)).filter(id=offer_id).first()
    if offer is None:
        raise NotPossible("There is no such offer")
    if offer.state == "taken" and offer.batch is not None:
        raise NotPossible(f"{rights.called(offer.decided_by)} sent this already, as R-{offer.batch.number}")
    if offer.state != "open":
        raise NotPossible(f"This offer is {offer.state} already")
    return offer


def _blocker(of: Offer | Problem) -> sentences.Blocker:
    return (of.blocker_connection, of.blocker_type, of.blocker_key, of.blocker_condition)


def _by(user: Any) -> dict[str, dt.datetime | int]:
    return {"decided_by_id": user.pk, "decided_at": clock.now()}
