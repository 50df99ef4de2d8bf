"""post_journal: a frozen journal reaches its general ledger once, is read back, and its document number comes home."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from exceptions import cases
from ledger import journal
from ledger.models import JournalEntry
from q2c import clock, states
from q2c.connectors.outcomes import Lookup, NotFound, Outcome, Posted, Rejected, Unavailable
from q2c.contracts import stored
from q2c.contracts.documents import JournalDocument
from q2c.contracts.events import JournalFact
from q2c.models import CrossReference, Event, Invoice, Step
from q2c.reasons import Reason
from q2c.stages import billing_since, booking, not_owed, restated, sync_customer, taken_back_there
from q2c.stages.record_invoice import finding_of
from q2c.stages.verb import Fact, OpenPort, Part, Said, Verb, Work

# Root causes of a case closed without fix by which there never was such an invoice.
_MISTAKES = ("duplicate", "test_data")


class PostJournal(Verb):
    """Order key: the business document, so an invoice's journal is there before its reversal."""

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        entries = {str(e.id): e for e in _entries(fact.payload.journal_id for fact in facts)}
        names = booking.customer_names(entries.values())
        wanted = [(fact.payload, entries[fact.payload.journal_id]) for fact in facts]
        return [[_part(payload, entry, names[entry.id])] for payload, entry in wanted]

    def prepare(self, works: Sequence[Work]) -> None:
        current = living(work.fact.payload.journal_id for work in works)
        # What was sent and not refused may be in the ledger, or is there and differs: looked up as it was, never
        # derived anew.
        unowed = not_owed.of(current.values())
        owed = [w for w in works if current[w.fact.payload.journal_id].id not in unowed]
        unsent = [w for w in owed if w.step.phase == "send" and w.step.sent_at is None]
        blocked = [w for w in unsent if _waited(w.step, current[w.fact.payload.journal_id])]
        fresh = _rederived(blocked, current)
        _refuse_late_mirrors(blocked, current)
        for work in works:
            entry = fresh.get(work.fact.payload.journal_id) or current[work.fact.payload.journal_id]
            work.notes["entry"] = entry
            work.notes["not_owed"] = entry.id in unowed
            # The ledger's external id: what an auditor finds it there by.
            work.step.proof["key"] = entry.key
            if entry.state in ("posted", "reversed"):
                work.outcome = Posted(reference=entry.posted_reference, document=entry.document_number, found=True)
        _await_customers([work for work in unsent if work.is_open])
        not_owed.note_settling(works)
        not_owed.await_settling([work for work in works if work.is_open and work.notes["not_owed"]])
        todo = [work for work in works if work.is_open]
        journal.mark_posting([work.notes["entry"].id for work in todo])
        views = journal.read([work.notes["entry"].id for work in todo])
        documents = dict(zip([view.id for view in views], booking.documents_of(views), strict=True))
        earlier = _earlier([work.notes["entry"] for work in todo])
        for work in todo:
            work.request = documents[work.notes["entry"].id]
            work.notes["earlier"] = earlier.get(work.notes["entry"].id, [])

    def ahead(self, open_port: OpenPort, works: Sequence[Work]) -> None:
        """The connector keeps the accounts, dimensions and periods that it finds good, for the seconds of a batch."""
        open_port(works[0].step.connection).check([work.request for work in works])

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        """What the ledger would refuse, or wrongly take, is caught before it is sent; what is not owed is not sent."""
        port = open_port(work.step.connection)
        if work.notes["not_owed"]:
            return _held(port, work) or not_owed.not_sent(work)
        (stopped,) = port.check([work.request])
        if stopped is not None and not work.notes["earlier"]:
            not_owed.note_absent(work)
        refused = stopped or _held(port, work)
        if refused is not None:
            return refused
        not_owed.note_leaving(work)
        return port.post([work.request])[0]

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).find([work.request])[0]

    def record(self, works: Sequence[Work]) -> None:
        gone = [work for work in works if not_owed.is_gone(work)]
        for work in not_owed.leave(gone):
            # May be there later (look_again.py).
            work.emit("JournalWithdrawn", _fact(work, work.notes["entry"]))
        sent = [work for work in works if work.request is not None and work not in gone]
        done = [(work, work.outcome) for work in sent if isinstance(work.outcome, Posted)]
        journal.mark_posted(
            [journal.Document(work.notes["entry"].id, o.document or o.reference, o.reference) for work, o in done]
        )
        CrossReference.objects.bulk_create(_references(done), ignore_conflicts=True)
        sales = [w.notes["entry"].event_id for w, _ in done if w.notes["entry"].event_type == "InvoiceIssued"]
        states.move(Invoice, "post", list(Invoice.objects.filter(event__in=sales).values_list("id", flat=True)))
        restated.by_turns([work.notes["entry"] for work, _ in done], "post_journal")
        taken_back_there.settle({o.document or o.reference: w.notes["entry"] for w, o in done}, "post_journal")
        for work, outcome in done:
            _emit(work, outcome)

    def failed(self, works: Sequence[Work]) -> None:
        """What never came to prepare, since its worker was lost, is found by its fact."""
        prepared = [work.notes["entry"] for work in works if "entry" in work.notes]
        others = living(work.fact.payload.journal_id for work in works if "entry" not in work.notes)
        journal.mark_blocked([entry.id for entry in [*prepared, *others.values()]])

    def abandoned(self, works: Sequence[Work]) -> None:
        """What was given up and is surely in no ledger makes room: a mirror entry for another one of the same journal
        (one that may be there, once it was looked for), an invoice that was a duplicate or a test for the true one.
        Any other stays, since people may book it by hand; so does an invoice that another system told of, too, and was
        answered that it is here."""
        current = living(work.fact.payload.journal_id for work in works)
        unsent = [work for work in works if not not_owed.may_be_there(work.step)]
        for work in works:
            if work not in unsent and (entry := current[work.fact.payload.journal_id]).reverses_id:
                work.emit("JournalWithdrawn", _fact(work, entry), name=str(work.step.replays))
        mistaken = cases.steps_closed_as([work.step.id for work in unsent], _MISTAKES)
        not_owed.hold([entry.event_id for entry in current.values()])
        twice = not_owed.told_twice([entry.event_id for entry in current.values()])
        given_up = {
            entry.id: entry
            for work in unsent
            if (entry := current[work.fact.payload.journal_id]).reverses_id
            or (work.step.id in mistaken and entry.event_id not in twice)
        }
        gone = set(journal.supersede(list(given_up)))
        sales = [e.event_id for e in given_up.values() if e.id in gone and e.event_type == "InvoiceIssued"]
        invoices = list(Invoice.objects.filter(event__in=sales))
        states.move(Invoice, "void", [one.id for one in invoices])
        taken_back_there.unbooked(invoices, "post_journal", "Its journal was given up, unposted")

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        """As a replay would: looked up first. What is there is not sent again, whatever would refuse it now."""
        port = open_port(works[0].step.connection)
        answers: list[Said] = list(port.find([work.request for work in works], only_reading=True))
        absent = [i for i, found in enumerate(answers) if isinstance(found, NotFound)]
        to_send = [i for i in absent if not works[i].notes["not_owed"]]
        checked = port.check([works[i].request for i in to_send], whole=True) if to_send else []
        refused = dict(zip(to_send, checked, strict=True))
        for i in absent:
            answers[i] = refused.get(i) or _held(port, works[i], only_reading=True)
        return answers

    def beside(self, works: Sequence[Work]) -> dict[uuid.UUID, str]:
        return billing_since.of_entries(journals_of([work.step for work in works]))

    def preview(self, work: Work) -> dict[str, Any]:
        entry = work.notes.get("entry")
        if work.notes.get("not_owed"):
            return {"would": f"look for it in {work.step.connection}, and not send it: billing has taken it back"}
        return {"entry": journal.read([entry.id])[0]} if entry else {}


def makes_room(entry: JournalEntry, root_cause: str) -> bool:
    """Whether its invoice is voided where an unsent journal is given up for this cause."""
    return root_cause in _MISTAKES and not not_owed.told_twice([entry.event_id])


def _earlier(entries: Sequence[JournalEntry]) -> dict[uuid.UUID, list[JournalDocument]]:
    """By entry that is derived anew: what went by its key, or was of its event, before, as it was or would have been
    sent."""
    again = [entry for entry in entries if entry.generation > 1]
    if not again:
        return {}
    by_event = {(e.event_id, e.entity_id, e.rule_set): e.id for e in again}
    by_key = {e.key: e.id for e in again}
    same = Q(event_id__in=[key[0] for key in by_event]) | Q(key__in=list(by_key))
    before = JournalEntry.objects.filter(same, state="superseded")
    owners = {e.id: by_key.get(e.key) or by_event.get((e.event_id, e.entity_id, e.rule_set)) for e in before}
    views = journal.read(list(owners))
    found: dict[uuid.UUID, list[JournalDocument]] = {}
    for view, document in zip(views, booking.documents_of(views), strict=True):
        if owner := owners[view.id]:
            found.setdefault(owner, []).append(document)
    return found


def _held(port: Any, work: Work, *, only_reading: bool = False) -> Rejected | Unavailable | None:
    """A ledger may say no and keep it all the same: what an entry was before it was derived anew is looked for, too."""
    earlier = work.notes["earlier"]
    looked = port.find(earlier, only_reading=only_reading) if earlier else []
    for document, found in zip(earlier, looked, strict=True):
        if isinstance(found, NotFound):
            continue
        if isinstance(found, Unavailable):
            return found
        there = found.document if isinstance(found, Posted) else found.text
        text = (
            f"{work.step.connection} holds {document.number}, which it had refused, as {there}: reverse it there first"
        )
        return Rejected(reason=Reason.CONTENT_DIFFERS, text=text)
    return None


def _await_customers(works: Sequence[Work]) -> None:
    """A journal may come before its customer is in the ledger: it waits, instead of being refused for want of one."""
    wanted = {(work.step.connection, work.notes["entry"].customer) for work in works if work.notes["entry"].customer}
    under_way = sync_customer.under_way(wanted)
    for work in works:
        connection, customer = work.step.connection, work.notes["entry"].customer
        if (connection, customer) in under_way:
            text = f"Customer {customer} is still being made in {connection}; the journal is posted after that"
            work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)


def _references(done: Sequence[tuple[Work, Posted]]) -> list[CrossReference]:
    """What the ledger calls each journal: its id and document number, and a second number where it gives one."""
    moment, found = clock.now(), []
    for work, outcome in done:
        about = {"connection": work.step.connection, "our_key": str(work.notes["entry"].id), "at": moment}
        found.append(CrossReference(kind="journal", reference=outcome.reference, document=outcome.document, **about))
        if outcome.also:
            found.append(CrossReference(kind="journal_number", reference=outcome.also, **about))
    return found


def _entries(ids: Any) -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(id__in=set(ids)).select_related("entity", "period"))


def living(ids: Any) -> dict[str, JournalEntry]:
    """By the id asked for: the entry, or the one that superseded it."""
    found = {str(entry.id): entry for entry in _entries(ids)}
    while stale := {asked: e.superseded_by_id for asked, e in found.items() if e.superseded_by_id}:
        newer = {entry.id: entry for entry in _entries(stale.values())}
        found |= {asked: newer[id_] for asked, id_ in stale.items()}
    return found


def journals_of(steps: Iterable[Step]) -> dict[uuid.UUID, JournalEntry]:
    """By post_journal step: the entry that it posts, or the one that superseded it."""
    by_event = {step.event_id: step.id for step in steps}
    asked = {
        by_event[event_id]: stored.read(payload, JournalFact).journal_id
        for event_id, payload in Event.objects.filter(id__in=list(by_event)).values_list("id", "payload")
    }
    found = living(asked.values())
    return {step_id: found[journal_id] for step_id, journal_id in asked.items() if journal_id in found}


def _rederived(works: Sequence[Work], current: dict[str, JournalEntry]) -> dict[str, JournalEntry]:
    """Nothing was posted: blocked journals are derived anew on today's master data; the difference is kept."""
    if not works:
        return {}
    facts = booking.facts_of_events(current[w.fact.payload.journal_id].event_id for w in works)
    mine = [w for w in works if current[w.fact.payload.journal_id].event_id in facts]
    again = journal.rederive([facts[current[w.fact.payload.journal_id].event_id] for w in mine])
    fresh: dict[str, JournalEntry] = {}
    for work, result in zip(mine, again, strict=True):
        if result.result.findings:
            work.findings = [finding_of(found) for found in result.result.findings]
        elif result.differences and result.result.entry_id:
            fresh[work.fact.payload.journal_id] = _entries([result.result.entry_id])[0]
            work.step.proof["rederived"] = [vars_of(difference) for difference in result.differences]
    _moved(mine, fresh)
    return fresh


def _moved(works: Sequence[Work], fresh: dict[str, JournalEntry]) -> None:
    """What was re-dated stands, and what fails of it is a case, in the month that books it now."""
    for work in works:
        entry = fresh.get(work.fact.payload.journal_id)
        if entry is not None and entry.period.name != work.step.period:
            work.step.period = entry.period.name
            Step.objects.filter(id=work.step.id).update(period=work.step.period)


def _waited(step: Step, entry: JournalEntry) -> bool:
    """Whether somebody had to see to it: it is blocked; or still ready, where its worker was lost before prepare."""
    return entry.state == "blocked" or (entry.state == "ready" and (step.state == "failed" or step.replays > 0))


def _refuse_late_mirrors(works: Sequence[Work], current: dict[str, JournalEntry]) -> None:
    """Closed is closed for what waited as a case, whether it is derived anew or, as a mirror entry, stays as it is."""
    late = journal.late_mirrors([current[work.fact.payload.journal_id] for work in works])
    for work in works:
        if found := late.get(current[work.fact.payload.journal_id].id):
            work.findings = [finding_of(found)]


def vars_of(difference: journal.Difference) -> dict[str, Any]:
    return {"field": difference.field, "before": difference.before, "after": difference.after}


def _part(fact: JournalFact, entry: JournalEntry, customer: str) -> Part:
    return Part(
        part=entry.entity.erp_connection,
        connection=entry.entity.erp_connection,
        order_key=f"posting:{entry.entity.code}:{entry.business_document}"[:160] if entry.business_document else "",
        business_key=entry.business_document.partition(":")[2] or fact.number,
        customer=customer,
        amount_minor=entry.worth_minor,
        currency=fact.currency,
        entity=fact.legal_entity,
        period=fact.period,
    )


def _emit(work: Work, outcome: Posted) -> None:
    entry = work.notes["entry"]
    work.emit("JournalReversed" if entry.reverses_id else "JournalPosted", _fact(work, entry, outcome.document))


def _fact(work: Work, entry: JournalEntry, document: str = "") -> JournalFact:
    fact = work.fact.payload
    return JournalFact(
        journal_id=str(entry.id), number=entry.number or fact.number, legal_entity=fact.legal_entity,
        currency=fact.currency, amount_minor=entry.worth_minor, period=entry.period.name, document_number=document,
    )  # fmt: skip
