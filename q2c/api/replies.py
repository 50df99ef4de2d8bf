"""JSON answers of the plain views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import HttpResponse


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """UUIDs, dates and dataclasses as JSON has them."""
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type="application/json", headers=dict(headers or {})
    )
