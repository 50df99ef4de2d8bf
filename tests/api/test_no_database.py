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
