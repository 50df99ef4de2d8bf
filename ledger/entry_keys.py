"""The keys under which a general ledger knows entries.

A key says what is booked and not which row of ours books it: the kind of its event and its document, in its entity and
rule set; or the entry that it mirrors. So a database that was restored, in which the same document comes again under
another event, finds what it sent before. Derived anew, an entry that was never posted keeps its key.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ledger.facts import Fact
from ledger.models import JournalEntry
from q2c import keys

# (entity code, event type, business document, rule set)
Document = tuple[str, str, str, str]


class Keyed(NamedTuple):
    """`generation` counts the derivations of one event, and the entries of one key."""

    key: str
    generation: int


class Kin(NamedTuple):
    """An entry of the same document, or a mirror of the same entry."""

    key: str
    event_id: uuid.UUID
    state: str
    generation: int


def of_documents(facts: Iterable[Fact]) -> dict[Document, list[Kin]]:
    """What is booked of these documents, whatever event it came by; one query."""
    named = {fact.business_document for fact in facts} - {""}
    rows = JournalEntry.objects.filter(business_document__in=named, reverses=None)
    found: defaultdict[Document, list[Kin]] = defaultdict(list)
    about = ("entity__code", "event_type", "business_document", "rule_set", "key", "event_id", "state", "generation")
    for code, event_type, document, rule_set, *kin in rows.values_list(*about) if named else ():
        found[code, event_type, document, rule_set].append(Kin(*kin))
    return found


def of_fact(fact: Fact, before: int, there: dict[Document, list[Kin]], taken: Collection[str]) -> Keyed:
    """`before`: the generation of its event's last entry, 0 without any. `taken`: keys given in the same batch."""
    document = fact.entity_code, fact.event_type, fact.business_document, fact.rule_set
    parts = (
        ("journal", *document) if fact.business_document else ("event", fact.entity_code, fact.event_id, fact.rule_set)
    )
    return _free(parts, fact.event_id, before, there.get(document, []), taken)


def of_mirror(original: JournalEntry, event_id: uuid.UUID, before: int) -> Keyed:
    rows = JournalEntry.objects.filter(reverses=original).values_list("key", "event_id", "state", "generation")
    return _free(("reversal", original.key), event_id, before, [Kin(*row) for row in rows], ())


def _free(
    parts: tuple[object, ...], event_id: uuid.UUID, before: int, there: Collection[Kin], taken: Collection[str]
) -> Keyed:
    """What is booked once more, after another event's entry was posted and taken back, has the next key; what was
    superseded was never posted, and leaves its own to what comes after it."""
    held = {kin.key for kin in there if kin.event_id != event_id and kin.state != "superseded"} | {*taken}
    turn = 0
    while (key := keys.idempotency_key(*parts, turn)) in held:
        turn += 1
    latest = max((kin.generation for kin in there if kin.key == key), default=0)
    return Keyed(key, max(latest, before) + 1)
