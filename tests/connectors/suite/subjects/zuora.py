"""Zuora: accounts, subscriptions by asynchronous orders, activations, cancellations, and invoices that are read."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from q2c.connectors.outcomes import Lookup, Outcome, Rejected
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.zuora.client import Zuora
from q2c.contracts.documents import CustomerDocument, InvoiceDocument, SubscriptionDocument
from q2c.reasons import Reason
from tests.connectors.control import Control, sandbox_url
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Question, Subject, finished
from tests.connectors.zuora import tenant

_numbers = itertools.count(1)
_NO_BATCH = "each of these calls writes one account or one order"
_NO_LAG = "search lag hides new records, and this changes one that is there"
_REFUSED = Expect(said=Rejected, reason=Reason.SUBSCRIPTION_REFUSED, documents="none")

Dated = tuple[str, dt.date]


class Tenanted(Subject):
    vendor = "zuora"
    declared: ClassVar[Mapping[str, str]] = {"partial failure": _NO_BATCH}

    def seed(self, control: Control) -> None:
        control.seed(clients=[tenant.CLIENT], products=tenant.PRODUCTS, tax_rates=tenant.RATES, job_s=0.05)
        control.clock("2026-01-01T01:00:00Z")

    def connect(self, **config: Any) -> Zuora:
        given: dict[str, Any] = {
            "name": "zuora-suite", "vendor": "zuora", "base_url": sandbox_url("zuora"), "credentials": tenant.CLIENT,
            "options": {"product_field": "sku", "poll_after_s": 0.02},
        }  # fmt: skip
        return Zuora(ConnectionConfig(**{**given, **config}))

    def provisioned(self) -> str:
        """A subscription of its own, made while no fault is on."""
        number = f"{next(_numbers)}"
        document = tenant.subscription(key=f"S-{number}", account=f"C{number}-EUR", order_number=f"SO-{number}")
        tenant.provisioned(self.connect(), document, activate=False)
        return document.key


class Customers(Tenanted):
    name, operation = "zuora account", "create_account"
    expected: ClassVar[Mapping[str, Expect]] = {
        # Its answer names the account, so there is nothing to search for.
        "search lag": Expect(said="done"),
        "business failure": Expect(said=Rejected, reason=Reason.CUSTOMER_REFUSED, documents="none"),
    }

    def document(self) -> CustomerDocument:
        return tenant.customer(f"C{next(_numbers)}-EUR")

    def other_content(self, document: CustomerDocument) -> CustomerDocument:
        return replace(document, name="Somebody else")

    def write(self, connector: Zuora, document: CustomerDocument) -> Outcome:
        return connector.put_customer(document, tenant.key(document.key))

    def look_up(self, connector: Zuora, document: CustomerDocument) -> Lookup:
        return connector.find_customer(document, tenant.key(document.key))

    def count(self, control: Control, document: CustomerDocument) -> int:
        return len([each for each in control.records("account") if each["number"] == document.key])


class Subscriptions(Tenanted):
    name, operation = "zuora subscription", "create_order_async"
    expected: ClassVar[Mapping[str, Expect]] = {
        "business failure": _REFUSED,
        # The job is taken and not over yet.
        "dropped after": Expect(said="lost", documents=None),
    }

    def seed(self, control: Control) -> None:
        super().seed(control)
        control.seed(accounts=[{
            "name": "Acme", "accountNumber": "ACME-EUR", "currency": "EUR",
            "billToContact": {"firstName": "Accounts", "lastName": "Payable", "country": "DE"},
        }])  # fmt: skip

    def document(self) -> SubscriptionDocument:
        number = next(_numbers)
        return tenant.subscription(key=f"S-SUITE-{number}", order_number=f"SO-SUITE-{number}")

    def other_content(self, document: SubscriptionDocument) -> SubscriptionDocument:
        return replace(document, charges=(replace(document.charges[0], amount_minor=1_199_999),))

    def write(self, connector: Zuora, document: SubscriptionDocument) -> Outcome:
        key = tenant.key(document.key)
        return finished(connector, connector.create_subscription(document, key), key)

    def look_up(self, connector: Zuora, document: SubscriptionDocument) -> Lookup:
        return connector.find_subscription(document, tenant.key(document.key))

    def count(self, control: Control, document: SubscriptionDocument) -> int:
        return len([each for each in control.records("subscription") if each["number"] == document.key])


class Activations(Tenanted):
    name, operation = "zuora activation", "activate"
    declared: ClassVar[Mapping[str, str]] = {"partial failure": _NO_BATCH, "search lag": _NO_LAG}
    expected: ClassVar[Mapping[str, Expect]] = {"business failure": _REFUSED}

    def document(self) -> Dated:
        return self.provisioned(), dt.date(2026, 1, 1)

    def other_content(self, document: Dated) -> Dated:
        return document[0], dt.date(2026, 2, 1)

    def write(self, connector: Zuora, document: Dated) -> Outcome:
        return connector.activate(document[0], 1, document[1], tenant.key(document))

    def look_up(self, connector: Zuora, document: Dated) -> Lookup:
        return connector.is_activated(document[0], 1, document[1], tenant.key(document))

    def count(self, control: Control, document: Dated) -> int:
        (found,) = [each for each in control.records("subscription") if each["number"] == document[0]]
        return len([charge for charge in found["body"]["charges"] if charge["startsOn"]])


class Cancellations(Tenanted):
    name, operation = "zuora cancellation", "create_order"
    # Its order may be hidden: the subscription reads as cancelled.
    expected: ClassVar[Mapping[str, Expect]] = {"business failure": _REFUSED, "search lag": Expect(said="done")}
    differs = Reason.SUBSCRIPTION_ENDED

    def document(self) -> Dated:
        return self.provisioned(), dt.date(2026, 6, 1)

    def other_content(self, document: Dated) -> Dated:
        """As of a day before: what has ended by the day asked for is as good as cancelled."""
        return document[0], dt.date(2026, 5, 1)

    def write(self, connector: Zuora, document: Dated) -> Outcome:
        return connector.cancel(*document, tenant.key(document))

    def look_up(self, connector: Zuora, document: Dated) -> Lookup:
        return connector.is_cancelled(*document, tenant.key(document))

    def count(self, control: Control, document: Dated) -> int:
        number = document[0].replace("S-", "X-")
        return len([each for each in control.records("order") if each["number"] == number])


class Invoices(Question, Tenanted):
    name, operation = "zuora invoice", "read_invoice"
    done = InvoiceDocument
    declared: ClassVar[Mapping[str, str]] = {
        **Question.declared, "partial failure": "an invoice is read whole or not at all", "search lag": _NO_LAG,
    }  # fmt: skip

    def document(self) -> str:
        number, on = self.provisioned(), dt.date(2026, 1, 1)
        self.connect().activate(number, 1, on, "key")
        made: list[str] = Control("zuora").do("bill-run", until="2026-01-01")["invoiceNumbers"]
        return made[0]

    def write(self, connector: Zuora, document: str) -> Any:
        return connector.invoice(document)


SUBJECTS = (Customers(), Subscriptions(), Activations(), Cancellations(), Invoices())
