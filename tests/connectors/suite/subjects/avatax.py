"""AvaTax: estimates, which leave nothing behind."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from q2c.connectors.avatax.client import AvaTax
from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import TaxEstimate, TaxRequest
from q2c.reasons import Reason
from tests.connectors.avatax import account
from tests.connectors.control import Control
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Question

_numbers = itertools.count(1)


class Estimates(Question):
    name, vendor, operation = "avatax estimate", "avatax", "create"
    done = TaxEstimate
    # An estimate is one transaction: a line that fails fails it.
    does_the_others = False
    expected: ClassVar[Mapping[str, Expect]] = {
        # There is no token to renew: each request carries the account's licence key.
        "token expired once": Expect(said=Rejected, reason=Reason.CREDENTIALS_REFUSED, documents="none"),
        "business failure": Expect(said=Rejected, reason=Reason.TAX_REFUSED, documents="none"),
        "search lag": Expect(said="done"),
    }

    def seed(self, control: Control) -> None:
        control.seed(**account.SEED)

    def connect(self, **config: Any) -> AvaTax:
        return account.connect(**config)

    def document(self) -> TaxRequest:
        return account.asked(code=f"Q2CSUITE{next(_numbers):012}")

    def write(self, connector: AvaTax, document: TaxRequest) -> Any:
        return connector.estimate(document)

    def write_batch(self, connector: AvaTax, documents: list[TaxRequest]) -> list[Any]:
        """The lines of one estimate, which is how q2c asks for an order."""
        lines = tuple((number, *document.lines[0][1:]) for number, document in enumerate(documents, 1))
        found = connector.estimate(account.asked(*lines))
        if isinstance(found, TaxEstimate):
            return [found if number in found.by_line else None for number, *_ in lines]
        return [found if found.field == f"lines/{number}" else None for number, *_ in lines]

    def count(self, control: Control, document: TaxRequest) -> int:
        return len([each for each in control.records("transaction") if each["body"]["code"] == document.code])


SUBJECTS = (Estimates(),)
