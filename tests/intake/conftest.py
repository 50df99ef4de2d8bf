"""The sandboxes of the sales and the billing platform, as the tests of intake find and leave them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from q2c.connectors import registry
from tests.connectors.zuora.tenant import Tenant
from tests.intake.platforms import Org


@pytest.fixture
def nothing_remembered() -> Iterator[None]:
    cache.clear()
    registry.close_all()
    yield
    cache.clear()
    registry.close_all()


@pytest.fixture
def org(nothing_remembered: None) -> Iterator[Org]:
    found = Org()
    yield found
    found.control.reset()


@pytest.fixture
def tenant(nothing_remembered: None) -> Iterator[Tenant]:
    found = Tenant()
    yield found
    found.control.reset()
