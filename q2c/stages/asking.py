"""Whose wish an event is: who sent it from a page, or who made the key that it came by. They do not sign it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from q2c.models import ApiKey, Event
from q2c.stages.verb import Fact

# Source of what a person asked for on a page: followed by the user name.
PERSON = "urn:q2c:person:"


@dataclass(frozen=True, slots=True)
class Asker:
    """`person` is a user's key, None where nobody is known: then `not_by` are those who may be it, and do not sign.

    `name` goes before "asks to …", as people are called; empty where a platform of ours gave the event. `actor` is
    whose moves they are that follow at once: a user name, else the system with the key, else q2c.
    """

    person: int | None
    name: str
    not_by: tuple[int, ...] = ()
    actor: str = "q2c"


def askers(facts: Iterable[Fact]) -> dict[uuid.UUID, Asker]:
    """By event: three statements at most, however many."""
    facts = list(facts)
    used = ApiKey.objects.in_bulk({fact.api_key for fact in facts if fact.api_key})
    people = _people(facts)
    makers = _makers({_system(fact) for fact in facts if _person(fact, people) is None})
    found = {}
    for fact in facts:
        key, person = used.get(fact.api_key), _person(fact, people)
        by_key = f"key {key.prefix}… of {key.system}" if key else ""
        if person is not None:
            called = people[person].get_full_name() or people[person].get_username()
            name = f"{called}, by the {by_key}," if by_key else called
            found[fact.id] = Asker(person, name, actor=people[person].get_username())
        else:
            not_by = makers.get(_system(fact), ())
            name = f"the {by_key}" if by_key else fact.source if not_by else ""
            found[fact.id] = Asker(None, name, not_by, f"api:{key.system}" if key else "q2c")
    return found


def of_events(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Asker]:
    """The same of events that are not at work; four statements at most."""
    rows = Event.objects.filter(id__in=list(ids)).defer("payload")
    return askers(
        Fact(
            id=row.id, type=row.type, source=row.source, source_id=row.source_id, correlation_id=row.correlation_id,
            occurred_at=row.occurred_at, payload=None, api_key=row.api_key_id, sent_by=row.sent_by_id,
        )
        for row in rows
    )  # fmt: skip


def _people(facts: Iterable[Fact]) -> dict[int, Any]:
    """By key, those that the events, or their sources, name."""
    ids = {fact.sent_by for fact in facts if fact.sent_by}
    # An event of before it was kept with it who sent it.
    names = {fact.source.removeprefix(PERSON) for fact in facts if not fact.sent_by and fact.source.startswith(PERSON)}
    users = get_user_model().objects
    found = users.filter(pk__in=ids) | users.filter(username__in=names)
    return {user.pk: user for user in found} if ids or names else {}


def _person(fact: Fact, people: dict[int, Any]) -> int | None:
    if fact.sent_by in people:
        return fact.sent_by
    if not fact.source.startswith(PERSON):
        return None
    return next((pk for pk, user in people.items() if user.get_username() == fact.source.removeprefix(PERSON)), None)


def _system(fact: Fact) -> str:
    """A key's events carry its system as their source, or something below it."""
    return fact.source.partition("/")[0]


def _makers(systems: set[str]) -> dict[str, tuple[int, ...]]:
    """Everybody who made any key of a system."""
    rows = ApiKey.objects.filter(system__in=systems, created_by__isnull=False) if systems else ApiKey.objects.none()
    found: dict[str, set[int]] = {}
    for system, maker in rows.values_list("system", "created_by"):
        found.setdefault(system, set()).add(maker)
    return {system: tuple(sorted(ids)) for system, ids in found.items()}
