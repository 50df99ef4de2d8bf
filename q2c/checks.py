"""Settings that cannot work are refused at start, each with the remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host


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


@register(Tags.urls)
def public_url(**_: Any) -> list[CheckMessage]:
    """Links in messages, cookies and redirects are made of it."""
    url = urlsplit(settings.PUBLIC_URL)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        hint = "Set it to scheme and host, such as https://q2c.example.com"
        return [Error(f"Q2C_PUBLIC_URL is {settings.PUBLIC_URL!r}", hint=hint, id="q2c.E003")]
    if not settings.DEBUG and not validate_host(url.hostname, settings.ALLOWED_HOSTS):
        hint = f"Add {url.hostname} to Q2C_ALLOWED_HOSTS, which are separated by commas"
        text = f"Q2C_ALLOWED_HOSTS refuses {url.hostname}, the host of Q2C_PUBLIC_URL"
        return [Error(text, hint=hint, id="q2c.E004")]
    return []


@register(Tags.database)
def addresses(**_: Any) -> list[Error]:
    """Other servers than these are not spoken to."""
    found = []
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "SANDBOX_DATABASE_URL"):
        database = os.environ.get(name, "")
        if database and urlsplit(database).scheme not in ("postgresql", "postgres"):
            hint = "Set it to postgresql://user:password@host:5432/name"
            found.append(Error(f"{name} is no address of PostgreSQL", hint=hint, id="q2c.E005"))
    if settings.SANDBOX_URL and not settings.SANDBOX_URL.startswith(("http://", "https://")):
        text = f"SANDBOX_URL is {settings.SANDBOX_URL!r}"
        found.append(Error(text, hint="Set it to http://host:port, or unset it", id="q2c.E011"))
    if urlsplit(settings.REDIS_URL).scheme not in ("redis", "rediss", "unix"):
        hint = "Set it to redis://:password@host:6379/0, or rediss:// with TLS"
        found.append(Error("REDIS_URL is no address of Redis or Valkey", hint=hint, id="q2c.E006"))
    return found


@register()
def engine(**_: Any) -> list[Error]:
    """A lease must outlive pauses; a batch of nothing would claim nothing for ever."""
    found = []
    if not 1 <= settings.BATCH_SIZE <= 1000:
        text = f"Q2C_BATCH_SIZE is {settings.BATCH_SIZE}"
        found.append(Error(text, hint="Set it between 1 and 1000, or unset it for 100", id="q2c.E007"))
    if not 30 <= settings.LEASE_S <= 3600:
        text = f"Q2C_LEASE_S is {settings.LEASE_S}: a lease below 30 s does not outlive a pause of the machine"
        found.append(Error(text, hint="Set it between 30 and 3600, or unset it for 120", id="q2c.E008"))
    return found


@register()
def metrics(**_: Any) -> list[CheckMessage]:
    """Counters of several processes meet in a folder; a token that is guessed is none."""
    found: list[CheckMessage] = []
    folder = settings.METRICS_DIR
    if folder and not (Path(folder).is_dir() and os.access(folder, os.W_OK)):
        hint = "Make the folder, writable for web and workers and emptied at each start, or unset it"
        found.append(Error(f"PROMETHEUS_MULTIPROC_DIR is {folder!r}, no writable folder", hint=hint, id="q2c.E009"))
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 16:
        hint = "Set 16 or more random characters: openssl rand -hex 24"
        found.append(Error("Q2C_METRICS_TOKEN is short", hint=hint, id="q2c.E010"))
    return found


@register()
def outward(**_: Any) -> list[Error]:
    """Every call to a platform would fail, or a worker at its start."""
    found = []
    bundle = os.environ.get("Q2C_CA_BUNDLE", "")
    if bundle and not os.access(bundle, os.R_OK):
        hint = "Name a readable file of certificates, or unset it for the built-in ones"
        found.append(Error(f"Q2C_CA_BUNDLE is {bundle!r}, no readable file", hint=hint, id="q2c.E012"))
    if not 0 <= settings.WORKER_METRICS_PORT <= 65535:
        text = f"Q2C_WORKER_METRICS_PORT is {settings.WORKER_METRICS_PORT}"
        found.append(Error(text, hint="Set it to a port up to 65535, or to 0 for none", id="q2c.E013"))
    return found


@register(Tags.security, deploy=True)
def behind_proxy(**_: Any) -> list[Warning]:
    """The processes speak plain HTTP: without a proxy's word every request would be sent to https for ever."""
    if not settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER:
        return []
    hint = "Set Q2C_BEHIND_PROXY=1 where the proxy sets X-Forwarded-Proto itself"
    return [Warning("Q2C_PUBLIC_URL is https, and Q2C_BEHIND_PROXY is not set", hint=hint, id="q2c.W002")]


AT_START = (secret_key, pool, public_url, addresses, engine, metrics, outward)


def at_start() -> None:
    """Web, workers and schedule call it as they start: neither gunicorn nor Celery asks Django's checks.

    Raises ImproperlyConfigured with every error and its remedy in one line.
    """
    found = [message for check in AT_START for message in check() if message.level >= ERROR]
    if found:
        raise ImproperlyConfigured("; ".join(f"{error.msg}: {error.hint} ({error.id})" for error in found))
