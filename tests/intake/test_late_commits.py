"""Platforms stamp a change when it begins and show it when it commits: polls find it however late, at little cost."""

from __future__ import annotations

import pytest

from q2c import clock
from q2c.engine import poll
from q2c.models import Connection, PollCursor
from tests.intake.platforms import JAN, Org, numbers

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seen_s", [320, 600, 955])
def test_a_change_after_it_does_not_hide_what_is_committed_late(org: Org, seen_s: int) -> None:
    """9:00 a deal; 9:05 another; then one appears that was stamped 9:01, and no deal is changed any more."""
    org.close("SO-1")
    org.poll()
    org.control.clock((JAN + clock.seconds(300)).isoformat())
    org.close("SO-2")
    assert org.poll(305) == 1
    late(org, 60, "SO-LATE")
    assert org.poll(seen_s) == 1
    assert numbers() == ["SO-1", "SO-2", "SO-LATE"]
    assert [org.poll(seen_s + 20), org.poll(90_000)] == [0, 0]


def late(org: Org, stamped_s: float, *deals: str) -> None:
    org.control.clock((JAN + clock.seconds(stamped_s)).isoformat())
    org.close(*deals)


def test_an_outage_in_the_middle_of_a_poll_forgets_nothing_that_is_late(org: Org) -> None:
    """The poll of 9:20 reads the first page of what is new, not the second; what is late appears before the next."""
    org.close("SO-1")
    assert [org.poll(), org.poll(900)] == [1, 0]
    for at in range(poll.CHUNK + 5):
        late(org, 1000 + at, f"SO-N{at}")
    org.control.fault("unavailable", "query_more", times=1)
    Connection.objects.update(options={**org.connection.options, "batch_size": 200})
    org.control.seed(page_size=poll.CHUNK)
    # The first page begins with SO-1.
    assert org.poll(1200) == poll.CHUNK - 1
    late(org, 950, "SO-LATE")
    assert org.poll(1500) == 7
    assert "SO-LATE" in numbers() and len(numbers()) == poll.CHUNK + 7


def test_what_was_taken_in_is_asked_for_by_stamp_alone(org: Org) -> None:
    org.close("SO-1", "SO-2")
    assert org.poll() == 2
    assert org.poll(60) == 0
    before = org.asked()
    assert [org.poll(80), org.poll(100), org.poll(9000)] == [0, 0, 0]
    assert org.asked() - before == 3, "one query a poll"
    org.close("SO-3")
    assert org.poll(9100) == 1


def test_once_a_day_the_last_days_are_gone_through(org: Org) -> None:
    """What was committed an hour after its stamp is out of every overlap; a day later than that, of nobody's concern."""
    org.close("SO-1")
    org.poll()
    late(org, 7100, "SO-2")
    assert org.poll(7200) == 1
    late(org, 3600, "SO-HOUR")
    assert org.poll(7220) == 0
    with clock.at(JAN + clock.seconds(7300)):
        assert poll.sweep_sources() == {"crm": 1}
        assert poll.sweep_sources() == {}, "once a day"
    late(org, 3700, "SO-NEXT")
    org.control.fault("unavailable")
    with clock.at(JAN + clock.seconds(94_000)):
        assert poll.sweep_sources() == {"crm": 0}
        org.control.calm()
        assert poll.sweep_sources() == {"crm": 1}, "what failed is tried again"
    assert numbers() == ["SO-1", "SO-2", "SO-HOUR", "SO-NEXT"]


def test_neither_overlap_nor_sweep_reaches_behind_the_first_poll(org: Org) -> None:
    late(org, -400, "SO-OLD")
    org.connection.options = {**org.connection.options, "poll_from": JAN.isoformat()}
    org.connection.save()
    late(org, 5, "SO-1")
    assert [org.poll(20), org.poll(40), org.poll(80)] == [1, 0, 0]
    with clock.at(JAN + clock.seconds(100)):
        assert poll.sweep_sources() == {"crm": 0}
    PollCursor.objects.update(reached=JAN - clock.seconds(500))
    assert org.poll(120) == 1, "but where a person sets it back"
