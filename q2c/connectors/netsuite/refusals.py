"""NetSuite's refusals as Reasons: by code and by pattern, never by one sentence alone.

Wording marked unverified was not seen from a live account: it may differ there, and then the refusal is still
classified, as JOURNAL_REFUSED with the platform's own text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from q2c.connectors.http import Answer, retry_after_s
from q2c.connectors.outcomes import Outcome, Rejected, Unavailable, Unknown, credentials_refused, permission_missing
from q2c.reasons import Reason


@dataclass(frozen=True, slots=True)
class Pattern:
    code: str
    text: re.Pattern[str]
    reason: Reason
    verified: bool = False


def _p(code: str, text: str, reason: Reason, *, verified: bool = False) -> Pattern:
    return Pattern(code, re.compile(text, re.IGNORECASE), reason, verified)


PATTERNS = (
    _p("", r"period.*(closed|locked)|(closed|locked) (\w+ )?period|CLOSED_TRAN_PRD", Reason.PERIOD_CLOSED),
    _p("", r"not (with)?in the (chosen |selected )?.*period|DATEPERIODMISMATCH", Reason.PERIOD_CLOSED),
    _p("", r"field: (department|class|location)\b", Reason.DIMENSION_INACTIVE, verified=True),
    _p("", r"field: account\b", Reason.ACCOUNT_UNKNOWN, verified=True),
    _p("", r"field: (entity|customer)\b", Reason.CUSTOMER_UNKNOWN, verified=True),
    _p("", r"(not balance|out of balance|must balance)", Reason.JOURNAL_UNBALANCED),
)
_DUPLICATE = re.compile(r"already exists|duplicate|DUP_RCRD", re.IGNORECASE)
LOCKED = re.compile(r"lock", re.IGNORECASE)


def errors_of(answer: Answer) -> list[dict[str, Any]]:
    """The o:errorDetails of an answer; one made of its text where it carries none."""
    document = answer.json()
    details = document.get("o:errorDetails") if isinstance(document, dict) else None
    found = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return found or [{"detail": answer.text[:400] or f"HTTP {answer.status}", "o:errorCode": ""}]


def text_of(answer: Answer) -> str:
    return str(errors_of(answer)[0].get("detail", ""))


def is_duplicate(answer: Answer) -> bool:
    """Whether a record under this external id, or of this name, is there already."""
    return answer.status in (400, 409) and bool(_DUPLICATE.search(text_of(answer)))


def outcome_of(answer: Answer, fallback: Reason = Reason.JOURNAL_REFUSED) -> Outcome:
    """What an answer other than success means for a write."""
    first = errors_of(answer)[0]
    code, text = str(first.get("o:errorCode", "")), str(first.get("detail", ""))
    where = str(first.get("o:errorPath", ""))
    if answer.status == 429 or code == "CONCURRENCY_LIMIT_EXCEEDED":
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=retry_after_s(answer.headers))
    if answer.status == 503:
        return Unavailable(text=text or "service unavailable", retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500 and code != "USER_ERROR":
        return Unknown(text=f"HTTP {answer.status}: {text}")
    if answer.status == 401:
        return credentials_refused(answer.connection, text, code)
    if answer.status == 403 or code == "INSUFFICIENT_PERMISSION":
        return permission_missing(answer.connection, text, code)
    for pattern in PATTERNS:
        if pattern.code in ("", code) and pattern.text.search(text):
            return Rejected(reason=pattern.reason, code=code, text=text, field=where)
    return Rejected(reason=fallback, code=code, text=text, field=where)


def outcome_of_read(answer: Answer, fallback: Reason = Reason.REQUEST_REFUSED) -> Rejected | Unavailable:
    """The same for a read, which leaves nothing behind."""
    outcome = outcome_of(answer, fallback)
    return outcome if isinstance(outcome, Rejected) else Unavailable(
        text=getattr(outcome, "text", ""), retry_after_s=getattr(outcome, "retry_after_s", None),
        reason=getattr(outcome, "reason", Reason.PLATFORM_UNAVAILABLE),
    )  # fmt: skip
