"""From facts to entries that are ready: derived, written, numbered, frozen; each fact once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from django.db import connection

from ledger import entry_keys
from ledger.facts import Fact, Finding
from ledger.models import JournalEntry
from ledger.rules import Derived, derive
from ledger.writing import Draft, Header, write_ready
from q2c import clock, keys

# (event id, entity code, rule set): of each, one entry is alive.
Identity = tuple[uuid.UUID, str, str]
Outcome = Literal["created", "existing", "nothing", "refused"]


class Result(NamedTuple):
    """What became of one fact.

    created: a new entry, ready. existing: the living entry of an earlier call. nothing: the fact books nothing,
    since all its amounts are zero. refused: `findings` say why. total_minor is the sum of the debits.
    """

    event_id: uuid.UUID
    outcome: Outcome
    entry_id: uuid.UUID | None = None
    number: str = ""
    state: str = ""
    period: str = ""
    currency: str = ""
    total_minor: int = 0
    key: str = ""
    findings: tuple[Finding, ...] = ()


def identity(fact: Fact) -> Identity:
    """What a fact's entry is unique by."""
    return fact.event_id, fact.entity_code, fact.rule_set


def latest(facts: Iterable[Fact]) -> dict[Identity, JournalEntry]:
    """The latest generation of each fact's entry, whatever its state; at most two queries."""
    wanted = {identity(fact) for fact in facts}
    with connection.cursor() as cursor:
        # Facts are new as a rule, and then this is all: five hundred parameters cost more than the look-up.
        events = ",".join({str(event_id) for event_id, _, _ in wanted})
        cursor.execute("SELECT id FROM ledger_journalentry WHERE event_id = ANY(%s::uuid[])", [f"{{{events}}}"])
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return {}
    rows = JournalEntry.objects.filter(id__in=ids).select_related("entity", "period").order_by("generation")
    found = {(row.event_id, row.entity.code, row.rule_set): row for row in rows}
    return {key: row for key, row in found.items() if key in wanted}


def post_ready(facts: Sequence[Fact]) -> list[Result]:
    """Derive, insert, number and freeze; one Result per fact, in order.

    A fact that is booked already gives its existing entry; one whose entry was superseded is derived anew. A fact
    with findings is left out and spoils nothing else.
    """
    results: dict[Identity, Result] = {}
    todo = {identity(fact): fact for fact in facts}
    # Once, as a rule; again for what somebody else, of the same event or document, committed between look and write.
    while todo:
        known = latest(todo.values())
        results |= {key: existing(row) for key, row in known.items() if row.state != "superseded"}
        results |= book(derive([fact for key, fact in todo.items() if key not in results]), known)
        todo = {key: fact for key, fact in todo.items() if key not in results}
    return [results[identity(fact)] for fact in facts]


def book(derived: Sequence[Derived], known: dict[Identity, JournalEntry]) -> dict[Identity, Result]:
    """Write what was derived, one generation after what is known. What somebody else just wrote is missing."""
    now = clock.now()
    results: dict[Identity, Result] = {}
    drafts: dict[uuid.UUID, tuple[Derived, Draft]] = {}
    there = entry_keys.of_documents(one.fact for one in derived if one.lines and not one.findings)
    taken: set[str] = set()
    for one in derived:
        key = identity(one.fact)
        if one.findings:
            results[key] = Result(one.fact.event_id, "refused", currency=one.fact.currency, findings=one.findings)
        elif not one.lines:
            results[key] = Result(one.fact.event_id, "nothing", currency=one.fact.currency)
        else:
            before = known.get(key)
            keyed = entry_keys.of_fact(one.fact, before.generation if before else 0, there, taken)
            taken.add(keyed.key)
            made = draft(one, now, keyed)
            drafts[made.header.id] = (one, made)
    numbers = write_ready([made for _, made in drafts.values()])
    for entry_id, number in numbers.items():
        one, made = drafts[entry_id]
        results[identity(one.fact)] = _created(one, made.header, number)
    replaced = {known[identity(drafts[i][0].fact)].id: i for i in numbers if identity(drafts[i][0].fact) in known}
    _link(replaced)
    return results


def draft(one: Derived, now: dt.datetime, keyed: entry_keys.Keyed) -> Draft:
    """A derived fact as it is written."""
    fact, entity, period = one.fact, one.entity, one.period
    assert entity is not None and period is not None  # else there are findings and no lines
    header = Header(
        id=keys.new_id(),
        correlation_id=fact.correlation_id,
        entity_id=entity.id,
        journal=fact.journal,
        fiscal_year=period.fiscal_year,
        event_id=fact.event_id,
        event_type=fact.event_type,
        rule_set=fact.rule_set,
        generation=keyed.generation,
        rules_used="\n".join(dict.fromkeys([line.rule for line in one.lines])),
        matched=one.matched,
        effective_on=fact.effective_on,
        booked_at=now,
        period_id=period.id,
        subledger=fact.subledger,
        currency=fact.currency,
        functional_currency=entity.currency,
        group_currency=entity.group_currency,
        functional_rate=one.functional_rate,
        group_rate=one.group_rate,
        customer=fact.customer,
        memo=fact.memo,
        business_document=fact.business_document,
        key=keyed.key,
        line_count=len(one.lines),
        total_minor=one.total_minor,
        worth_minor=one.worth_minor,
        reverses_id=None,
    )
    return Draft(header, entity.number_code, one.lines)


def _created(one: Derived, made: Header, number: str) -> Result:
    assert one.period is not None
    return Result(
        event_id=made.event_id,
        outcome="created",
        entry_id=made.id,
        number=number,
        state="ready",
        period=one.period.name,
        currency=made.currency,
        total_minor=made.total_minor,
        key=made.key,
    )


def existing(row: JournalEntry, outcome: Outcome = "existing") -> Result:
    """An entry that stands in the books as a result."""
    return Result(
        event_id=row.event_id,
        outcome=outcome,
        entry_id=row.id,
        number=row.number or "",
        state=row.state,
        period=row.period.name,
        currency=row.currency,
        total_minor=row.total_minor,
        key=row.key,
    )


def _link(replaced: dict[uuid.UUID, uuid.UUID]) -> None:
    """Each superseded entry says what came instead."""
    if not replaced:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_journalentry e SET superseded_by_id = p.new"
            " FROM unnest(%s::uuid[], %s::uuid[]) AS p(old, new) WHERE e.id = p.old AND e.superseded_by_id IS NULL",
            [list(replaced), list(replaced.values())],
        )
