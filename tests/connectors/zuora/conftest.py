"""A stand-in tenant over real HTTP, empty at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.zuora.tenant import Tenant


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    found = Tenant()
    yield found
    found.control.reset()
