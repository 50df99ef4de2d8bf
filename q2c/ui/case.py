"""The page of a case: what happened, what to do, what it books, what waits behind, and what becomes of a replay."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from exceptions import approvals, sentences, unblock
from exceptions.models import Case, CaseEvent, Policy, ReplayItem
from exceptions.models.case import ENDED, REPLAYABLE, TO_DO, credits_of
from ledger import journal
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.engine import after_all, decisions, desk, offered, previews
from q2c.models import Invoice, Order, Step
from q2c.reading import (
    billing_beside,
    billing_now,
    cause_gone,
    credited,
    followed,
    given_up_before,
    held,
    late_reversals,
    recorded,
    unread,
    what_stays,
)
from q2c.reading.coming import does
from q2c.reading.differences import REASONS
from q2c.reading.keys_there import keys_there
from q2c.reasons import Reason
from q2c.stages.taken_back_there import CANCELLED
from q2c.stages.verb import KEPT
from q2c.ui import case_views, cause, ending, formats, next_cause, parts, people, refused, story
from q2c.ui.acting import answering, case_of
from q2c.ui.queue import choices
from q2c.ui.replays import journal_of
from q2c.ui.rights import require, right

BEHIND = 10


@require_safe
@right("exceptions.view_case")
def case(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """?view= chooses what stands below; ?dry_run=1 shows at once what a replay would do."""
    found = case_of(request, case_id)
    if found is None:
        raise Http404
    seen = looked_at(request, found) if _wants_dry_run(request) else None
    step = Step.objects.filter(id=found.step_id).select_related("event").first() if found.step_id else None
    view = _view(request, found)
    behind = held.behind(request.user, step)
    gone = unblock.found_gone(request.user, found)
    offered.opened([gone] if gone else [])
    key = keys_there([step]).get(step.id, "") if step is not None else ""
    context = {
        "crumbs": [parts.Crumb("Queue", reverse("queue")), parts.Crumb(found.shown)],
        "case": found,
        "step": step,
        "policy": Policy.objects.filter(reason=found.reason).first(),
        "fix": cause.fix_of(found),
        "late": decisions.redatable(found) if found.state in (*TO_DO, "snoozed") else None,
        "today": clock.today(),
        "ended": ending.told(found),
        **_given_up(request.user, found),
        "redated": ending.redated(found, step),
        "blocker": sentences.thing(found.blocker) if found.blocker else "",
        "condition": sentences.condition(found.blocker_condition),
        "gone": gone,
        "looks": unblock.looks(request.user, [gone]).get(gone.id, []) if gone else [],
        "all_of_them": f"Dry run of all {formats.number(gone.cases)}" if gone else "",
        **_gone(found, late_reversals.of(request.user, found)),
        "facts": _facts(found, key),
        "others": _others(request.user, found),
        "behind": behind[:BEHIND],
        "behind_count": behind.count(),
        "view": view,
        "tabs": case_views.tabs(view),
        "below": case_views.below(request.user, view, found, step),
        "actions": _may(found),
        "askable": desk.source_to_ask(found) is not None,
        "dry_run": seen,
        "proof": _proof(found, step, key),
        "key_there": key,
        "refused": refused.of(found),
        **replayed(request.user, found, step),
        **choices(request.user),
    }
    if seen is None:
        context["journal"] = _booked(request.user, step)
        context["invoices"] = _invoices(request.user, found, step)
        context["first"] = recorded.first_of(request.user, found)
    return render(request, "cases/case.html", context)


def _wants_dry_run(request: HttpRequest) -> bool:
    return bool(request.GET.get("dry_run")) and request.user.has_perm("exceptions.replay_case")


def _gone(found: Case, late: late_reversals.Late | None) -> dict[str, Any]:
    """Whether what stopped it is gone, noticed or not, and in which words; else what to do, where the policy's sentence
    is too wide; whether a replay could cure it; and what it would have credited."""
    is_gone = cause_gone.of(found)
    again = sentences.again(found.blocker, found.lacking) if is_gone and found.blocker else ""
    then = next_cause.of(found)
    cured = found.reason not in REASONS
    to_do = late.what_to_do if late is not None else _to_do(found)
    # Where its reversal is asked for anew.
    reversing = late.entry if late is not None and not late.may_be_there else None
    gone = {"cause_is_gone": is_gone, "again": again, "to_do": to_do, "reversing": reversing}
    (first, *_) = found.context.get("findings") or [{}]
    return {**gone, "then": then, "cured_by_replay": cured, "credits": credits_of(first.get("worth"))}


def _to_do(found: Case) -> str:
    return credited.what_to_do(found) or billing_now.what_to_do(found) or _other_than_its_policy(found)


def _other_than_its_policy(found: Case) -> str:
    """Of what billing changed, its journal reversed since: what the policy says next is done. What another system says
    of what is booked is nothing to void in billing, nor to change there."""
    (first, *_) = found.context.get("findings") or [{}]
    differs = first.get("differs")
    told_again = found.reason == Reason.INVOICE_DUPLICATE and first.get("pointer") == "/invoice_number"
    told_anew = found.reason == Reason.INVOICE_CHANGED and differs is None
    restores = found.reason == Reason.BILLED_SINCE_REVERSED
    own = told_again or told_anew or restores or (differs or {}).get("is_reversed")
    return f"{first['remedy']}." if own and first.get("remedy") else ""


def _given_up(user: Any, found: Case) -> dict[str, Any]:
    """What became of its document, where it was closed without fix; what would, where it may be; and what billing has
    otherwise of it."""
    closing = what_stays.will(found) if found.state in (*TO_DO, "snoozed") else ""
    unplaced = not found.period and unread.is_one(found)
    wanted = found.state == "closed_without_fix" and not after_all.why_not(found)
    before = given_up_before.of(user, [found]).get(found.id)
    since = billing_beside.of_unposted([found]).get(found.id, "")
    otherwise = {"billing_has": billing_beside.of_case(found), "billing_since": since}
    may = {"after_all": _after_all(found) if wanted else "", "token": keys.new_id()}
    stays = what_stays.has(user, found)
    return {"stays": stays, "closing": closing, "unplaced": unplaced, "before": before, **otherwise, **may}


def _after_all(found: Case) -> str:
    """What its button says."""
    if found.step_id is None:
        return "Read it again"
    return "Post it after all" if after_all.unposted(found) else "Book it after all"


def _view(request: HttpRequest, found: Case) -> str:
    """What is asked for; at first what happened, or the two versions of one id where these are the matter."""
    conflict = found.reason in (Reason.EVENT_CONFLICT, Reason.INVOICE_CHANGED) and request.user.has_perm(
        "q2c.view_event"
    )
    view = request.GET.get("view", "payload" if conflict else "timeline")
    return view if view in case_views.VIEWS else "timeline"


def _facts(found: Case, key: str) -> list[tuple[str, Any]]:
    return parts.facts(
        ("Business key", found.business_key),
        ("Customer", found.customer),
        ("Entity", found.entity),
        ("Stage", found.stage.replace("_", " ")),
        ("Way", f"{people.name(found.source) or '–'} → {found.target or '–'}"),
        ("Platform's code", found.code),
        ("Field", found.field),
        ("Key there", key),
    )


def _proof(found: Case, step: Step | None, key: str) -> list[dict[str, Any]]:
    """That nothing is there twice: searched when, found what, posted when, read back, as which document."""
    kept = (step.proof if step is not None else None) or found.proof
    lines = [_line("Searched", at, "nothing was there", "search") for at in story.searched(kept)]
    # Where the time of posting is known, that says more.
    if step is not None and step.sent_at and not kept.get("posted_at") and kept.get("found") != "before":
        lines.append(_line("Sent", step.sent_at.isoformat(), f"under the key {key}", "send"))
    # Of several writes those that are done are kept, also while the step is not.
    for part in (kept, *(kept.get("cancelled") or kept.get(KEPT, {}).values())):
        lines += _came_to(part)
    return sorted(lines, key=lambda line: str(line["at"] or "9"))


def _came_to(part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is known of one document: posted when and read back, or found there."""
    document = f"{part['document']}, " if part.get("document") else ""
    if part.get("posted_at"):
        yield _line("Posted", part["posted_at"], document.rstrip(", "), "send")
    if part.get("not_there"):
        yield _line("Searched", part.get("searched_at"), f"{part['not_there']} is not there", "search")
    if part.get("found_at"):
        same = "date, amounts and dimensions are ours" if part.get("compared") else "it is there"
        if part.get("asked"):
            same = f"it ended as of {part['on']}, asked for was {part['asked']}"
        if not part.get("found"):
            yield _line("Read back", part["found_at"], document + same, "circle-check")
        else:
            before = "it was there before" if part["found"] == "before" else "it had been taken"
            yield _line("Found there", part["found_at"], f"{document}{before}; {same}", "circle-check")


def _line(what: str, at: Any, text: str, icon: str) -> dict[str, Any]:
    return {"what": what, "at": _instant(at), "text": text, "icon": icon}


def _instant(text: Any) -> dt.datetime | None:
    found = parse_datetime(str(text or ""))
    return found if found is not None and found.tzinfo is not None else None


def _others(user: Any, found: Case) -> int:
    """How many other unresolved cases have the same cause."""
    if not user.has_perm("exceptions.view_problem"):
        return 0
    same = Case.objects.visible_to(user).filter(problem=found.problem_id, state__in=REPLAYABLE)
    return same.exclude(id=found.id).order_by().values("id")[:1000].count()


def _booked(user: Any, step: Step | None) -> parts.JournalPreview | None:
    """The journal as it stands, where the user may see it: the one to be posted, or the one its event became."""
    if step is None:
        return None
    entries = JournalEntry.objects.visible_to(user).filter(event_id__in=[step.event_id, step.event.causation_id])
    ids = list(entries.exclude(state="superseded").order_by("-generation").values_list("id", flat=True)[:1])
    return journal_of({"journal": previews.journal(journal.read(ids)[0])}) if ids else None


def _invoices(user: Any, found: Case, step: Step | None) -> dict[str, Any] | None:
    """Of an order, or of what came about one that is accepted: it books nothing itself, its invoices do."""
    changed = found.reason == Reason.ORDER_CHANGED
    if not changed and (step is None or step.stage != "accept_order"):
        return None
    about = Q(number=found.business_key) if changed or step is None else Q(event=step.event_id)
    order = Order.objects.visible_to(user).filter(about).first()
    of_order = Invoice.objects.visible_to(user).filter(order=order) if order is not None else Invoice.objects.none()
    states = list(of_order.order_by("state").values_list("state").annotate(n=Count("id")))
    return {"states": states, "href": reverse("order", args=[order.id]) if order is not None and states else ""}


def _may(found: Case) -> dict[str, str]:
    """Why an action does not fit the state of the case; empty where it does. Rights are the buttons' own."""
    here = f"It is {found.state.replace('_', ' ')}."
    return {
        "claim": "" if found.state in TO_DO else here,
        "assign": here if found.state in ENDED else "",
        "snooze": "" if found.state in TO_DO else here,
        "replay": _why_not_replay(found, here),
        "close": "" if found.state in (*TO_DO, "snoozed") else here,
    }


def _why_not_replay(found: Case, here: str) -> str:
    if found.code == CANCELLED:
        return "There is nothing to replay here: do what it says of its journal, or have billing post it again."
    if found.reason == Reason.SUBSCRIPTION_CUT_SHORT:
        return "There is nothing to replay here: cancel the order, or have billing take its cancellation back."
    if found.step_id is None:
        return "It came in unreadable: the sender sends it again."
    if found.state == "replaying":
        return "It is on its way already."
    ended = (approvals.CLOSE, approvals.REDATE)
    if found.state == "awaiting_approval" and found.approvals.filter(state="requested", action__in=ended).exists():
        return "A second person decides about it first; whoever asked can take that back."
    return "" if found.state in REPLAYABLE else here


def replayed(user: Any, found: Case, step: Step | None) -> dict[str, Any]:
    """How the latest replay stands, and what followed, in the words that people use; nothing where there was none."""
    events = list(found.events.filter(kind__in=_TOLD).order_by("-id")[:20])
    started = next((event for event in events if event.kind == "replay_requested"), None)
    if started is None:
        return {"replay": None, "moving": False, "followed": []}
    after = [event for event in events if event.id >= started.id]
    moving = found.state == "replaying"
    state = _stands(found, step, after, moving)
    front = held.in_front(user, [step]).get(step.id) if step is not None and state == "queued" else None
    journey = followed.of(user, [step])[step.id] if step is not None and state == "confirmed" else followed.Journey()
    return {
        "replay": {
            "state": state,
            "since": started.at,
            "by": people.name(started.actor),
            "approved": ending.was_approved(found, started),
            "item": _item(found, started),
            "said": _said(found, step, state, front),
            "tone": _tone(state, journey),
            "tries": step.attempts if step is not None else 0,
        },
        "followed": story.followed(journey),
        "moving": moving or journey.underway,
    }


def _item(found: Case, started: CaseEvent) -> ReplayItem | None:
    """Its place in the replay that put it to work; none where something else did, whatever was replayed before."""
    number = str(started.data.get("batch", "")).removeprefix("R-")
    if not number.isdecimal():
        return None
    items = ReplayItem.objects.filter(case=found, batch__number=int(number)).exclude(outcome="skipped")
    return items.select_related("batch").last()


def _tone(state: str, journey: followed.Journey) -> str:
    """That of the whole way: a step that is done is no success while what it led to is stopped."""
    if state in ("failed_again", "failed_otherwise") or journey.stopped:
        return "bad"
    if state == "confirmed":
        return "busy" if journey.underway else "good"
    return "warn" if state == "verifying" else "busy"


_TOLD = (
    "replay_requested", "replay_sent", "replay_confirmed", "resolved", "failed_again", "cause_changed",
    "outcome_unknown", "reopened",
)  # fmt: skip


def _stands(found: Case, step: Step | None, after: list[CaseEvent], moving: bool) -> str:
    if not moving:
        if found.state == "resolved":
            # What was overtaken, or taken back, did not come through: the end of the case says what became of it.
            return "" if found.resolution == "superseded" else "confirmed"
        last = after[0].kind if after else ""
        return {"cause_changed": "failed_otherwise", "failed_again": "failed_again"}.get(last, "")
    if step is None or step.state == "waiting":
        return "queued"
    return "verifying" if step.state == "unknown" else "sent"


def _said(found: Case, step: Step | None, state: str, front: held.Front | None) -> str:
    """One sentence about where the replay is."""
    where = found.target or "the platform"
    waits = step.text if step is not None and step.state == "waiting" and step.attempts else ""
    return {
        "queued": f"{front}." if front else f"Waits to be sent{f': {waits}' if waits else ''}.",
        "sent": f"Sent to {where}; its answer is awaited.",
        "verifying": f"The answer of {where} was lost. It is being searched for there before anything is sent again.",
        "confirmed": f"Confirmed as {found.document} in {where}." if found.document else f"Done: {_done(found)}.",
        "failed_again": "It failed again, for the same cause.",
        "failed_otherwise": f"It failed for another cause now: {found.text}",
    }.get(state, "")


def _done(found: Case) -> str:
    return does(found.stage) if found.stage else "it is through"


@require_safe
@right("exceptions.view_case")
def progress(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """The moving part; when it has come to something the whole page is loaded anew."""
    found = case_of(request, case_id)
    if found is None:
        raise Http404
    step = Step.objects.filter(id=found.step_id).first() if found.step_id else None
    context = {"case": found, "step": step, **replayed(request.user, found, step)}
    response = render(request, "cases/progress.html", context)
    if not context["moving"]:
        response["HX-Refresh"] = "true"
    return response


@require_safe
@right("exceptions.view_case")
@answering
def dry_run(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """What a replay would do now, as a part of the page; where the page then says otherwise, it is loaded anew."""
    require(request.user, "exceptions.replay_case")
    found = case_of(request, case_id)
    if found is None:
        raise Http404
    before = found.next_cause
    response = render(request, "cases/dry_run.html", {"case": found, "dry_run": looked_at(request, found)})
    if (before or {}).get("text") != (found.next_cause or {}).get("text"):
        response["HX-Redirect"] = f"{reverse('case', args=[found.id])}?dry_run=1"
    return response


def looked_at(request: HttpRequest, found: Case) -> dict[str, Any]:
    """{passes, findings, checks, journal, other} for the page; what is in the way next is then known of the case."""
    seen = desk.dry_run(request.user, found.id)
    found.refresh_from_db(fields=["next_cause", "last_failed_at"])
    if seen is None:
        return {"passes": False, "findings": [{"text": "There is no step to replay."}], "checks": []}
    return seen | {"journal": journal_of(seen)}
