"""What could be replayed because its blocker is gone: taken as a dry run, or left."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from q2c.engine import desk
from q2c.ui.acting import answering, back
from q2c.ui.frame import tell
from q2c.ui.rights import right


@require_POST
@right("exceptions.view_case")
@answering
def take(request: HttpRequest, offer_id: uuid.UUID) -> HttpResponse:
    batch = desk.take_offer(request.user, offer_id)
    tell(request, "busy", "Nothing is sent yet.", "This is the dry run; look at it, then send it.")
    return HttpResponseRedirect(reverse("replay", args=[batch.id]))


@require_POST
@right("exceptions.view_case")
@answering
def dismiss(request: HttpRequest, offer_id: uuid.UUID) -> HttpResponse:
    desk.dismiss_offer(request.user, offer_id)
    tell(request, "good", "The offer is gone.", "The cases stay where they are.")
    return HttpResponseRedirect(back(request))
