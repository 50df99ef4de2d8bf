"""Whatever days and name a fiscal period has, what is told of an invoice stands in the one that holds its day.

DE01 sold ORD-1 to Acme. Billing has INV-1 of 5 October 2026, which is booked, and INV-2 of the same day, which cannot
be: EUR 1,390.00 each.
"""

from __future__ import annotations

import datetime as dt
import re
from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from msgspec.structs import replace

from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.engine import decisions, requests, run
from q2c.engine.sources import Invoices
from q2c.models import PollCursor, Step
from q2c.reading import close
from tests.admin.forms import change, errors, said
from tests.admin.test_changes import address
from tests.application_role import as_owner
from tests.engine.makers import order
from tests.past_guards import past_guards
from tests.stages.test_cancelled_elsewhere import POSTED, billing, gives
from tests.stages.test_counted_once import boss
from tests.stages.test_given_up import give_up
from tests.stages.test_given_up_unread import send
from tests.stages.test_invoices_and_journals import arrives
from tests.ui.people import page, read, signed_in

pytestmark = pytest.mark.django_db
__all__ = ["billing", "boss"]
SECOND = replace(POSTED, billing_reference="b-2", invoice_number="INV-2", account="OTHER")


def period(name: str) -> FiscalPeriod:
    return FiscalPeriod.objects.get(entity__code="DE01", name=name, subledger="receivables")


def has(client: Any, held: FiscalPeriod, text: str) -> bool:
    """On the page of the period's differences, white space apart."""
    return text.replace(" ", "") in re.sub(r"\s", "", read(client, f"/differences/DE01/{held.name}"))


def changed(client: Any, of: str, **changes: Any) -> None:
    assert "adminform" not in change(client, address(period(of)), change_reason="Our calendar", **changes).context


def renamed(client: Any) -> FiscalPeriod:
    changed(client, "2026-10", name="FY26-P10")
    return period("FY26-P10")


def drawn_apart(client: Any) -> FiscalPeriod:
    """4-4-5: September lasts until 10 October."""
    changed(client, "2026-10", starts_on="2026-10-11")
    changed(client, "2026-09", ends_on="2026-10-11")
    return period("2026-09")


@pytest.mark.parametrize("calendar", [renamed, drawn_apart])
def test_both_stand_where_the_day_is_held(company: Any, billing: Invoices, boss: Any, calendar: Any) -> None:
    client = signed_in(boss)
    PollCursor.objects.create(connection="billing", reached=clock.now(), read_at=clock.now())
    held = calendar(client)
    gives(billing, POSTED)
    gives(billing, SECOND, "b-2")
    assert JournalEntry.objects.get().period == held
    assert set(Step.objects.filter(stage="record_invoice").values_list("period", flat=True)) == {held.name}
    assert Case.objects.get().period == held.name
    (standing,) = close.standing(boss, [held])
    assert (standing.cases, standing.case_sums, standing.unbooked.invoices) == (1, [(139_000, "EUR")], 1)
    assert has(client, held, "Billing has EUR 2,780.00") and has(client, held, "Still to be booked EUR +1,390.00")
    assert has(client, held, "It ties out EUR 0.00")
    page(client, f"/queue?q=entity:DE01+period:{held.name}")


def test_what_waits_follows_its_period(company: Any, billing: Invoices, boss: Any) -> None:
    gives(billing, SECOND, "b-2")
    case = Case.objects.get()
    assert case.period == "2026-10"
    client = signed_in(boss)
    renamed(client)
    case.refresh_from_db()
    assert (case.period, Step.objects.get(id=case.step_id).period) == ("FY26-P10", "FY26-P10")
    changed(client, "FY26-P10", starts_on="2026-10-11")
    case.refresh_from_db()
    assert case.period == "2026-10", "by the month, where no period holds its day"
    FiscalPeriod.objects.create(
        entity=period("2026-09").entity, subledger="receivables", name="P10A", fiscal_year=2026,
        starts_on=dt.date(2026, 10, 1), ends_on=dt.date(2026, 10, 11),
    )  # fmt: skip
    case.refresh_from_db()
    assert case.period == "P10A"


def test_what_was_superseded_or_given_up_follows_and_holds_up_no_period(
    company: Any, billing: Invoices, boss: Any
) -> None:
    """The first version of INV-2 ends as superseded, the second is given up; then their period gets its name."""
    gives(billing, SECOND, "b-2")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        gives(billing, replace(SECOND, account="THIRD"), "b-2")
        give_up(Case.objects.get(state="open"), "other")
    assert set(Step.objects.filter(stage="record_invoice").values_list("state", flat=True)) == {"abandoned"}
    client = signed_in(boss)
    held = renamed(client)
    assert set(Step.objects.filter(stage="record_invoice").values_list("period", flat=True)) == {held.name}
    assert set(Case.objects.values_list("period", flat=True)) == {held.name}
    assert has(client, held, "1 invoice posted in billing, not in the books")


@pytest.mark.parametrize("calendar", [renamed, drawn_apart])
def test_what_cannot_be_read_follows_too(company: Any, boss: Any, calendar: Any) -> None:
    send("e-1", currency="EUR", account=5)
    assert Case.objects.get().period == "2026-10"
    held = calendar(signed_in(boss))
    assert Case.objects.get().period == held.name
    (standing,) = close.standing(boss, [held])
    assert (standing.cases, standing.case_sums) == (1, [(139_000, "EUR")])


def test_lists_are_narrowed_to_a_period_as_it_is_named(company: Any, billing: Invoices, boss: Any) -> None:
    client = signed_in(boss)
    assert 'type="month"' in client.get("/invoices").content.decode()
    held = renamed(client)
    gives(billing, POSTED)
    for noun, shown in (
        ("invoices", "INV-1"),
        ("journals", JournalEntry.objects.get().number or ""),
        ("orders", "ORD-1"),
    ):
        found = client.get(f"/{noun}", {"period": held.name})
        assert found.status_code == 200 and f'<option value="{held.name}">' in found.content.decode()
        assert (shown in found.content.decode()) == (noun != "orders"), "the order came in November"
        filed = client.get(f"/{noun}", {"period": held.name, "format": "csv"})
        assert filed["Content-Type"].startswith("text/csv")
        wrong = client.get(f"/{noun}", {"period": "FY26-P99", "format": "csv"})
        assert wrong.status_code == 422 and "“FY26-P99” is no period" in wrong.content.decode()


def test_what_cannot_be_read_nor_its_day_stands_with_its_earlier_version(company: Any, boss: Any) -> None:
    order()
    arrives("InvoiceIssued", replace(SECOND, invoice_number="INV-1"), source="back-office")
    run.drain("record_invoice")
    send("e-2", billing_reference="b-2", issued_on="soon")
    earlier, unread = Case.objects.order_by("number")
    assert earlier.step_id is not None and (unread.step_id, unread.period) == (None, "2026-10")
    held = drawn_apart(signed_in(boss))
    assert set(Case.objects.values_list("period", flat=True)) == {held.name}


def test_a_reversal_that_is_asked_for_follows_its_day(company: Any, billing: Invoices, boss: Any) -> None:
    gives(billing, POSTED)
    requests.reverse_journal(boss, JournalEntry.objects.get(), dt.date(2026, 11, 2), "booked wrongly")
    run.drain("reverse_journal")
    changed(signed_in(boss), "2026-11", name="FY26-P11")
    assert Case.objects.get(stage="reverse_journal").period == "FY26-P11"


def test_what_was_booked_before_is_placed_by_the_migration(company: Any, billing: Invoices, boss: Any) -> None:
    held = renamed(signed_in(boss))
    gives(billing, POSTED)
    with past_guards():
        Step.objects.filter(stage="record_invoice").update(period="2026-10")
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0066_unread_invoices_in_their_fiscal_periods").BOOKED)
    assert Step.objects.get(stage="record_invoice").period == held.name


def test_a_case_is_told_in_the_period_as_it_is_named_when_the_case_opens(
    company: Any, billing: Invoices, boss: Any
) -> None:
    arrives("InvoiceIssued", SECOND, source="billing")
    stage, gates = run.STAGES["record_invoice"], run.gates.Gates()
    loaded = run.load(run.claim("record_invoice"))
    run.prepare(stage, loaded, gates)
    held = renamed(signed_in(boss))
    run.record.record(stage, loaded, [], gates)
    assert Case.objects.get().period == held.name


def test_the_card_of_a_redating_names_the_periods_of_its_entity(company: Any, billing: Invoices, boss: Any) -> None:
    client = signed_in(boss)
    periods.close(drawn_apart(client), by="boss", why="done")
    gives(billing, POSTED)
    decisions.ask_to_redate(boss, Case.objects.get().id, dt.date(2026, 10, 11), "late")
    shown = read(client, "/approvals").replace("\N{NO-BREAK SPACE}", " ")
    assert "then count in Oct 2026 and not in Sep 2026" in shown


def test_a_month_that_another_period_begins_is_told_as_the_year_is_made(company: Any, boss: Any) -> None:
    entity = period("2026-10").entity
    last = FiscalPeriod.objects.filter(entity=entity, subledger="receivables").latest("starts_on")
    client = signed_in(boss)
    changed(client, last.name, ends_on=last.ends_on + dt.timedelta(days=3))
    asked = {"action": "make_year", "_selected_action": [entity.pk]}
    told = said(client.post("/admin/ledger/legalentity/", asked, follow=True))
    month = f"{last.ends_on:%Y-%m}"
    assert any(f"Another period holds some days of DE01:receivables:{month}: add what is left" in text for text in told)


def test_what_is_booked_holds_its_period(company: Any, billing: Invoices) -> None:
    gives(billing, POSTED)
    with pytest.raises(IntegrityError, match="its entity, subledger and days stay"), transaction.atomic():
        FiscalPeriod.objects.filter(pk=period("2026-10").pk).update(name="FY26-P10")


@pytest.mark.parametrize("name", ["2026/10", "Oct 2026", "a:b", "-10"])
def test_a_name_can_stand_in_an_address_and_in_the_query_bar(company: Any, boss: Any, name: str) -> None:
    answer = change(signed_in(boss), address(period("2026-10")), name=name, change_reason="Our calendar")
    assert "Letters, digits, dots, dashes" in str(errors(answer)["name"])
