"""One order, whole: its document, what the controls found, and everything that came of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from exceptions.models import Approval, Case
from ledger.models import JournalEntry, LegalEntity
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceGroup, OrderDocument, OrderLine, Phase
from q2c.models import CrossReference, Invoice, Order, OrderGroup, Product, Step, Subscription, Transition
from q2c.models.order import OPEN as OPEN_ORDERS
from q2c.models.step import OPEN
from q2c.reading import coming, controls, customers, differences, given_up, held
from q2c.reading import marks as invoice_marks
from q2c.reading.approvals import of_cases
from q2c.reading.invoices import named_as
from q2c.reasons import Reason
from q2c.stages.controls.calendar import phases_of, term_end

ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line as sold, with its product's name and its phases (one over the whole term where it has none)."""

    line: OrderLine
    product: str
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """An invoice group with its lines. Entity and payer are those the controls determined, empty before."""

    group: InvoiceGroup
    entity: str
    entity_name: str
    bill_to: str
    total_minor: int
    lines: list[Line]


@dataclass(kw_only=True, slots=True)
class Whole:
    """What the order's page and its API address show. Lists hold at most ROWS_MAX rows, the newest.

    `unrecorded`: steps of its invoices that came and are not recorded, whatever keeps them. `given_up`: what people
    gave up of its invoices, and billing or the books have all the same. `otherwise`: its invoices that billing changed
    or took back since they were booked, while a case is open about it; `marks`: what is said beside the state of each.
    """

    order: Order
    document: OrderDocument
    ends_on: Any
    groups: list[Group]
    controls: list[controls.Control]
    names: dict[str, str]
    steps: list[Step] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    unrecorded: list[Step] = field(default_factory=list)
    given_up: list[differences.Difference] = field(default_factory=list)
    otherwise: list[differences.Difference] = field(default_factory=list)
    marks: dict[uuid.UUID, invoice_marks.Marks] = field(default_factory=dict)
    journals: list[JournalEntry] = field(default_factory=list)
    references: list[CrossReference] = field(default_factory=list)
    moves: list[Transition] = field(default_factory=list)
    coming: list[coming.Coming] = field(default_factory=list)
    fronts: dict[uuid.UUID, held.Front] = field(default_factory=dict)


def whole(user: Any, order_id: uuid.UUID) -> Whole | None:
    """The order if the user may see it; of what came of it, what the user may see. About fifteen statements."""
    order = Order.objects.visible_to(user).filter(id=order_id).first()
    if order is None:
        return None
    document = stored.read(order.document, OrderDocument)
    rows = {row.key: row for row in OrderGroup.objects.filter(order=order)}
    keys = {
        order.customer_key,
        order.payer_key,
        *(g.bill_to for g in document.groups),
        *(r.bill_to for r in rows.values()),
    }
    names = {party.key: party.name for party in document.parties} | customers.names(keys)
    steps = _steps(user, order)
    invoices = list(Invoice.objects.visible_to(user).filter(order=order).order_by("-issued_on", "-id")[:ROWS_MAX])
    unrecorded, left = _unrecorded(user, order), given_up.of_order(user, order)
    marks = invoice_marks.of(user, invoices, left)
    otherwise = [one for each in marks.values() for one in each.open]
    of_steps = [*steps, *unrecorded, *(one.step for one in (*left, *otherwise) if one.step)]
    cases = _cases(user, order, of_steps, invoices)
    of_step = {case.step_id: case for case in cases if case.step_id}
    # Of an order that has ended nothing more is wanted.
    wanted = steps if order.state in OPEN_ORDERS else [step for step in steps if step.state != "abandoned"]
    fronts = held.in_front(user, steps)
    return Whole(
        order=order,
        document=document,
        ends_on=term_end(document),
        groups=_groups(document, rows, names),
        controls=controls.of(order, _findings(order, steps, of_step)),
        names=names,
        steps=steps,
        cases=cases,
        approvals=of_cases(user, cases),
        subscriptions=list(
            Subscription.objects.visible_to(user).filter(order=order).prefetch_related("segments").order_by("number")
        ),
        invoices=invoices,
        unrecorded=unrecorded,
        given_up=left,
        otherwise=otherwise,
        marks=marks,
        journals=_journals(user, invoices),
        references=_references(user, rows.values(), order),
        moves=list(Transition.objects.filter(record_id=order.id).order_by("id")),
        coming=coming.next_of(wanted, of_step, fronts),
        fronts=fronts,
    )


def _steps(user: Any, order: Order) -> list[Step]:
    rows = Step.objects.visible_to(user).filter(business_key=order.number)
    return list(rows.select_related("event").defer("event__payload").order_by("seq")[:ROWS_MAX])


def _groups(document: OrderDocument, rows: dict[str, OrderGroup], names: dict[str, str]) -> list[Group]:
    products = dict(
        Product.objects.filter(code__in={line.product for line in document.lines}).values_list("code", "name")
    )
    entities = dict(LegalEntity.objects.values_list("code", "name"))
    found = []
    for group in document.groups:
        row = rows.get(group.key)
        entity = row.entity if row else group.legal_entity or ""
        payer = row.bill_to if row else group.bill_to
        lines = [line for line in document.lines if line.group == group.key]
        found.append(
            Group(
                group=group,
                entity=entity,
                entity_name=entities.get(entity, ""),
                bill_to=names.get(payer, payer),
                total_minor=sum(line.amount_minor for line in lines),
                lines=[Line(line, products.get(line.product, ""), phases_of(document, line)) for line in lines],
            )
        )
    return found


def _unrecorded(user: Any, order: Order) -> list[Step]:
    rows = Step.objects.visible_to(user).filter(event__correlation_id=order.correlation_id, stage="record_invoice")
    # What is booked, and was changed in billing since, stands among the invoices.
    rows = rows.exclude(state="failed", reason=Reason.INVOICE_CHANGED)
    return list(rows.filter(state__in=OPEN).select_related("event").defer("event__payload").order_by("-seq")[:ROWS_MAX])


def _cases(user: Any, order: Order, steps: Iterable[Step], invoices: Iterable[Invoice]) -> list[Case]:
    """Cases of the order's own steps, then those of its invoices and their journals."""
    asked = Q(step_id__in=[step.id for step in steps]) | Q(business_key=order.number) | named_as(invoices)
    # Of its invoices those that cannot be read, under whatever number.
    asked |= Q(context__contains={"order": order.number}, step_id=None, raw_hash__isnull=False)
    rows = Case.objects.visible_to(user).filter(asked).select_related("owner_team", "assignee").defer("haystack")
    return list(rows.order_by("-opened_at", "-id")[:ROWS_MAX])


def _findings(order: Order, steps: Iterable[Step], of_step: dict[uuid.UUID, Case]) -> list[dict[str, Any]]:
    """As the case of the step that checked this version of the deal tells them."""
    for step in steps:
        if step.stage == "accept_order" and step.event_id == order.event_id and step.id in of_step:
            return list(of_step[step.id].context.get("findings", ()))
    return []


def _journals(user: Any, invoices: Iterable[Invoice]) -> list[JournalEntry]:
    about = Q()
    for invoice in invoices:
        about |= Q(entity__code=invoice.entity, business_document=f"invoice:{invoice.number}")
    if not about:
        return []
    rows = JournalEntry.objects.visible_to(user).filter(about)
    return list(rows.select_related("entity", "period").order_by("-id")[:ROWS_MAX])


def _references(user: Any, groups: Iterable[OrderGroup], order: Order) -> list[CrossReference]:
    """What each platform calls the accounts of this order."""
    accounts = {f"{group.bill_to}-{group.currency}" for group in groups} | {group.bill_to for group in groups}
    rows = CrossReference.objects.visible_to(user).filter(kind="customer", our_key__in=accounts)
    return list(rows.order_by("connection", "our_key")) if accounts else []
