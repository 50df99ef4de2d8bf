"""What could be replayed because its blocker is gone: taken as a dry run, or left."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from exceptions import rights, unblock
from exceptions.models import Offer, ReplayBatch
from q2c import clock
from q2c.engine import desk, offered
from q2c.ui.acting import answering, back
from q2c.ui.frame import tell
from q2c.ui.rights import right

# Of these, so many stand above the queue.
ON_QUEUE = 5


@require_safe
@right("exceptions.view_case")
def offers(request: HttpRequest) -> HttpResponse:
    """What is offered now, the latest first, each with who looks at it."""
    return render(request, "queue/offers.html", {"offers": shown(request.user, 200)})


@dataclass(frozen=True, slots=True)
class Shown:
    """An offer, the dry runs of its cases that nobody has sent, and that of the person which its button opens."""

    offer: Offer
    looks: list[ReplayBatch]
    draft: ReplayBatch | None

    @property
    def needs(self) -> str:
        """The rights that its dry run takes."""
        return f"{rights.REPLAY} {rights.BULK}" if self.offer.cases > 1 else rights.REPLAY


def shown(user: Any, most: int) -> list[Shown]:
    """The open offers, the latest first; what their dry runs found a while ago is looked at anew."""
    found = _latest(user, most)
    offered.opened(one.offer for one in found)
    return found


def _latest(user: Any, most: int) -> list[Shown]:
    found = list(Offer.objects.visible_to(user).filter(state="open").order_by("-created_at")[:most])
    return _with_looks(user, found)


def _with_looks(user: Any, offers: list[Offer]) -> list[Shown]:
    looks = unblock.looks(user, offers)
    return [Shown(offer, looks[offer.id], _draft(user, offer, looks[offer.id])) for offer in offers]


def _draft(user: Any, offer: Offer, looks: list[ReplayBatch]) -> ReplayBatch | None:
    """Asked only where the person has one."""
    return unblock.draft_of(user, offer) if any(look.created_by_id == user.pk for look in looks) else None


@require_safe
@right("exceptions.view_case")
def ready(request: HttpRequest) -> HttpResponse:
    """What stands above the queue, as it is now; a page that stays open has it looked at anew now and then."""
    found = _latest(request.user, ON_QUEUE)
    offered.opened((one.offer for one in found), offered.STALE)
    return render(request, "queue/ready.html", {"offers": found})


@require_safe
@right("exceptions.view_case")
def card(request: HttpRequest, offer_id: uuid.UUID) -> HttpResponse:
    """One offer, asked again until its dry run has come to an end; nothing once it is open no more."""
    offer = Offer.objects.visible_to(request.user).filter(id=offer_id, state="open").first()
    if offer is None:
        return HttpResponse()
    (one,) = _with_looks(request.user, [offer])
    told = {"offer": offer, "looks": one.looks, "draft": one.draft, "needs": one.needs}
    return render(request, "queue/offer.html", told)


@require_POST
@right(rights.REPLAY)
@answering
def take(request: HttpRequest, offer_id: uuid.UUID) -> HttpResponse:
    since = clock.now()
    batch = desk.take_offer(request.user, offer_id)
    which = "the dry run" if batch.created_at >= since else "the dry run that you made a moment ago"
    tell(request, "busy", "Nothing is sent yet.", f"This is {which}; look at it, then send it.")
    return HttpResponseRedirect(reverse("replay", args=[batch.id]))


@require_POST
@right(rights.WORK)
@answering
def dismiss(request: HttpRequest, offer_id: uuid.UUID) -> HttpResponse:
    desk.dismiss_offer(request.user, offer_id)
    tell(request, "good", "The offer is gone.", "The cases stay where they are.")
    return HttpResponseRedirect(back(request))
