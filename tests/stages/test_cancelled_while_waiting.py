"""An order that a silent service keeps waiting is there as received, and can be called off."""

from __future__ import annotations

import pytest

from tests.stages.conftest import Desk
from tests.stages.test_acceptance import cancel, the_cancel

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_that_waits_for_a_service_is_cancelled_at_once_and_stays_so(desk: Desk) -> None:
    desk.credit.fault("unavailable")
    desk.comes()
    desk.works()
    cancel()
    assert (the_cancel().state, desk.order.state) == ("done", "cancelled")
    desk.credit.calm()
    with desk.waits(20):
        desk.works()
    assert (desk.step.state, desk.order.state) == ("abandoned", "cancelled") and "OrderAccepted" not in desk.emitted()
