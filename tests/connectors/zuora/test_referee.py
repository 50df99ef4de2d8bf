"""Zuora's own client, zuora-sdk, finds in the stand-in the tenant that it expects: its models read every answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.connectors.referee import answers
from tests.connectors.zuora.tenant import CLIENT, Tenant

pytestmark = pytest.mark.referee
SCRIPT = Path(__file__).with_name("referee_sdk.py")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    tenant = Tenant()
    tenant.control.seed(job_s=0.2)
    tenant.control.clock("2026-01-01T01:00:00Z")
    found: dict[str, Any] = answers(SCRIPT, tenant.control.url, CLIENT["client_id"], CLIENT["client_secret"])
    tenant.control.reset()
    return found


def test_accounts(told: dict[str, Any]) -> None:
    assert told["customers"] == {
        "created": True, "again": False, "again_code": "50000030", "parent": True, "currency": "EUR", "missing": False,
    }  # fmt: skip


def test_orders_with_jobs_keys_and_dates(told: dict[str, Any]) -> None:
    assert told["ordered"] == {
        "status": "Completed", "same_job": True, "ids": [True, 1, None], "subscription": "Pending Activation",
        "other_content_under_the_key": 422, "activated": True, "after": "Active", "order_status": "Completed",
        "phase": {"Q2C_Phase__c": "1"}, "sequence": 0, "charge": "C-",
        "queried": ["S-1", "Active", True, True],
    }  # fmt: skip


def test_invoices_by_cursor_and_with_items(told: dict[str, Any]) -> None:
    """3 × 12.50 a month and 19 % on it."""
    assert told["invoiced"] == {
        "count": 4, "numbers": 4, "status": "Posted", "amount": "44.63", "net": "37.5", "tax": "7.13",
        "due": "2026-01-31", "item_sku": "PLAT", "ends": "2026-01-31", "tax_rows": 1, "missing": False,
    }  # fmt: skip


def test_usage_by_row_and_by_file(told: dict[str, Any]) -> None:
    assert told["used"] == {"one": True, "file": True, "size": True}


def test_failures_as_the_client_knows_them(told: dict[str, Any]) -> None:
    assert told["failing"] == {
        "business": [False, "53100330"], "429": [429, "9", True], "503": [503, "5", True], "401": [401, None, True],
        "track": "a-b-c",
    }  # fmt: skip
