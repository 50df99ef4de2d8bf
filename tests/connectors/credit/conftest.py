from __future__ import annotations

import pytest

from tests.connectors.control import Control
from tests.connectors.credit import service


@pytest.fixture
def credit() -> Control:
    """The sandbox, empty but for the customers of tests/connectors/credit/service.py."""
    control = Control("credit")
    control.reset()
    control.seed(**service.SEED)
    return control
