"""What Zuora's answers mean. A failure often comes as 200 with success:false; its code tells the kind.

The last two digits: 10 permission, 11 authentication, 20 to 27 wrong value, 30 rule, 40 not found, 50 lock,
60 internal, 61 temporary, 70 limit, 90 malformed, 99 integration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from q2c.connectors.http import Answer, retry_after_s, seconds_said
from q2c.connectors.outcomes import Rejected, Unavailable, Unknown, credentials_refused, permission_missing
from q2c.reasons import Reason

LOCK_WAIT_S = 5.0
_TAKEN = re.compile(r"already (exists?|been used|in use|used)|duplicate|is not unique|must be unique", re.IGNORECASE)
_FIELD = re.compile(r"'([A-Za-z_][\w.]*)'")
_WORDS = {"REQUEST_EXCEEDED_LIMIT": 70, "REQUEST_EXCEEDED_RATE": 70, "LOCK_COMPETITION": 50}


class Reasons:
    """The first reason of an answer that is no success: `code` as text, `category` its last two digits or 0."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        self.category = int(code[-2:]) if code.isdigit() and len(code) > 2 else _WORDS.get(code, 0)

    @property
    def is_taken(self) -> bool:
        """A number that must be the only one is there already."""
        return bool(_TAKEN.search(self.message))

    @property
    def field(self) -> str:
        named = _FIELD.search(self.message)
        return named.group(1) if named and self.category in (20, 21, 22, 23, 27) else ""


def reasons_of(answer: Answer) -> Reasons | None:
    """None when the answer is a success: its status is one, and no member of it says otherwise."""
    content = answer.json()
    if isinstance(content, list):
        content = next((row for row in content if isinstance(row, dict) and row.get("Success") is False), {})
    said = content if isinstance(content, dict) else {}
    if answer.ok and content is not None and not _says_no(said):
        return None
    return reasons_in(said) or Reasons(str(answer.status), answer.text[:300].strip() or f"HTTP {answer.status}")


def _says_no(said: Mapping[str, Any]) -> bool:
    # One page of the vendor prints success as text.
    given = said.get("success", said.get("Success", True))
    return given is False or str(given).lower() == "false"


def reasons_in(said: Mapping[str, Any]) -> Reasons | None:
    """In each of the shapes that Zuora's addresses use; all reasons in one sentence, the code of the first."""
    rows = said.get("reasons") or said.get("Errors") or said.get("errors") or []
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if found:
        texts = [str(row.get("message") or row.get("Message") or "") for row in found]
        return Reasons(str(found[0].get("code") or found[0].get("Code") or ""), "; ".join(filter(None, texts)))
    if isinstance(said.get("message"), str):
        return Reasons(str(said.get("code") or ""), said["message"])
    return None


def outcome_of(answer: Answer, reasons: Reasons, reason: Reason, *, writes: bool) -> Rejected | Unavailable | Unknown:
    """`reason` names a refusal of the content itself. Only a write can leave something behind unseen."""
    text = f"Zuora: {reasons.message}"
    busy = retry_after_s(answer.headers) or _reset_s(answer)
    if answer.status == 429 or reasons.category == 70:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=busy)
    if answer.status in (409, 422) and writes and reasons.category in (0, 30):
        # Of an idempotency key: the first request is still on its way, or was another. A look-up tells.
        return Unknown(text=text)
    if reasons.category == 50:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=busy or LOCK_WAIT_S)
    if answer.status == 503 or reasons.category == 61:
        return Unavailable(text=text, retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500 or reasons.category in (60, 99) or (answer.ok and answer.json() is None):
        return Unknown(text=text) if writes else Unavailable(text=text)
    if answer.status == 401 or reasons.category == 11:
        return credentials_refused(answer.connection, text, reasons.code)
    if answer.status == 403 or reasons.category == 10:
        return permission_missing(answer.connection, text, reasons.code)
    return Rejected(reason=reason, code=reasons.code, text=text, field=reasons.field)


def is_absent(answer: Answer, reasons: Reasons) -> bool:
    """The record asked for does not exist; a gateway without the address answers 404 without a code."""
    return reasons.category == 40 or (answer.status == 404 and reasons.code not in ("", "404"))


def _reset_s(answer: Answer) -> float | None:
    return seconds_said(answer.headers.get("RateLimit-Reset", ""))
