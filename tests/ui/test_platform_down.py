"""A platform that is down is one problem, by the name that people read, with what waits for it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from exceptions.models import Problem
from q2c import clock
from q2c.engine import breaker
from q2c.models import Connection, Step
from tests.engine.makers import NOW, issue, order, run_all
from tests.ui.people import boss, page, signed_in
from tests.ui.test_case import words

pytestmark = pytest.mark.django_db


def test_a_platform_that_is_down_is_one_problem_with_what_waits(company: Any) -> None:
    client = signed_in(boss())
    company["erp-us"].down = True
    # A title of its own is what people read; its name says which of several it is.
    Connection.objects.filter(name="erp-us").update(title="NetSuite US")
    sold = order("ORD-US", "US01")
    for number in range(6):
        issue(f"US-{number}", sold)
    run_all()
    text = words(page(client, "/problems"))
    assert re.search(r"NetSuite US \(erp-us\) is down since Nov 3, 10:00\sAM, 6 journals wait", text)
    [problem] = Problem.objects.all()
    text = words(page(client, f"/problems/{problem.id}"))
    assert "NetSuite US (erp-us) does not answer: no answer. Its steps" in text
    assert "connection erp-us in erp-us" not in text and "connection erp-us" in text
    # What waits is named, the newest first.
    waiting = [text.index(f"US-{number} ") for number in reversed(range(6))]
    assert waiting == sorted(waiting) and text.count("Acme GmbH") == 6
    Problem.objects.update(waiting={**problem.waiting, "text": "Closed for maintenance."})
    assert "Closed for maintenance. Its steps" in words(page(client, f"/problems/{problem.id}"))
    # An order of before the outage has not waited for it since then.
    Problem.objects.update(first_seen_at=NOW + dt.timedelta(hours=2))
    assert re.search(r"Acme GmbH USD [\d,]+ \.00 Nov 3, 12:00\sPM", words(page(client, f"/problems/{problem.id}")))
    company["erp-us"].down = False
    with clock.at(NOW + dt.timedelta(hours=3)):
        assert breaker.probe_due() == ["erp-us"]
    text = words(page(client, f"/problems/{problem.id}"))
    assert re.search(
        r"NetSuite US \(erp-us\) was down from Nov 3, 12:00\sPM until Nov \d+, [\d:]+\s[AP]M, 6 journals waited", text
    )
    assert "NetSuite US (erp-us) answers again. What waited for it goes on by itself" in text
    assert "does not answer" not in text and "What waits" not in text


def test_what_has_its_day_later_is_held_up_by_nothing(company: Any) -> None:
    company["erp-us"].down = True
    sold = order("ORD-US", "US01")
    for number in range(6):
        issue(f"US-{number}", sold)
    run_all()
    later = Step.objects.filter(connection="erp-us", business_key="US-0")
    later.update(next_at=NOW + dt.timedelta(days=30), attempts=0)
    assert breaker.waiting_for("erp-us")["count"] == 5
    keys = breaker.steps_waiting_for(boss(), "erp-us").values_list("business_key", flat=True)
    assert list(keys) == [f"US-{number}" for number in reversed(range(1, 6))]
    later.update(attempts=1)
    assert breaker.waiting_for("erp-us")["count"] == 6, "it was tried, and waits for its next try"
