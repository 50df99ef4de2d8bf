"""Tokens: JWT bearer with the signature really verified, client credentials by Basic and in the body."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import jwt

from q2c import keys
from q2c.connectors.http import machine_time_s
from q2c.connectors.salesforce.sandbox.org import error
from q2c.connectors.salesforce.sandbox.schema import record_id
from q2c.connectors.sandbox_kit import Answer, Refused, Request, Store
from q2c.connectors.sandbox_kit.certificates import public_key

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
ORG_ID = record_id("00D", 1)
DAILY_LIMIT = 15_000
# An assertion may have run out this long ago: clocks differ.
SKEW_S = 180


def token(request: Request, store: Store) -> Answer:
    """POST /services/oauth2/token."""
    form = request.form()
    grant = form.get("grant_type", "")
    if grant == JWT_BEARER:
        app = _by_assertion(store, request, form.get("assertion", ""))
    elif grant == "client_credentials":
        app = _by_secret(store, request, form)
    else:
        raise Refused(_denied("unsupported_grant_type", "grant type not supported"))
    value = f"{ORG_ID[:15]}!{keys.new_secret('sbx')}"
    store.add("token", value, {"consumer_key": app["consumer_key"], "username": app.get("username", "")})
    answer = {
        "access_token": value,
        "instance_url": instance_url(request),
        "id": f"https://login.salesforce.com/id/{ORG_ID}/{record_id('005', 1)}",
        "token_type": "Bearer",
        "scope": "api",
    }
    if grant == "client_credentials":
        issued = str(int(machine_time_s() * 1000))
        signature = base64.b64encode(keys.fingerprint(f"{answer['id']}{issued}".encode())).decode()
        answer |= {"issued_at": issued, "signature": signature}
    return Answer(200, answer, {"Cache-Control": "no-store"})


def instance_url(request: Request) -> str:
    """Where the org answers: here; for a client that thinks it talks to Salesforce, the org's own host."""
    host = request.headers.get("host", "")
    if "salesforce.com" not in host:
        return request.base_url
    return f"https://{'acme.my.salesforce.com' if host.startswith(('login.', 'test.')) else host}"


def _by_assertion(store: Store, request: Request, assertion: str) -> dict[str, Any]:
    try:
        unverified = jwt.decode(
            assertion, options={"verify_signature": False, "verify_exp": False, "verify_aud": False}
        )
    except jwt.PyJWTError:
        raise Refused(_denied("invalid_grant", "invalid assertion")) from None
    app = _app(store, str(unverified.get("iss", "")))
    if app is None:
        raise Refused(_denied("invalid_client_id", "client identifier invalid"))
    if not app.get("public_key") or unverified.get("sub") != app.get("username"):
        raise Refused(_denied("invalid_grant", "user hasn't approved this consumer"))
    if str(unverified.get("aud", "")).rstrip("/") not in (*AUDIENCES, request.base_url):
        raise Refused(_denied("invalid_grant", "audience is invalid"))
    try:
        jwt.decode(
            assertion, public_key(app["public_key"]), algorithms=["RS256"],
            options={"verify_exp": False, "verify_aud": False},
        )  # fmt: skip
    except jwt.PyJWTError:
        raise Refused(_denied("invalid_grant", "invalid assertion")) from None
    expires = str(unverified.get("exp", ""))
    if not expires.isdigit() or int(expires) < machine_time_s() - SKEW_S:
        raise Refused(_denied("invalid_grant", "expired authorization code"))
    return app


def _by_secret(store: Store, request: Request, form: dict[str, str]) -> dict[str, Any]:
    key, secret = form.get("client_id", ""), form.get("client_secret", "")
    basic = request.headers.get("authorization", "")
    if basic.startswith("Basic "):
        try:
            key, _, secret = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            raise Refused(_denied("invalid_client", "invalid client credentials")) from None
    host = request.headers.get("host", "")
    if host.startswith(("login.salesforce.com", "test.salesforce.com")):
        raise Refused(_denied("invalid_grant", "request not supported on this domain"))
    app = _app(store, key)
    if app is None:
        raise Refused(_denied("invalid_client_id", "client identifier invalid"))
    if not app.get("consumer_secret") or not hmac.compare_digest(str(app["consumer_secret"]), secret):
        raise Refused(_denied("invalid_client", "invalid client credentials"))
    if not app.get("username"):
        raise Refused(_denied("invalid_grant", "no client credentials user enabled"))
    return app


def _app(store: Store, consumer_key: str) -> dict[str, Any] | None:
    found = store.get("app", consumer_key) if consumer_key else None
    return found.body if found else None


def _denied(code: str, text: str) -> Answer:
    """OAuth errors are an object, not an array."""
    return Answer(400, {"error": code, "error_description": text})


def admit(request: Request, store: Store) -> None:
    """Before each call: a live token, and the daily quota. Counts the call for Sforce-Limit-Info."""
    if request.operation == "token":
        return
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind not in {"Bearer", "OAuth"} or not value or store.get("token", value) is None:
        raise Refused(expired())
    limit = int(store.setting("daily_limit", DAILY_LIMIT))
    # A day's quota: the count of yesterday is another one.
    used = store.next(f"api_requests {store.now().date()}")
    request.environ["salesforce.usage"] = f"api-usage={min(used, limit)}/{limit}"
    if used > limit:
        raise Refused(over_limit())


def expired() -> Answer:
    return error(401, "INVALID_SESSION_ID", "Session expired or invalid")


def over_limit() -> Answer:
    return error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def limits(request: Request, store: Store) -> Answer:
    """GET /services/data/vNN/limits."""
    limit = int(store.setting("daily_limit", DAILY_LIMIT))
    used = int(str(request.environ["salesforce.usage"]).partition("=")[2].partition("/")[0])
    return Answer(
        200,
        {
            "DailyApiRequests": {"Max": limit, "Remaining": limit - used},
            "DataStorageMB": {"Max": 1024, "Remaining": 1000},
        },
    )
