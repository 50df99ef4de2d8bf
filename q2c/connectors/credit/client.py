"""The credit service as ports.Credit."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from q2c import keys
from q2c.connectors.http import Answer, Http, TransportError, json_body
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable, credentials_refused, permission_missing
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import CreditDecision, CreditRequest
from q2c.money import EXPONENTS, Money, MoneyError
from q2c.reasons import Reason

DECISIONS = ("approve", "refer", "decline")
# Refusals that name an object somebody can repair: code → (object type, condition).
BLOCKERS = {
    "customer_unknown": ("credit_customer", "missing"),
    "on_hold": ("credit_customer", "on_hold"),
}


class CreditService:
    """Credentials: api_key. A check reserves nothing: a lost answer is as good as none, and may be asked again."""

    def __init__(self, config: ConnectionConfig) -> None:
        self.config, self.http = config, Http(config)

    def probe(self) -> Unavailable | Rejected | None:
        answer = self._send("GET", "/v1/status", operation="status")
        if not isinstance(answer, Answer):
            return answer
        return None if answer.ok else self._refused(answer, "")

    def check_credit(self, request: CreditRequest) -> CreditDecision | Rejected | Unavailable:
        """Never approved by anything but the word itself: what cannot be read is Unavailable."""
        body: dict[str, Any] = {
            "customer": {"id": request.customer, "name": request.name, "country": request.country},
            "amount": _amount(request.currency, request.amount_minor),
        }
        if request.further:
            body["further_amounts"] = [_amount(currency, minor) for currency, minor in request.further]
        if request.committed:
            body["committed_amounts"] = [_amount(currency, minor) for currency, minor in request.committed]
        # Today's answer is wanted, not an earlier one kept under the same key.
        headers = {"Idempotency-Key": str(keys.new_id())}
        answer = self._send("POST", "/v1/credit-checks", operation="check", headers=headers, body=body)
        if not isinstance(answer, Answer):
            return answer
        if not answer.ok:
            return self._refused(answer, request.customer)
        return self._decided(answer.json(), request)

    def still_blocked(self, blocker: Blocker) -> bool | None:
        """Whether a customer is still unknown or on hold, or its limit under an amount; None where nobody can say."""
        if blocker.object_type == "credit_limit":
            return self._still_under(blocker)
        if blocker.object_type != "credit_customer":
            return None
        answer = self._send("GET", f"/v1/customers/{quote(blocker.object_key, safe='')}", operation="customer")
        if not isinstance(answer, Answer):
            return None
        if answer.status == 404:
            return True
        content = answer.json()
        if not answer.ok or not isinstance(content, dict):
            return None
        return blocker.condition == "on_hold" and content.get("on_hold") is not False

    def _still_under(self, blocker: Blocker) -> bool | None:
        """'under USD 1200.00': asked once more, since a check reserves nothing."""
        _, _, amount = blocker.condition.partition(" ")
        currency, _, value = amount.partition(" ")
        try:
            amount_minor = Money.of(value, currency).minor
        except MoneyError:
            return None
        request = CreditRequest(
            customer=blocker.object_key, name=blocker.object_key, country="", currency=currency,
            amount_minor=amount_minor,
        )  # fmt: skip
        found = self.check_credit(request)
        return found.decision == "decline" if isinstance(found, CreditDecision) else None

    def _decided(self, content: Any, request: CreditRequest) -> CreditDecision | Rejected | Unavailable:
        found = content if isinstance(content, dict) else {}
        if found.get("decision") not in DECISIONS:
            return Unavailable(text=f"The credit service answered without a decision: {str(content)[:200]}")
        if found.get("currency") != request.currency:
            return Unavailable(text=f"The credit service answered in {found.get('currency')}, not {request.currency}")
        if found["decision"] == "decline" and found.get("on_hold") is True:
            return self._rejected("on_hold", f"{request.name} is on credit hold", request.customer)
        # A service that passes over what is committed already would let a deal through in slices.
        names = ("requested", "exposure", "soft_limit", "hard_limit", *(["committed"] if request.committed else []))
        try:
            minor = {name: _minor(found, name) for name in names}
        except MoneyError as error:
            return Unavailable(text=f"The credit service answered with something unreadable: {error}")
        return CreditDecision(
            decision=found["decision"],
            requested_minor=minor["requested"],
            exposure_minor=minor["exposure"],
            soft_limit_minor=minor["soft_limit"],
            hard_limit_minor=minor["hard_limit"],
            currency=request.currency,
            committed_minor=minor.get("committed", 0),
            provider_reference=str(found.get("id") or ""),
            kept_in=_currency(found.get("kept_in")),
            rates=_rates(found.get("rates")),
        )

    def _refused(self, answer: Answer, customer: str) -> Rejected | Unavailable:
        """RFC 9457 problem details, by status and `code`."""
        content = answer.json()
        problem = content if isinstance(content, dict) else {}
        code = str(problem.get("code") or answer.status)
        said = problem.get("detail") or problem.get("title") or answer.text[:200] or f"HTTP {answer.status}"
        text = f"Credit service: {said}"
        if answer.status == 429:
            return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=answer.retry_after_s)
        if answer.status >= 500:
            return Unavailable(text=text, retry_after_s=answer.retry_after_s)
        if answer.status == 401 or code == "unauthorised":
            return credentials_refused(self.config.name, text, code)
        if answer.status == 403:
            return permission_missing(self.config.name, text, code)
        errors = problem.get("errors") or []
        pointer = str(errors[0].get("pointer") or "") if errors and isinstance(errors[0], dict) else ""
        return self._rejected(code, text, customer, pointer)

    def _rejected(self, code: str, text: str, customer: str, pointer: str = "") -> Rejected:
        blocker = None
        if code in BLOCKERS and customer:
            object_type, condition = BLOCKERS[code]
            blocker = Blocker(
                connection=self.config.name, object_type=object_type, object_key=customer, condition=condition
            )
        return Rejected(reason=Reason.CREDIT_REFUSED, code=code, text=text, field=pointer, blocker=blocker)

    def _send(
        self, method: str, path: str, *, operation: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> Answer | Unavailable:
        signed = {"Authorization": f"Bearer {self.config.credentials.get('api_key', '')}", **(headers or {})}
        try:
            return self.http.send(
                method, path, headers=signed, body=None if body is None else json_body(body), operation=operation
            )
        except TransportError as error:
            return Unavailable(text=f"The credit service does not answer: {error}")


def _amount(currency: str, minor: int) -> dict[str, str]:
    return {"currency": currency, "value": f"{Money(minor, currency).decimal():f}"}


def _currency(value: Any) -> str:
    return value if isinstance(value, str) and value in EXPONENTS else ""


def _rates(given: Any) -> tuple[tuple[str, str, str, str], ...]:
    """What it converted by; they are told to people, so what cannot be read is left out and decides nothing."""
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    found = [tuple(str(row.get(name) or "") for name in ("from", "to", "rate", "on")) for row in rows[:20]]
    return tuple(
        (source, target, rate, on)
        for source, target, rate, on in found
        if _currency(source) and _currency(target) and re.fullmatch(r"\d{1,9}(\.\d{1,12})?", rate)
        and re.fullmatch(r"\d{4}-\d\d-\d\d", on)
    )  # fmt: skip


def _minor(found: dict[str, Any], name: str) -> int:
    """Amounts are text in currency units; a JSON number would be somebody's float."""
    value = found.get(name)
    if not isinstance(value, str):
        raise MoneyError(f"{name} is {value!r}, not an amount as text")
    return Money.of(value, str(found["currency"])).minor
