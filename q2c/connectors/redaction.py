"""What is kept of a call holds no secret: tokens, passwords, signatures, card and bank numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

HIDDEN = "•••"
CAP = 16_384

_SECRET_NAME = re.compile(
    r"authori[sz]ation|cookie|token|secret|passw|signature|assertion|credential|api.?key|license.?key|"
    r"iban|account.?number$|routing|card.?number|cvc|cvv",
    re.IGNORECASE,
)
# Business references that only sound like secrets.
_HARMLESS = re.compile(
    r"^(accountNumber|existingAccountNumber|customerAccountNumber|page_?token|token_type)$", re.IGNORECASE
)
_CARD = re.compile(r"\b(?:\d[ -]?){13,19}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_BEARER = re.compile(r"\b(Bearer|Basic|OAuth)\s+[^\s\"',]{6,}", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a value under this name is hidden."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS.match(name)


def redacted_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name: HIDDEN if is_secret(name) else _text(str(value)) for name, value in headers.items()}


def redacted_url(url: str) -> str:
    """The address with secret query values hidden and no user info."""
    parts = urlsplit(url)
    query = urlencode([(k, HIDDEN if is_secret(k) else v) for k, v in parse_qsl(parts.query, keep_blank_values=True)])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def redacted_body(body: Any, content_type: str = "") -> str:
    """A body as text, at most 16 KB, without secrets. Form, JSON or anything else."""
    if body is None:
        return ""
    if isinstance(body, Mapping):
        return urlencode({k: HIDDEN if is_secret(str(k)) else v for k, v in body.items()})
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    text = text.replace("\x00", "\ufffd")
    if "form-urlencoded" in content_type:
        return urlencode([(k, HIDDEN if is_secret(k) else v) for k, v in parse_qsl(text, keep_blank_values=True)])
    try:
        document = json.loads(text)
    except ValueError:
        return _capped(_text(text))
    return _capped(json.dumps(_hidden(document), ensure_ascii=False))


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: HIDDEN if is_secret(k) and not isinstance(v, dict | list) else _hidden(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    text = _BEARER.sub(lambda found: f"{found.group(1)} {HIDDEN}", text)
    text = _IBAN.sub(HIDDEN, text)
    return _CARD.sub(lambda found: HIDDEN if _luhn(found.group()) else found.group(), text)


def _luhn(text: str) -> bool:
    """Card numbers carry a check digit; document numbers mostly do not."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    total = sum(digits[0::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return total % 10 == 0


def _capped(text: str) -> str:
    return text if len(text) <= CAP else f"{text[:CAP]} … ({len(text)} characters)"
