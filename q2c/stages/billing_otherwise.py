"""What billing has of an invoice that another system tells of: whoever decides about that one reads it.

Billing is the master of what a customer owes, and a legal entity gives a number once. What billing told is stopped
itself, waits or was given up; or it is not what is booked, since the other system told of it first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Invoice
from q2c.money import Money
from q2c.reasons import APPROVALS, Reason
from q2c.stages import in_billing
from q2c.stages.verb import Finding, Work

# Source, legal entity and number, as a system tells of an invoice.
Told = tuple[str, str, str]
# Where findings of these point, and no other that a second person is asked about.
AT = "/total_minor"
# By number, of systems other than billing: the document that billing has, as in_billing.py knows it.
_NAMED = f"""
SELECT m.source, m.entity, m.number, d.order_key
FROM unnest(%s::text[], %s::text[], %s::text[]) AS m(source, entity, number)
CROSS JOIN LATERAL (SELECT {in_billing.document_of("m.number", "m.entity")}) d(order_key)
WHERE m.source NOT IN {in_billing.SYSTEMS} AND d.order_key IS NOT NULL
"""
_NEWEST = """
SELECT DISTINCT ON (k.order_key) k.order_key, s.state = 'abandoned' AND s.reason = ANY(%s::text[]), e.source, s.entity,
  s.business_key, (e.payload ->> 'issued_on')::date, s.amount_minor, s.currency
FROM unnest(%s::text[]) AS k(order_key)
JOIN q2c_step s ON s.order_key = k.order_key AND s.stage = 'record_invoice' JOIN q2c_event e ON e.id = s.event_id
ORDER BY k.order_key, e.occurred_at DESC, s.seq DESC
"""
_ENDED = [str(Reason.SUPERSEDED), str(Reason.INVOICE_CANCELLED)]


class There(NamedTuple):
    """The newest version of a document of billing."""

    source: str
    entity: str
    number: str
    issued_on: dt.date
    worth: Money

    @property
    def told(self) -> str:
        return f"at {self.worth}, dated {self.issued_on}"

    def called(self, entity: str, number: str) -> str:
        """ "as INV-9 of DE01", where it has another name there by now."""
        return "" if (entity, number) == (self.entity, self.number) else f" as {self.number} of {self.entity}"


def of_told(told: Collection[Told]) -> dict[Told, There]:
    """What billing has of each, whether otherwise or not. Two statements."""
    rows = bulk.execute(_NAMED, [list(column) for column in zip(*sorted(told), strict=True)]) if told else []
    newest = _newest([key for *_, key in rows])
    return {(source, entity, number): newest[key] for source, entity, number, key in rows if key in newest}


def of_booked(invoice: Invoice) -> There | None:
    """What billing has of an invoice that another system told of and that is booked. Two statements at most."""
    keys = in_billing.documents_of([invoice])
    return next(iter(_newest(list(keys.values())).values()), None)


def _newest(order_keys: Sequence[str]) -> dict[str, There]:
    rows = bulk.execute(_NEWEST, [_ENDED, list(order_keys)]) if order_keys else []
    return {
        key: There(source, entity, number, day, Money(minor, code))
        for key, ended, source, entity, number, day, minor, code in rows
        if not ended and code
    }


def there(works: Sequence[Work]) -> dict[Told, There]:
    return of_told({named(work.fact.source, work.fact.payload) for work in works})


def named(source: str, invoice: InvoiceDocument) -> Told:
    return source, invoice.legal_entity, invoice.invoice_number


def beside(work: Work, found: Sequence[Finding], known: dict[Told, There]) -> list[Finding]:
    """With what a second person is asked of an invoice, one more where billing has it otherwise: what billing changes
    in it afterwards is asked anew."""
    invoice, asked = work.fact.payload, [one.reason for one in found if one.reason in APPROVALS]
    text = said(work.fact.source, invoice, known.get(named(work.fact.source, invoice)))
    if not asked or not text:
        return []
    remedy = "Approve it if it is to be booked so all the same, and have one of the two made as the other"
    return [Finding(reason=asked[0], text=text, pointer=AT, seen=invoice.total_minor, remedy=remedy)]


def said(source: str, invoice: InvoiceDocument, has: There | None) -> str:
    """Empty where billing has none of it, or the same amount and date."""
    mine = Money(invoice.total_minor, invoice.currency)
    if has is None or (has.issued_on, has.worth) == (invoice.issued_on, mine):
        return ""
    if has.worth.currency != mine.currency:
        leaves = "leaves it in two currencies"
    elif has.worth != mine:
        leaves = f"leaves a difference of {has.worth - mine}"
    else:
        leaves = "leaves it dated on two days"
    name = f"{invoice.invoice_number}{has.called(invoice.legal_entity, invoice.invoice_number)}"
    booked = f"booking it as {source} tells it, at {mine}, dated {invoice.issued_on}"
    return f"{has.source} has {name} {has.told}: {booked}, {leaves}"
