"""What people do with cases from a page: one case, a selection, or all that match. Every verb is a plain form."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from exceptions import approvals, casework, rights, sentences
from exceptions.done import Done
from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from exceptions.models.case import ROOT_CAUSES
from exceptions.rights import name_of
from q2c import clock
from q2c.engine import after_all, decisions, desk, watch
from q2c.ui import formats
from q2c.ui.acting import answering, back, case_of, told
from q2c.ui.frame import tell
from q2c.ui.rights import require, right

# What each verb asks for, over many cases and on the page of one.
MANY_VERBS = {
    "replay": rights.REPLAY, "claim": rights.WORK, "release": rights.WORK, "assign": rights.WORK,
    "comment": rights.WORK, "snooze": rights.WORK, "wake": rights.WORK, "close": rights.CLOSE,
}  # fmt: skip
ONE_VERBS = MANY_VERBS | {
    "redate": approvals.RIGHTS[approvals.REDATE], "look": rights.WORK, "read_again": rights.REPLAY,
    "after_all": after_all.RIGHT,
}  # fmt: skip
# More than these are replayed by the thousand, but not claimed or snoozed.
MANY = 5000


@require_POST
@right("exceptions.view_case", verbs=MANY_VERBS)
@answering
def many(request: HttpRequest) -> HttpResponse:
    """A verb over the chosen rows, or over all that the filter matched when the list was shown."""
    verb = request.POST.get("verb", "")
    if verb == "replay":
        return _replay_many(request)
    cases = _chosen(request)
    ids = list(cases[: MANY + 1].values_list("id", flat=True)) if isinstance(cases, QuerySet) else list(cases)
    if len(ids) > MANY:
        raise NotPossible(f"More than {formats.number(MANY)} cases at once; narrow the filter")
    if not ids:
        raise NotPossible("Choose at least one case")
    if len(ids) > 1:
        _told_if_fewer(request, len(ids))
    return _carry_out(request, verb, ids)


@require_POST
@right("exceptions.view_case", verbs=ONE_VERBS)
@answering
def one(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """A verb on one case, from its own page."""
    case = case_of(request, case_id)
    if case is None:
        raise Http404
    if request.POST.get("verb") == "replay":
        batch = desk.replay_one(request.user, case_id, request.POST.get("reason", "").strip())
        tell(
            request, "busy", f"{case.shown} is sent again.", "This page shows what becomes of it.",
            href=reverse("replay", args=[batch.id]), link=f"R-{batch.number}",
        )  # fmt: skip
        return HttpResponseRedirect(reverse("case", args=[case_id]))
    if request.POST.get("verb") == "redate":
        _redate(request, case)
        return HttpResponseRedirect(reverse("case", args=[case_id]))
    if request.POST.get("verb") == "look":
        _look_again(request, case)
        return HttpResponseRedirect(reverse("case", args=[case_id]))
    if request.POST.get("verb") == "read_again":
        asked = desk.read_again(request.user, case_id)
        tell(request, "busy", f"{asked} is asked for it again.", "This case ends by itself when it can be read.")
        return HttpResponseRedirect(reverse("case", args=[case_id]))
    if request.POST.get("verb") == "after_all":
        after_all.ask(request.user, case_id, request.POST.get("reason", ""), request.POST.get("token", ""))
        tell(request, "busy", "It is asked for.", _then(case))
        return HttpResponseRedirect(reverse("case", args=[case_id]))
    return _carry_out(request, request.POST.get("verb", ""), [case_id], reverse("case", args=[case_id]))


def _then(case: Case) -> str:
    if case.step_id is None:
        return f"{case.source} is asked for it again; can it be read now, a second person decides."
    if after_all.unposted(case):
        return "A second person decides."
    return "It is checked anew; then a second person decides."


def _redate(request: HttpRequest, case: Case) -> None:
    """Ask that a late document be booked in the first open period."""
    day = _instant(
        request.POST.get("effective_on", ""), "The day is missing or no date; write it like 2026-12-01"
    ).date()
    decisions.ask_to_redate(request.user, case.id, day, request.POST.get("reason", "").strip())
    tell(request, "busy", "Another date is asked for.", "A second person decides. Until then nothing is booked.")


def _look_again(request: HttpRequest, case: Case) -> None:
    """Ask now whether what blocks a case is still there, instead of waiting for the next round."""
    require(request.user, rights.WORK)
    if case.blocker is None:
        raise NotPossible("Nothing with a name is in the way")
    found = watch.look_again(case, name_of(request.user))
    stands = found.stands
    thing = sentences.thing(case.blocker)
    if stands is None:
        why = f": {found.text.rstrip('.')}" if found.text else ""
        tell(request, "warn", "Nobody could say.", f"Whether {thing} is still in the way cannot be asked now{why}.")
    elif stands:
        said = found.text.rstrip(".") or f"{thing}, {sentences.condition(case.blocker_condition)}"
        tell(request, "warn", "It is still in the way:", f"{said}.")
    else:
        tell(
            request,
            "good",
            "The cause is gone:",
            f"{sentences.again(case.blocker, case.lacking)}. It can be sent again.",
        )


def _chosen(request: HttpRequest) -> Sequence[uuid.UUID] | QuerySet[Case]:
    if request.POST.get("scope") == "filter":
        as_of = _instant(request.POST.get("as_of", ""), "The list has no time; reload it and choose again")
        if as_of.tzinfo is None:
            raise NotPossible("The list has no time; reload it and choose again")
        return desk.chosen(request.user, request.POST.get("query", ""), request.POST.get("tab", "open"), as_of)
    try:
        return [uuid.UUID(text) for text in dict.fromkeys(request.POST.getlist("id"))]
    except ValueError:
        raise NotPossible("A case was named that cannot exist; reload the list") from None


def _told_if_fewer(request: HttpRequest, number: int) -> None:
    """What has left the list since it was shown is not acted on, and that is said."""
    expected = request.POST.get("expected", "")
    if request.POST.get("scope") == "filter" and expected.isdecimal() and int(expected) > number:
        gone, all_ = formats.number(int(expected) - number), formats.number(int(expected))
        tell(request, "warn", f"{gone} of the {all_} have moved on since.")


def _replay_many(request: HttpRequest) -> HttpResponse:
    cases = _chosen(request)
    if not isinstance(cases, QuerySet) and not cases:
        raise NotPossible("Choose at least one case")
    why = request.POST.get("reason", "").strip()
    batch = desk.plan(request.user, cases, title=request.POST.get("title", ""), why=why)
    _told_if_fewer(request, batch.items.count())
    tell(request, "busy", "Nothing is sent yet.", "This is the dry run; look at it, then send it.")
    return HttpResponseRedirect(reverse("replay", args=[batch.id]))


def _carry_out(request: HttpRequest, verb: str, ids: list[uuid.UUID], about: str = "") -> HttpResponse:
    if verb not in _VERBS:
        raise NotPossible(f"Nothing can be done that is called “{verb}”")
    _VERBS[verb](request, ids)
    return HttpResponseRedirect(back(request, about=about))


def _claim(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    told(request, casework.claim(request.user, ids), "claimed", "You have it now.")


def _release(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    told(request, casework.release(request.user, ids), "released", "Somebody else of the team can take it.")


def _assign(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    team, name = request.POST.get("team") or None, request.POST.get("person", "")
    person: Any = casework.KEEP
    if name == "nobody":
        person = None
    elif name:
        person = get_user_model().objects.filter(username=name, is_active=True).first()
        if person is None:
            raise NotPossible(f"{name} is nobody here")
    told(request, casework.assign(request.user, ids, team=team, assignee=person), "assigned")


def _comment(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    done = casework.comment(request.user, ids, request.POST.get("text", ""))
    if done.done:
        where = "" if len(done.done) == 1 else f" to {sentences.count(len(done.done), 'case')}"
        tell(request, "good", f"Comment added{where}.")
    told(request, Done(left=done.left), "")


def _snooze(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    until = _until(request)
    blocker = bool(request.POST.get("until_blocker"))
    why = request.POST.get("reason", "").strip()
    done = casework.snooze(request.user, ids, until=until, until_blocker=blocker, why=why)
    told(request, done, "snoozed", "The service level stands still meanwhile.")


def _until(request: HttpRequest) -> dt.datetime | None:
    """A number of hours, or a moment in the person's own zone; a moment goes before hours."""
    moment, hours = request.POST.get("until", "").strip(), request.POST.get("hours", "").strip()
    if moment:
        found = _instant(moment, "Write the time like 2026-11-30T09:00")
        zone = ZoneInfo(request.preferences.zone)  # type: ignore[attr-defined]
        return found if found.tzinfo else found.replace(tzinfo=zone)
    if not hours:
        return None
    if not hours.isascii() or not hours.isdigit() or not 0 < int(hours) <= 24 * 366:
        raise NotPossible("Snooze for at least an hour and at most a year")
    return clock.now() + dt.timedelta(hours=int(hours))


def _instant(text: str, otherwise: str) -> dt.datetime:
    """What a form sent as an instant. Raises NotPossible with `otherwise`."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise NotPossible(otherwise) from None
    if not clock.is_tellable(found):
        raise NotPossible(otherwise)
    return found


def _wake(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    told(request, casework.wake(request.user, ids), "back in the queue")


def _close(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    root_cause = request.POST.get("root_cause", "")
    if root_cause not in ROOT_CAUSES:
        raise NotPossible("Choose what the root cause was")
    # Among the fields of a selection it has a name of its own: the dialog of snoozing asks for a reason, too.
    why = request.POST.get("closing", request.POST.get("reason", ""))
    done: Done = desk.close_without_fix(request.user, ids, why, root_cause)
    # Pressed twice, it was asked once; the second press is told the same.
    asked = Approval.objects.filter(
        case__in=list(done.left),
        action=approvals.CLOSE,
        state="requested",
        requested_by=request.user,
        reason=why.strip(),
    )
    for case_id in asked.values_list("case_id", flat=True):
        del done.left[case_id]
        done.done.append(case_id)
    told(request, done, "waiting for approval", "A second person decides; nothing is closed yet.", tone="busy")


_VERBS: dict[str, Callable[[HttpRequest, list[uuid.UUID]], None]] = {
    "claim": _claim,
    "release": _release,
    "assign": _assign,
    "comment": _comment,
    "snooze": _snooze,
    "wake": _wake,
    "close": _close,
}
