"""Journal entries: the list, one entry whole, why its lines are what they are, and its reversal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from ledger import journal
from ledger.models import JournalEntry, Redating
from q2c import clock, keys
from q2c.engine import requests
from q2c.models.step import OPEN
from q2c.money import Money
from q2c.reading import after_reversal, journals, parties, reversals, why
from q2c.reading import journal as whole_journal
from q2c.ui import asking, csv, debits, decided, formats, links, story, there
from q2c.ui.listing import Listing, show
from q2c.ui.parts import Crumb, facts
from q2c.ui.rights import right

COLUMNS: Sequence[csv.Column] = (
    ("journal", lambda e: e.number),
    ("state", lambda e: e.state),
    ("entity", lambda e: e.entity.code),
    ("period", lambda e: e.period.name),
    ("effective_on", lambda e: e.effective_on),
    ("booked_at", lambda e: e.booked_at),
    ("kind", lambda e: e.journal),
    ("event_type", lambda e: e.event_type),
    ("business_document", lambda e: e.business_document),
    ("bill_to", lambda e: e.customer),
    ("reverses", lambda e: e.reverses.number if e.reverses else ""),
    ("currency", lambda e: e.currency),
    # As its document has it, a credit and what takes something back below zero: the column adds up to what is worth.
    ("amount", lambda e: csv.amount(e.worth_minor, e.currency)),
    ("worth", lambda e: csv.amount(0 if e.state == "superseded" else e.worth_minor, e.currency)),
    ("debits", lambda e: csv.amount(e.total_minor, e.currency)),
    ("lines", lambda e: e.line_count),
    ("document_number", lambda e: e.document_number),
    ("posted_at", lambda e: e.posted_at),
    ("key", lambda e: e.key),
    ("memo", lambda e: e.memo),
    ("id", lambda e: e.id),
)


def _rows(user: Any, page: Sequence[Any]) -> list[Any]:
    named, reversed_ = parties.of_entries(page), reversals.of_entries(user, page)
    held = there.journals(page)
    return [
        {
            "entry": one,
            "href": links.to("journal", one.id),
            "parties": named[one.id],
            "reversal": _other(one, reversed_.get(one.id)),
            "there": held.get(one.id, ""),
            # invoice:INV-001 as people say it; what has no document says what it is.
            "about": one.business_document.replace(":", " ", 1) or one.memo[:60],
        }
        for one in page
    ]


def _other(entry: JournalEntry, found: reversals.Reversal | None) -> dict[str, Any] | None:
    """The other side of a reversal, in the words of this one."""
    if found is None:
        return None
    if found.mirror.id == entry.id:
        how = "Was to reverse" if entry.state == "superseded" else "Reversal of"
        return {"says": how, "entry": found.entry, "href": links.to("journal", found.entry.id)}
    says = "Reversed by" if found.done else "Being reversed by"
    return {"says": says, "entry": found.mirror, "href": links.to("journal", found.mirror.id)}


LISTING = Listing(
    noun="journal",
    template="journal/list.html",
    states=journals.STATES,
    found=journals.found,
    sorts=journals.SORTS,
    default="-booked",
    columns=COLUMNS,
    rows=_rows,
    worth=journals.WORTH,
    mirrored=journals.MIRRORED,
    undone=("superseded",),
    # What was reversed stands for nothing, and neither does its mirror entry: together they come to nothing.
    turned=("reversed",),
    without="without what was reversed or replaced",
)


@right("ledger.view_journalentry")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)


@right("ledger.view_journalentry")
def one(request: HttpRequest, entry_id: uuid.UUID) -> HttpResponse:
    found = whole_journal.whole(request.user, entry_id)
    if found is None:
        raise Http404
    entry = found.entry
    context = {
        "found": found,
        "entry": entry,
        "table": debits.table(found.view),
        "crumbs": [Crumb("Journals", links.to("journals")), Crumb(str(entry))],
        "coming": story.coming(found.coming),
        "cases": story.cases(found.cases),
        "cases_say": story.cases_say(found.cases),
        "steps": story.steps(found.steps, found.fronts),
        "proofs": [
            {"step": step, "lines": story.proof(step)} for step in found.steps if step.connection and story.proof(step)
        ],
        "timeline": story.timeline("journal", found.moves, found.steps, found.cases, found.approvals),
        "facts": _facts(found),
        "dates": _dates(found),
        "reversal": _other(entry, found.reversal),
        "there": there.journals([entry]).get(entry.id, ""),
        "relatives": [_relative(one, entry) for one in found.relatives],
        "explain": links.to("journal-explain", entry.id) if not entry.reverses_id else "",
        "invoice_href": links.to("invoice", found.invoice.id) if found.invoice else "",
        "reverse": links.to("journal-reverse", entry.id),
        "now": found.now,
        "after": after_reversal.of(request.user, [entry])[entry.id],
        "invoice": found.invoice,
        "reversed_elsewhere": decided.items(found.reversed_elsewhere),
        "may_be_reversed": entry.state == "posted" and not _mirrored(found),
        "first_day": _first_day(found),
        "asked_already": any(s.stage == "reverse_journal" and s.state in OPEN for s in found.steps),
        "trace": links.to("trace", q=entry.number or str(entry.id)),
        "reason_max": requests.REASON_MAX,
        "token": keys.new_id(),
    }
    return render(request, "journal/page.html", context)


def _mirrored(found: whole_journal.Whole) -> bool:
    return found.reversal is not None and found.reversal.entry.id == found.entry.id


def _facts(found: whole_journal.Whole) -> list[tuple[str, Any]]:
    entry = found.entry
    return facts(
        ("Customer", found.parties.customer),
        ("Billed to", found.parties.billed),
        ("Entity", f"{entry.entity.code} {entry.entity.name}"),
        ("Journal", f"{entry.journal.title()}, fiscal year {entry.fiscal_year}"),
        ("Made by", entry.event_type),
        ("Memo", entry.memo),
        ("Key in the ledger", entry.key),
        ("Document there", entry.document_number),
        ("Its id there", entry.posted_reference),
    )


def _dates(found: whole_journal.Whole) -> list[tuple[str, Any]]:
    entry = found.entry
    rates = [
        (entry.currency, code, rate)
        for code, rate in (
            (entry.functional_currency, entry.functional_rate), (entry.group_currency, entry.group_rate),
        )
        if code != entry.currency
    ]  # fmt: skip
    return facts(
        ("Effective", formats.when(entry.effective_on)),
        ("Document dated", formats.when(found.redated.source_on) if found.redated else ""),
        ("Re-dated", _decision(found.redated) if found.redated else ""),
        ("Period", f"{formats.period_text(entry.period.name)}, {entry.subledger}"),
        ("Period now", entry.period.state.replace("_", " ")),
        ("Booked", formats.when(entry.booked_at)),
        ("Posted", formats.when(entry.posted_at) if entry.posted_at else ""),
        *((f"Rate {source} to {target}", formats.rate(rate)) for source, target, rate in dict.fromkeys(rates)),
    )


def _decision(one: Redating) -> str:
    return f"asked by {one.asked_by}, approved by {one.approved_by}, {formats.day_text(one.at.date())}: {one.reason}"


def _relative(relative: whole_journal.Relative, entry: JournalEntry) -> dict[str, Any]:
    return {
        "relation": relative.relation[:1].upper() + relative.relation[1:],
        "entry": relative.entry,
        "href": links.to("journal", relative.entry.id),
        "differences": [
            {
                "field": difference.field.removeprefix("lines/"),
                "before": _amount(difference.before, difference.field, entry.currency),
                "after": _amount(difference.after, difference.field, entry.currency),
            }
            for difference in relative.differences
        ],
    }


def _amount(text: str, field: str, currency: str) -> Any:
    """Amounts of lines are minor units; header fields are what they say."""
    return formats.money(Money(int(text), currency)) if field.startswith("lines/") else text


def _first_day(found: whole_journal.Whole) -> Any:
    """The day a reversal would take: the entry's own where its period takes corrections, else that of the first."""
    if not found.open_periods:
        return clock.today()
    return max(found.entry.effective_on, found.open_periods[0].starts_on)


@right("ledger.view_journalentry")
def explain(request: HttpRequest, entry_id: uuid.UUID) -> HttpResponse:
    """Which rules were looked at as it was booked, which won, and why; and what has changed since."""
    entry = JournalEntry.objects.visible_to(request.user).filter(id=entry_id).select_related("entity").first()
    if entry is None:
        raise Http404
    (view,) = journal.read([entry.id])
    context = {
        "entry": entry,
        "rounded": debits.rounded(view),
        "explanation": why.explain(request.user, entry.id),
        "used": entry.rules_used.splitlines(),
        "crumbs": [
            Crumb("Journals", links.to("journals")), Crumb(str(entry), links.to("journal", entry.id)), Crumb("Why"),
        ],
    }  # fmt: skip
    return render(request, "journal/explain.html", context)


@right("ledger.reverse_journalentry")
def reverse(request: HttpRequest, entry_id: uuid.UUID) -> HttpResponse:
    """Asks for the mirror entry; once a second person has signed, the engine makes it and posts it."""
    entry = JournalEntry.objects.visible_to(request.user).filter(id=entry_id).first()
    if entry is None:
        raise Http404
    if request.method != "POST":
        return redirect("journal", entry_id=entry.id)
    return asking.ask(
        request,
        lambda day, reason, token: requests.reverse_journal(request.user, entry, day, reason, token),
        links.to("journal", entry.id),
        f"Reversal of {entry.number} is asked for.",
        lambda _day: "A second person decides. Until then nothing is booked.",
    )
