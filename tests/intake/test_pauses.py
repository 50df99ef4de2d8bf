"""A source that wants fewer calls is left alone for as long as it says, or longer each time; then all of it is read."""

from __future__ import annotations

from itertools import pairwise

import pytest

from exceptions.models import Case
from q2c import clock, keys
from q2c.engine import callouts, desk, pauses, poll
from q2c.models import Callout, Connection, PollCursor
from tests.connectors.zuora.tenant import Tenant, provisioned, subscription
from tests.engine.makers import person
from tests.intake import platforms
from tests.intake.platforms import JAN, Org, numbers

pytestmark = pytest.mark.django_db


def beats(org: Org, begin_s: int, end_s: int) -> list[int]:
    """What beat does, every twenty seconds. Returns at which of them the platform was asked anything."""
    at = []
    for second in range(begin_s, end_s, 20):
        before, moment = org.asked(), JAN + clock.seconds(second)
        org.control.clock(moment.isoformat())
        with clock.at(moment):
            poll.poll_sources()
            poll.sweep_sources()
        if org.asked() > before:
            at.append(second)
    return at


def test_who_says_when_to_come_back_is_not_asked_before(tenant: Tenant) -> None:
    """9:01 billing answers 429 with Retry-After: 300, and bills meanwhile; 9:06 it is read again, and all of it."""
    platforms.zuora()
    at = JAN + clock.seconds(60)
    with clock.at(JAN):
        poll.poll_sources()
    tenant.control.fault("too_many", value=300)
    with clock.at(at):
        assert poll.poll_sources()["billing"] == 0
    tenant.control.calm()
    tenant.control.clock("2026-01-20T09:02:00Z")
    provisioned(tenant.client(), subscription())
    tenant.run("2026-01-31")
    for seconds in (20, 299):
        with clock.at(at + clock.seconds(seconds)):
            assert "billing" not in poll.poll_sources() | poll.sweep_sources()
    assert PollCursor.objects.get().not_before == at + clock.seconds(300)
    with clock.at(at + clock.seconds(301)):
        assert poll.poll_sources()["billing"] == 1
    cursor = PollCursor.objects.get()
    assert (cursor.not_before, cursor.pauses, cursor.text) == (None, 0, "")


def test_a_day_whose_calls_are_used_up_is_asked_for_ever_less_often(org: Org) -> None:
    """Two hours long: 14 polls instead of 360; once there is room, the first of them catches everything."""
    org.poll()
    org.control.seed(daily_limit=1)
    org.close("SO-1")
    asked = beats(org, 20, 7220)
    waited = [later - earlier for earlier, later in pairwise(asked)]
    assert waited[:6] == [60, 60, 80, 160, 320, 640] and set(waited[6:]) == {900} and len(asked) <= 14
    case = Case.objects.get()
    assert (case.reason, case.opened_at) == ("source_not_read", JAN + clock.seconds(1820)), "also within a pause"
    org.control.seed(daily_limit=100_000)
    org.close("SO-2")
    assert len(beats(org, 7220, 8220)) > 5 and sorted(numbers()) == ["SO-1", "SO-2"]
    case.refresh_from_db()
    assert case.state == "resolved"


def test_what_was_called_out_waits_as_well_and_the_rest_of_it_is_not_tried(org: Org) -> None:
    org.poll()
    numbers_ = [f"SO-{i}" for i in range(20)]
    org.close(*numbers_)
    Callout.remember("crm", [org.id_of(number) for number in numbers_], keys.new_id())
    Callout.objects.update(next_at=JAN)
    org.control.fault("too_many")
    with clock.at(JAN + clock.seconds(20)):
        assert callouts.fetch_called_out() == 0
        before = org.asked()
        assert callouts.fetch_called_out() == 0 and org.asked() == before
    assert Callout.objects.filter(tries=0).count() == 12
    org.control.calm()
    assert beats(org, 40, 80) == []
    beats(org, 80, 100)
    assert sorted(numbers()) == sorted(numbers_)


def test_a_person_is_not_kept_waiting(org: Org) -> None:
    """Read it again on a case, and a change of the connection, ask at once."""
    org.close("SO-BAD", Term_Months__c=None)
    org.poll()
    case, ann = Case.objects.get(), person("ann")
    for lifted in (lambda: desk.read_again(ann, case.id), lambda: Connection.objects.get().save()):
        PollCursor.objects.update(not_before=JAN + clock.seconds(900))
        with clock.at(JAN + clock.seconds(20)):
            assert "crm" in pauses.paused()
            lifted()
            assert not pauses.paused()


def test_a_pause_is_the_platforms_own_and_no_other_waits(org: Org, tenant: Tenant) -> None:
    """Billing says so too; who is away without a word is its breaker's."""
    platforms.zuora()
    with clock.at(JAN + clock.seconds(10)):
        poll.poll_sources()
        tenant.control.fault("too_many", value=200)
        org.control.fault("unavailable")
        assert set(poll.poll_sources()) == {"called_out", "crm", "billing"}
        assert set(pauses.paused()) == {"billing"}
        assert set(poll.poll_sources()) == {"called_out", "crm"}
    with clock.at(JAN + clock.seconds(211)):
        assert "billing" in poll.poll_sources()
