"""Connections to the sandboxes of the sales and the billing platform, with something in them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from q2c import clock
from q2c.connectors import http
from q2c.engine import poll
from q2c.models import Connection, Event
from tests.connectors.control import Control
from tests.connectors.salesforce import orgs
from tests.connectors.zuora.tenant import CLIENT

JAN = dt.datetime(2026, 1, 20, 9, tzinfo=dt.UTC)
PUSH_SECRET = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyAhISE="


def salesforce(**options: Any) -> Connection:
    return Connection.objects.create(
        name="crm", title="Salesforce", vendor="salesforce", service="crm", base_url="sandbox://salesforce",
        credentials={**orgs.config().credentials, "webhook_secret": PUSH_SECRET},
        options={"poll_from": "2026-01-01T00:00:00Z", **options}, time_limit_s=2,
    )  # fmt: skip


def zuora(**options: Any) -> Connection:
    return Connection.objects.create(
        name="billing", title="Zuora", vendor="zuora", service="billing", base_url="sandbox://zuora",
        credentials={**CLIENT, "callout_username": "q2c", "callout_password": "let me in"},
        options={"poll_from": "2026-01-01T00:00:00Z", "product_field": "sku", **options}, time_limit_s=2,
    )  # fmt: skip


class Org:
    """The sandbox org and our connection to it; `at` moves both clocks."""

    def __init__(self) -> None:
        self.control = Control("salesforce")
        self.control.reset()
        self.control.clock("2026-01-20T09:00:00Z")
        self.control.seed(**orgs.company())
        self.connection = salesforce()

    def close(self, *numbers: str, **more: Any) -> None:
        self.control.seed(opportunities=[orgs.deal(number, **more) for number in numbers])

    def poll(self, seconds: float = 0) -> int:
        moment = JAN + clock.seconds(seconds)
        self.control.clock(moment.isoformat())
        with clock.at(moment):
            new = poll.poll(Connection.objects.get(name="crm"))
        # Its clock runs on from where it is set: what is changed next is later than what was closed before.
        self.control.clock((moment + clock.seconds(5)).isoformat())
        return new

    def asked(self) -> float:
        """How many calls there were so far."""
        samples = [each for family in http.CALLS.collect() for each in family.samples]
        return sum(s.value for s in samples if s.name.endswith("_total") and s.labels["connection"] == "crm")

    def id_of(self, number: str) -> str:
        return next(r["id"] for r in self.control.records("Opportunity") if r["body"]["Order_Number__c"] == number)


def numbers() -> list[str]:
    payloads = Event.objects.filter(type="OrderReceived").order_by("id").values_list("payload", flat=True)
    return [msgspec.json.decode(payload)["order_number"] for payload in payloads]
