"""Billing corrects an invoice: the newer version takes the place of the one that was not recorded.

The first version below names an account that is not the order's.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from msgspec.structs import replace

from exceptions.models import Case
from q2c import clock
from q2c.connectors import registry
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, run
from q2c.engine.claim import claim_these
from q2c.engine.sources import Invoices
from q2c.models import Invoice, Step
from q2c.money import Money
from q2c.stages import invoice_again
from tests.engine.makers import NOW, case, order, person
from tests.intake import platforms
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import SOUND, arrives

pytestmark = pytest.mark.django_db

WRONG = replace(SOUND, account="OTHER-EUR")


def comes(invoice: InvoiceDocument, id_: str, minutes: int = 0, source: str = "zuora") -> None:
    with clock.at(NOW + dt.timedelta(minutes=minutes)):
        arrives("InvoiceIssued", invoice, id_, source)


def step(id_: str) -> Step:
    return Step.objects.get(stage="record_invoice", event__source_id=id_)


def works(minutes: int = 10) -> None:
    with clock.at(NOW + dt.timedelta(minutes=minutes)):
        run.drain("record_invoice")


def test_a_corrected_invoice_does_not_wait_behind_its_failed_version(company: Any) -> None:
    order()
    comes(WRONG, "old")
    works()
    assert case("INV-1").reason == "invoice_mismatch"
    comes(SOUND, "new", 5)
    assert (step("old").state, step("old").reason) == ("abandoned", "superseded")
    assert (case("INV-1").state, case("INV-1").resolution) == ("resolved", "superseded")
    works()
    assert step("new").state == "done"
    assert Invoice.objects.get().account == "ACME-EUR"


@pytest.mark.parametrize("arriving", ["in order", "newer first"])
def test_two_versions_before_anyone_looked(company: Any, arriving: str) -> None:
    order()
    both = [(WRONG, "old", 0), (SOUND, "new", 5)]
    for one in both if arriving == "in order" else reversed(both):
        comes(*one)
    works()
    assert (step("old").state, step("new").state) == ("abandoned", "done")
    assert not Case.objects.exists()


def test_a_version_that_comes_while_the_older_is_worked_on(company: Any) -> None:
    order()
    comes(WRONG, "old")
    stage, gates_ = run.STAGES["record_invoice"], run.gates.Gates()
    with clock.at(NOW):
        loaded = run.load(run.claim("record_invoice"))
        run.prepare(stage, loaded, gates_)
    comes(SOUND, "new", 5)
    with clock.at(NOW):
        run.record.record(stage, loaded, [], gates_)
    assert (step("old").state, step("old").reference) == ("done", "superseded")
    works()
    assert step("new").state == "done"
    assert not Case.objects.exists() and Invoice.objects.count() == 1


@pytest.mark.parametrize(
    ("other", "source"),
    [(replace(SOUND, billing_reference="b-2"), "zuora"), (SOUND, "back-office")],
    ids=["another invoice of that number", "another system"],
)
def test_what_is_no_version_of_it_supersedes_nothing(company: Any, other: InvoiceDocument, source: str) -> None:
    order()
    comes(WRONG, "old")
    works()
    comes(other, "other", 5, source)
    works()
    # Nor does it wait for what it is no version of.
    assert (step("old").state, step("other").state) == ("failed", "done")


RENUMBERED = replace(SOUND, invoice_number="INV-1A")


def test_corrected_under_another_number_it_is_the_same_invoice(company: Any) -> None:
    """Its reference in billing tells, whatever number it prints."""
    order()
    comes(WRONG, "old")
    works()
    comes(RENUMBERED, "new", 5)
    assert (step("old").state, case("INV-1").resolution) == ("abandoned", "superseded")
    works()
    assert (step("new").state, Invoice.objects.get().number) == ("done", "INV-1A")


@pytest.mark.parametrize("arriving", ["in order", "newer first"])
def test_two_numbers_of_one_invoice_before_anyone_looked(company: Any, arriving: str) -> None:
    order()
    both = [(SOUND, "old", 0), (RENUMBERED, "new", 5)]
    for one in both if arriving == "in order" else reversed(both):
        comes(*one)
    works()
    assert (step("old").state, step("new").state) == ("abandoned", "done")
    assert Invoice.objects.get().number == "INV-1A" and not Case.objects.exists()


def test_a_number_that_is_put_back_ends_its_case(company: Any) -> None:
    """Booked as INV-1, renumbered in billing, which is a case; five minutes later it is INV-1 again."""
    cache.clear()
    registry.close_all()
    order()
    billing = Invoices(platforms.zuora())
    for minutes, invoice in ((0, SOUND), (5, RENUMBERED), (10, SOUND)):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            billing.take_fetched("b-1", invoice)
            run.drain("record_invoice")
        if minutes == 5:
            assert (case("INV-1A").reason, case("INV-1A").state) == ("invoice_changed", "open")
    assert (case("INV-1A").state, case("INV-1A").resolution) == ("resolved", "superseded")
    assert Invoice.objects.get().number == "INV-1" and Case.objects.count() == 1


def test_what_came_before_is_known_by_its_reference_too(company: Any) -> None:
    """The migration: an older version, kept under its number, gives way to one under another."""
    order()
    comes(WRONG, "old")
    works()
    Step.objects.filter(stage="record_invoice").update(order_key="invoice:DE01:INV-1:zuora:b-1")
    with past_guards(), connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0045_versions_of_an_invoice").KEYS)
    comes(RENUMBERED, "new", 5)
    works()
    assert (step("old").state, Invoice.objects.get().number) == ("abandoned", "INV-1A")


def test_a_number_that_two_entities_use_is_two_invoices(company: Any) -> None:
    order()
    comes(WRONG, "german")
    works()
    comes(replace(SOUND, legal_entity="US01"), "american", 5, "other-billing")
    works()
    # Told at once what is wrong with it: the order is German.
    assert (step("german").state, step("american").state) == ("failed", "failed")
    assert Case.objects.filter(business_key="INV-1", state="open").count() == 2


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one after the other"])
def test_one_invoice_that_two_systems_tell_of_is_recorded_once(company: Any, at_once: bool) -> None:
    order()
    comes(SOUND, "first")
    if not at_once:
        works()
    comes(SOUND, "second", 5, "back-office")
    works()
    works()
    assert (step("first").state, step("second").state, Invoice.objects.count()) == ("done", "done", 1)
    assert not Case.objects.exists()


def test_two_systems_that_record_one_number_at_once(company: Any) -> None:
    """Both were prepared before either was recorded."""
    order()
    comes(SOUND, "first")
    comes(replace(SOUND, due_on=SOUND.due_on.replace(day=28)), "second", 5, "back-office")
    with clock.at(NOW + dt.timedelta(minutes=10)):
        stage, gates_, prepared = run.STAGES["record_invoice"], run.gates.Gates(), []
        for name in ("first", "second"):
            prepared.append(run.load(claim_these("record_invoice", [step(name).id])))
            run.prepare(stage, prepared[-1], gates_)
        for loaded in prepared:
            run.record.record(stage, loaded, [], gates_)
    assert (step("first").state, step("second").state) == ("done", "failed")
    assert (Invoice.objects.count(), case("INV-1").reason) == (1, "invoice_duplicate")


def test_an_older_version_that_comes_late_does_not_take_the_newer_ones_place(company: Any) -> None:
    order()
    comes(WRONG, "new", 5)
    works()
    comes(SOUND, "old", 0)
    assert (step("old").state, step("new").state) == ("abandoned", "failed")
    assert case("INV-1").state == "open"


def test_an_older_version_that_comes_after_the_newer_one_was_booked_is_no_change_of_it(company: Any) -> None:
    order()
    comes(SOUND, "new", 5)
    works()
    comes(WRONG, "old", 0)
    works()
    assert (step("old").state, step("old").proof["superseded_by"]) == ("done", str(step("new").event_id))
    assert not Case.objects.exists() and Invoice.objects.get().account == "ACME-EUR"


def test_an_invoice_that_was_recorded_stays_what_it_is(company: Any) -> None:
    order()
    comes(SOUND, "first")
    works()
    comes(WRONG, "second", 5)
    works()
    assert case("INV-1").reason == "invoice_changed"
    assert Invoice.objects.get().account == "ACME-EUR"
    # Put back in billing as it was, it ends by itself.
    comes(SOUND, "third", 10)
    works(20)
    assert step("third").state == "done" and not Case.objects.exclude(state="resolved").exists()


def test_replay_of_the_failed_version_looks_at_its_order_again(company: Any) -> None:
    """What the runbook promises: the invoice as it came, the order as it stands now."""
    sold = order()
    with past_guards():
        sold.groups.update(bill_to="OTHER")
    comes(SOUND, "only")
    works()
    with past_guards():
        sold.groups.update(bill_to="ACME")
    desk.replay_one(person("bo"), case("INV-1").id, "the order was put right")
    works(20)
    assert step("only").state == "done"


def test_a_correction_that_is_taken_back_in_billing_is_a_version_of_its_own(company: Any) -> None:
    """Its content is that of the first version, and so would be its id."""
    cache.clear()
    registry.close_all()
    order()
    billing = Invoices(platforms.zuora())
    for minutes, invoice in ((0, SOUND), (5, WRONG), (10, SOUND), (15, SOUND)):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            billing.take_fetched("b-1", invoice)
    works(20)
    assert list(Step.objects.order_by("seq").values_list("state", flat=True).filter(stage="record_invoice")) == [
        "abandoned", "abandoned", "done",
    ]  # fmt: skip
    assert Invoice.objects.get().account == "ACME-EUR"


def test_a_total_of_nothing_is_no_empty_one() -> None:
    said = invoice_again._was("total_minor", None, None, (Money(100, "EUR"), Money(0, "EUR")))
    assert said.endswith("total was EUR 1.00 and is EUR 0.00"), said
    assert invoice_again._was("memo", "", "x", (Money(0, "EUR"), Money(0, "EUR"))) == "its memo was empty and is x"
