"""A callout from Zuora: verified, then only its ids are read. The invoice itself is fetched: a callout is no fact.

    callout = verify(headers, body, connection.credentials)

Zuora signs nothing of itself: a tenant sets up Basic authentication, an HMAC in the callout template, or both. Neither
carries a time, and Zuora repeats a callout for up to days, so an old callout is no forgery: it names an invoice that
is read as it is now. `notification_id` is the same over all tries of one notification.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from q2c.connectors.pushes import PushRefused

BODY_MAX = 64 * 1024
ALGORITHMS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
HMAC_HEADER = "X-Zuora-Signature"
CHALLENGE = {"WWW-Authenticate": 'Basic realm="q2c"'}
# Names of the callout's own fields, whatever case and blanks the template gives them; an id before a number.
_INVOICE = ("invoiceid", "invoice.id", "invoicenumber", "invoice.invoicenumber")
_EVENT = ("eventtype", "eventname", "event", "eventcategory")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[\x21-\x7e]{1,100}")


class CalloutRefused(PushRefused):
    """401 asks for credentials: Zuora sends them only when asked, unless told to."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text, status=status, headers=headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Callout:
    """What to fetch: `reference` is an invoice's id or number, for `Zuora.invoice(reference)`."""

    notification_id: str
    event: str
    reference: str
    fields: Mapping[str, str] = field(default_factory=dict)


def references(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, str]) -> list[str]:
    """The one invoice that a callout names. Raises CalloutRefused."""
    return [verify(headers, body, credentials).reference]


def verify(headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> Callout:
    """The callout, once all that the connection has credentials for holds. Raises CalloutRefused.

    `secrets`: callout_username and callout_password (Basic); callout_hmac_secret, with callout_hmac_header
    (X-Zuora-Signature), callout_hmac_algorithm (sha256) and callout_hmac_encoding (base64 or hex). Two HMAC secrets
    separated by a blank both hold while one is changed for the other. Both kinds set: both must hold.
    """
    if len(body) > BODY_MAX:
        raise CalloutRefused(413, f"a callout has at most {BODY_MAX:,} bytes")
    lower = {name.lower(): value for name, value in headers.items()}
    if not secrets.get("callout_password") and not secrets.get("callout_hmac_secret"):
        raise CalloutRefused(403, "this connection has no callout credentials, so it takes no callouts")
    if secrets.get("callout_password"):
        _basic(lower, secrets)
    if secrets.get("callout_hmac_secret"):
        _hmac(lower, body, secrets)
    return _callout(lower, body)


def _basic(headers: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise CalloutRefused(401, "the callout carries no Basic credentials", CHALLENGE)
    try:
        pair = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        pair = b""
    wanted = f"{secrets.get('callout_username', '')}:{secrets['callout_password']}".encode()
    if not hmac.compare_digest(pair, wanted):
        raise CalloutRefused(401, "the callout's user or password is wrong", CHALLENGE)


def _hmac(headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> None:
    algorithm = ALGORITHMS.get(str(secrets.get("callout_hmac_algorithm") or "sha256").lower().replace("-", ""))
    if algorithm is None:
        raise CalloutRefused(403, f"callout_hmac_algorithm must be one of {', '.join(ALGORITHMS)}")
    name = str(secrets.get("callout_hmac_header") or HMAC_HEADER)
    given = headers.get(name.lower(), "").strip()
    as_hex = secrets.get("callout_hmac_encoding") == "hex"
    # No early end: which of two secrets holds is nobody's business.
    holds = [
        hmac.compare_digest(_text(hmac.new(secret.encode(), body, algorithm).digest(), as_hex), _plain(given, as_hex))
        for secret in secrets["callout_hmac_secret"].split()
    ]
    if not any(holds):
        raise CalloutRefused(401, f"the signature in {name} does not hold")


def _text(digest: bytes, as_hex: bool) -> bytes:
    return digest.hex().encode() if as_hex else base64.b64encode(digest)


def _plain(given: str, as_hex: bool) -> bytes:
    return (given.lower() if as_hex else given).encode("utf-8", "replace")


def _callout(headers: Mapping[str, str], body: bytes) -> Callout:
    fields = _fields(headers.get("content-type", ""), body)
    reference = next((fields[name] for name in _INVOICE if fields.get(name)), "")
    if not _REFERENCE.fullmatch(reference):
        raise CalloutRefused(400, "the callout names no invoice: give its template InvoiceId or InvoiceNumber")
    given = headers.get("zuora-notification-id", "").strip()
    # Without Zuora's own id, equal callouts are one.
    notification = given if _ID.fullmatch(given) else hashlib.sha256(body).hexdigest()
    event = next((fields[name] for name in _EVENT if fields.get(name)), "")
    return Callout(notification_id=notification, event=event[:100], reference=reference, fields=fields)


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """The callout's parameters, names in lower case without blanks; a template may send a form instead of JSON."""
    try:
        text = body.decode()
        content = dict(parse_qsl(text)) if "form-urlencoded" in content_type else json.loads(text)
    except (ValueError, RecursionError):
        raise CalloutRefused(400, "the callout's body is neither JSON nor a form") from None
    if not isinstance(content, dict):
        raise CalloutRefused(400, "the callout's body is no JSON object")
    return {_name(name): str(value) for name, value in content.items() if type(value) in (str, int)}


def _name(given: Any) -> str:
    return str(given).lower().replace(" ", "").strip("<>")
