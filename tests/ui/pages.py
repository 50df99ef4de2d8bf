"""The frame's own addresses with a page behind each right, for the tests of this folder."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from q2c.ui.frame import tell
from q2c.ui.rights import public, require, right, signed_in


@right("exceptions.view_case")
def queue(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html")


@signed_in
def tower(request: HttpRequest) -> HttpResponse:
    return HttpResponse("tower")


@right("q2c.view_step")
def large(request: HttpRequest) -> HttpResponse:
    require(request.user, "exceptions.replay_case")
    return HttpResponse("done")


@signed_in
def refuses(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("Nobody approves their own request.")


@public
def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


@signed_in
def told(request: HttpRequest) -> HttpResponse:
    tell(request, "busy", "Queued <b>.", "The canary goes first.", href="/queue", link="See")
    return render(request, "parts/messages.html")


urlpatterns = [
    path("", tower, name="control-tower"),
    path("queue", queue, name="queue"),
    path("queue/one", queue),
    path("large", large),
    path("refuses", refuses),
    path("told", told),
    path("boom", boom),
    path("admin/", admin.site.urls),
    path("", include("q2c.ui.urls")),
]
handler403 = "q2c.ui.errors.denied"
handler404 = "q2c.ui.errors.not_found"
handler500 = "q2c.ui.errors.failed"
