"""Working hours there and back; what is planned for one time is done at one time."""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.policies import SYSTEMS
from q2c.demo import people
from q2c.demo.agenda import Agenda, sitting
from q2c.demo.hours import Hours


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("end", "hours", "start"),
    [
        # Berlin works from 8 to 18, which is 7 to 17 UTC in winter.
        ("2026-11-25T13:00", 1.5, "2026-11-25T11:30"),
        ("2026-11-25T13:00", 8.0, "2026-11-24T15:00"),
        # A Monday morning, and a Sunday night: what counts is Friday.
        ("2026-11-23T08:00", 2.0, "2026-11-20T16:00"),
        ("2026-11-22T23:00", 2.0, "2026-11-20T15:00"),
    ],
)
def test_so_many_hours_of_work_before(end: str, hours: float, start: str) -> None:
    people.hire(sign_in=False)
    known = Hours()
    found = known.before(SYSTEMS, at(end), hours)
    assert abs(found - at(start)) <= dt.timedelta(minutes=1)
    assert known.after(SYSTEMS, at(start), hours) <= at(end)


@pytest.mark.parametrize(
    ("given", "seated"),
    [("2026-11-25T08:40", "2026-11-25T08:40"), ("2026-11-25T08:41", "2026-11-25T11:20"),
     ("2026-11-25T20:00", "2026-11-26T08:40")],
)  # fmt: skip
def test_people_sit_down_at_fixed_times(given: str, seated: str) -> None:
    assert sitting(at(given)) == at(seated)


def test_what_is_planned_for_one_time_comes_together_and_in_order() -> None:
    agenda, done = Agenda(at("2026-11-25T12:00")), list[str]()
    for time, name in (("10:00", "b"), ("09:00", "a"), ("10:00", "c"), ("13:00", "never")):
        agenda.plan(at(f"2026-11-25T{time}"), lambda name=name: done.append(name))  # type: ignore[misc]
    seen = []
    for instant, acts in agenda:
        seen.append((instant, len(acts)))
        for act in acts:
            act()
    assert done == ["a", "b", "c"]
    assert seen == [(at("2026-11-25T09:00"), 1), (at("2026-11-25T10:00"), 2)]
