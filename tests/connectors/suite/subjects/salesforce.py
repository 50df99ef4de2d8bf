"""Salesforce: the write-back of order number and status, which is all that is written there; and a deal that is read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from q2c.connectors.outcomes import Lookup, Outcome, ReadFailed, Unavailable
from q2c.connectors.ports import Deal
from q2c.connectors.salesforce.client import Salesforce
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.salesforce import orgs
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Question, Subject

# The platform names no time to wait.
_BUSY = Expect(said=Unavailable, reason=Reason.PLATFORM_BUSY, retry_after_s=60, documents="none")
_numbers = itertools.count(1)
Document = tuple[str, dict[str, str]]


class WriteBacks(Subject):
    name, vendor, operation = "salesforce write-back", "salesforce", "update"
    declared: ClassVar[Mapping[str, str]] = {
        "same key, other content": "a later status takes the place of an earlier one, as it should",
        "partial failure": "one opportunity is written at a time",
    }
    expected: ClassVar[Mapping[str, Expect]] = {
        "429": _BUSY,
        # A record is there by its id as soon as it is written.
        "search lag": Expect(said="done", documents="all"),
    }

    def seed(self, control: Control) -> None:
        control.seed(**orgs.company(), opportunities=[orgs.deal("SO-1")])
        (self.opportunity,) = (record["id"] for record in control.records("Opportunity"))

    def connect(self, **config: Any) -> Salesforce:
        return orgs.connect(**config)

    def document(self) -> Document:
        return self.opportunity, {"order_number": f"O-{next(_numbers):08}", "status": "Active"}

    def write(self, connector: Salesforce, document: Document) -> Outcome:
        return connector.write_back(*document)

    def look_up(self, connector: Salesforce, document: Document) -> Lookup:
        return connector.find_write_back(*document)

    def count(self, control: Control, document: Document) -> int:
        wanted = document[1]["order_number"]
        found = [record["body"].get("Billing_Order_Number__c") for record in control.records("Opportunity")]
        return found.count(wanted)


class Deals(Question):
    name, vendor, operation = "salesforce deal", "salesforce", "query"
    done = Deal
    declared: ClassVar[Mapping[str, str]] = {
        **Question.declared, "partial failure": "a deal is read whole or not at all",
    }  # fmt: skip
    expected: ClassVar[Mapping[str, Expect]] = {
        "429": _BUSY,
        # Only what is new lags.
        "search lag": Expect(said="done", documents="all"),
    }

    def seed(self, control: Control) -> None:
        control.seed(**orgs.company(), opportunities=[orgs.deal("SO-1")])
        (self.opportunity,) = (record["id"] for record in control.records("Opportunity"))

    def connect(self, **config: Any) -> Salesforce:
        return orgs.connect(**config)

    def document(self) -> str:
        return self.opportunity

    def write(self, connector: Salesforce, document: str) -> Any:
        try:
            return connector.deal(document)
        except ReadFailed as failure:
            return failure.outcome


SUBJECTS = (WriteBacks(), Deals())
