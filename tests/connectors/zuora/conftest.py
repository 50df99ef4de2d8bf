"""A stand-in tenant over real HTTP, empty at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from q2c.connectors.zuora.client import Zuora
from tests.connectors.zuora.tenant import Tenant


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    found = Tenant()
    yield found
    found.control.reset()


@pytest.fixture
def client(tenant: Tenant) -> Zuora:
    tenant.control.clock("2026-01-01T01:00:00Z")
    return tenant.client()
