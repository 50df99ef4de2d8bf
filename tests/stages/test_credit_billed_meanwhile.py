"""Between a credit question and its decision another deal is accepted and an invoice posted: the limit holds all the same.

The credit service here counts what the ledger holds as owed, adds what it is told, and means its hard limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exceptions.models import Case
from q2c.connectors.outcomes import Posted
from q2c.contracts.documents import CreditDecision
from q2c.models import Order
from q2c.stages import commitments, owing
from tests import flow_makers as flow

pytestmark = pytest.mark.django_db(transaction=True)


class Service:
    """May owe so much more than O-1, of which an invoice is recorded and not posted yet."""

    def __init__(self, more: int) -> None:
        flow.company()
        flow.deal("O-1")
        for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
            flow.run(stage)
        order = Order.objects.get()
        self.payer = order.groups.get().bill_to
        flow.bill(order, "INV-1")
        flow.run("record_invoice")
        self.limit, self.asked = self.owed() + more, 0

    def owed(self) -> int:
        standing = commitments.standing([self.payer])
        return sum(standing.billed.values()) + sum(standing.unbilled.values())

    def says(self, work: Any, meanwhile: Callable[[], Any] | None = None) -> Posted:
        self.asked += 1
        (credit,) = work.request.credits
        exposure = sum(commitments.standing([self.payer]).billed.values())
        told = sum(minor for _, minor in credit.committed)
        answer = CreditDecision(
            decision="approve" if exposure + told + credit.amount_minor <= self.limit else "decline",
            requested_minor=credit.amount_minor, exposure_minor=exposure, soft_limit_minor=self.limit,
            hard_limit_minor=self.limit, currency=credit.currency, committed_minor=told,
        )  # fmt: skip
        said = owing.said_of("credit", credit, answer)
        owing.note(work.notes, said)
        work.notes["found"] += said.findings
        if meanwhile:
            meanwhile()
        return flow.yes(work)

    def decides(self, number: str, meanwhile: Callable[[], Any] | None = None) -> str:
        flow.deal(number, seats=20)
        once = [meanwhile] if meanwhile else []
        for _ in range(2):
            flow.run("accept_order", lambda work: self.says(work, once.pop() if once else None))
        return str(Order.objects.get(number=number).state)


ONE = 3_380_000


def test_a_yes_for_less_is_asked_about_again_where_an_invoice_was_posted_meanwhile(books: Any) -> None:
    """What O-3 adds is hidden in what O-1's invoice took out of what is committed."""
    service = Service(ONE)

    def beside() -> None:
        assert service.decides("O-3") == "accepted"
        flow.run("post_journal")

    service.decides("O-2", beside)
    assert service.owed() <= service.limit
    assert Case.objects.get().reason == "credit_refused" and service.asked == 3


def test_what_only_moved_from_committed_to_owed_is_not_asked_about_again(books: Any) -> None:
    service = Service(ONE)
    assert service.decides("O-2", lambda: flow.run("post_journal")) == "accepted"
    assert service.asked == 1 and service.owed() == service.limit
