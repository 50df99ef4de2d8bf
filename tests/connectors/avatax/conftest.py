from __future__ import annotations

import pytest

from tests.connectors.avatax import account
from tests.connectors.control import Control


@pytest.fixture
def avatax() -> Control:
    """The sandbox, empty but for the account of tests/connectors/avatax/account.py."""
    control = Control("avatax")
    control.reset()
    control.seed(**account.SEED)
    return control
