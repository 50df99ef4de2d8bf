"""The sandbox org of this test run, empty at the start of each test, and a connection to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from q2c.connectors.salesforce.client import Salesforce
from tests.connectors.control import Control
from tests.connectors.salesforce import orgs


@pytest.fixture
def org() -> Iterator[Control]:
    control = Control("salesforce")
    control.reset()
    control.seed(**orgs.company())
    yield control
    control.reset()


@pytest.fixture
def connect(org: Control) -> Callable[..., Salesforce]:
    return orgs.connect


@pytest.fixture
def salesforce(org: Control) -> Salesforce:
    return orgs.connect()
