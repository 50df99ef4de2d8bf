"""One journal entry, whole: lines, the rules behind them, what it replaced or mirrors, and its proof in the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from exceptions.models import Approval, Case
from ledger import journal, periods, redating
from ledger.journal import Difference, EntryView
from ledger.models import FiscalPeriod, JournalEntry, Redating
from q2c.contracts import stored
from q2c.contracts.events import JournalFact, JournalReversalRequested
from q2c.models import Attempt, CrossReference, Invoice, Step, Transition
from q2c.reading import billing_now, coming, held, parties, recorded_otherwise, reversals, reversed_items
from q2c.reading.approvals import of_cases
from q2c.reading.invoices import named_as

ROWS_MAX = 100
ATTEMPTS_MAX = 30
# A chain of derivations longer than this is a fault; the page shows its nearest members.
CHAIN_MAX = 20
# By the state of the mirror entry; in any other it is on its way.
_MIRRORED = {"posted": "reversed by", "reversed": "reversed by", "superseded": "was to be reversed by"}


@dataclass(frozen=True, slots=True)
class Relative:
    """Another entry that this one stands to in a relation: reversal of, reversed by, replaced by, replaces.

    A reversal that is not posted yet says so (being reversed by), and so does one that was given up: was to reverse,
    was to be reversed by.
    `differences` are what changed between the two derivations; amounts are Δ debit in minor units.
    """

    relation: str
    entry: JournalEntry
    differences: tuple[Difference, ...] = ()


@dataclass(kw_only=True, slots=True)
class Whole:
    """What the journal's page and its API address show."""

    entry: JournalEntry
    view: EntryView
    parties: parties.Parties
    reversal: reversals.Reversal | None
    redated: Redating | None
    invoice: Invoice | None
    # What billing says of the invoice by now, on the page of the journal that books it.
    now: billing_now.BillingNow | None
    relatives: list[Relative]
    steps: list[Step] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    references: list[CrossReference] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    moves: list[Transition] = field(default_factory=list)
    coming: list[coming.Coming] = field(default_factory=list)
    fronts: dict[uuid.UUID, held.Front] = field(default_factory=dict)
    open_periods: list[FiscalPeriod] = field(default_factory=list)
    # What reversals in other months left of its invoice in single months, where all in all nothing differs.
    reversed_elsewhere: list[reversed_items.Item] = field(default_factory=list)


def whole(user: Any, entry_id: uuid.UUID) -> Whole | None:
    """The entry if the user may see it; of what belongs to it, what the user may see. About twenty statements."""
    entry = JournalEntry.objects.visible_to(user).filter(id=entry_id).select_related("entity", "period").first()
    if entry is None:
        return None
    (view,) = journal.read([entry.id])
    relatives = _relatives(user, entry, view)
    family = {entry.id, *(one.entry.id for one in relatives if one.relation in ("replaces", "replaced by"))}
    steps = _steps(user, entry, family)
    ids = [step.id for step in steps]
    invoice = _invoice(user, entry)
    cases = _cases(user, ids, invoice)
    fronts = held.in_front(user, steps)
    return Whole(
        entry=entry,
        view=view,
        parties=parties.of_entries([entry])[entry.id],
        reversal=reversals.of_entries(user, [entry]).get(entry.id),
        redated=_redated(entry),
        invoice=invoice,
        now=_now(entry, invoice),
        relatives=relatives,
        steps=steps,
        attempts=list(Attempt.objects.visible_to(user).filter(step__in=ids).order_by("-id")[:ATTEMPTS_MAX]),
        references=list(CrossReference.objects.visible_to(user).filter(kind="journal", our_key=str(entry.id))),
        cases=cases,
        approvals=of_cases(user, cases),
        moves=list(Transition.objects.filter(record_id=entry.id).order_by("id")),
        open_periods=list(periods.taking_corrections(entry.entity, entry.subledger, entry.effective_on)[:24]),
        coming=coming.next_of(steps, {case.step_id: case for case in cases if case.step_id}, fronts),
        fronts=fronts,
        reversed_elsewhere=reversed_items.of_invoice(invoice) if invoice is not None else [],
    )  # fmt: skip


def _invoice(user: Any, entry: JournalEntry) -> Invoice | None:
    """The invoice that the entry is about; of one that was voided and its true one, the true one."""
    number = entry.business_document.removeprefix("invoice:")
    if number == entry.business_document:
        return None
    seen = Invoice.objects.visible_to(user).filter(number=number, entity=entry.entity.code)
    named = list(seen.select_related("order").defer("order__document").order_by("-id"))
    of_it = [one for one in named if one.event_id == entry.event_id]
    return next(iter(of_it or [one for one in named if one.state != "voided"] or named), None)


def _now(entry: JournalEntry, invoice: Invoice | None) -> billing_now.BillingNow | None:
    if invoice is None or invoice.event_id != entry.event_id or entry.state == "superseded":
        return None
    return billing_now.of_invoice(invoice)


def _cases(user: Any, step_ids: Iterable[uuid.UUID], invoice: Invoice | None) -> list[Case]:
    """Those of its own steps, and what is open about its invoice."""
    asked = Q(step_id__in=list(step_ids))
    if invoice is not None:
        changed = [one.step.id for one in recorded_otherwise.of(user, Q(id=invoice.id)) if one.step]
        asked |= named_as([invoice]) | Q(step_id__in=changed)
    rows = Case.objects.visible_to(user).filter(asked).select_related("owner_team", "assignee").defer("haystack")
    return list(rows.order_by("-opened_at", "-id")[:ROWS_MAX])


def _redated(entry: JournalEntry) -> Redating | None:
    """The decision by which it has this date."""
    found = redating.decided(entry.event_id, entry.entity.code)
    return next((one for one in found if one.effective_on == entry.effective_on), None)


def _relatives(user: Any, entry: JournalEntry, view: EntryView) -> list[Relative]:
    seen = JournalEntry.objects.visible_to(user).select_related("entity", "period")
    found = []
    if entry.reverses_id:
        how = "was to reverse" if entry.state == "superseded" else "reversal of"
        found += [Relative(how, one) for one in seen.filter(id=entry.reverses_id)]
    mirrors = seen.filter(reverses=entry).order_by("id")
    found += [Relative(_MIRRORED.get(one.state, "being reversed by"), one) for one in mirrors]
    same = seen.filter(event_id=entry.event_id, entity=entry.entity, rule_set=entry.rule_set).exclude(id=entry.id)
    others = list(same.order_by("generation")[:CHAIN_MAX])
    views = {one.id: one for one in journal.read([one.id for one in others])}
    for one in others:
        if one.generation < entry.generation:
            found.append(Relative("replaces", one, journal.differences(views[one.id], view)))
        else:
            found.append(Relative("replaced by", one, journal.differences(view, views[one.id])))
    return found


def _steps(user: Any, entry: JournalEntry, family: set[uuid.UUID]) -> list[Step]:
    """The steps that posted it or were asked to reverse it: those of the same document whose event names it."""
    keys = {entry.business_document.partition(":")[2], str(entry), entry.number or ""} - {""}
    asked = Q(event=entry.event_id) | Q(business_key__in=keys, stage__in=("post_journal", "reverse_journal"))
    rows = Step.objects.visible_to(user).filter(asked).select_related("event").order_by("seq")[:ROWS_MAX]
    names = {str(one) for one in family}
    return [step for step in rows if step.event_id == entry.event_id or _names(step) in names]


def _names(step: Step) -> str:
    if step.event.type == "JournalReady":
        return stored.read(step.event.payload, JournalFact).journal_id
    return stored.read(step.event.payload, JournalReversalRequested).journal_id


def steps_with_proof(steps: Iterable[Step]) -> list[Step]:
    """Those that have something to show: searched, found, posted."""
    return [step for step in steps if step.proof]
