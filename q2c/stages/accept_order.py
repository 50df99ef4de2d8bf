"""accept_order: a closed deal is checked against every control, and accepted, parked for approval, or shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from q2c import clock, states
from q2c.connectors.outcomes import Outcome, Posted
from q2c.contracts.documents import OrderDocument
from q2c.contracts.events import OrderFact
from q2c.models import Order
from q2c.reasons import APPROVALS
from q2c.stages import cancellations, commitments, credit_and_tax, customers, deals, orders, platforms, totals
from q2c.stages.controls import CONTROLS
from q2c.stages.controls.world import World, world
from q2c.stages.verb import Fact, Finding, OpenPort, Part, Said, Verb, Work


class AcceptOrder(Verb):
    """Collects all findings, ours and the services', before it decides."""

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        worth, known = totals.worth([fact.payload for fact in facts]), deals.Deals()
        return [[self._part(fact, minor, known)] for fact, minor in zip(facts, worth, strict=True)]

    def planned(self, facts: Sequence[Fact]) -> None:
        known = deals.Deals()
        deals.VERSIONS.supersede_older(known.key(fact) for fact in facts)

    def _part(self, fact: Fact, worth_minor: int, known: deals.Deals) -> Part:
        order: OrderDocument = fact.payload
        name = next((party.name for party in order.parties if party.key == order.customer), order.customer)
        return Part(
            # Versions of one deal; another one under the same number is told so at once.
            order_key=known.key(fact),
            business_key=order.order_number,
            customer=name,
            amount_minor=worth_minor,
            currency=order.currency,
            entity=order.contract_entity,
        )

    def prepare(self, works: Sequence[Work]) -> None:
        facts = [work.fact for work in works]
        selling = customers.sales_platforms(facts)
        customers.maintain([fact for fact in facts if fact.source in selling])
        documents = [work.fact.payload for work in works]
        data = world(documents, clock.today())
        tax, credit = platforms.serving("tax"), platforms.serving("credit")
        for work in works:
            credit_and_tax.recall(work)
        for work in self._undecided(deals.VERSIONS.leave_overtaken(works)):
            seen = data if work.fact.source in selling else customers.seen_with(work.fact.payload, data)
            work.request = credit_and_tax.questions(work.fact.payload, seen, tax, credit)
            work.notes["found"] = check(work.fact.payload, seen)
            work.notes["world"] = seen
            if known := seen.customers.get(work.fact.payload.customer):
                work.step.customer = known.name
        commitments.tell(works)

    def _undecided(self, works: Sequence[Work]) -> list[Work]:
        """Those to be checked. The others meet an order: another deal's, or their own as it was decided."""
        known = deals.Deals()
        there = orders.existing([work.fact.payload.order_number for work in works])
        standing = deals.standing([work.fact for work in works], known)
        for work in works:
            number, of_deal = work.fact.payload.order_number, standing.get(known.identity(work.fact))
            order = there.get(number)
            anothers = order is not None and known.is_anothers(work.fact, order)
            own = None if anothers else order
            mine = own or of_deal
            # Two systems may tell of one order that was accepted; two deals of one system are never one.
            if order is not None and anothers and (order.accepted_at is None or order.source == work.fact.source):
                deals.refuse_number(work, order)
            elif mine is not None and orders.is_older(work.fact, mine):
                work.outcome = Posted(reference="superseded", proof={"superseded_by": str(mine.event_id)})
            elif of_deal is not None and deals.has_another(of_deal, number, own):
                deals.renumbered(work, of_deal)
            elif order is not None and order.state not in orders.UNDECIDED:
                is_deal = bool(known.identity(work.fact))
                orders.check_unchanged(work, order, anothers=anothers, is_deal=is_deal)
        return [work for work in works if work.is_open]

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        """Credit and tax, synchronously. A service that does not answer means waiting, never a silent pass."""
        found: list[Finding] = work.notes["found"]
        outcome = credit_and_tax.ask(open_port, work.fact.payload, work.request, found, work.notes)
        work.waiting_for = work.notes.get("silent", "")
        return outcome

    def record(self, works: Sequence[Work]) -> None:
        fresh = [work for work in works if "found" in work.notes]
        kept, known = orders.keep(fresh), deals.Deals()
        for work in fresh:
            order = kept.get(work.fact.payload.order_number)
            if order is None:
                # Seen once that is there.
                work.again("Its number, or its deal, got an order at the same moment")
            elif known.is_anothers(work.fact, order) and order.source == work.fact.source:
                deals.refuse_number(work, order)
            elif known.is_anothers(work.fact, order):
                # It may tell of the same order, which is seen once that one is decided.
                work.again(f"Another system sent order {order.number} at the same moment")
        fresh = [work for work in fresh if not work.findings and work.outcome is not None]
        self._accept([(kept[work.fact.payload.order_number], work) for work in self._passing(fresh)])

    def _passing(self, works: Sequence[Work]) -> list[Work]:
        """Those with nothing against them, each on top of those before it. The others get their findings, or wait."""
        turns, signatures = commitments.Turns(works), orders.Signatures(works)
        passing = []
        for work in works:
            if not turns.holds(work):
                continue
            # What needs repair comes before what needs a signature.
            work.findings = sorted(signatures.missing(work), key=lambda f: f.reason in APPROVALS)
            if not work.findings and turns.lets(work):
                passing.append(work)
        return passing

    def _accept(self, accepted: list[tuple[Order, Work]]) -> None:
        if not accepted:
            return
        customers.keep_brought([work.fact for _, work in accepted])
        for order, work in accepted:
            order.controls = orders.controls_of(work)
        orders.write_rows(
            [
                (order, work.fact.payload, work.notes["world"], work.notes.get("line_taxes", {}))
                for order, work in accepted
            ]
        )
        states.move(Order, "accept", [order.id for order, _ in accepted], accepted_at=clock.now())
        for order, work in accepted:
            work.emit("OrderAccepted", OrderFact(order_id=str(order.id), order_number=order.number))
        cancellations.wake(order.number for order, _ in accepted)

    def waits(self, works: Sequence[Work]) -> None:
        """A service did not answer: the order is there as received from then on; what was signed waits for nobody."""
        kept = orders.keep([work for work in works if "found" in work.notes])
        mine = {work.fact.id for work in works}
        asked = [one.id for one in kept.values() if one.state == "awaiting_approval" and one.event_id in mine]
        states.move(Order, "recheck", asked)

    def failed(self, works: Sequence[Work]) -> None:
        """An order of which only signatures are missing waits for approval; others stay received."""
        works = deals.VERSIONS.leave_overtaken(works)
        for work in works:
            if not isinstance(work.outcome, Posted):
                # A service was given up on: whoever looks into that hears at once what else is wrong.
                work.findings += [finding for finding in work.notes.get("found", []) if finding not in work.findings]
        kept = orders.keep([work for work in works if "found" in work.notes or work.outcome is None])
        known = deals.Deals()
        standing = deals.standing([work.fact for work in works], known)
        for work in works:
            order = kept.get(work.fact.payload.order_number)
            if order is None or known.is_anothers(work.fact, order):
                # Its own under another number, where this one is taken: that is asked about no more.
                order = standing.get(known.identity(work.fact))
                if order is None or orders.is_older(work.fact, order):
                    continue
            needs_only_approval = all(finding.reason in APPROVALS for finding in work.findings)
            if needs_only_approval and order.state == "received":
                states.move(Order, "ask", [order.id])
            elif not needs_only_approval and order.state == "awaiting_approval":
                states.move(Order, "recheck", [order.id])

    def refused(self, works: Sequence[Work]) -> None:
        """Nobody is asked any more: the order is one with an open case, until its deal changes or it is given up."""
        there = orders.existing([work.fact.payload.order_number for work in works])
        mine = {work.fact.id for work in works}
        states.move(Order, "recheck", [order.id for order in there.values() if order.event_id in mine])

    def abandoned(self, works: Sequence[Work]) -> None:
        """An order that is given up is rejected; one that stands on another version of the deal stays."""
        there = orders.existing([work.fact.payload.order_number for work in works])
        given_up = {
            order.id: work
            for work in works
            if (order := there.get(work.fact.payload.order_number)) is not None and order.event_id == work.fact.id
        }
        for id_ in states.move(Order, "reject", list(given_up)):
            work = given_up[id_]
            number = work.fact.payload.order_number
            work.emit("OrderRejected", OrderFact(order_id=str(id_), order_number=number, reason=work.step.text[:200]))

    def preview(self, work: Work) -> dict[str, Any]:
        work.notes["found"] = orders.unsigned([work])[work.step.id]
        return {"would": "accept the order"} if "world" in work.notes else {}

    def asks(self, work: Work) -> str:
        """Once asked: the one that was silent."""
        wanted = work.request
        return work.notes.get("silent") or " and ".join(name for name in (wanted.credit, wanted.tax) if name)

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        """Credit and tax are asked as a replay would ask them; neither keeps anything of it."""
        answers = credit_and_tax.ask_all(open_port, works)
        unsigned = orders.unsigned(works)
        for work in works:
            work.notes["found"] = unsigned[work.step.id]
        return [None if isinstance(answer, Posted) else answer for answer in answers]


def check(order: OrderDocument, data: World) -> list[Finding]:
    """Every control's findings, in the order of CONTROLS."""
    return [finding for control in CONTROLS for finding in control(order, data)]
