"""Where a connection's calls, and so its credentials, may go: read by their parts, never by how they begin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS = {"http": 80, "https": 443}
# Programs do not agree on what these do to the host of an address.
_AMBIGUOUS = re.compile(r"[\s\\\x00-\x20\x7f]")


def origin(address: str) -> str:
    """Scheme, host and port as one text, such as https://erp.example:443; empty where it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def wrong_with(address: str) -> str:
    """Why credentials are not sent there; empty where they may be: https, this machine, or a sandbox."""
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.port != 0 else ""
    except ValueError:
        return "This is no address: write it like https://erp.example"
    if not host or _AMBIGUOUS.search(address):
        return "This is no address: write it like https://erp.example"
    if parts.username is not None or parts.password is not None:
        return "An address holds no name and no password: credentials have a field of their own"
    if not _may_be_told(parts, host):
        return "Credentials travel to this address: it must begin with https://"
    return ""


def _may_be_told(parts: SplitResult, host: str) -> bool:
    return parts.scheme in ("https", "sandbox") or (parts.scheme == "http" and host in LOOPBACK)


def named(base_url: str, options: Mapping[str, Any] | Any) -> dict[str, str]:
    """Every address of a connection: {"base_url": …} and the options that are one, such as login_url."""
    found = {"base_url": base_url}
    if isinstance(options, Mapping):
        found |= {name: str(value) for name, value in options.items() if name.endswith("_url") and value}
    return found
