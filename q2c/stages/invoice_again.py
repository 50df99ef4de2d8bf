"""An invoice that is recorded comes once more: the same, changed in billing since, or another one under its number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exceptions.sentences import listed
from ledger import journal
from q2c.connectors.outcomes import Posted
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Invoice
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import billing_otherwise, cancelled_there, fiscal, sides
from q2c.stages.verb import Differs, Finding, Work

# Where the change in billing is right: no invoice is booked anew under a number whose journal was reversed.
_TO_STAND = (
    "Put it back in billing as it was, and this ends by itself. Is the change to stand, reverse its journal here and "
    "have billing void it and issue it anew under another number"
)
_UNPOSTED = (
    "Put it back in billing as it was, and this ends by itself. Is the change to stand, have billing void it and issue "
    "it anew under another number: voided there, it leaves the books here, as far as its journal was not sent. What is "
    "posted by then, a person reverses"
)
_TO_STAND_THERE = (
    "Have billing make it as it is booked here, and this ends by itself. Is what billing has to stand, reverse its "
    "journal here, once that is posted, and have billing void it and issue it anew under another number"
)
_AS_BOOKED = (
    "Is it to stay reversed, have billing void it, and issue it anew under another number where it was booked wrongly. "
    "Reversed by mistake: reverse the reversal, which restores what was booked, and this ends by itself"
)
_AS_BILLING = (
    "What billing has counts, and nothing of this is booked. Told again as it is booked, this ends by itself; else "
    "close it once the other system is put right"
)
_REVERSED = (
    "Is the change to stand, have billing void it and issue it anew under another number. Reversed by mistake: reverse "
    "the reversal, which restores what was booked"
)


def renumbered(work: Work, there: Invoice) -> None:
    """A document that is booked comes again under another number."""
    work.findings.append(changed(work.fact.source, work.fact.payload, there))


def told(work: Work, double: Invoice, is_billings: bool) -> None:
    """The same invoice once more: done if it is equal and stands in the books, a finding if it is not.

    `is_billings`: another system told of it first, and this is what billing has of it (in_billing.py).
    """
    invoice = work.fact.payload
    differing = _differing(work.fact.source, invoice, double)
    same = (work.fact.source, invoice.billing_reference) == (double.source, double.billing_reference)
    is_reversed = bool(journal.taken_back([double.event_id]))
    if (differing or is_reversed) and (same or is_billings):
        work.findings.append(changed(work.fact.source, invoice, double))
        return
    if is_reversed:
        work.reject(
            Reason.INVOICE_DUPLICATE,
            f"Invoice {invoice.invoice_number} is recorded, and its journal was reversed: the books hold none of it",
            pointer="/invoice_number",
            seen=invoice.invoice_number,
            remedy="Close this if it is to stay reversed. Reversed by mistake: reverse the reversal, which restores "
            "what was booked. Booked wrongly: have billing void it and issue it anew under another number",
        )
        return
    if not differing:
        work.outcome = Posted(reference=str(double.id), document=double.number, found=True)
        return
    what = listed([_another(name, *pair) for name, pair in differing.items()])
    recorded, remedy = "recorded already, and comes again", "Compare both in billing; void the wrong one"
    if work.fact.source != double.source:
        recorded = f"recorded already as {double.source} told of it, and comes from {work.fact.source}"
        remedy = "What is booked stands, and nothing of this is booked. Have the other system put right, and close this"
    work.reject(
        Reason.INVOICE_DUPLICATE,
        f"Invoice {invoice.invoice_number} is {recorded} with {what}",
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy=remedy,
    )


def hold(works: Sequence[Work]) -> None:
    """Said by record of what another one is done by: that stays in the books from now on (not_owed.told_twice), and
    whoever takes it out at this moment is waited for, or waits. Out of them, it is recorded anew."""
    told = {work.outcome.reference: work for work in works if isinstance(work.outcome, Posted) and work.outcome.found}
    standing = Invoice.objects.select_for_update().filter(id__in=list(told)).exclude(state="voided").order_by("id")
    gone = told.keys() - {str(id_) for id_ in standing.values_list("id", flat=True)} if told else set()
    for reference in gone:
        told[reference].again("What was recorded of it has just left the books: looked at anew")


def is_as_recorded(source: str, invoice: InvoiceDocument, there: Invoice) -> bool:
    named = (invoice.legal_entity, invoice.invoice_number) == (there.entity, there.number)
    return named and not _differing(source, invoice, there)


def changed(source: str, invoice: InvoiceDocument, there: Invoice) -> Finding:
    """One document of billing, changed there after it was booked: the books keep what they hold, or hold none of it.
    So it is where their journal was reversed, and billing posts it again as it was.

    What another system told of first, billing may have, too: then that is what the books differ from, and what this one
    says anew is told beside it.
    """
    differs = _differs(invoice, there)
    if (invoice.legal_entity, invoice.invoice_number) != (there.entity, there.number):
        pointer, seen = "/billing_reference", invoice.billing_reference
        document = f"Document {invoice.billing_reference} of {source}"
        as_invoice = f" as invoice {there.number}"
        what = f"it is {invoice.invoice_number} of {invoice.legal_entity} now"
    else:
        pointer, seen = "/invoice_number", invoice.invoice_number
        document, as_invoice = f"Invoice {invoice.invoice_number}", ""
        totals = Money(there.total_minor, there.currency), differs.now
        differing = _differing(source, invoice, there)
        what = listed([_was(name, was, now, totals) for name, (was, now) in differing.items()])
    elsewhere = there.source != source
    of_billing = "" if elsewhere else _of_billing(there)
    by = f" as {there.source} told of it" if elsewhere or of_billing else ""
    gone = ", and its journal was reversed: the books hold none of it." if differs.is_reversed else ", and"
    text = f"{document} {'was' if differs.is_reversed else 'is'} booked{as_invoice}{by}{gone} "
    if of_billing:
        text += f"{source} tells it anew{f': {what}' if what else ' as it was booked'}. {of_billing}"
        remedy = _AS_BILLING
    else:
        text += _otherwise(source, differs, elsewhere, what)
        remedy = _remedy(differs, there, elsewhere) if what else _AS_BOOKED
    return Finding(
        reason=Reason.INVOICE_CHANGED, text=text, pointer=pointer, seen=seen, remedy=remedy,
        differs=None if of_billing else differs,
    )  # fmt: skip


def _otherwise(source: str, differs: Differs, elsewhere: bool, what: str) -> str:
    if not what:
        return f"{source} has it posted as it was booked"
    if elsewhere:
        return f"{source} has it otherwise: {what}"
    if differs.is_reversed:
        return f"It was changed in {source} since it was booked: {what}"
    return f"was changed in {source} since: {what}"


def _of_billing(there: Invoice) -> str:
    """What billing says of an invoice that another system told of first; empty where it says nothing."""
    taken_by = cancelled_there.takers([there]) if there.taken_back_at is not None else {}
    if there.id in taken_by:
        return f"{taken_by[there.id]} has taken it back"
    has = billing_otherwise.of_booked(there)
    if has is None:
        return ""
    same = (has.issued_on, has.worth) == (there.issued_on, Money(there.total_minor, there.currency))
    return f"{has.source} has it{has.called(there.entity, there.number)} {'as it is booked' if same else has.told}"


def _remedy(differs: Differs, there: Invoice, elsewhere: bool) -> str:
    if differs.is_reversed:
        return _REVERSED
    if elsewhere:
        return _TO_STAND_THERE
    return _UNPOSTED if there.state == "recorded" else _TO_STAND


def _differs(invoice: InvoiceDocument, there: Invoice) -> Differs:
    """A journal that was re-dated here stands in its period by decision: only a date that billing moved is another."""
    books = sides.books_of([there])[there.id]
    now = sides.Version(invoice.legal_entity, invoice.issued_on, Money(invoice.total_minor, invoice.currency))
    month = sides.month_of(there, books, now, fiscal.periods_on({(now.entity, now.issued_on)}))
    differing = () if books.is_as_booked else sides.apart(there, books, now, month)
    return Differs(
        booked=Money(books.total, there.currency),
        now=now.worth,
        entity=there.entity,
        booked_in=books.booked_in[1],
        now_entity=now.entity if now.entity != there.entity else "",
        now_in=month[1],
        booked_on=books.booked_on,
        now_on=invoice.issued_on,
        is_reversed=not books.stands,
        turned=(*differing[-1:], *differing[:-1]),
    )


def since(before: InvoiceDocument, now: InvoiceDocument, elsewhere: bool) -> str:
    """What two versions of a document that was never booked say otherwise, as changed() tells it; empty: nothing.
    `elsewhere`: two systems told of it."""
    was, is_ = (
        {"invoice_number": one.invoice_number, "legal_entity": one.legal_entity, **_said(one)} for one in (before, now)
    )
    totals = Money(before.total_minor, before.currency), Money(now.total_minor, now.currency)
    return listed([_was(name, *pair, totals) for name, pair in _apart(was, is_, elsewhere).items()])


def _was(name: str, before: Any, now: Any, totals: tuple[Money, Money]) -> str:
    """its issue date was 2026-11-24 and is 2026-11-27; one line fewer; another net amount on a line"""
    if name.startswith("line_"):
        return _another(name, before, now)
    if name == "total_minor":
        before, now = totals
    was, is_ = ("empty" if one in (None, "") else one for one in (before, now))
    return f"its {_called(name)} was {was} and is {is_}"


def _another(name: str, before: Any, now: Any) -> str:
    """another due date; one line fewer"""
    more = len(now) - len(before) if name == _LINES else 0
    if not more:
        return f"another {_called(name)}"
    number = _FEW[abs(more)] if abs(more) < len(_FEW) else str(abs(more))
    return f"{number} line{'' if abs(more) == 1 else 's'} {'more' if more > 0 else 'fewer'}"


def _called(name: str) -> str:
    return _NAMES.get(name, name.replace("_", " "))


_All = dict[str, Any]

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
# What tells how many there are.
_LINES = "line_line"
_FEW = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_HEAD = (
    "billing_reference", "account", "group", "currency", "issued_on", "due_on", "total_minor",
)  # fmt: skip
_LINE = (
    "line", "product", "kind", "charge", "description", "quantity", "service_starts_on", "service_ends_on", "net_minor",
    "tax_minor", "tax_code",
)  # fmt: skip


def _differing(source: str, invoice: InvoiceDocument, there: Invoice) -> dict[str, tuple[object, object]]:
    """What is recorded and what is said, by the name of each field that differs. Each system has its own reference."""
    return _apart(_recorded(there), _said(invoice), elsewhere=source != there.source)


def _apart(was: _All, now: _All, elsewhere: bool) -> dict[str, tuple[object, object]]:
    """Of lines of another number only that is told: each of their fields has as many more, or fewer."""
    found = {name: (was[name], is_) for name, is_ in now.items() if is_ != was[name]}
    if elsewhere:
        found.pop("billing_reference", None)
    if len(was[_LINES]) != len(now[_LINES]):
        return {name: pair for name, pair in found.items() if name == _LINES or not name.startswith("line_")}
    return found


def _said(invoice: InvoiceDocument) -> _All:
    """All that is kept of an invoice, by name; lines in their order."""
    lines = sorted(invoice.lines, key=lambda line: line.line)
    return {
        "order": invoice.order_number,
        "subscription": invoice.subscription,
        **{name: getattr(invoice, name) for name in _HEAD},
        **{f"line_{name}": [getattr(line, name) for line in lines] for name in _LINE},
    }


def _recorded(invoice: Invoice) -> _All:
    lines = list(invoice.lines.order_by("line"))
    return {
        "order": invoice.order.number,
        "subscription": invoice.subscription_number,
        **{name: getattr(invoice, name) for name in _HEAD},
        **{f"line_{name}": [getattr(line, name) for line in lines] for name in _LINE},
    }
