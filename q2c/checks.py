"""Settings that cannot work are refused at start, each with the remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register


@register(Tags.security)
def secret_key(**_: Any) -> list[Error]:
    """Sessions, signatures and stored credentials hang on it."""
    if len(settings.SECRET_KEY) >= 40:
        return []
    return [Error("Q2C_SECRET_KEY is missing or short", hint="Set it to 50 or more random characters", id="q2c.E001")]


@register(Tags.database)
def pool(**_: Any) -> list[Error]:
    """Threads wait for ever on a pool that is too small."""
    options = settings.DATABASES["default"]["OPTIONS"].get("pool")
    if not options or options["max_size"] >= 4:
        return []
    return [Error("Q2C_DATABASE_POOL is under 4", hint="Set it to the number of threads plus 2", id="q2c.E002")]


@register(Tags.security, deploy=True)
def sandboxes(**_: Any) -> list[Warning]:
    """The sandboxes let anyone post anything."""
    if not settings.SANDBOX_URL:
        return []
    return [Warning("SANDBOX_URL is set", hint="Leave it empty in production", id="q2c.W001")]
