"""AvaTax's error body as an outcome: {"error": {"code", "message", "target", "details": [{code, number, …}]}}."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from q2c.connectors.http import Answer
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable, credentials_refused, permission_missing
from q2c.reasons import Reason

# The failure is theirs, whatever the status.
_THEIRS = {"AvaTaxApiServer", "AvalaraIdentityServer"}
_BUSY = {
    "RequestLimitExceeded", "ConcurrentRequestLimitExceeded", "RateLimitExceededError", "RateLimitExceeded",
}  # fmt: skip
_PASSING = {"TimeoutRequested", "ServerUnreachable", "ServerException", "UnhandledException", "UnexpectedException"}
_NOT_LET_IN, _NOT_THERE = "AuthenticationException", "AuthorizationException"
_COMPANY = {"CompanyNotFoundError", "InactiveCompanyError", "CompanyNotActive"}
_INDEXED = re.compile(r"(addresses|lines)\[(\d+)\]\.?(\w*)", re.IGNORECASE)


def refused(answer: Answer, connection: str, body: Mapping[str, Any] | None = None) -> Rejected | Unavailable:
    """What an answer that is no success means. `body` is what was sent: errors name its lines by position."""
    error = _error(answer)
    detail = error["details"][0] if error["details"] else {}
    code = str(detail.get("code") or error["code"] or answer.status)
    text = _text(answer, error, detail)
    if answer.status == 429 or {code, error["code"]} & _BUSY:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=answer.retry_after_s)
    if answer.status >= 500 or error["target"] in _THEIRS or {code, error["code"]} & _PASSING:
        return Unavailable(text=text, retry_after_s=answer.retry_after_s)
    if answer.status == 401 or _NOT_LET_IN in (code, error["code"]):
        return credentials_refused(connection, text, code)
    if answer.status == 403 or _NOT_THERE in (code, error["code"]):
        return permission_missing(connection, text, code)
    return Rejected(
        reason=Reason.TAX_REFUSED,
        code=code,
        text=text,
        field=_field(str(detail.get("refersTo") or ""), body or {}),
        blocker=_blocker(code, connection, body or {}),
    )


def _error(answer: Answer) -> dict[str, Any]:
    """Code, target and details, whatever of them is there: the gateway's own refusals have less than the service's."""
    content = answer.json()
    given = content.get("error") if isinstance(content, dict) else None
    given = given if isinstance(given, dict) else {}
    details = [detail for detail in given.get("details") or [] if isinstance(detail, dict)]
    return {
        "code": str(given.get("code") or ""),
        "target": str(given.get("target") or ""),
        "message": str(given.get("message") or ""),
        "details": details,
    }


def _text(answer: Answer, error: dict[str, Any], detail: dict[str, Any]) -> str:
    message = str(detail.get("message") or error["message"] or answer.text[:200] or f"HTTP {answer.status}")
    more = str(detail.get("description") or "")
    said = f"{message} {more}".strip() if more and more not in message else message
    return f"AvaTax: {said}"


def _field(refers_to: str, body: Mapping[str, Any]) -> str:
    """'Lines[1].taxCode' → 'lines/2/taxCode' by line number; 'Addresses[1]' → 'ship_to'."""
    found = _INDEXED.search(refers_to)
    if found is None:
        return refers_to
    if found[1].lower() == "addresses":
        return "ship_from" if int(found[2]) == 0 and "shipFrom" in body.get("addresses", {}) else "ship_to"
    lines = body.get("lines") or []
    position = int(found[2])
    number = lines[position]["number"] if position < len(lines) else found[2]
    return "/".join(part for part in ("lines", str(number), found[3]) if part)


def _blocker(code: str, connection: str, body: Mapping[str, Any]) -> Blocker | None:
    if code in _COMPANY and body.get("companyCode"):
        return Blocker(
            connection=connection, object_type="tax_company", object_key=str(body["companyCode"]), condition="missing"
        )
    return None
