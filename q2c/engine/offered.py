"""What the dry run of an offer says, found in the background: how many would go through, and what stops the others.

An offer is looked at as it is made, when other cases come to wait for it, when a period opens or closes, and again when
somebody opens it after a while, or has it on a page that stays open for longer. Thousands are looked at in slices;
meanwhile what was found last stands, or that it is being checked.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any

from exceptions import next_cause, unblock
from exceptions.models import Case, Offer
from q2c import clock
from q2c.engine import replay, wake
from q2c.models.connection import called

log = logging.getLogger(__name__)

CHUNK = 50
# What was found longer ago is looked at anew for whoever opens it.
FRESH = dt.timedelta(minutes=3)
# The same for a page that stays open: each asks the platforms, so seldom.
STALE = dt.timedelta(minutes=10)
# As much as one turn looks at; more waits for the next.
OFFERS_A_TURN = 200
NOTHING_YET: dict[str, Any] = {
    "after": "", "cases": 0, "passes": 0, "untold": 0, "fails": 0, "amounts": {}, "credits": {}, "silent": [],
    "reasons": {}, "otherwise": 0,
}  # fmt: skip


def wake_up() -> None:
    """Have the open offers looked at soon; the beat does it when nobody is woken."""
    wake.task_after_commit("look_at_offers")


def look_at_offers(turn_s: float = 10.0) -> int:
    """Go on with what wants looking at, for one turn. Returns how many cases were looked at. Safe to run twice."""
    ends, done = clock.now() + clock.seconds(turn_s), 0
    while looked := _each_once(ends):
        # What was offered meanwhile woke somebody who found this one at it.
        done += looked
    return done


def _each_once(ends: dt.datetime) -> int:
    done = 0
    for offer_id in (
        Offer.objects.filter(state="open").order_by("created_at").values_list("id", flat=True)[:OFFERS_A_TURN]
    ):
        try:
            while clock.now() < ends and (count := _go_on(offer_id)):
                done += count
        except Exception:
            # One that breaks does not stop the others; it says that it is being checked.
            log.exception("offer could not be looked at", extra={"offer": str(offer_id)})
    return done


def _go_on(offer_id: uuid.UUID) -> int:
    offer = Offer.objects.filter(id=offer_id, state="open").first()
    return look(offer) if offer is not None and offer.wants_look else 0


def look(offer: Offer, limit: int = CHUNK) -> int:
    """Dry-run the next slice of what it offers, platforms included. Returns how many cases that were."""
    waiting, since = unblock.offered_for(offer.blocker), clock.now()
    found = {**NOTHING_YET, **offer.looking}
    chosen = waiting.filter(id__gt=found["after"]) if found["after"] else waiting
    cases = list(chosen.order_by("id")[:limit])
    going = {step_id for step_id in waiting.values_list("step_id", flat=True) if step_id}
    runs = replay.dry_run([case.step_id for case in cases if case.step_id], ask=True, beside=going)
    by_step = {run.step_id: run for run in runs}
    found = _with(found, cases, by_step)
    next_cause.found({c.id: by_step[c.step_id].findings for c in cases if c.step_id in by_step}, since)  # type: ignore[index]
    told: dict[str, Any] = {"looking": found}
    if len(cases) < limit:
        told = {"looking": {}, "looked": found, "looked_at": clock.now()}
    # Whoever looked at the same slice at the same time has written it.
    kept = Offer.objects.filter(id=offer.id, state="open", looking=offer.looking).update(**told)
    if kept and "looked" in told and found["cases"] != offer.cases:
        # Some went, or came, while it was looked at.
        unblock.blocker_gone(*offer.blocker, actor=offer.raised_by)
    return len(cases) if kept else 0


def _with(found: dict[str, Any], cases: list[Case], runs: dict[uuid.UUID, replay.DryRun]) -> dict[str, Any]:
    """What was found so far, and this slice."""
    counts = {name: found[name] for name in ("cases", "passes", "untold", "fails", "otherwise")}
    amounts, credits = Counter[str](found["amounts"]), Counter[str](found["credits"])
    reasons, silent = dict(found["reasons"]), set[str]()
    for case in cases:
        run = runs.get(case.step_id) if case.step_id else None
        counts["cases"] += 1
        counts["otherwise"] += bool(run and run.beside)
        if run is None or not run.would_pass:
            reason = str(run.findings[0]["reason"]) if run is not None else case.reason
            reasons[reason] = reasons.get(reason, 0) + 1
            counts["fails"] += 1
        elif run.platform == "silent":
            silent.add(run.asked)
            counts["untold"] += 1
        else:
            counts["passes"] += 1
            if case.currency and case.amount_minor:
                amounts[case.currency] += case.amount_minor
                if case.amount_minor < 0:
                    credits[case.currency] += case.amount_minor
    after = str(cases[-1].id) if cases else found["after"]
    told = {"amounts": amounts, "credits": credits, "reasons": reasons}
    unanswered = sorted({*found["silent"], *called(silent).values()})
    return {**counts, "after": after, "silent": unanswered, **told}


def look_anew(*, all_of_them: bool = False) -> None:
    """Something of ours has changed: what would have failed may pass now. `all_of_them`: or the other way round."""
    told = Offer.objects.filter(state="open", looked_at__isnull=False, looking={})
    if (told if all_of_them else told.filter(looked__fails__gt=0)).update(looking=NOTHING_YET):
        wake_up()


def opened(offers: Iterable[Offer], older_than: dt.timedelta = FRESH) -> None:
    """Somebody sees these now: what was found longer ago is looked at anew."""
    old = [offer.id for offer in offers if offer.looked_at and offer.looked_at < clock.now() - older_than]
    if old and Offer.objects.filter(id__in=old, state="open", looking={}).update(looking=NOTHING_YET):
        wake_up()
