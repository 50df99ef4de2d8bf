"""Who did it, by the name that people are called by; and by what people know a case that is named by a URN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from q2c.reading.actors import names
from q2c.stages.asking import PERSON
from q2c.ui.parts import Entry

__all__ = ["key_in", "name", "name_cases", "named", "names"]


def name(actor: str) -> str:
    return names([actor]).get(actor, actor)


def named(entries: Sequence[Entry]) -> list[Entry]:
    """A timeline with its people called so."""
    known = names(entry.actor for entry in entries)
    return [replace(entry, actor=known.get(entry.actor, entry.actor)) for entry in entries]


def key_in(name: str) -> str:
    """urn:uuid:1b4e28ba → 1b4e28ba, urn:webshop:order:SO-17 → SO-17: what a person would look for."""
    return name.rpartition(":")[2] or name if name.lower().startswith("urn:") else name


def name_cases(cases: Sequence[Any]) -> None:
    """Give each case its `sender` and what it is `known_as`; where its system named it by a URN, that system
    and the key inside. One statement, where a person asked for any.
    """
    senders = names({case.source for case in cases if case.source.startswith(PERSON)})
    for case in cases:
        case.sender = key_in(senders.get(case.source, case.source))
        inside = key_in(case.business_key)
        case.known_as = inside if inside == case.business_key else f"{case.sender} {inside}".strip()
