"""What a person sees when a page cannot be shown. Named as handlers in q2c/urls.py."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from q2c.ui.admin_site import missing
from q2c.ui.rights import Denied, refused


def denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: names the missing right where it is known."""
    if isinstance(exception, Denied):
        return refused(request, exception.right)
    why = str(exception or "")
    # Django's admin refuses without a word.
    return refused(request, why=why) if why else refused(request, *missing(request))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was older than the session, or came from elsewhere."""
    why = "The form was open for too long or came from another page. Go back, reload, and send it again."
    return render(request, "403.html", {"why": why, "title": "This form has expired"}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return render(request, "404.html", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """500: no database, no session: the page needs neither, only the correlation id. 503 where that is the reason."""
    reference = getattr(request, "correlation_id", "")
    # Django calls this while it handles what went wrong. A pool without a connection to give says so like the driver.
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        shown = {"reference": reference, "again": request.method in ("GET", "HEAD")}
        page = render(None, "503.html", shown, status=503)  # type: ignore[arg-type]
        page["Retry-After"] = "5"
        return page
    return render(None, "500.html", {"reference": reference}, status=500)  # type: ignore[arg-type]
