"""Every part of the pages on one page, with realistic records and with none, to be looked at."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from q2c.ui import gallery_records as records
from q2c.ui.frame import tell
from q2c.ui.parts import Crumb
from q2c.ui.rights import signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """For staff, and for everybody while debugging. ?complete answers the query bar's completion."""
    if not (settings.DEBUG or request.user.is_staff):  # type: ignore[union-attr]
        raise Http404
    if "token" in request.GET:
        return JsonResponse({"choices": records.completions(request.GET["token"])})
    if not request.htmx:  # type: ignore[attr-defined]
        tell(
            request,
            "good",
            "Posted as document 4711.",
            "Nothing more to do: the case is resolved.",
            href="#",
            link="See it",
        )
        tell(request, "busy", "Replay is queued for 1,204 journals.", "The canary goes first; progress stands below.")
        tell(request, "warn", "Outcome unknown.", "The ERP is searched until 14:09; nothing is sent again before.")
        tell(request, "bad", "Refused: period 2026-10 is closed.", "Reopen it, or re-date with approval.")
    crumbs = [Crumb("Queue", "#"), Crumb("Gallery")]
    return render(request, "frame/gallery.html", {**records.everything(), "crumbs": crumbs})
