"""An invoice that is recorded comes once more: the same, changed in billing since, or another one under its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exceptions.sentences import listed
from ledger import journal
from q2c.connectors.outcomes import Posted
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Invoice
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import taken_back_there
from q2c.stages.verb import Differs, Work

# Where the change in billing is right: no invoice is booked anew under a number whose journal was reversed.
_TO_STAND = (
    "Is the change to stand, reverse its journal here and have billing void it and issue it anew under another number"
)


def renumbered(work: Work, there: Invoice) -> None:
    """A document that is booked comes again under another number."""
    invoice = work.fact.payload
    work.reject(
        Reason.INVOICE_CHANGED,
        f"Document {invoice.billing_reference} of {work.fact.source} is booked as invoice {there.number}, and was "
        f"changed there since: it is {invoice.invoice_number} of {invoice.legal_entity} now",
        pointer="/billing_reference",
        seen=invoice.billing_reference,
        remedy="Put it back in billing as it was, and this ends by itself. " + _TO_STAND,
        differs=_differs(invoice, there),
    )


def told(work: Work, double: Invoice) -> None:
    """The same invoice once more: done if it is equal and stands in the books, a finding if it is not."""
    invoice = work.fact.payload
    if journal.taken_back([double.event_id]):
        work.reject(
            Reason.INVOICE_DUPLICATE,
            f"Invoice {invoice.invoice_number} is recorded, and its journal was reversed: the books hold none of it",
            pointer="/invoice_number",
            seen=invoice.invoice_number,
            remedy="Close this if it is to stay reversed. Reversed by mistake: reverse the reversal, which restores "
            "what was booked. Booked wrongly: have billing void it and issue it anew under another number",
        )
        return
    said, recorded = _said(invoice), _recorded(double)
    # Each system has a reference of its own.
    ours = work.fact.source != double.source
    differing = [name for name in said if said[name] != recorded[name] and not (ours and name == "billing_reference")]
    if not differing:
        work.outcome = Posted(reference=str(double.id), document=double.number, found=True)
        return
    if not ours and invoice.billing_reference == double.billing_reference:
        _changed(work, double, said, recorded, differing)
        return
    what = listed([f"another {_NAMES.get(name, name.replace('_', ' '))}" for name in differing])
    work.reject(
        Reason.INVOICE_DUPLICATE,
        f"Invoice {invoice.invoice_number} is recorded already, and comes again with {what}",
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy="Compare both in billing; void the wrong one",
    )


def _changed(
    work: Work, there: Invoice, said: Mapping[str, object], recorded: Mapping[str, object], differing: Sequence[str]
) -> None:
    """One document of billing, changed there after it was booked: the books keep what they hold."""
    invoice = work.fact.payload
    differs = _differs(invoice, there)
    what = listed([_was(name, recorded[name], said[name], differs) for name in differing])
    work.reject(
        Reason.INVOICE_CHANGED,
        f"Invoice {invoice.invoice_number} is booked, and was changed in {work.fact.source} since: {what}",
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy="Put it back in billing as it was, and this ends by itself. " + _TO_STAND,
        differs=differs,
    )


def _differs(invoice: InvoiceDocument, there: Invoice) -> Differs:
    """A journal that was re-dated here stands in its period by decision: only a date that billing moved is another."""
    booked_in = taken_back_there.period_of(there)
    elsewhere = invoice.legal_entity != there.entity
    moved = elsewhere or invoice.issued_on != there.issued_on
    return Differs(
        booked=Money(there.total_minor, there.currency),
        now=Money(invoice.total_minor, invoice.currency),
        entity=there.entity,
        booked_in=booked_in,
        now_entity=invoice.legal_entity if elsewhere else "",
        now_in=taken_back_there.period_on(invoice.legal_entity, invoice.issued_on) if moved else booked_in,
        booked_on=there.issued_on,
        now_on=invoice.issued_on,
    )


def _was(name: str, before: object, now: object, differs: Differs) -> str:
    """its issue date was 2026-11-24 and is 2026-11-27; another net amount on a line"""
    called = _NAMES.get(name, name.replace("_", " "))
    if name.startswith("line_"):
        return f"another {called}"
    if name == "total_minor":
        before, now = differs.booked, differs.now
    return f"its {called} was {before or 'empty'} and is {now or 'empty'}"


# As people call the fields in which two versions of one invoice differ.
_NAMES = {
    "billing_reference": "number at its source",
    "group": "invoice group",
    "issued_on": "issue date",
    "due_on": "due date",
    "total_minor": "total",
    "line_line": "line number",
    "line_service_starts_on": "start of service on a line",
    "line_service_ends_on": "end of service on a line",
    "line_net_minor": "net amount on a line",
    "line_tax_minor": "tax on a line",
}
_HEAD = (
    "billing_reference", "account", "group", "currency", "issued_on", "due_on", "total_minor",
)  # fmt: skip
_LINE = (
    "line", "product", "kind", "charge", "description", "quantity", "service_starts_on", "service_ends_on", "net_minor",
    "tax_minor", "tax_code",
)  # fmt: skip


def _said(invoice: InvoiceDocument) -> dict[str, object]:
    """All that is kept of an invoice, by name; lines in their order."""
    lines = sorted(invoice.lines, key=lambda line: line.line)
    return {
        "order": invoice.order_number,
        "subscription": invoice.subscription,
        **{name: getattr(invoice, name) for name in _HEAD},
        **{f"line_{name}": [getattr(line, name) for line in lines] for name in _LINE},
    }


def _recorded(invoice: Invoice) -> dict[str, object]:
    lines = list(invoice.lines.order_by("line"))
    return {
        "order": invoice.order.number,
        "subscription": invoice.subscription_number,
        **{name: getattr(invoice, name) for name in _HEAD},
        **{f"line_{name}": [getattr(line, name) for line in lines] for name in _LINE},
    }
