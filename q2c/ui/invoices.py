"""Invoices: the list, and one invoice whole."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from q2c.models import Invoice
from q2c.reading import billing_now, invoices, parties, reversals
from q2c.reading import invoice as whole_invoice
from q2c.reading import marks as invoice_marks
from q2c.ui import csv, debits, decided, differing, links, story
from q2c.ui.listing import Listing, show
from q2c.ui.parts import Change, Crumb, facts
from q2c.ui.payload import parsed
from q2c.ui.rights import right


def _state(invoice: Invoice) -> str:
    """As its page says it: posted, journal reversed, cancelled in billing."""
    more = (("journal reversed", invoice.reversed_at), ("cancelled in billing", _cancelled(invoice)))
    return ", ".join([invoice.state, *(words for words, holds in more if holds)])


def _cancelled(invoice: Invoice) -> bool:
    return invoice.taken_back_at is not None and invoice.state not in ("voided", "credited")


def _worth(invoice: Invoice) -> int:
    return 0 if invoice.state == "voided" or invoice.reversed_at else invoice.total_minor


COLUMNS: Sequence[csv.Column] = (
    ("invoice", lambda i: i.number),
    ("state", _state),
    ("customer", lambda i: i.customer_name or i.account),
    ("account", lambda i: i.account),
    ("order", lambda i: i.order.number),
    ("group", lambda i: i.group),
    ("entity", lambda i: i.entity),
    ("told_by", lambda i: i.source),
    ("currency", lambda i: i.currency),
    ("net", lambda i: csv.amount(i.net_minor, i.currency)),
    ("tax", lambda i: csv.amount(i.tax_minor, i.currency)),
    ("total", lambda i: csv.amount(i.total_minor, i.currency)),
    # What of the total the books hold; the column adds up to what the list says it is worth.
    ("worth", lambda i: csv.amount(_worth(i), i.currency)),
    ("issued_on", lambda i: i.issued_on),
    ("due_on", lambda i: i.due_on),
    ("recorded_at", lambda i: i.recorded_at),
    ("billing_reference", lambda i: i.billing_reference),
    ("id", lambda i: i.id),
)


def _rows(user: Any, page: Sequence[Any]) -> list[Any]:
    named, marks = parties.of_invoices(page), invoice_marks.of(user, page)
    return [
        {
            "invoice": one,
            "href": links.to("invoice", one.id),
            "order": links.to("order", one.order_id),
            "parties": named[one.id],
            "marks": marks[one.id],
        }
        for one in page
    ]


def _reversal(found: reversals.Reversal | None) -> dict[str, Any] | None:
    """The reversal of an invoice's journal, with the addresses of both entries."""
    if found is None:
        return None
    to = {"entry_href": links.to("journal", found.entry.id), "mirror_href": links.to("journal", found.mirror.id)}
    return {"done": found.done, "entry": found.entry, "mirror": found.mirror, **to}


LISTING = Listing(
    noun="invoice",
    template="invoice/list.html",
    states=invoices.STATES,
    found=invoices.found,
    sorts=invoices.SORTS,
    default="-issued",
    columns=COLUMNS,
    rows=_rows,
    worth=invoices.WORTH,
    sources=invoices.sources,
    # As if it had never been.
    undone=("voided",),
    without="without what was voided, or whose journal was reversed",
)


@right("q2c.view_invoice")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)


@right("q2c.view_invoice")
def one(request: HttpRequest, invoice_id: uuid.UUID) -> HttpResponse:
    found = whole_invoice.whole(request.user, invoice_id)
    if found is None:
        raise Http404
    invoice = found.invoice
    now = billing_now.of_invoice(invoice)
    context = {
        "found": found,
        "invoice": invoice,
        "order_href": links.to("order", invoice.order_id) if found.order else "",
        "crumbs": [Crumb("Invoices", links.to("invoices")), Crumb(invoice.number)],
        "coming": story.coming(found.coming),
        "nothing_comes": _nothing_comes(found, now),
        "now": now,
        "changes": _changes(invoice, now),
        "reversing": _reversing(invoice) if now else None,
        "cases": story.cases(found.cases),
        "cases_say": story.cases_say(found.cases),
        "steps": story.steps(found.steps, found.fronts),
        "timeline": story.timeline("invoice", found.moves, found.steps, found.cases, found.approvals),
        "facts": facts(
            ("Customer", found.parties.customer),
            ("Billed to", found.parties.billed),
            ("Billing account", invoice.account),
            ("Invoice group", invoice.group),
            ("Subscription", invoice.subscription_number),
            ("Entity", invoice.entity),
        ),
        "checks": _checks(found),
        "reversal": _reversal(found.marks.reversal),
        # What is left of it in billing, where its journal is reversed.
        "left": next((one for one in found.marks.differences if one.why == "reversed"), None),
        "differences": story.given_up(found.differences),
        "redated": decided.decision(found.redated) if found.redated else None,
        "reversed_elsewhere": decided.items(found.reversed_elsewhere),
        "journals": [
            {
                "table": debits.table(view),
                "href": links.to("journal", view.id),
                "view": view,
                "reversal": found.marks.reversal is not None and view.id == found.marks.reversal.mirror.id,
            }
            for view in found.journals
        ],
        "may_see_journals": request.user.has_perm("ledger.view_journalentry"),
        "trace": links.to("trace", q=invoice.number),
    }
    return render(request, "invoice/page.html", context)


def _changes(invoice: Invoice, now: billing_now.BillingNow | None) -> list[Change]:
    """In which fields the newest version of billing differs from the one that is booked."""
    if now is None or now.document is None:
        return []
    return differing.of_one(invoice.source, parsed(invoice.event.payload), now.where, parsed(now.document))


def _reversing(invoice: Invoice) -> dict[str, Any] | None:
    """The journal to reverse where billing has the invoice otherwise by now, and whether that can be asked for."""
    booked = billing_now.booked_by(invoice.event_id)
    if booked is None:
        return None
    return {"entry": booked.entry, "href": links.to("journal", booked.entry.id), "may": booked.may_be_reversed}


def _nothing_comes(found: whole_invoice.Whole, now: billing_now.BillingNow | None = None) -> str:
    """What is left where no step is open: a payment, where the books hold that something is owed."""
    said, invoice = "Nothing is under way.", found.invoice
    if invoice.state == "voided" or (found.marks.reversal is not None and found.marks.reversal.done):
        return f"{said} Nothing of it stands in the books, so nothing is due by them."
    if any(one.kind == "unread" for one in found.differences):
        return f"{said} By the books payment is due as said above; what billing asks for by now could not be read."
    if now is not None:
        return f"{said} What is due is said above: the books and billing do not agree."
    if invoice.total_minor <= 0:
        return f"{said} It asks for no payment{': it is a credit' if invoice.total_minor < 0 else ''}."
    return f"{said} Payment is due as said above."


def _checks(found: whole_invoice.Whole) -> list[tuple[bool, str]]:
    """What ties the invoice to its order, each with whether it holds."""
    tie, invoice = found.tie, found.invoice
    group = tie.group
    return [
        (group is not None, f"Bills group {invoice.group} of its order"),
        (tie.entity_agrees, f"Entity {invoice.entity} is the group's"),
        (tie.currency_agrees, f"Currency {invoice.currency} is the group's"),
        (tie.sums_agree, "Its lines and their tax make its total"),
    ]
