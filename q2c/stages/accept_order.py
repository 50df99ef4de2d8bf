"""accept_order: a closed deal is checked against every control, and accepted, parked for approval, or shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from q2c import clock, keys, states
from q2c.connectors.outcomes import Outcome, Posted, Rejected, Unavailable
from q2c.contracts.documents import CreditRequest, OrderDocument, TaxRequest
from q2c.contracts.events import OrderFact
from q2c.models import Order
from q2c.reasons import APPROVALS, Reason
from q2c.stages import orders, platforms
from q2c.stages.controls import CONTROLS
from q2c.stages.controls.world import World, world
from q2c.stages.verb import Fact, Finding, OpenPort, Part, Verb, Work


class AcceptOrder(Verb):
    """Collects all findings, ours and the services', before it decides."""

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        orders.supersede_older(facts)
        return [[self._part(fact.payload)] for fact in facts]

    def _part(self, order: OrderDocument) -> Part:
        name = next((party.name for party in order.parties if party.key == order.customer), order.customer)
        return Part(
            order_key=f"order:{order.order_number}",
            business_key=order.order_number,
            customer=name,
            amount_minor=sum(line.amount_minor for line in order.lines),
            currency=order.currency,
            entity=order.contract_entity,
        )

    def prepare(self, works: Sequence[Work]) -> None:
        orders.keep_customers([work.fact for work in works])
        documents = [work.fact.payload for work in works]
        data = world(documents, clock.today())
        there = orders.existing([document.order_number for document in documents])
        tax, credit = platforms.serving("tax"), platforms.serving("credit")
        for work in works:
            order = there.get(work.fact.payload.order_number)
            if order is not None and orders.is_older(work.fact, order):
                work.outcome = Posted(reference="superseded", proof={"superseded_by": str(order.event_id)})
            elif order is not None and order.state not in ("received", "awaiting_approval"):
                orders.check_unchanged(work, order)
            else:
                work.request = requests_of(work.fact.payload, data, tax, credit)
                work.notes["found"] = check(work.fact.payload, data)
                work.notes["world"] = data

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        """Credit and tax, synchronously. A service that does not answer means waiting, never a silent pass."""
        found: list[Finding] = work.notes["found"]
        return ask_services(open_port, work.request, found, work.notes)

    def record(self, works: Sequence[Work]) -> None:
        fresh = [work for work in works if "found" in work.notes]
        kept = orders.keep(fresh)
        accepted: list[tuple[Order, Work]] = []
        approved = orders.approved([work.step.id for work in fresh])
        for work in fresh:
            order = kept[work.fact.payload.order_number]
            work.notes["order"] = order
            open_ = [f for f in work.notes["found"] if f.reason not in approved[work.step.id]]
            # What needs repair comes before what needs a signature.
            work.findings = sorted(open_, key=lambda f: f.reason in APPROVALS)
            if not work.findings:
                accepted.append((order, work))
        self._accept(accepted)

    def _accept(self, accepted: list[tuple[Order, Work]]) -> None:
        if not accepted:
            return
        orders.write_rows([(order, work.fact.payload, work.notes["world"]) for order, work in accepted])
        states.move(Order, "accept", [order.id for order, _ in accepted], accepted_at=clock.now())
        for order, work in accepted:
            work.emit("OrderAccepted", OrderFact(order_id=str(order.id), order_number=order.number))

    def failed(self, works: Sequence[Work]) -> None:
        """An order of which only signatures are missing waits for approval; others stay received."""
        kept = orders.keep([work for work in works if "found" in work.notes or work.outcome is None])
        for work in works:
            order = kept.get(work.fact.payload.order_number)
            if order is None:
                continue
            needs_only_approval = all(finding.reason in APPROVALS for finding in work.findings)
            if needs_only_approval and order.state == "received":
                states.move(Order, "ask", [order.id])
            elif not needs_only_approval and order.state == "awaiting_approval":
                states.move(Order, "recheck", [order.id])

    def preview(self, work: Work) -> dict[str, Any]:
        return {"findings": [finding.text for finding in work.notes.get("found", [])], "would": "accept the order"}


def check(order: OrderDocument, data: World) -> list[Finding]:
    """Every control's findings, in the order of CONTROLS."""
    return [finding for control in CONTROLS for finding in control(order, data)]


def requests_of(order: OrderDocument, data: World, tax: str, credit: str) -> dict[str, Any]:
    """What the services are asked, per invoice group; nothing for a group whose entity is not determined."""
    taxes: list[TaxRequest] = []
    credits: list[CreditRequest] = []
    for group in order.groups:
        entity, payer = data.entity_of(group, order), data.payer(group.bill_to)
        lines = [line for line in order.lines if line.group == group.key]
        if entity is None or payer is None:
            continue
        net = tuple(
            (line.line, data.products[line.product].tax_code, line.product, line.amount_minor)
            for line in lines
            if line.product in data.products
        )
        if net:
            taxes.append(
                TaxRequest(
                    code=keys.idempotency_key("tax", order.order_number, group.key), customer=payer.key,
                    company=entity.code, currency=group.currency, on=order.starts_on, ship_from=None,
                    ship_to=group.ship_to, lines=net,
                )
            )  # fmt: skip
        total = sum(line.amount_minor for line in lines)
        credits.append(
            CreditRequest(
                customer=payer.key, name=payer.name, country=group.ship_to.country, currency=group.currency,
                amount_minor=total,
            )
        )  # fmt: skip
    return {"tax": tax, "credit": credit, "taxes": taxes, "credits": credits}


def ask_services(open_port: OpenPort, request: dict[str, Any], found: list[Finding], notes: dict[str, Any]) -> Outcome:
    """Append what credit and tax say to `found`; Unavailable when either does not answer."""
    for credit in request["credits"]:
        answer = open_port(request["credit"]).check_credit(credit)
        if isinstance(answer, Unavailable):
            return answer
        found.extend(_credit_findings(credit, answer))
    total = 0
    for tax in request["taxes"]:
        answer = open_port(request["tax"]).estimate(tax)
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Rejected):
            found.append(
                Finding(
                    reason=Reason.TAX_REFUSED, text=answer.text, code=answer.code, pointer=answer.field or "/groups",
                    remedy="Correct the ship-to address or the tax code, then replay", blocker=answer.blocker,
                )
            )  # fmt: skip
        else:
            total += answer.tax_minor
    notes["tax_minor"] = total
    return Posted(reference="")


def _credit_findings(request: CreditRequest, answer: Any) -> list[Finding]:
    if isinstance(answer, Rejected):
        return [Finding(reason=Reason.CREDIT_REFUSED, text=answer.text, code=answer.code, pointer="/customer")]
    if answer.decision == "approve":
        return []
    refused = answer.decision == "decline"
    reason = Reason.CREDIT_REFUSED if refused else Reason.CREDIT_APPROVAL_REQUIRED
    limit = answer.hard_limit_minor if refused else answer.soft_limit_minor
    return [
        Finding(
            reason=reason,
            pointer="/customer",
            seen=answer.exposure_minor + request.amount_minor,
            text=f"{request.name} would owe more than its {'hard' if refused else 'soft'} credit limit of "
            f"{limit} minor units of {answer.currency}",
            remedy="Raise the limit or collect, then replay" if refused else "A second person approves the credit",
            code=answer.provider_reference,
        )
    ]
