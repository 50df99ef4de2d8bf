"""Nul characters are refused at the door: no text of the database can hold one, no person means one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

# The API answers in its own form.
_API = "/api/"
TEXT = "The request contains a nul character"


class Middleware:
    """400 when the address, the query or a field of a form holds a nul character. Nothing below /api/ is looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(_API) and ("\0" in request.path_info or _holds_one(request.GET)):
            return refused(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """The form is read after the check against forgery, which reads it too and bears a body that breaks off."""
        if not request.path_info.startswith(_API) and request.method == "POST" and _holds_one(request.POST):
            return refused(request)
        return None


def _holds_one(fields: QueryDict) -> bool:
    return any("\0" in name or any("\0" in value for value in values) for name, values in fields.lists())


def refused(request: HttpRequest) -> HttpResponse:
    """400; for a part of a page 422, which the pages show in place."""
    if getattr(request, "htmx", None):
        response = render(request, "parts/unreadable.html", {"text": TEXT}, status=422)
        response["HX-Retarget"] = "#messages"
        response["HX-Reswap"] = "innerHTML show:top"
        return response
    return render(request, "400.html", {"text": TEXT}, status=400)
