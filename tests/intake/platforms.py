"""Connections to the sandboxes of the sales and the billing platform, with something in them."""

from __future__ import annotations

from typing import Any

from q2c.models import Connection
from tests.connectors.salesforce import orgs
from tests.connectors.zuora.tenant import CLIENT

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
