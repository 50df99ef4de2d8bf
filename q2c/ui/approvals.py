"""What one person asked for and another decides."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from exceptions import approvals as asked
from exceptions.approvals import Decision
from exceptions.errors import NotPossible
from exceptions.models import Approval
from q2c.engine import desk
from q2c.reading import approvals as reading
from q2c.ui import lists, parts
from q2c.ui.acting import answering, back
from q2c.ui.frame import tell
from q2c.ui.rights import right


@require_safe
@right("exceptions.view_case")
def approvals(request: HttpRequest) -> HttpResponse:
    """To be decided, the oldest first; or decided, the latest first."""
    decided = request.GET.get("view") == "decided"
    seen = Approval.objects.visible_to(request.user).select_related(
        "case", "case__owner_team", "requested_by", "decided_by"
    )
    if decided:
        page = lists.page_of(request, seen.exclude(state="requested"), {"at": "decided_at"}, "-at")
    else:
        page = lists.page_of(request, seen.filter(state="requested"), {"asked": "requested_at"}, "asked")
    waiting = None if decided else len(page.rows) if not page.next else None
    context = {
        "tabs": [
            parts.Tab("To decide", "?", waiting, not decided),
            parts.Tab("Decided", "?view=decided", current=decided),
        ],
        "decided": decided,
        "page": page,
        "requests": reading.requests(request.user, page.rows),
    }
    return render(request, "approvals/approvals.html", context)


@require_POST
@right("exceptions.view_case")
@answering
def decide(request: HttpRequest, approval_id: uuid.UUID) -> HttpResponse:
    """approve, refuse (then: owner or reject) or withdraw; nobody decides what they asked for."""
    verb, text = request.POST.get("verb", ""), request.POST.get("reason", "").strip()
    if verb == "approve":
        decision = desk.approve(request.user, [approval_id], text)
        then = "It is sent again now." if decision.granted_steps else "It is closed; what waited behind it goes on."
        happened = "Approved."
    elif verb == "refuse":
        for_good = request.POST.get("then", "owner") == "reject"
        decision = desk.refuse(request.user, [approval_id], text, for_good=for_good)
        happened, then = "Refused.", _after_refusal(approval_id, decision)
    elif verb == "withdraw":
        decision = asked.withdraw(request.user, [approval_id], text)
        happened, then = "Taken back.", "The case is back in the queue."
    else:
        raise NotPossible(f"Nothing can be decided that is called “{verb}”")
    if decision.done:
        tell(request, "good", happened, then)
    for reason in decision.left.values():
        tell(request, "warn", "Not decided:", f"{reason}.")
    return HttpResponseRedirect(back(request, "approvals"))


def _after_refusal(approval_id: uuid.UUID, decision: Decision) -> str:
    if decision.closed_steps:
        return "The order is rejected; the sales platform is told why."
    case = Approval.objects.select_related("case__owner_team").get(id=approval_id).case
    return f"{case.shown} is back with {case.owner_team.name}, with your reason on it." if case else ""
