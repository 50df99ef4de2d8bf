"""Nothing is edited: what was never posted is superseded by a new derivation, what was posted gets a mirror entry."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger import entry_keys
from ledger.booking import Result, book, existing, identity, latest
from ledger.books import Books
from ledger.facts import Fact, Finding
from ledger.models import JournalEntry, JournalLine
from ledger.reading import EntryView, ViewLine, as_view, read
from ledger.rules import derive, header_findings
from ledger.writing import Draft, DraftLine, Header, write_ready
from q2c import clock, keys, states
from q2c.reasons import Reason


@dataclass(frozen=True, slots=True)
class Difference:
    """One account and set of dimensions (or the header's `field`) that is not what it was; amounts are Δ debit."""

    field: str
    before: str
    after: str
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class Rederived:
    """One fact derived anew. `old` is None when nothing was booked; without differences `result` is the old entry."""

    old: uuid.UUID | None
    result: Result
    differences: tuple[Difference, ...]


def supersede(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """ready or blocked → superseded; the ids that moved. The next post_ready of their facts derives them anew."""
    return states.move(JournalEntry, "supersede", ids)


def rederive(facts: Sequence[Fact]) -> list[Rederived]:
    """Derive entries that were never posted on today's master data, superseding only those that come out different.

    A fact with findings leaves its entry as it is, and so does an entry that is posting, posted or reversed.
    """
    known = latest(facts)
    derived = {identity(one.fact): one for one in derive(facts)}
    olds = {view.id: view for view in read([row.id for row in known.values()])}
    changes: dict[tuple[uuid.UUID, str, str], tuple[Difference, ...]] = {}
    sources, _ = states.edge(JournalEntry, "supersede")
    for key, row in known.items():
        if row.state in sources and not derived[key].findings and derived[key].lines:
            changes[key] = differences(olds[row.id], as_view(derived[key]))
    moved = set(supersede([known[key].id for key, found in changes.items() if found]))
    free = {key for key, row in known.items() if row.id in moved or row.state == "superseded"}
    open_to_write = [one for key, one in derived.items() if key not in known or key in free]
    results = book(open_to_write, known)
    again: list[Rederived] = []
    for fact in facts:
        key = identity(fact)
        old = known.get(key)
        if key in results or old is None:
            result = results.get(key) or existing(latest([fact])[key])
        elif derived[key].findings and old.state in sources:
            found = derived[key].findings
            result = Result(fact.event_id, "refused", old.id, old.number or "", old.state, findings=found)
        else:
            result = existing(old)
        again.append(Rederived(old.id if old else None, result, changes.get(key, ())))
    return again


def differences(old: EntryView, new: EntryView) -> tuple[Difference, ...]:
    """What changed from one derivation to the next: header fields, then amounts per account and dimensions."""
    found = [
        Difference(name, str(getattr(old, name)), str(getattr(new, name)))
        for name in ("effective_on", "period", "currency", "functional_rate", "group_rate", "memo")
        if getattr(old, name) != getattr(new, name)
    ]
    before, after = _by_account(old.lines), _by_account(new.lines)
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, 0), after.get(key, 0)
        if was != now:
            found.append(Difference(f"lines/{key}", str(was), str(now), now - was))
    return tuple(found)


def _by_account(lines: Sequence[ViewLine]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        about = "".join(f" {code}={value}" for code, value in sorted(line.dimensions.items()))
        key = f"{line.account}{about}"
        sums[key] = sums.get(key, 0) + line.amount_minor
    return sums


def reverse(entry_id: uuid.UUID, effective_on: dt.date, event_id: uuid.UUID, reason: str) -> Result:
    """The mirror of a posted entry, ready: every amount negated, on the same accounts, in the period of its day.

    `reason` becomes its memo. The original becomes reversed when the mirror is posted (mark_posted). The same
    event gives the same mirror. Findings: period closed or missing, a day before the entry's own, or an entry that
    cannot be reversed.
    """
    # Locked, so that of two requests at once the second sees the first one's mirror.
    original = JournalEntry.objects.select_related("entity", "period").select_for_update(of=("self",)).get(pk=entry_id)
    fact = _reversal(original, effective_on, event_id)
    before = latest([fact]).get(identity(fact))
    if before and before.state != "superseded":
        return existing(before)
    books = Books.load([fact])
    findings = _in_the_way(books, fact, original, _mirrors([original.id]).get(original.id))
    if findings:
        return Result(event_id, "refused", currency=original.currency, findings=tuple(findings))
    keyed = entry_keys.of_mirror(original, event_id, before.generation if before else 0)
    mirror = _mirror(books, fact, original, reason, keyed)
    written = write_ready([mirror])
    # Without it, somebody else has just written the mirror of the same event.
    return existing(latest([fact])[identity(fact)], "created" if written else "existing")


def reversible(asked: Sequence[tuple[uuid.UUID, dt.date]]) -> list[list[Finding]]:
    """What keeps each entry (its id) from being reversed on its day, in order; nothing is written.

    A bounded number of statements, however many.
    """
    if not asked:
        return []
    originals = JournalEntry.objects.select_related("entity", "period").in_bulk([entry_id for entry_id, _ in asked])
    facts = [_reversal(originals[id_], day, originals[id_].event_id) for id_, day in asked]
    books, mirrors = Books.load(facts), _mirrors(originals)
    return [
        _in_the_way(books, fact, originals[id_], mirrors.get(id_)) for (id_, _), fact in zip(asked, facts, strict=True)
    ]


def late_mirrors(entries: Sequence[JournalEntry]) -> dict[uuid.UUID, Finding]:
    """Of these, with their entity loaded, the mirror entries whose period takes no corrections any more.

    Any other entry says so as it is derived anew; a mirror stays what it was made as.
    """
    mirrors = [entry for entry in entries if entry.reverses_id]
    if not mirrors:
        return {}
    facts = {entry.id: _reversal(entry, entry.effective_on, entry.event_id) for entry in mirrors}
    books = Books.load(list(facts.values()))
    found = {id_: _header(books, fact) for id_, fact in facts.items()}
    return {id_: findings[0] for id_, findings in found.items() if findings}


def _mirrors(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, JournalEntry]:
    living = JournalEntry.objects.filter(reverses__in=list(ids)).exclude(state="superseded")
    return {mirror.reverses_id: mirror for mirror in living if mirror.reverses_id}


def _reversal(original: JournalEntry, effective_on: dt.date, event_id: uuid.UUID) -> Fact:
    return Fact(
        event_id=event_id,
        event_type="JournalReversed",
        entity_code=original.entity.code,
        effective_on=effective_on,
        currency=original.currency,
        subledger=original.subledger,
        journal=original.journal,
        correlation_id=original.correlation_id,
        lines=(),
        rule_set=original.rule_set,
    )


def _header(books: Books, fact: Fact) -> list[Finding]:
    rated = (Reason.FX_RATE_MISSING, Reason.CURRENCY_NOT_ALLOWED)  # the original's rates and currency hold
    return [f for f in header_findings(books, fact, correction=True)[3] if f.reason not in rated]


def _in_the_way(books: Books, fact: Fact, original: JournalEntry, mirror: JournalEntry | None) -> list[Finding]:
    findings = _header(books, fact)
    if fact.effective_on < original.effective_on:
        text = (
            f"A reversal on {fact.effective_on} would come before entry {original.number} itself, which is of "
            f"{original.effective_on}"
        )
        findings.append(Finding(Reason.REVERSAL_REFUSED, text, field="effective_on"))
    if mirror or original.state != "posted":
        why = f"has the mirror {mirror.number}" if mirror else f"is {original.state}, not posted"
        text = f"Entry {original.number} cannot be reversed: it {why}"
        findings.append(Finding(Reason.REVERSAL_REFUSED, text, "journal_entry", original.number or "", "entry_id"))
    return findings


def _mirror(books: Books, fact: Fact, original: JournalEntry, reason: str, keyed: entry_keys.Keyed) -> Draft:
    entity = books.entities[fact.entity_code]
    period = books.period(entity, fact.subledger, fact.effective_on)
    assert period is not None  # its absence is a finding
    lines = [_mirrored(line) for line in original.lines.order_by("line")]
    header = Header(
        id=keys.new_id(),
        correlation_id=original.correlation_id,
        entity_id=entity.id,
        journal=original.journal,
        fiscal_year=period.fiscal_year,
        event_id=fact.event_id,
        event_type=fact.event_type,
        rule_set=original.rule_set,
        generation=keyed.generation,
        rules_used=original.rules_used,
        matched=[],
        effective_on=fact.effective_on,
        booked_at=clock.now(),
        period_id=period.id,
        subledger=original.subledger,
        currency=original.currency,
        functional_currency=original.functional_currency,
        group_currency=original.group_currency,
        functional_rate=original.functional_rate,
        group_rate=original.group_rate,
        customer=original.customer,
        memo=reason[:400],
        business_document=original.business_document,
        key=keyed.key,
        line_count=len(lines),
        total_minor=sum(max(line.amount_minor, 0) for line in lines),
        worth_minor=-original.worth_minor,
        reverses_id=original.id,
    )
    return Draft(header, entity.number_code, lines)


def _mirrored(line: JournalLine) -> DraftLine:
    return DraftLine(
        line.line,
        line.account_id,
        -line.amount_minor,
        -line.functional_minor,
        -line.group_minor,
        json.dumps(line.dimensions, ensure_ascii=False),
        line.memo,
        line.rule_line_id,
    )
