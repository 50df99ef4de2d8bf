"""Who is in a team changes from either side, and the team's history tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exceptions import routing
from exceptions.models import Team
from tests.engine.makers import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams() -> list[Team]:
    routing.sync_policies()
    return list(Team.objects.order_by("code")[:2])


def told(team: Team) -> list[list[str]]:
    """The members in each version since the first, newest first."""
    versions = team.history.order_by("-history_id")
    return [sorted(row.user.username for row in version.members.all()) for version in versions][:-1]


CHANGES: dict[str, tuple[Callable[[Any, Team], None], Callable[[Any, Team], None]]] = {
    "set": (lambda user, team: team.members.set([user]), lambda user, team: user.teams.set([team])),
    "add": (lambda user, team: team.members.add(user), lambda user, team: user.teams.add(team)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_either_side_is_the_same_change(teams: list[Team], what: str) -> None:
    ann, ben = person("ann"), person("ben")
    ours, theirs = CHANGES[what]
    ours(ann, teams[0])
    theirs(ben, teams[1])
    assert (told(teams[0]), told(teams[1])) == ([["ann"]], [["ben"]])
    assert {team.history.latest("history_id").history_type for team in teams} == {"~"}


def test_leaving_from_the_persons_side(teams: list[Team]) -> None:
    ann, ben = person("ann"), person("ben")
    for team in teams:
        team.members.set([ann, ben])
    ann._change_reason = "on leave"
    ann.teams.remove(teams[0])
    ann.teams.clear()
    for team in teams:
        assert told(team)[0] == ["ben"]
        assert team.history.latest("history_id").history_change_reason == "on leave"
    assert [len(told(team)) for team in teams] == [2, 2], "once each"
    ann.teams.clear()
    ann.teams.set([])
    assert [len(told(team)) for team in teams] == [2, 2], "nothing changed"


def test_exchanged_from_the_persons_side(teams: list[Team]) -> None:
    ann = person("ann")
    ann.teams.set([teams[0]])
    ann.teams.set([teams[1]])
    assert (told(teams[0]), told(teams[1])) == ([[], ["ann"]], [["ann"]])
