"""look_again: what left the books here unposted, though it may have left for its ledger, is looked for there once more.

An empty search proves nothing for ever: a ledger may show a document later than its settle time says. Of an invoice
that billing took back the ledger is searched a day after its journal left the books. A mirror entry that was given up
stays in them until the ledger was searched after the settle time, and only then makes room for another one.

What is found is a person's. Nothing is sent from here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ledger import journal
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors.outcomes import Lookup, NotFound, Outcome, Posted, Rejected, Unavailable
from q2c.models import Event, Step
from q2c.reasons import Reason
from q2c.stages import booking, platforms
from q2c.stages.not_owed import LEFT_OUT
from q2c.stages.verb import Fact, OpenPort, Part, Said, Verb, Work

_LATER = dt.timedelta(days=1)


class LookAgain(Verb):
    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        entries = _entries(fact.payload.journal_id for fact in facts)
        names = booking.customer_names(entries.values())
        settle_s = platforms.settle_s({entry.entity.erp_connection for entry in entries.values()})
        wanted = [(fact, entries[fact.payload.journal_id]) for fact in facts]
        return [[_part(fact, entry, names[entry.id], settle_s)] for fact, entry in wanted]

    def prepare(self, works: Sequence[Work]) -> None:
        entries = _entries(work.fact.payload.journal_id for work in works)
        alive = _alive(entries.values())
        given_up = _given_up([work.fact.id for work in works])
        views = journal.read([entry.id for entry in entries.values()])
        documents = dict(zip([str(view.id) for view in views], booking.documents_of(views), strict=True))
        for work in works:
            entry = work.notes["entry"] = entries[work.fact.payload.journal_id]
            # The ledger's external id, as post_journal keeps it.
            work.step.proof["key"] = entry.key
            if entry.key in alive or (entry.reverses_id is not None and work.fact.id not in given_up):
                # Booked again under its key, or wanted after all: whoever sends that looks for the key first.
                work.outcome = Posted(reference=LEFT_OUT)
            else:
                work.request = documents[str(entry.id)]

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return _told(work, open_port(work.step.connection).find([work.request], only_reading=True)[0])

    def record(self, works: Sequence[Work]) -> None:
        """A mirror entry that is surely not there makes room, unless somebody has had it posted after all."""
        mirrors = [w for w in works if w.request is not None and w.notes["entry"].reverses_id is not None]
        given_up = _given_up([work.fact.id for work in mirrors])
        journal.supersede([work.notes["entry"].id for work in mirrors if work.fact.id in given_up])

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        found = open_port(works[0].step.connection).find([work.request for work in works], only_reading=True)
        said = [_told(work, one) for work, one in zip(works, found, strict=True)]
        return [one if isinstance(one, Rejected | Unavailable) else None for one in said]


def _told(work: Work, found: Lookup) -> Posted | Rejected | Unavailable:
    """What the search comes to: found is refused, not found is done."""
    if isinstance(found, Unavailable):
        return found
    entry, connection = work.notes["entry"], work.step.connection
    if isinstance(found, NotFound):
        return Posted(reference="", proof={"searches": [{"at": found.searched_at.isoformat(), "found": None}]})
    there = found.document if isinstance(found, Posted) else found.text
    if entry.reverses_id is not None:
        text = f"{connection} holds reversal {entry.number} as {there}, though it was given up here"
        remedy = "On the case with which it was given up, ask that it be posted after all: it is found there"
    else:
        text = (
            f"{connection} holds journal {entry.number} as {there}, though billing took its invoice back: it came "
            "to be there after it had been looked for, and the books here hold none of it"
        )
        remedy = f"Take it out of {connection}, or reverse it there, before the books of {entry.period.name} are closed"
    return Rejected(reason=Reason.JOURNAL_NOT_OWED, text=f"{text}. {remedy}")


def _entries(ids: Iterable[str]) -> dict[str, JournalEntry]:
    rows = JournalEntry.objects.filter(id__in=set(ids)).select_related("entity", "period")
    return {str(entry.id): entry for entry in rows}


def _alive(entries: Collection[JournalEntry]) -> set[str]:
    """Of their keys those under which something else is booked."""
    others = JournalEntry.objects.filter(key__in=[entry.key for entry in entries]).exclude(state="superseded")
    return set(others.exclude(id__in=[entry.id for entry in entries]).values_list("key", flat=True))


def _given_up(facts: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Of these events those whose posting step is still given up; held until the transaction ends."""
    causes = dict(Event.objects.filter(id__in=facts).values_list("id", "causation_id"))
    steps = Step.objects.filter(event__in=list(causes.values()), stage="post_journal", state="abandoned")
    ended = set(steps.select_for_update().order_by("id").values_list("event_id", flat=True))
    return {fact for fact, cause in causes.items() if cause in ended}


def _part(fact: Fact, entry: JournalEntry, customer: str, settle_s: dict[str, float]) -> Part:
    """Worth what the ledger would have to take out."""
    connection, told = entry.entity.erp_connection, fact.payload
    after = clock.seconds(settle_s.get(connection, 0)) if entry.reverses_id is not None else _LATER
    about: dict[str, Any] = {"customer": customer, "currency": told.currency, "entity": told.legal_entity}
    return Part(
        part=connection,
        connection=connection,
        not_before=fact.occurred_at + after,
        business_key=entry.business_document.partition(":")[2] or told.number,
        amount_minor=-entry.worth_minor,
        period=told.period,
        **about,
    )
