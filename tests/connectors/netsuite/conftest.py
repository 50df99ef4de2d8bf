"""The sandbox account of this test run, with a small group's books at the start of each test, and connections to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from q2c.connectors.netsuite.client import NetSuite
from tests.connectors.control import Control
from tests.connectors.netsuite import books


@pytest.fixture
def account() -> Iterator[Control]:
    control = Control("netsuite")
    control.reset()
    control.seed(**books.group())
    yield control
    control.reset()


@pytest.fixture
def netsuite(account: Control) -> NetSuite:
    return books.connect()
