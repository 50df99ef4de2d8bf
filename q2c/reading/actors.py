"""Who did something, by the name that people are called by."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from exceptions.rights import called
from q2c.engine.source import POLL
from q2c.models import Connection
from q2c.stages.asking import PERSON


def names(actors: Iterable[str]) -> dict[str, str]:
    """By actor, which is a user name, a person as a source of facts, a poll, or a process, which keeps its own."""
    logins = {actor: actor.removeprefix(PERSON) for actor in actors if actor}
    people = get_user_model().objects.filter(username__in=set(logins.values()))
    known = {person.get_username(): called(person) for person in people} | _polls(logins)
    return {actor: known.get(login, login) for actor, login in logins.items()}


def _polls(actors: Iterable[str]) -> dict[str, str]:
    """poll:zuora → Polling Zuora; of a connection that is gone by its name."""
    polled = {actor: actor.removeprefix(POLL) for actor in actors if actor.startswith(POLL)}
    found = Connection.objects.filter(name__in=polled.values()).only("name", "title") if polled else ()
    titles = {one.name: one.title or one.name for one in found}
    return {actor: f"Polling {titles.get(name, name)}" for actor, name in polled.items()}


def within(name: str) -> str:
    """The same in the middle of a sentence."""
    return f"p{name[1:]}" if name.startswith("Polling ") else name
