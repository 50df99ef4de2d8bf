"""A decision that waits past its service level is late wherever lateness is told."""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case
from q2c import clock
from tests.exceptions.conftest import opened
from tests.ui.people import boss, read, signed_in

pytestmark = pytest.mark.django_db


def test_a_decision_past_its_time_is_late_on_the_tower_and_in_the_queue() -> None:
    case = opened(reason="discount_approval_required", blocker=None, business_key="SO-77")
    client = signed_in(boss())
    assert (
        "for a second person." in read(client, "/") and "level" not in read(client, "/").split("second person")[1][:40]
    )
    Case.objects.filter(id=case.id).update(due_at=clock.now() - dt.timedelta(hours=5))
    tower = client.get("/").content.decode()
    assert "for a second person, " in read(client, "/") and "1 past its service level" in read(client, "/")
    assert "tab=awaiting_approval&amp;q=is%3Alate" in tower
    assert "SO-77" in read(client, "/queue?tab=awaiting_approval&q=is:late")
    Case.objects.filter(id=case.id).update(due_at=clock.now() + dt.timedelta(hours=5))
    assert "SO-77" not in read(client, "/queue?tab=awaiting_approval&q=is:late")
