"""An invoice is told once at the close, as billing has it, whoever told of it and whatever was decided about it since.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. INV-1 is worth EUR 1,390.00; `shop` sends by the API, too.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace as replace_of
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.connectors.ports import InvoiceNotice
from q2c.engine import decisions, desk
from q2c.engine.sources import Invoices
from q2c.models import Event
from tests.engine.makers import NOW, person
from tests.stages.test_billing_told_second import DEARER, OCT, told
from tests.stages.test_cancelled_elsewhere import GONE, POSTED, billing, gives, shop_tells, stand, to_do, works
from tests.stages.test_given_up import give_up
from tests.stages.test_reversals import _reverse, controller

pytestmark = pytest.mark.django_db
__all__ = ["billing"]
TWENTIETH = dt.date(2026, 10, 20)
LATER = replace(POSTED, due_on=POSTED.due_on + dt.timedelta(days=1))
SHOPS = replace(DEARER, billing_reference="other-1")


@pytest.fixture
def boss(db: None) -> Any:
    return get_user_model().objects.create_superuser("boss", password="x")


@pytest.fixture
def reversed_(billing: Invoices) -> Invoices:
    """INV-1 was booked, and two people reversed it in its month."""
    gives(billing, POSTED)
    _reverse(JournalEntry.objects.get(), on=TWENTIETH)
    return billing


def close_october() -> None:
    periods.close(
        FiscalPeriod.objects.get(entity__code="DE01", name="2026-10", subledger="receivables"), by="x", why="y"
    )


def test_reversed_and_touched_in_billing_nothing_is_new(reversed_: Invoices, boss: Any) -> None:
    """As after a payment, which changes the stamp of an invoice and nothing that is kept of it."""
    events = Event.objects.count()
    with (
        mock.patch.object(reversed_, "fetch", lambda ids: [POSTED for _ in ids]),
        clock.at(NOW + dt.timedelta(hours=1)),
    ):
        reversed_.take([InvoiceNotice(reference="b-INV-1", invoice_number="INV-1", changed_at=clock.now())])
        works()
    assert Event.objects.count() == events and not Case.objects.filter(state="open").exists()
    assert told(boss) == {OCT: 139_000}


def test_reversed_changed_and_put_back_it_is_one_difference_until_it_is_restored(
    reversed_: Invoices, boss: Any
) -> None:
    gives(reversed_, LATER)
    gives(reversed_, POSTED)
    (stuck,) = Case.objects.filter(state="open")
    assert stuck.reason == "invoice_changed" and stuck.text == (
        "Invoice INV-1 was booked, and its journal was reversed: the books hold none of it. billing has it posted as it "
        "was booked"
    )
    assert told(boss) == {OCT: 139_000}
    _reverse(JournalEntry.objects.get(reverses__isnull=False), on=TWENTIETH, name="r-2")
    stuck.refresh_from_db()
    assert (stuck.state, stuck.resolution) == ("resolved", "superseded")
    assert told(boss) == {} and to_do() == []


@pytest.mark.parametrize("name", [{"invoice_number": "INV-9"}, {"legal_entity": "US01"}], ids=["number", "entity"])
def test_told_first_elsewhere_renamed_in_billing_and_cancelled_there_its_booking_is_told(
    billing: Invoices, boss: Any, name: dict[str, str]
) -> None:
    shop_tells(SHOPS)
    gives(billing, POSTED)
    now = replace(POSTED, **name)
    gives(billing, now)
    about = replace_of(GONE.about, number=now.invoice_number, entity=now.legal_entity)
    gives(billing, replace_of(GONE, about=about))
    assert stand() == [("shop", "posted")] and told(boss) == {OCT: -149_000}
    assert to_do() == ["invoice_taken_back"]
    gives(billing, now)
    assert to_do() == ["invoice_changed"]


def test_told_by_two_systems_and_bookable_from_neither_it_is_still_to_be_booked_once(
    billing: Invoices, boss: Any
) -> None:
    close_october()
    shop_tells(SHOPS)
    assert told(boss) == {OCT: 149_000}
    gives(billing, POSTED)
    assert told(boss) == {OCT: 139_000} and len(to_do()) == 2
    # By an earlier name, too.
    gives(billing, replace(POSTED, invoice_number="INV-9"))
    assert told(boss) == {OCT: 139_000} and len(to_do()) == 2


def test_given_up_and_told_by_another_system_it_is_worth_what_billing_has(
    billing: Invoices, boss: Any, company: Any
) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    gives(billing, POSTED)
    give_up(Case.objects.get(stage="post_journal"), "duplicate")
    company["erp-de"].inactive.clear()
    shop_tells(SHOPS)
    assert told(boss) == {OCT: 139_000}
    desk.approve(person("cleo"), [Approval.objects.get(state="requested").id], "ok")
    works()
    assert stand() == [("shop", "posted")] and told(boss) == {OCT: -10_000}


def test_taken_back_by_billing_nothing_is_to_be_booked_of_what_another_system_tells(
    billing: Invoices, boss: Any
) -> None:
    gives(billing, GONE)
    shop_tells()
    assert to_do() == ["invoice_cancelled"] and told(boss) == {}


def test_redated_and_given_up_it_is_missing_in_the_month_of_its_date(
    billing: Invoices, boss: Any, company: Any
) -> None:
    close_october()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    gives(billing, POSTED)
    for name in ("dora", "dex"):
        controller(name).user_permissions.add(Permission.objects.get(codename="redate_journalentry"))
    dora, dex = (get_user_model().objects.get(username=name) for name in ("dora", "dex"))
    decisions.ask_to_redate(dora, Case.objects.get().id, dt.date(2026, 11, 2), "late")
    desk.approve(dex, [Approval.objects.get(state="requested").id], "ok")
    works()
    give_up(Case.objects.get(stage="post_journal"), "duplicate")
    assert stand() == [] and told(boss) == {OCT: 139_000}
