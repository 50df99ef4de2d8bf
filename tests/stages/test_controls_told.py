"""What the controls of an order say while a service that tells some of them is silent."""

from __future__ import annotations

import pytest

from q2c.reading import controls
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import control_of

pytestmark = pytest.mark.django_db(transaction=True)


def told(desk: Desk) -> dict[str, str]:
    return {one.name: one.outcome for one in controls.of(desk.order, [])}


@pytest.mark.parametrize(
    ("service", "open_"), [("credit", {"Credit limit", "Tax estimate"}), ("tax", {"Tax estimate"})]
)
def test_what_a_silent_service_tells_is_not_shown_as_passed(desk: Desk, service: str, open_: set[str]) -> None:
    control_of(desk, service).fault("unavailable")
    desk.comes()
    desk.works()
    assert desk.order.state == "received"
    assert {name for name, outcome in told(desk).items() if outcome != "passed"} == open_
    assert {told(desk)[name] for name in open_} == {"unknown"}
    control_of(desk, service).calm()
    with desk.waits(60):
        desk.works()
    assert desk.order.state == "accepted" and set(told(desk).values()) == {"passed"}
