from __future__ import annotations

import pytest

from tests.connectors.control import Control
from tests.connectors.credit import limits


@pytest.fixture
def credit() -> Control:
    """The sandbox, empty but for the customers of tests.connectors.credit.limits.py."""
    control = Control("credit")
    control.reset()
    control.seed(**limits.SEED)
    return control
