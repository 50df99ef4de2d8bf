"""Who did it, by the name that people are called by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.contrib.auth import get_user_model

from exceptions.rights import called
from q2c.stages.asking import PERSON
from q2c.ui.parts import Entry


def names(actors: Iterable[str]) -> dict[str, str]:
    """By actor, which is a user name, a person as a source of facts, or a process, which keeps its own."""
    logins = {actor: actor.removeprefix(PERSON) for actor in actors if actor}
    people = get_user_model().objects.filter(username__in=set(logins.values()))
    known = {person.get_username(): called(person) for person in people}
    return {actor: known.get(login, login) for actor, login in logins.items()}


def name(actor: str) -> str:
    return names([actor]).get(actor, actor)


def named(entries: Sequence[Entry]) -> list[Entry]:
    """A timeline with its people called so."""
    known = names(entry.actor for entry in entries)
    return [replace(entry, actor=known.get(entry.actor, entry.actor)) for entry in entries]
