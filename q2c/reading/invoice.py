"""One invoice, whole: its lines, how it ties to its order, its journals with their lines, its numbers everywhere."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, Sum

from exceptions.models import Approval, Case
from exceptions.models.case import called
from ledger import journal
from ledger.journal import EntryView
from ledger.models import JournalEntry
from q2c.models import CrossReference, Invoice, InvoiceLine, Order, OrderGroup, Product, Step, Subscription, Transition
from q2c.reading import coming, differences, given_up, held, parties, redated_items, reversed_items
from q2c.reading import marks as invoice_marks
from q2c.reading.approvals import of_cases
from q2c.reading.invoices import named_as

ROWS_MAX = 100


@dataclass(frozen=True, slots=True)
class Tie:
    """What the order's group says beside the invoice: what was sold, and what all its invoices bill so far.

    Net, over every invoice of the group that stands, so none that is voided or credited, was cancelled in billing or
    whose journal was reversed: `billed_minor` of what was sold for an
    amount, `usage_minor` of usage, which is sold by price alone.
    """

    group: OrderGroup | None
    billed_minor: int
    usage_minor: int
    invoices: int
    entity_agrees: bool
    currency_agrees: bool
    sums_agree: bool


@dataclass(kw_only=True, slots=True)
class Whole:
    """What the invoice's page and its API address show."""

    invoice: Invoice
    order: Order | None
    lines: list[tuple[InvoiceLine, str]]
    tie: Tie
    parties: parties.Parties
    marks: invoice_marks.Marks
    journals: list[EntryView]
    documents: list[tuple[str, str, str, Any]]
    steps: list[Step] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    moves: list[Transition] = field(default_factory=list)
    coming: list[coming.Coming] = field(default_factory=list)
    fronts: dict[uuid.UUID, held.Front] = field(default_factory=dict)
    differences: list[differences.Difference] = field(default_factory=list)
    # By which it is booked on another day than its own.
    redated: redated_items.Decision | None = None
    # What reversals of its journal in other months left in single months, where all in all nothing differs.
    reversed_elsewhere: list[reversed_items.Item] = field(default_factory=list)


def whole(user: Any, invoice_id: uuid.UUID) -> Whole | None:
    """The invoice if the user may see it; of what came of it, what the user may see. About a dozen statements."""
    invoice = Invoice.objects.visible_to(user).filter(id=invoice_id).select_related("event").first()
    if invoice is None:
        return None
    order = Order.objects.visible_to(user).filter(id=invoice.order_id).defer("document").first()
    lines = list(InvoiceLine.objects.filter(invoice=invoice).order_by("line"))
    products = dict(Product.objects.filter(code__in={line.product for line in lines}).values_list("code", "name"))
    entries = JournalEntry.objects.visible_to(user).filter(
        business_document=f"invoice:{invoice.number}", entity__code=invoice.entity
    )
    ids = list(entries.order_by("id").values_list("id", flat=True)[:ROWS_MAX])
    journals = journal.read(ids)
    steps = list(
        Step.objects.visible_to(user).filter(business_key=invoice.number, entity=invoice.entity).select_related("event")
        .defer("event__payload").order_by("seq")[:ROWS_MAX]
    )  # fmt: skip
    left = given_up.of_invoice(user, invoice)
    marks = invoice_marks.of(user, [invoice], left)[invoice.id]
    # Changed in billing, it may have come under another number.
    cases = _cases(user, invoice, [*steps, *(one.step for one in marks.open if one.step)])
    fronts = held.in_front(user, steps)
    return Whole(
        invoice=invoice,
        order=order,
        lines=[(line, products.get(line.product, "")) for line in lines],
        tie=_tie(invoice, lines),
        parties=parties.of_invoices([invoice])[invoice.id],
        marks=marks,
        journals=journals,
        documents=_documents(user, invoice, journals),
        steps=steps,
        cases=cases,
        approvals=of_cases(user, cases),
        moves=list(Transition.objects.filter(record_id=invoice.id).order_by("id")),
        coming=coming.next_of(steps, {case.step_id: case for case in cases if case.step_id}, fronts),
        fronts=fronts,
        differences=left,
        redated=redated_items.of_invoice(invoice),
        reversed_elsewhere=reversed_items.of_invoice(invoice),
    )


def _cases(user: Any, invoice: Invoice, steps: Iterable[Step]) -> list[Case]:
    asked = Q(step_id__in=[step.id for step in steps]) | named_as([invoice])
    # One that cannot be read may print another number.
    asked |= called([invoice.billing_reference]) & Q(source=invoice.source[:60])
    rows = Case.objects.visible_to(user).filter(asked).select_related("owner_team", "assignee").defer("haystack")
    return list(rows.order_by("-opened_at", "-id")[:ROWS_MAX])


def _tie(invoice: Invoice, lines: Iterable[InvoiceLine]) -> Tie:
    group = OrderGroup.objects.filter(order=invoice.order_id, key=invoice.group).first()
    counted = Invoice.objects.filter(
        order=invoice.order_id, group=invoice.group, taken_back_at__isnull=True, reversed_at__isnull=True
    ).exclude(state__in=("voided", "credited"))
    bills = InvoiceLine.objects.filter(invoice__in=counted)
    sums = bills.aggregate(
        usage=Sum("net_minor", filter=Q(kind="usage")), sold=Sum("net_minor", filter=~Q(kind="usage"))
    )
    return Tie(
        group=group,
        billed_minor=sums["sold"] or 0,
        usage_minor=sums["usage"] or 0,
        invoices=counted.count(),
        entity_agrees=group is not None and group.entity == invoice.entity,
        currency_agrees=group is not None and group.currency == invoice.currency,
        sums_agree=sum(line.net_minor + line.tax_minor for line in lines) == invoice.total_minor,
    )


def _documents(user: Any, invoice: Invoice, journals: Iterable[EntryView]) -> list[tuple[str, str, str, Any]]:
    """(platform, what, number there, since when) of everything that other systems hold of this invoice."""
    found: list[tuple[str, str, str, Any]] = [(invoice.source, "invoice", invoice.number, invoice.recorded_at)]
    if invoice.billing_reference != invoice.number:
        found.append((invoice.source, "its id", invoice.billing_reference, invoice.recorded_at))
    subscription = Subscription.objects.filter(number=invoice.subscription_number).first()
    if subscription is not None and subscription.reference:
        found.append((subscription.connection, "subscription", subscription.reference, subscription.provisioned_at))
    keys = [str(entry.id) for entry in journals] + [invoice.account]
    for row in CrossReference.objects.visible_to(user).filter(our_key__in=keys).order_by("at"):
        found.append((row.connection, row.kind, row.document or row.reference, row.at))
    return found
