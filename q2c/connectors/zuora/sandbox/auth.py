"""OAuth client credentials, and what stands before each call: a live token."""

from __future__ import annotations

import hmac

from q2c import keys
from q2c.connectors.http import machine_time_s
from q2c.connectors.sandbox_kit import Answer, Refused, Request, Store
from q2c.connectors.zuora.sandbox.answers import failed

TOKEN_LIFE_S = 3599
PROTECTED = 90000011


def token(request: Request, store: Store) -> Answer:
    """POST /oauth/token, as a form."""
    form = request.form()
    if form.get("grant_type") != "client_credentials":
        return Answer(400, {"error": "unsupported_grant_type"})
    client = store.get("client", form.get("client_id", "")) if form.get("client_id") else None
    secret = str(client.body["client_secret"]) if client else ""
    if not secret or not hmac.compare_digest(secret, form.get("client_secret", "")):
        return Answer(401, {"error": "invalid_client"})
    value = keys.new_id().hex
    life_s = int(store.setting("token_life_s", TOKEN_LIFE_S))
    store.add("token", value, {"client_id": form["client_id"], "until": int(machine_time_s()) + life_s})
    body = {
        "access_token": value, "token_type": "bearer", "expires_in": life_s, "scope": "entity.1 tenant.1",
        "jti": keys.new_id().hex,
    }  # fmt: skip
    return Answer(200, body)


def admit(request: Request, store: Store) -> None:
    """Before each call. Object queries and v1 alike; the token's life is counted by the machine's clock."""
    if request.operation == "token":
        return
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    found = store.get("token", value, hidden=True) if kind.lower() == "bearer" and value else None
    if found is None or int(found.body["until"]) <= machine_time_s():
        raise Refused(expired())


def expired() -> Answer:
    return failed([{"code": PROTECTED, "message": "this resource is protected, please sign in first"}], 401)
