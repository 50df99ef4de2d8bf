"""Upstream systems sign in with an API key: Authorization: Bearer q2c_…

A key's scopes are rights (app_label.codename); it is asked for them like a person.
"""

from __future__ import annotations

import time
from typing import Any

from django.db.models.signals import post_save
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from q2c import clock, keys
from q2c.api.problems import Problem
from q2c.models import ApiKey
from q2c.models.api_key import READ_EVERY_SYSTEM

# How exactly "last used" is known; more would be a write on each request.
USED_EVERY_S = 60
KNOWN_S = 1.0
# By hash. Only good keys get in, so it is as small as their number.
_known: dict[str, tuple[ApiKey, float]] = {}


class KeyHolder:
    """The upstream system that a key stands for, as far as rights go: what views and verbs ask of a user."""

    pk = id = None
    is_active = is_authenticated = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, key: ApiKey) -> None:
        self.key, self.system = key, key.system
        self.scopes = frozenset(key.scopes)
        # What it may see of records that come from systems is its own, unless everybody's was chosen on purpose.
        self.reads_only = "" if READ_EVERY_SYSTEM in self.scopes else key.system

    def __str__(self) -> str:
        return self.get_username()

    def get_username(self) -> str:
        return f"api:{self.system}"

    def has_perm(self, name: str, _: Any = None) -> bool:
        return name in self.scopes

    def has_perms(self, names: Any, _: Any = None) -> bool:
        return all(name in self.scopes for name in names)

    def has_module_perms(self, label: str) -> bool:
        return any(scope.startswith(f"{label}.") for scope in self.scopes)


def holder_of(request: HttpRequest) -> KeyHolder | None:
    """Who the request's key belongs to; None where it carries none. Problem 401 where it is not good."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    key = _key_of(keys.secret_hash(secret.strip()))
    if key is None or not key.is_usable:
        raise unknown("This API key is unknown" if key is None else _why_not(key))
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at > clock.seconds(USED_EVERY_S):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
    return KeyHolder(key)


def _key_of(hash_: str) -> ApiKey | None:
    """The key, looked up again once it is known for KNOWN_S: a revoked one is refused that much later at most."""
    known, until = _known.get(hash_, (None, 0.0))
    if known is not None and time.monotonic() < until:
        return known
    found = ApiKey.objects.filter(hash=hash_).first()
    if found is not None:
        _known[hash_] = (found, time.monotonic() + KNOWN_S)
    return found


def _forget(**_: Any) -> None:
    _known.clear()


post_save.connect(_forget, sender=ApiKey, dispatch_uid="known API keys")


def _why_not(key: ApiKey) -> str:
    return "This API key was revoked" if key.revoked_at else "This API key has expired"


def unknown(detail: str) -> Problem:
    """401, telling how to sign in."""
    return Problem(
        401, "not_signed_in", detail, remedy="Send an API key: Authorization: Bearer q2c_…",
        headers={"WWW-Authenticate": 'Bearer realm="q2c"'},
    )  # fmt: skip


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Any) -> tuple[KeyHolder, ApiKey] | None:
        holder = holder_of(request._request)
        return (holder, holder.key) if holder else None

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="q2c"'


class _InTheDocument(OpenApiAuthenticationExtension):
    target_class = "q2c.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: q2c_…"}
