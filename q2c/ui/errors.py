"""What a person sees when a page cannot be shown, and a program below /api/. Named as handlers in q2c/urls.py."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from q2c.api import problems
from q2c.ui.admin_site import missing
from q2c.ui.rights import Denied, refused

Page = Callable[..., HttpResponse]


def _or_problem(error_of: Callable[[Any], BaseException | None]) -> Callable[[Page], Page]:
    """Below /api/ the error leaves as problem details. `error_of` what Django hands over beside the request."""

    def around(page: Page) -> Page:
        @functools.wraps(page)
        def shown(request: HttpRequest, given: Any = None, **more: Any) -> HttpResponse:
            if request.path_info.startswith(problems.PREFIX):
                return problems.answer(error_of(more.get("exception", given)), request)
            return page(request, *([] if given is None else [given]), **more)

        return shown

    return around


@_or_problem(lambda error: error)
def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, before there is a session: Django's own way of showing the template."""
    if isinstance(exception, DisallowedModelAdminLookup):
        return render(request, "admin/no_such_filter.html", {"back": request.path}, status=400)
    return defaults.bad_request(request, exception)


@_or_problem(lambda error: error or PermissionDenied())
def denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: names the missing right where it is known."""
    if isinstance(exception, Denied):
        return refused(request, exception.right)
    why = str(exception or "")
    # Django's admin refuses without a word.
    return refused(request, why=why) if why else refused(request, *missing(request))


@_or_problem(lambda _: PermissionDenied("The form's token is missing. Send an API key: Authorization: Bearer q2c_…"))
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was older than the session, or came from elsewhere."""
    why = "The form was open for too long or came from another page. Go back, reload, and send it again."
    return render(request, "403.html", {"why": why, "title": "This form has expired"}, status=403)


@_or_problem(lambda _: Http404())
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return render(request, "404.html", status=404)


@_or_problem(lambda _: sys.exc_info()[1])
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
