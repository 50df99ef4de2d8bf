"""The shop tells of an invoice that is in the books while billing cancels it there: what it is answered stays true.

DE01 sold ORD-1 to Acme; its journal waits for a cost centre, so it would leave the books.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from msgspec.structs import replace

from exceptions.models import Case
from q2c import points
from q2c.engine import run
from q2c.engine.sources import Invoices
from q2c.models import Invoice, Step
from q2c.stages import withdrawn
from tests.engine.makers import order, run_all
from tests.intake import platforms
from tests.stages.test_cancelled_elsewhere import GONE
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db(transaction=True)


def billing_cancels() -> bool:
    with transaction.atomic():
        return withdrawn.invoice("zuora", SOUND.billing_reference, "poll:zuora", "Canceled there")


def people_give_it_up() -> None:
    give_up(Case.objects.get(stage="post_journal"), "duplicate")


@pytest.fixture
def told(committed: Any) -> Step:
    """The shop's word, which nobody has worked on yet."""
    committed["erp-de"].inactive.add(("cost_center", "CC-410"))
    order()
    record(SOUND)
    run_all()
    arrives("InvoiceIssued", replace(SOUND, billing_reference="shop-1"), source="shop")
    return Step.objects.get(stage="record_invoice", event__source="shop")


@pytest.mark.parametrize(("taken_out", "ends"), [
    (billing_cancels, ("done", "")), (people_give_it_up, ("failed", "invoice_given_up")),
])  # fmt: skip
def test_out_of_the_books_before_it_is_answered_it_is_looked_at_anew(
    told: Step, monkeypatch: pytest.MonkeyPatch, taken_out: Callable[[], Any], ends: tuple[str, str]
) -> None:
    def reach(name: str) -> None:
        if name == "after_answer" and Invoice.objects.get().state == "recorded":
            taken_out()
            assert Invoice.objects.get().state == "voided"

    with monkeypatch.context() as patch:
        patch.setattr(points, "reach", reach)
        run.run_stage("record_invoice")
    told = Step.objects.get(id=told.id)
    assert (told.state, told.text) == ("waiting", "What was recorded of it has just left the books: looked at anew")
    run.drain("record_invoice")
    told = Step.objects.get(id=told.id)
    assert (told.state, told.reason) == ends
    assert Invoice.objects.filter(source="shop", state="recorded").exists() is (told.state == "done")


def waits_for_record(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """`act` begins beside the recording of an invoice, and does not end before that has."""
    ended = threading.Event()

    def go() -> None:
        try:
            act()
        finally:
            ended.set()
            connections.close_all()

    beside = threading.Thread(target=go)

    def reach(name: str) -> None:
        if name == "inside_record":
            beside.start()
            assert not ended.wait(0.5), "it did not wait"

    with monkeypatch.context() as patch:
        patch.setattr(points, "reach", reach)
        run.run_stage("record_invoice")
    assert ended.wait(30), "it never ended"
    beside.join(30)


@pytest.mark.parametrize("taken_out", [billing_cancels, people_give_it_up])
def test_answered_first_it_stays(told: Step, monkeypatch: pytest.MonkeyPatch, taken_out: Callable[[], Any]) -> None:
    """Who takes it out waits for the answer's transaction."""
    waits_for_record(monkeypatch, taken_out)
    assert (Step.objects.get(id=told.id).state, Invoice.objects.get().state) == ("done", "recorded")


def test_who_records_its_number_is_waited_for_by_who_reads_that_billing_cancelled_it(
    committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither would see the other: the books would hold it, and nobody would be told."""
    order()
    arrives("InvoiceIssued", replace(SOUND, billing_reference="shop-1"), source="shop")
    billing = Invoices(platforms.zuora())
    waits_for_record(monkeypatch, lambda: billing.take_fetched("b-INV-1", GONE))
    assert Invoice.objects.get().taken_back_at is not None
    assert Case.objects.get().reason == "invoice_taken_back"
