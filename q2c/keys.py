"""The only id maker: record ids, idempotency keys, content hashes, secrets."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import re
import secrets
import threading
import uuid
from typing import Any

from q2c import clock

_NOT_IN_ADDRESSES = re.compile(r"[/\\%?#;]")
_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def new_id() -> uuid.UUID:
    """A UUID version 7 (RFC 9562): ordered by time, and within one process by call."""
    global _last_ms, _sequence
    moment_ms = int(clock.now().timestamp() * 1000)
    with _lock:
        if moment_ms <= _last_ms and _last_ms - moment_ms < 1000:
            moment_ms = _last_ms
            _sequence += 1
            if _sequence > 0xFFF:
                moment_ms += 1
                _sequence = 0
        else:
            _sequence = secrets.randbits(8)
        _last_ms = moment_ms
        sequence = _sequence
    value = (moment_ms & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | sequence << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=value)


def first_id(at: dt.datetime) -> uuid.UUID:
    """The smallest id of that instant: `id >= first_id(at)` is what was made since, by the primary key."""
    return uuid.UUID(int=(int(at.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80)


def in_addresses(name: str, *of: object, most: int = 64) -> str:
    """As it is where a platform's address takes it; else without what is none's, or cut, told apart by a print of what
    it is made `of`. Gateways take a slash for two parts of an address, however it is written.
    """
    fits = _NOT_IN_ADDRESSES.sub("-", name)
    return name if fits == name and len(name) <= most else f"{fits[:43]}-{idempotency_key(*of)}"


def fingerprint(content: bytes) -> bytes:
    """SHA-256 of a body, 32 bytes: equal content, equal fingerprint."""
    return hashlib.sha256(content).digest()


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and no blanks: the form in which two documents are compared."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def idempotency_key(*parts: object) -> str:
    """20 characters A-Z2-7 with the prefix Q2C: fits every vendor's reference field (SAP's has 16 to 35).

    The same parts give the same key for ever, so a retry can look for what an earlier try left behind.
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return "Q2C" + base64.b32encode(digest)[:17].decode()


def new_secret(prefix: str) -> str:
    """A secret with 256 bits of chance, to be shown once: `q2c_live_…`."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def secret_hash(secret: str) -> str:
    """What is stored of a secret. High-entropy secrets need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
