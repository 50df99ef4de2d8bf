"""record_invoice and post_journal, on a paper ledger that does what a story needs.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import DimensionValue, FiscalPeriod, JournalEntry
from q2c import clock, keys
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.engine import desk, emit, run
from q2c.models import Event, Invoice, ItemMapping, Step
from q2c.reading import coming
from q2c.reasons import Reason
from tests.engine.makers import NOW, OCTOBER, case, issue, order, person, run_all, step
from tests.stages.conftest import emitted

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
FIRST, HALF = dt.date(2026, 10, 1), dt.date(2026, 10, 15)
LINES = (
    InvoiceLine(
        line=1, product="PLATFORM", kind="recurring", net_minor=100_000, tax_minor=19_000, service_starts_on=FIRST,
        service_ends_on=HALF,
    ),
    InvoiceLine(
        line=2, product="PLATFORM", kind="recurring", net_minor=20_000, service_starts_on=HALF,
        service_ends_on=dt.date(2026, 11, 1),
    ),
)  # fmt: skip
SOUND = InvoiceDocument(
    invoice_number="INV-1", billing_reference="b-1", account="ACME-EUR", order_number="ORD-1", group="G1",
    legal_entity="DE01", currency="EUR", issued_on=OCTOBER, due_on=OCTOBER + dt.timedelta(days=30), lines=LINES,
    total_minor=139_000,
)  # fmt: skip


def arrives(type_: str, payload: Any, source_id: str = "", source: str = "zuora") -> None:
    emit.store(
        [
            emit.Incoming(
                type=type_, version=1, source=source, source_id=source_id or str(keys.new_id()),
                correlation_id=keys.new_id(), causation_id=None, occurred_at=clock.now(),
                raw=msgspec.json.encode(payload), payload=payload,
            )
        ]
    )  # fmt: skip


def record(*invoices: InvoiceDocument) -> None:
    for invoice in invoices:
        arrives("InvoiceIssued", invoice)
    run.drain("record_invoice")


# record_invoice -------------------------------------------------------------------------------------------------------


def test_an_invoice_that_ties_is_recorded_booked_and_due(company: Any) -> None:
    order()
    record(SOUND)
    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.net_minor, invoice.tax_minor, invoice.total_minor) == (
        "recorded", 120_000, 19_000, 139_000,
    )  # fmt: skip
    entry = JournalEntry.objects.get()
    assert (entry.state, entry.total_minor, entry.period.name) == ("ready", 139_000, "2026-10")
    assert emitted("record_invoice") == ["PaymentDue", "RevenueScheduled", "JournalReady"]


@pytest.mark.parametrize(
    ("pointer", "seen", "changes"),
    [
        ("/group", "G9", {"group": "G9"}),
        ("/legal_entity", "US01", {"legal_entity": "US01"}),
        ("/currency", "USD", {"currency": "USD"}),
        ("/account", "OTHER-EUR", {"account": "OTHER-EUR"}),
        ("/total_minor", 139_001, {"total_minor": 139_001}),
        ("/subscription", "S-OTHER", {"subscription": "S-OTHER"}),
        ("/lines/0/tax_minor", -19_000, {"lines": (replace(LINES[0], tax_minor=-19_000), LINES[1])}),
        ("/lines/0/tax_minor", 50_001, {"lines": (replace(LINES[0], tax_minor=50_001), LINES[1])}),
        ("/lines/1/kind", "usage", {"lines": (LINES[0], replace(LINES[1], kind="usage"))}),
        ("/lines/1/product", "HARDWARE", {"lines": (LINES[0], replace(LINES[1], product="HARDWARE"))}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("/") else "",
)
def test_an_invoice_that_does_not_tie_to_its_order(
    company: Any, pointer: str, seen: Any, changes: dict[str, Any]
) -> None:
    order()
    record(replace(SOUND, **changes))
    stuck = case("INV-1")
    findings = stuck.context["findings"]
    assert {finding["reason"] for finding in findings} == {Reason.INVOICE_MISMATCH}
    assert pointer in [finding["pointer"] for finding in findings]
    assert str(seen) in [finding["seen"] for finding in findings]
    assert not Invoice.objects.exists() and not JournalEntry.objects.exists()


def test_everything_that_does_not_tie_is_told_at_once(company: Any) -> None:
    order()
    record(replace(SOUND, legal_entity="US01", currency="USD", account="X-USD", total_minor=1))
    assert [finding["pointer"] for finding in case("INV-1").context["findings"]] == [
        "/legal_entity", "/currency", "/account", "/total_minor",
    ]  # fmt: skip


def test_the_same_invoice_again_is_done_another_under_its_number_is_not(company: Any) -> None:
    order()
    record(SOUND)
    record(SOUND)
    assert Invoice.objects.count() == JournalEntry.objects.count() == 1
    assert set(Step.objects.filter(stage="record_invoice").values_list("state", flat=True)) == {"done"}
    shifted = (replace(LINES[0], net_minor=101_000, tax_minor=18_000), LINES[1])
    record(replace(SOUND, lines=shifted))
    stuck = case("INV-1")
    assert (stuck.reason, stuck.field) == ("invoice_changed", "/invoice_number")
    assert Invoice.objects.count() == JournalEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("its due date was 2026-11-04 and is 2026-12-04", {"due_on": OCTOBER + dt.timedelta(days=60)}),
        ("line tax code", {"lines": (replace(LINES[0], tax_code="X9"), LINES[1])}),
        ("start of service on a line", {"lines": (replace(LINES[0], service_starts_on=OCTOBER), LINES[1])}),
        ("end of service on a line", {"lines": (replace(LINES[0], service_ends_on=OCTOBER), LINES[1])}),
        ("line charge", {"lines": (replace(LINES[0], charge="Other"), LINES[1])}),
    ],
)
def test_what_changed_of_a_recorded_invoice_is_told(company: Any, what: str, changes: dict[str, Any]) -> None:
    order()
    record(SOUND)
    record(replace(SOUND, **changes))
    stuck = case("INV-1")
    said = what if what.startswith("its ") else f"another {what}"
    assert (stuck.reason, stuck.text) == (
        "invoice_changed", f"Invoice INV-1 is booked, and was changed in zuora since: {said}",
    )  # fmt: skip
    assert "another number" in stuck.context["findings"][0]["remedy"]


def test_a_second_document_under_the_number_of_a_recorded_one_is_a_duplicate(company: Any) -> None:
    order()
    record(SOUND)
    record(replace(SOUND, billing_reference="b-2"))
    stuck = case("INV-1")
    assert (stuck.reason, stuck.text) == (
        "invoice_duplicate", "Invoice INV-1 is recorded already, and comes again with another number at its source",
    )  # fmt: skip


def test_two_systems_tell_of_one_invoice(company: Any) -> None:
    """An entity issues a number once, whoever says so."""
    order()
    record(SOUND)
    arrives("InvoiceIssued", SOUND, source="back-office")
    run.drain("record_invoice")
    assert Invoice.objects.count() == JournalEntry.objects.count() == 1 and not Case.objects.exists()
    moved = (replace(LINES[0], net_minor=90_000), replace(LINES[1], net_minor=30_000))
    arrives("InvoiceIssued", replace(SOUND, lines=moved), source="back-office")
    run.drain("record_invoice")
    assert case("INV-1").reason == "invoice_duplicate"
    assert Invoice.objects.count() == JournalEntry.objects.count() == 1


def test_an_invoice_waits_for_its_order_then_asks_and_goes_on_once_it_is_there(company: Any) -> None:
    record(SOUND)
    assert step("INV-1", "record_invoice").state == "waiting"
    for minutes in range(1, 8):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            run.drain("record_invoice")
    stuck = case("INV-1")
    assert (stuck.reason, stuck.field, stuck.blocker) == (
        "invoice_order_unknown", "/order_number", ("", "order", "ORD-1", "not_accepted"),
    )  # fmt: skip
    with clock.at(NOW + dt.timedelta(hours=1)):
        order()
        desk.replay_one(person("ann"), stuck.id)
        run_all()
    assert Invoice.objects.get().state == "posted"


def test_billing_is_faster_than_we_are(company: Any) -> None:
    record(SOUND)
    with clock.at(NOW + dt.timedelta(seconds=30)):
        order()
        run_all()
    assert Invoice.objects.get().state == "posted"
    assert not Case.objects.exists()


def test_an_invoice_of_a_closed_period_is_a_case_and_nothing_is_recorded(company: Any) -> None:
    order()
    _close("receivables")
    record(SOUND)
    assert (case("INV-1").reason, Invoice.objects.count()) == ("period_closed", 0)


def _close(subledger: str) -> None:
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger=subledger, name="2026-10")
    periods.close(period, by="carla", why="October is done")


# post_journal ---------------------------------------------------------------------------------------------------------


def _remap(centre: str) -> None:
    """From today on, PLATFORM is earned at another cost centre."""
    value = DimensionValue.objects.get(code="CC-410")
    DimensionValue.objects.get_or_create(dimension=value.dimension, code=centre)
    mapping = ItemMapping.objects.get(connection="erp-de")
    mapping.dimensions = {"cost_center": centre}
    mapping.save()


def test_a_blocked_journal_is_derived_anew_once_its_cause_is_mended_here(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    old = JournalEntry.objects.get()
    assert (old.state, case("INV-1").reason) == ("blocked", "dimension_inactive")
    _remap("CC-420")
    desk.replay_one(person("ann"), case("INV-1").id)
    run_all()
    old = JournalEntry.objects.get(id=old.id)
    new = JournalEntry.objects.exclude(id=old.id).get()
    assert (old.state, old.superseded_by_id, new.state) == ("superseded", new.id, "posted")
    # 1,000.00 of deferred revenue move from one cost centre to the other, and nothing else.
    kept = {one["field"]: (one["before"], one["after"]) for one in step("INV-1", "post_journal").proof["rederived"]}
    assert kept == {
        "lines/2410 cost_center=CC-410 product_line=subscription region=EMEA": ("-100000", "0"),
        "lines/2410 cost_center=CC-420 product_line=subscription region=EMEA": ("0", "-100000"),
    }
    (document,) = company["erp-de"].documents.values()
    assert document.number == new.number
    posted = msgspec.json.decode(Event.objects.get(type="JournalPosted").payload)
    assert (posted["journal_id"], posted["document_number"]) == (str(new.id), "JE-1")


def lost_for_good(company: Any) -> None:
    """INV-1 is sent, its answer is lost, and the ledger is down until nobody looks any more."""
    company["erp-de"].lose_answers = True
    issue("INV-1", order())
    run_all()
    company["erp-de"].down = True
    Step.objects.filter(stage="post_journal").update(failures={"platform_unavailable": 99})
    with clock.at(NOW + dt.timedelta(minutes=2)):
        run_all()
    assert case("INV-1").reason == "platform_unavailable"


def test_a_journal_whose_answer_was_lost_is_looked_for_as_it_was_whatever_has_changed_since(company: Any) -> None:
    """It may be in the ledger: derived anew it would be there twice."""
    lost_for_good(company)
    company["erp-de"].down = company["erp-de"].lose_answers = False
    _remap("CC-420")
    with clock.at(NOW + dt.timedelta(minutes=10)):
        desk.replay_one(person("ann"), case("INV-1").id)
        run_all()
    assert step("INV-1", "post_journal").state == "done"
    entry = JournalEntry.objects.get()
    assert (entry.state, entry.document_number, company["erp-de"].writes) == ("posted", "JE-1", 1)


def test_posted_once_it_is_not_posted_again(company: Any) -> None:
    issue("INV-1", order())
    run_all()
    fact = msgspec.convert(
        msgspec.json.decode(Event.objects.get(type="JournalReady").payload), run.EVENTS["JournalReady"].payload
    )
    arrives("JournalReady", fact, source="replayed")
    run_all()
    assert company["erp-de"].writes == 1
    assert set(Step.objects.filter(stage="post_journal").values_list("state", flat=True)) == {"done"}


def test_a_journal_that_is_closed_without_fix_says_that_it_will_not_come(company: Any) -> None:
    company["erp-de"].refuse_all = "no"
    issue("INV-1", order())
    run_all()
    desk.close_without_fix(person("ann"), [case("INV-1").id], "Booked by hand", "other")
    desk.approve(person("bob"), [Approval.objects.get().id], "Seen the voucher")
    posting = step("INV-1", "post_journal")
    (said,) = coming.next_of([posting], {})
    assert said.given_up and said.text.startswith("Closed without fix by bob on 2026-11-03: ")
    assert said.text.endswith("It will not be posted from here and keeps its number; this is final")
