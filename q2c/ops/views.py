"""The three addresses. None needs a session, and the first no database."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from q2c.ops import readiness
from q2c.ops.figures import Figures
from q2c.ui.rights import public

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
_FORWARDED = (
    "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "HTTP_X_REAL_IP",
    "HTTP_VIA",
)  # fmt: skip
View = Callable[[HttpRequest], HttpResponse]


@public
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. What it needs is asked by /readyz: a database that is away is no reason to end it."""
    headers = {"Cache-Control": "no-store", **({"X-Q2C-Instance": settings.INSTANCE} if settings.INSTANCE else {})}
    return HttpResponse("ok\n", content_type="text/plain", headers=headers)


@public
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    given = request.GET.get("within", "")
    if given and not given.isdecimal():
        text = {"field": "within", "seen": given[:40], "remedy": "Send whole seconds, such as 12"}
        return JsonResponse(text, status=400, headers={"Cache-Control": "no-store"})
    found = readiness.report(readiness.checks(*([float(given[:9])] if given else [])))
    status = 200 if found["ready"] else 503
    answer = JsonResponse(found, status=status, headers={"Cache-Control": "no-store"}, json_dumps_params={"indent": 1})
    # Asked every few seconds: Django would write an error each time.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def scraper(view: View) -> View:
    """With METRICS_TOKEN only who sends it; without, only this machine itself, not what a proxy here passes on.

    Behind a proxy only the token counts: what comes from this machine may be anybody's.
    """

    def guarded(request: HttpRequest) -> HttpResponse:
        if settings.METRICS_TOKEN:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
                return view(request)
            text = "Send the token of Q2C_METRICS_TOKEN: Authorization: Bearer …\n"
            return HttpResponse(
                text, status=401, content_type="text/plain; charset=utf-8", headers={"WWW-Authenticate": "Bearer"}
            )
        passed_on = settings.BEHIND_PROXY or any(request.META.get(name) for name in _FORWARDED)
        if request.META.get("REMOTE_ADDR", "") in LOOPBACK and not passed_on:
            return view(request)
        text = "Metrics are for this machine alone, behind a proxy for nobody, until Q2C_METRICS_TOKEN is set\n"
        return HttpResponse(text, status=403, content_type="text/plain")

    guarded.right = "metrics token"  # type: ignore[attr-defined]
    return guarded


@scraper
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Counters of all processes that share METRICS_DIR, else of this one; and the figures."""
    registries: list[Any] = [_figures()]
    if settings.METRICS_DIR:
        counted = CollectorRegistry()
        MultiProcessCollector(counted, path=settings.METRICS_DIR)
        registries.append(counted)
    else:
        registries.append(REGISTRY)
    text = b"".join(generate_latest(registry) for registry in registries)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _figures() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return registry
