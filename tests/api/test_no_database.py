"""A database that does not answer: senders are told to come again, nothing is half taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import Client


@pytest.fixture
def dead_database(transactional_db: None) -> Iterator[None]:
    """Connections lead to a port where nothing listens."""
    own = connections["default"]
    port = own.settings_dict["PORT"]
    own.close()
    own.settings_dict["PORT"] = "9"
    yield
    own.settings_dict["PORT"] = port


@pytest.mark.parametrize("address", ["/api/v1/events", "/api/v1/orders"])
def test_senders_are_told_to_come_again(dead_database: None, address: str) -> None:
    answer = Client().post(
        address, data=b"{}", content_type="application/json", headers={"Authorization": "Bearer q2c_x"}
    )
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["type"].endswith("not_now") or answer.json()["title"] == "Not now"


def test_a_page_says_so_and_comes_again_by_itself(dead_database: None) -> None:
    """A session is looked for, in vain."""
    client = Client(raise_request_exception=False, headers={"X-Correlation-Id": "0190b0a0-0000-7000-8000-000000000001"})
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("/")
    text = answer.content.decode()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The database does not answer" in text and 'http-equiv="refresh" content="5"' in text
    assert "0190b0a0-0000-7000-8000-000000000001" in text
    admin = client.get("/admin/ledger/fiscalperiod/")
    assert admin.status_code == 503


def test_what_was_sent_from_a_page_is_not_sent_again_by_itself(dead_database: None) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    answer = client.post("/sign-in", {"username": "ann", "password": "a long enough word"})
    text = answer.content.decode()
    assert answer.status_code == 503 and "What you sent was not kept" in text and "refresh" not in text
