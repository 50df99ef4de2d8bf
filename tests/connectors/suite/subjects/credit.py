"""The credit service: checks, which reserve nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from q2c.connectors.credit.client import CreditService
from q2c.connectors.outcomes import Rejected, Unavailable
from q2c.contracts.documents import CreditDecision, CreditRequest
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.credit import limits
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Question


class Checks(Question):
    name, vendor, operation = "credit check", "credit", "check"
    done = CreditDecision
    declared: ClassVar[Mapping[str, str]] = {
        **Question.declared, "partial failure": "a check has no items: it is answered or it is not",
    }  # fmt: skip
    expected: ClassVar[Mapping[str, Expect]] = {
        # There is no token to renew: each request carries the key.
        "token expired once": Expect(said=Rejected, reason=Reason.CREDENTIALS_REFUSED, documents="none"),
        # 200 without a decision is no decision: waiting, never a pass.
        "business failure": Expect(said=Unavailable, reason=Reason.PLATFORM_UNAVAILABLE, documents="none"),
        "search lag": Expect(said="done"),
    }

    def seed(self, control: Control) -> None:
        control.seed(**limits.SEED)

    def connect(self, **config: Any) -> CreditService:
        return limits.connect(**config)

    def document(self) -> CreditRequest:
        return limits.asked(100)

    def write(self, connector: CreditService, document: CreditRequest) -> Any:
        return connector.check_credit(document)

    def count(self, control: Control, document: CreditRequest) -> int:
        """What a check would leave if it reserved: exposure that grew."""
        (globex,) = [each["body"] for each in control.records("customer") if each["id"] == document.customer]
        return 0 if globex["exposure"] == "400.00" else 1


SUBJECTS = (Checks(),)
