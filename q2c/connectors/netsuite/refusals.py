"""NetSuite's refusals as Reasons: by code and by pattern, never by one sentence alone.

Wording marked unverified was not seen from a live account: it may differ there, and then the refusal is still
classified, as JOURNAL_REFUSED with the platform's own text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from q2c.connectors.http import Answer, retry_after_s
from q2c.connectors.outcomes import Blocker, Outcome, Rejected, Unavailable, Unknown
from q2c.reasons import Reason


@dataclass(frozen=True, slots=True)
class Pattern:
    code: str
    text: re.Pattern[str]
    reason: Reason
    object_type: str = ""
    verified: bool = False


def _p(code: str, text: str, reason: Reason, object_type: str = "", *, verified: bool = False) -> Pattern:
    return Pattern(code, re.compile(text, re.IGNORECASE), reason, object_type, verified)


PATTERNS = (
    _p("", r"(already exists|duplicate|DUP_RCRD)", Reason.CONTENT_DIFFERS),
    _p("", r"period.*(closed|locked)|CLOSED_TRAN_PRD", Reason.PERIOD_CLOSED, "fiscal_period"),
    _p("", r"not (with)?in the (chosen |selected )?.*period|DATEPERIODMISMATCH", Reason.PERIOD_CLOSED, "fiscal_period"),
    _p("", r"field: department", Reason.DIMENSION_INACTIVE, "cost_center", verified=True),
    _p("", r"field: class", Reason.DIMENSION_INACTIVE, "product_line", verified=True),
    _p("", r"field: location", Reason.DIMENSION_INACTIVE, "region", verified=True),
    _p("", r"field: account", Reason.ACCOUNT_UNKNOWN, "account", verified=True),
    _p("", r"field: (entity|customer)", Reason.CUSTOMER_UNKNOWN, "customer", verified=True),
    _p("", r"(not balance|out of balance|must balance)", Reason.JOURNAL_UNBALANCED),
    _p("INSUFFICIENT_PERMISSION", r"", Reason.CREDENTIALS_REFUSED, verified=True),
)
_VALUE = re.compile(r"Invalid Field Value (\S+) for", re.IGNORECASE)


def errors_of(answer: Answer) -> list[dict[str, Any]]:
    """The o:errorDetails of an answer; one made of its text where it carries none."""
    document = answer.json()
    details = document.get("o:errorDetails") if isinstance(document, dict) else None
    if isinstance(details, list) and details:
        return [detail for detail in details if isinstance(detail, dict)]
    return [{"detail": answer.text[:400] or f"HTTP {answer.status}", "o:errorCode": ""}]


def outcome_of(answer: Answer, connection: str, fallback: Reason = Reason.JOURNAL_REFUSED) -> Outcome:
    """What a refusal means for a write."""
    first = errors_of(answer)[0]
    code, text = str(first.get("o:errorCode", "")), str(first.get("detail", ""))
    where = str(first.get("o:errorPath", ""))
    if answer.status == 429 or code == "CONCURRENCY_LIMIT_EXCEEDED":
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=retry_after_s(answer.headers))
    if answer.status in (502, 504) or (answer.status == 500 and code != "USER_ERROR"):
        return Unknown(text=f"HTTP {answer.status}: {text}")
    if answer.status == 503:
        return Unavailable(text=text or "service unavailable", retry_after_s=retry_after_s(answer.headers))
    if answer.status in (401, 403):
        return Rejected(reason=Reason.CREDENTIALS_REFUSED, code=code, text=text)
    for pattern in PATTERNS:
        if pattern.code in ("", code) and pattern.text.search(text):
            value = _VALUE.search(text)
            key = value.group(1) if value else where
            blocker = None
            if pattern.object_type:
                blocker = Blocker(
                    connection=connection, object_type=pattern.object_type, object_key=key, condition=pattern.reason
                )
            return Rejected(reason=pattern.reason, code=code, text=text, field=where, blocker=blocker)
    return Rejected(reason=fallback, code=code, text=text, field=where)
