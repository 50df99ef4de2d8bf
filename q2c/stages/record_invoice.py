"""record_invoice: an issued invoice ties to its order, and becomes a balanced, numbered, frozen journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from ledger import journal
from ledger.derivation import spoken
from q2c import bulk, clock, states
from q2c.connectors.outcomes import Blocker, Unavailable
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import InvoiceFact, JournalFact
from q2c.models import Invoice, InvoiceLine, Order, Subscription
from q2c.reasons import Reason
from q2c.stages import (
    billed,
    booking,
    fiscal,
    in_billing,
    invoice_again,
    not_theirs,
    orders,
    restated,
    term_of_invoices,
    terms_of_lines,
)
from q2c.stages.cancelled_there import turn_of
from q2c.stages.provision_billing import subscription_number
from q2c.stages.verb import Fact, Finding, OpenPort, Part, Said, Verb, Work
from q2c.stages.versions import Versions, invoice_key

# Billing can be faster than we are: an invoice waits this many tries for its order before a person is asked, and so
# does a credit for what it takes back.
_TRIES = 6


# Billing corrects an invoice under its reference, be it under another number. Another reference is another invoice.
VERSIONS = Versions(stage="record_invoice", noun="invoice", by="order_key", lasting=True)


class RecordInvoice(Verb):
    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        numbers = {fact.payload.order_number for fact in facts}
        names = dict(Order.objects.filter(number__in=numbers).values_list("number", "customer_name"))
        periods = fiscal.periods_on({_day(fact.payload) for fact in facts})
        return [[_part(fact, names.get(fact.payload.order_number, ""), periods[_day(fact.payload)])] for fact in facts]

    def planned(self, facts: Sequence[Fact]) -> None:
        VERSIONS.supersede_older(invoice_key(fact.source, fact.payload.billing_reference) for fact in facts)

    def prepare(self, works: Sequence[Work]) -> None:
        works = VERSIONS.leave_overtaken(works)
        numbers = {work.fact.payload.order_number for work in works}
        found = {o.number: o for o in Order.objects.filter(number__in=numbers).prefetch_related("groups", "lines")}
        data = booking.catalogue(work.fact.payload for work in works)
        cancelled = term_of_invoices.ended(found.values())
        for work in _not_recorded(works):
            invoice, order = work.fact.payload, found.get(work.fact.payload.order_number)
            if order is None or order.accepted_at is None:
                _wait_for_order(work)
            else:
                work.notes["order"] = order
                work.findings = [
                    *check(invoice, order),
                    *term_of_invoices.undated(invoice),
                    *term_of_invoices.out_of_term(
                        invoice, order, term_of_invoices.of_group(cancelled, order, invoice.group)
                    ),
                ]
                if undecided := terms_of_lines.undecided(invoice, order):
                    work.findings += undecided
                    continue
                work.request = booking.fact_of(work.fact.id, work.fact.correlation_id, invoice, order, data)
        for work in billed.ahead_of_what_they_credit([w for w in works if w.request is not None and w.is_open]):
            _wait_for_invoice(work)

    def record(self, works: Sequence[Work]) -> None:
        fresh = [work for work in works if work.request is not None]
        bulk.take_turns(turn_of(name) for work in fresh for name in (_identity(work), _reference(work)))
        fresh = _not_recorded(fresh)
        invoice_again.hold(works)
        _told_first_elsewhere(works)
        fresh = _one_of_each(fresh)
        billed.tie(fresh)
        fresh = [work for work in fresh if not work.findings]
        results = journal.post_ready([work.request for work in fresh])
        good: list[tuple[Work, Any]] = []
        for work, result in zip(fresh, results, strict=True):
            if result.findings:
                work.findings = [finding_of(found) for found in result.findings]
            else:
                good.append((work, result))
        _write([work for work, _ in good])
        for work, result in good:
            if result.outcome == "nothing":
                # Usage within its allowance: billing tells the customer, the books have nothing to say.
                work.step.proof["books"] = "nothing: every amount is zero"
            else:
                _emit(work, result)

    def failed(self, works: Sequence[Work]) -> None:
        _told_first_elsewhere(VERSIONS.leave_overtaken(works))

    def preview(self, work: Work) -> dict[str, Any]:
        if work.request is None:
            return {}
        shown = journal.preview([work.request])[0]
        # The books, what was billed so far and the ledger that comes after are asked as the step is recorded and
        # posted; a dry run asks them now.
        billed.tie([work])
        work.findings += [finding_of(found) for found in shown.findings]
        if shown.entry is not None and not work.findings:
            work.notes["ahead"] = booking.ahead(shown.entry)
        return {"journal": shown}

    def asks(self, work: Work) -> str:
        return work.notes["ahead"].connection if work.notes.get("ahead") else ""

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        return booking.check_ahead(open_port, works, "The invoice would be recorded, but its journal stopped")


def _identity(work: Work) -> tuple[str, str]:
    """Whatever system says so: an entity issues a number once."""
    return work.fact.payload.legal_entity, work.fact.payload.invoice_number


def _reference(work: Work) -> tuple[str, str]:
    """A system gives each of its documents a reference of its own, whatever number it prints on it."""
    return work.fact.source, work.fact.payload.billing_reference


def _one_of_each(works: Sequence[Work]) -> list[Work]:
    """The first of each number and of each reference; the others wait to see what it comes to."""
    numbers: dict[tuple[str, str], Work] = {}
    references: dict[tuple[str, str], Work] = {}
    for work in works:
        first = numbers.get(_identity(work)) or references.get(_reference(work))
        if first is None:
            numbers[_identity(work)] = references[_reference(work)] = work
        else:
            work.again(f"Invoice {work.fact.payload.invoice_number} is being recorded at this moment")
    return list(numbers.values())


def _not_recorded(works: Sequence[Work]) -> list[Work]:
    """Those that are not recorded yet; of the others it is said what comes of them."""
    there = _recorded_already(works)
    # What billing has of an invoice that another system told of first.
    billings = in_billing.known({work.step.order_key for work in works})
    renumbered = {_reference(work): one for work in works if (one := billings.get(work.step.order_key))}
    own = _recorded_otherwise(works)
    doubles = renumbered | own
    fresh = []
    for work in works:
        if of_billing := billings.get(work.step.order_key):
            work.notes["told_first_elsewhere"] = of_billing.id
        # What is booked of it stands under its earlier number, whatever else stands under this one.
        if (double := there.get(_identity(work))) and _reference(work) not in own:
            invoice_again.told(work, double, is_billings=billings.get(work.step.order_key) == double)
        elif double := doubles.get(_reference(work)):
            invoice_again.renumbered(work, double)
        else:
            fresh.append(work)
    return fresh


def _told_first_elsewhere(works: Sequence[Work]) -> None:
    told_of = {id_: work.fact.source for work in works if (id_ := work.notes.get("told_first_elsewhere"))}
    if told_of:
        restated.by_billing(told_of, "q2c")


def _recorded_already(works: Sequence[Work]) -> dict[tuple[str, str], Invoice]:
    numbers = {work.fact.payload.invoice_number for work in works}
    found = Invoice.objects.filter(number__in=numbers).exclude(state="voided").select_related("order")
    return {(invoice.entity, invoice.number): invoice for invoice in found}


def _recorded_otherwise(works: Sequence[Work]) -> dict[tuple[str, str], Invoice]:
    """What stands under the reference of these, and another number."""
    references = {work.fact.payload.billing_reference for work in works}
    found = Invoice.objects.filter(billing_reference__in=references).exclude(state="voided")
    numbers = {_reference(work): _identity(work) for work in works}
    there = {(invoice.source, invoice.billing_reference): invoice for invoice in found}
    return {key: one for key, one in there.items() if numbers.get(key) != (one.entity, one.number)}


def _day(invoice: InvoiceDocument) -> tuple[str, dt.date]:
    return invoice.legal_entity, invoice.issued_on


def _part(fact: Fact, customer: str, period: str) -> Part:
    invoice: InvoiceDocument = fact.payload
    return Part(
        # Versions of one invoice; another one waits for none of them, and what was recorded first has the number.
        order_key=invoice_key(fact.source, invoice.billing_reference),
        business_key=invoice.invoice_number,
        customer=customer or invoice.account,
        amount_minor=invoice.total_minor,
        currency=invoice.currency,
        entity=invoice.legal_entity,
        period=period,
    )


def _wait_for_order(work: Work) -> None:
    number = work.fact.payload.order_number
    text = f"Order {number} is not known, or not accepted yet"
    if _waits(work, text):
        return
    work.reject(
        Reason.INVOICE_ORDER_UNKNOWN,
        text,
        pointer="/order_number",
        seen=number,
        remedy="Solve the order's own case first, then replay",
        blocker=Blocker(connection="", object_type="order", object_key=number, condition="not_accepted"),
    )


def _waits(work: Work, text: str) -> bool:
    waited = work.step.failures.get(Reason.PLATFORM_BUSY, 0)
    if waited < _TRIES:
        work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=2.0**waited)
    return waited < _TRIES


def _wait_for_invoice(work: Work) -> None:
    """A dry run waits for nothing: it is told what a person would be."""
    invoice = work.fact.payload
    text = f"What {invoice.invoice_number} credits of order {invoice.order_number} is not billed yet"
    if work.step.state != "failed" and _waits(work, text):
        work.request = None


def check(invoice: InvoiceDocument, order: Order) -> list[Finding]:
    """The invoice says of entity, account, currency, products and sums what its order says."""
    group = next((g for g in order.groups.all() if g.key == invoice.group), None)
    found: list[Finding] = []

    def differs(field: str, seen: object, expected: object) -> None:
        found.append(
            Finding(
                reason=Reason.INVOICE_MISMATCH, pointer=f"/{field}", seen=seen,
                text=f"Invoice {invoice.invoice_number} says {field} {seen}, order {order.number} makes it {expected}",
                remedy="Correct the invoice in billing, or the order it bills, then replay",
            )
        )  # fmt: skip

    if group is None:
        differs("group", invoice.group, ", ".join(g.key for g in order.groups.all()))
        return found
    if invoice.legal_entity != group.entity:
        differs("legal_entity", invoice.legal_entity, group.entity)
    if invoice.currency != group.currency:
        differs("currency", invoice.currency, group.currency)
    # Other systems name it by its key.
    account = orders.account_key(group.bill_to, group.currency)
    if invoice.account not in (account, orders.account_number(group.bill_to, group.currency)):
        differs("account", invoice.account, account)
    if invoice.subscription and not _bills(invoice.subscription, order, group.key):
        differs("subscription", invoice.subscription, subscription_number(order, group.key))
    lines = [line for line in order.lines.all() if line.group == group.key]
    sold, kinds = {line.product for line in lines}, {(line.product, line.kind) for line in lines}
    for i, line in enumerate(invoice.lines):
        if line.product not in sold:
            differs(f"lines/{i}/product", line.product, f"one of {', '.join(sorted(sold))}")
        elif (line.product, line.kind) not in kinds:
            made = " or ".join(sorted(kind for product, kind in kinds if product == line.product))
            differs(f"lines/{i}/kind", line.kind, made)
        if line.tax_minor * line.net_minor < 0 or abs(line.tax_minor) * 2 > abs(line.net_minor):
            differs(f"lines/{i}/tax_minor", line.tax_minor, f"a part of {line.net_minor}, at most half of it")
    total = sum(line.net_minor + line.tax_minor for line in invoice.lines)
    if invoice.total_minor != total:
        differs("total_minor", invoice.total_minor, f"{total} (the sum of its lines)")
    return found


def _bills(number: str, order: Order, group: str) -> bool:
    """Whether a subscription is the group's."""
    return (
        number == subscription_number(order, group)
        or Subscription.objects.filter(order=order, group=group, number=number).exists()
    )


def finding_of(found: Any) -> Finding:
    """What the ledger cannot book, as a finding of the flow."""
    blocker = (
        Blocker(connection="", object_type=found.object_type, object_key=found.object_key, condition=str(found.reason))
        if found.object_type
        else None
    )
    more = {}
    if found.product:
        dimension = spoken(found.field.rpartition("/")[2])
        more = {"seen": found.product, "remedy": f"Give it a {dimension} in the item mapping of {found.product}"}
    return Finding(reason=found.reason, text=found.text, pointer=f"/{found.field}", blocker=blocker, **more)


def _write(works: Sequence[Work]) -> None:
    invoices = {work.step.id: _invoice(work) for work in works}
    Invoice.objects.bulk_create(invoices.values())
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoices[work.step.id], line=line.line, product=line.product, kind=line.kind, charge=line.charge,
            description=line.description, quantity=line.quantity, service_starts_on=line.service_starts_on,
            service_ends_on=line.service_ends_on, net_minor=line.net_minor, tax_minor=line.tax_minor,
            tax_code=line.tax_code,
        )
        for work in works
        for line in work.fact.payload.lines
    )  # fmt: skip
    states.move(Invoice, "record", [invoice.id for invoice in invoices.values()])
    not_theirs.recorded(invoices.values(), "q2c")
    for work in works:
        work.notes["invoice"] = invoices[work.step.id]


def _invoice(work: Work) -> Invoice:
    document, order = work.fact.payload, work.notes["order"]
    net, tax = sum(line.net_minor for line in document.lines), sum(line.tax_minor for line in document.lines)
    return Invoice(
        number=document.invoice_number, source=work.fact.source, event_id=work.fact.id, order=order,
        group=document.group, subscription_number=document.subscription, billing_reference=document.billing_reference,
        account=document.account, customer_name=order.customer_name, entity=document.legal_entity,
        currency=document.currency, issued_on=document.issued_on, due_on=document.due_on, net_minor=net, tax_minor=tax,
        total_minor=document.total_minor, recorded_at=clock.now(), correlation_id=work.fact.correlation_id,
        # Signed all the same: the books have what billing has not.
        taken_back_at=work.notes.get("cancelled_at"),
    )  # fmt: skip


def _emit(work: Work, result: Any) -> None:
    invoice: Invoice = work.notes["invoice"]
    common: dict[str, Any] = {
        "legal_entity": invoice.entity,
        "currency": invoice.currency,
        "amount_minor": invoice.total_minor,
    }
    bill = InvoiceFact(invoice_id=str(invoice.id), invoice_number=invoice.number, due_on=invoice.due_on, **common)
    work.emit("PaymentDue", bill)
    work.emit("RevenueScheduled", bill)
    work.emit(
        "JournalReady",
        JournalFact(journal_id=str(result.entry_id), number=result.number, period=result.period, **common),
    )
