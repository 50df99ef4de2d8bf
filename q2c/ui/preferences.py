"""How a person wants to read: number format, time zone, light or dark.

Kept in cookies, so the sign-in page honours them too. Texts are English whatever the format, those of Django too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

THEMES = {"auto": "As the system", "light": "Light", "dark": "Dark"}
THEME_COOKIE = "q2c_theme"
# Set by the preferences page, or once by theme.js from the browser's own zone.
ZONE_COOKIE = "q2c_zone"
COOKIE_AGE_S = 365 * 24 * 3600
# What Django's own pages, those of the admin, are written in: English, with the reader's formats (q2c/ui/locales).
ENGLISH = {"en": "en", "en-gb": "en-gb", "de": "en-de", "ja": "en-jp"}


@dataclass(frozen=True)
class Preferences:
    """What the formatting tags need to know of the reader."""

    language: str = "en"
    zone: str = "UTC"
    theme: str = "auto"

    @property
    def locale(self) -> Locale:
        return _locale(self.language)

    @property
    def tzinfo(self) -> ZoneInfo:
        return _zone_info(self.zone)


_PLAIN = Preferences()
_current: ContextVar[Preferences] = ContextVar("preferences", default=_PLAIN)


def current() -> Preferences:
    """The reader's preferences; English and UTC outside of a request."""
    return _current.get()


@functools.cache
def zones() -> tuple[str, ...]:
    """Every zone a person may choose, sorted."""
    return tuple(sorted(name for name in available_timezones() if "/" in name or name == "UTC"))


@functools.cache
def _locale(language: str) -> Locale:
    return Locale.parse(language.replace("-", "_").replace("_gb", "_GB"))


@functools.cache
def _zone_info(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def of(request: HttpRequest) -> Preferences:
    """Preferences from the request's cookies and the language LocaleMiddleware chose. Never raises."""
    language = translation.get_language() or "en"
    zone = request.COOKIES.get(ZONE_COOKIE, "").replace("%2F", "/")
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return Preferences(
        language=language if language in dict(settings.LANGUAGES) else "en",
        zone=zone if zone in zones() else settings.TIME_ZONE,
        theme=theme if theme in THEMES else "auto",
    )


class Middleware:
    """Puts the reader's preferences in force for one request, on `request.preferences` and `current()`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = of(request)
        request.preferences = chosen  # type: ignore[attr-defined]
        token = _current.set(chosen)
        is_admin = request.path_info.startswith("/admin/")
        translation.activate(ENGLISH[chosen.language] if is_admin else "en")
        try:
            with timezone.override(chosen.tzinfo):
                return self.get_response(request)
        finally:
            _current.reset(token)


def remember(response: HttpResponse, name: str, value: str) -> None:
    """Keep one preference for a year. Not a secret: theme.js reads and writes it too."""
    response.set_cookie(name, value, max_age=COOKIE_AGE_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
