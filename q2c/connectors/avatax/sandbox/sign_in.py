"""Basic authentication by account id and licence key. A ping is answered to anybody."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from q2c.connectors.avatax.sandbox.errors import gateway_refusal
from q2c.connectors.sandbox_kit import Refused, Request, Store


def account_of(request: Request, store: Store) -> dict[str, Any] | None:
    """The account that signs this request; None where it does not, or wrongly."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, key = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return None
    found = store.get("account", name)
    if found is None or not hmac.compare_digest(str(found.body["license_key"]).encode(), key.encode()):
        return None
    return found.body


def admit(request: Request, store: Store) -> None:
    if request.operation != "ping" and account_of(request, store) is None:
        raise Refused(gateway_refusal())
