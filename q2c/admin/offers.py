"""Tells a person what their change lets through: the cases that waited for it, their money, the way to replay them.

The engine watches saves of master data and makes the offers as the change commits; here they are only shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from exceptions import sentences, unblock
from exceptions.models import Case, Offer
from exceptions.models.case import REPLAYABLE
from q2c.connectors.outcomes import PERMISSION_MISSING
from q2c.engine import mended, watch
from q2c.engine.mended import Look
from q2c.models import Connection
from q2c.ui import formats


def announce(request: HttpRequest, changed: Iterable[Any], since: dt.datetime) -> None:
    """One message for each open offer of what came free by these records' change, committed after `since`.

    A change has other cases judged anew, too: what had come free before is not its doing, and is told by the offer.
    Where the platform refuses a connection still, or gives no answer, that is told with what waits for it.
    """
    kinds = {kind for record in changed for kind, _ in watch.touches(record)}
    made = Offer.objects.visible_to(request.user).filter(state="open", blocker_type__in=kinds, counted_at__gte=since)
    for offer in made.order_by("-created_at"):
        if told := unblock.freed_since(offer, since):
            messages.success(request, _said(offer, told))
    for one in changed:
        if isinstance(one, Connection) and (look := watch.told_of(one.name)) and look.stands is not False:
            messages.error(request, _not_mended(request, one, look))


def _not_mended(request: HttpRequest, one: Connection, look: Look) -> str:
    here = Case.objects.visible_to(request.user).filter(state__in=REPLAYABLE)
    here = here.filter(blocker_type=mended.KIND, blocker_key=one.name)
    if look.by_replay:
        count = here.filter(blocker_condition=PERMISSION_MISSING).count()
        return f"{one.called}: {look.text}. {sentences.count(count, 'case')} may be replayed, and nothing is offered"
    count = here.count()
    told = f"{one.called} refuses us still" if look.stands else f"Whether {one.called} lets us in cannot be told now"
    nothing = f". {sentences.count(count, 'case')} wait{'s' if count == 1 else ''} for it: nothing is offered yet"
    how = "" if look.stands else ". “Try the connection” asks it again"
    return f"{told}: {look.text.rstrip('.')}{nothing if count else ''}{how}"


def _said(offer: Offer, told: str) -> str:
    said = formats.dates(told)
    try:
        address = reverse("offers")
    except NoReverseMatch:
        return said
    return format_html('{}. <a href="{}#offer-{}">See and replay</a>', said.rstrip("."), address, offer.pk)
