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

from exceptions import unblock
from exceptions.models import Offer
from q2c.engine import watch
from q2c.ui import formats


def announce(request: HttpRequest, changed: Iterable[Any], since: dt.datetime) -> None:
    """One message for each open offer of what came free by these records' change, committed after `since`.

    A change has other cases judged anew, too: what had come free before is not its doing, and is told by the offer.
    """
    kinds = {kind for record in changed for kind, _ in watch.touches(record)}
    made = Offer.objects.visible_to(request.user).filter(state="open", blocker_type__in=kinds, counted_at__gte=since)
    for offer in made.order_by("-created_at"):
        if told := unblock.freed_since(offer, since):
            messages.success(request, _said(offer, told))


def _said(offer: Offer, told: str) -> str:
    said = formats.dates(told)
    try:
        address = reverse("offers")
    except NoReverseMatch:
        return said
    return format_html('{}. <a href="{}#offer-{}">See and replay</a>', said.rstrip("."), address, offer.pk)
