"""What may be kept of a request or an answer: no credential, no bank or card number.

`headers`, `url` and `body` return text that is safe to store: redacted first, then cut, without NUL or lone
surrogates (PostgreSQL takes neither). What holds no secret is kept as it was, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import msgspec

BODY_KEPT_MAX = 16 * 1024
# Larger bodies are not parsed, only searched, and only in their beginning.
PARSED_MAX = 512 * 1024
GONE = "[redacted]"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|pwd|token|assertion|signature|credential|authori[sz]ation|cookie|bearer|jwt|"
    r"(?:api|private|access|license|client|signing|encryption)[-_ ]?key|session[-_ ]?id|^sid$|^otp$|^pin$|"
    r"nonce|iban|cvv|cvc|security[-_ ]?code|^pan$|bank[-_ ]?account|routing[-_ ]?number|sort[-_ ]?code|"
    r"(?:credit|debit)[-_ ]?card[-_ ]?number|card[-_ ]?number|ach[-_ ]?(?:account|aba)|swift|^bic$",
    re.IGNORECASE,
)
# Named like secrets, yet they say only how, not what.
_HARMLESS_NAME = re.compile(r"^(?:token[-_]?type|signature[-_]?method|client_assertion_type|x-sandbox-.*)$", re.I)
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)?")
_SCHEME = re.compile(r"\b(Bearer|Basic|OAuth|token|Session)\s+[\w+/=.~%,\" -]*[\w+/=~%\"-]", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_USERINFO = re.compile(r"(\bhttps?://)[^/\s:@\"]+:[^/\s@\"]+@", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\w.-])(?:[2-6]\d{3}[ -]?(?:\d[ -]?){8,14}\d)(?![\w.-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_JSON_PAIR = re.compile(r'("(?P<name>[^"\\]{1,80})"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\Z)|-?\d[\d.eE+-]*)', re.DOTALL)
_ESCAPED_PAIR = re.compile(r'(\\+"(?P<name>[^"\\]{1,80})\\+"\s*:\s*)\\+"[^"\\]*(?:\\+"|\Z)', re.DOTALL)
_XML_PAIR = re.compile(r"(<(?:\w+:)?(?P<name>\w{1,80})(?:\s[^>]*)?>)[^<]*", re.DOTALL)
_FORM_PAIR = re.compile(r"((?:^|[?&\s;])(?P<name>[\w.\-%]{1,80})=)[^&\s;\"<]+")
# With what stands in each that matches.
_PAIRS = (('"', _JSON_PAIR), ("\\", _ESCAPED_PAIR), ("<", _XML_PAIR), ("=", _FORM_PAIR))
_SCHEMES = ("bearer", "basic", "oauth", "token", "session")
_CARD_DIGITS_MIN = 13
_NUMBERS = msgspec.json.Encoder(decimal_format="number")


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether what stands under this name must not be kept."""
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return not _HARMLESS_NAME.match(name) and bool(_SECRET_NAME.search(name) or _SECRET_NAME.search(spread))


# Credentials that say who, and not more.
_IDENTITY = re.compile(r"(?:^|_)(?:id|user|username|login|account|email)$", re.IGNORECASE)
# What is shorter goes where it stands by itself: within a word it is hardly the secret.
_VALUE_MIN = 8


def values_of(credentials: Mapping[str, str]) -> tuple[str, ...]:
    """What must be kept under no name, with and without white space around it: the longest first, since one may hold
    another.
    """
    given = [value for name, value in credentials.items() if not _IDENTITY.search(name)]
    found = {form for value in given for form in (value, value.strip()) if form.strip()}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def without(kept: str, values: tuple[str, ...]) -> str:
    """A kept text without these values, as they are or as a query, JSON or an error of Python writes them."""
    for written in _forms(values):
        if len(written) >= _VALUE_MIN:
            kept = kept.replace(written, GONE)
        elif written in kept:
            kept = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", GONE, kept)
    return kept


@lru_cache(maxsize=256)
def _forms(values: tuple[str, ...]) -> tuple[str, ...]:
    """Made once for the credentials of a connection, since dozens of texts of each call are kept without them."""
    ways = ((value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]) for value in values)
    return tuple(dict.fromkeys(written for of_one in ways for written in of_one))


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Headers with their secrets gone; of Authorization the scheme stays."""
    kept = {}
    for name, value in given.items():
        if name.lower() in ("authorization", "proxy-authorization"):
            kept[name] = f"{str(value).split(' ', 1)[0]} {GONE}" if " " in str(value) else GONE
        else:
            kept[name] = GONE if is_secret(name) else text(str(value))
    return kept


def url(address: str) -> str:
    """An address without user, password and secret parameters."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return storable(text(address))
    host = parts.netloc.rpartition("@")[2]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if any(is_secret(name) or text(value) != value for name, value in pairs):
        query = "&".join(f"{quote(n)}={GONE if is_secret(n) else quote(text(v))}" for n, v in pairs)
    else:
        query = parts.query
    return storable(text(urlunsplit((parts.scheme, host, parts.path, query, ""))))


def body(content: bytes | None, content_type: str = "") -> str:
    """A body as it may be kept: redacted, at most BODY_KEPT_MAX characters and a note of what was cut."""
    if not content:
        return ""
    shown = _redacted(content, content_type)
    if len(shown) > BODY_KEPT_MAX or len(content) > PARSED_MAX:
        shown = f"{shown[:BODY_KEPT_MAX]}… ({len(content):,} bytes in all)"
    return storable(shown)


def _redacted(content: bytes, content_type: str) -> str:
    raw = content[: PARSED_MAX if len(content) <= PARSED_MAX else 2 * BODY_KEPT_MAX].decode("utf-8", "replace")
    if len(content) <= PARSED_MAX and raw.lstrip()[:1] in ("{", "["):
        try:
            document = json.loads(raw, parse_float=Decimal)
            clean = _clean(document)
        except (ValueError, RecursionError):
            return text(raw)
        return raw if clean == document and text(raw) == raw else _written(clean)
    if "form-urlencoded" in content_type:
        return _form(raw)
    return text(raw)


def _clean(value: Any, name: str = "") -> Any:
    if name and is_secret(name) and value not in (None, "", [], {}) and not isinstance(value, bool):
        return GONE
    if isinstance(value, dict):
        return {_shown(key): _clean(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_clean(member) for member in value]
    if isinstance(value, str):
        return _json_within(value)
    if isinstance(value, int) and not isinstance(value, bool) and text(str(value)) != str(value):
        return text(str(value))
    return value


def _shown(key: str) -> str:
    return text(key)


def _json_within(value: str) -> str:
    """A document inside a string hides its names behind backslashes."""
    if value.lstrip()[:1] in ("{", "["):
        try:
            document = json.loads(value, parse_float=Decimal)
            clean = _clean(document)
        except (ValueError, RecursionError):
            return text(value)
        return text(value) if clean == document else _written(clean)
    return text(value)


def _written(document: Any) -> str:
    try:
        return _NUMBERS.encode(document).decode()
    except (ValueError, UnicodeEncodeError):
        return json.dumps(document, ensure_ascii=False, default=str)


def _form(raw: str) -> str:
    pairs = [pair.partition("=") for pair in raw.split("&")]
    shown = []
    for name, equals, value in pairs:
        decoded = dict(parse_qsl(f"{name}=x", keep_blank_values=True))
        secret = any(is_secret(key) for key in decoded) or is_secret(name)
        shown.append(f"{name}{equals}{GONE if secret and value else text(value)}")
    return "&".join(shown)


def text(value: str) -> str:
    """Any text with what looks like a secret gone, whatever its format."""
    # Bodies are full of short words: each pattern is tried only where something that it needs is there.
    if "-----BEGIN" in value:
        value = _PEM.sub(GONE, value)
    if "://" in value:
        value = _USERINFO.sub(rf"\1{GONE}@", value)
    for needed, pairs in _PAIRS:
        if needed in value:
            value = pairs.sub(_pair, value)
    if "eyJ" in value:
        value = _JWT.sub(GONE, value)
    if len(value) < _CARD_DIGITS_MIN:
        return value
    lowered = value.lower()
    if any(scheme in lowered for scheme in _SCHEMES):
        value = _SCHEME.sub(_scheme, value)
    value = _DIGITS.sub(_card, value)
    return _IBAN.sub(_iban, value)


def _pair(found: re.Match[str]) -> str:
    if not is_secret(found["name"]) or found[0].endswith(GONE):
        return found[0]
    opening = found[1]
    return f'{opening}"{GONE}"' if opening.rstrip().endswith(":") else f"{opening}{GONE}"


def _scheme(found: re.Match[str]) -> str:
    """'Bearer abc123…' but not 'basic question': a credential is long or has a digit."""
    credential = found[0][len(found[1]) :].strip()
    looks_secret = len(credential.split()[0]) >= 16 or "oauth_" in credential
    return f"{found[1]} {GONE}" if looks_secret else found[0]


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    if not 13 <= len(digits) <= 19 or not _luhn(digits):
        return found[0]
    return f"[card …{digits[-4:]}]"


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _iban(found: re.Match[str]) -> str:
    plain = found[0].replace(" ", "")
    turned = plain[4:] + plain[:4]
    number = int("".join(str(int(character, 36)) for character in turned))
    return f"[iban …{plain[-4:]}]" if number % 97 == 1 else found[0]


def storable(value: str) -> str:
    """Text that PostgreSQL takes."""
    return value.replace("\x00", "␀").encode("utf-8", "replace").decode()
