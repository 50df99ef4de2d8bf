"""An invoice that two people gave up, told of by another system: one legal entity gives a number once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from q2c.engine import after_all, desk, run
from q2c.models import Event
from tests.engine.makers import case, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db


def told_by_another() -> None:
    arrives("InvoiceIssued", SOUND, source="back-office")
    run.drain("record_invoice")
    run_all()


@pytest.mark.parametrize("recorded", [True, False])
def test_another_system_that_tells_of_it_books_it_as_little(company: Any, recorded: bool) -> None:
    order()
    if recorded:
        company["erp-de"].inactive.add(("cost_center", "CC-410"))
        record(SOUND)
        run_all()
        give_up(case("INV-1"), "test_data")
        company["erp-de"].inactive.clear()
    else:
        record(replace(SOUND, account="OTHER-EUR"))
        give_up(case("INV-1"), "duplicate")
    told_by_another()
    assert company["erp-de"].writes == 0
    asked = Case.objects.get(state="awaiting_approval")
    assert asked.reason == "invoice_given_up" and "back-office" in asked.text
    desk.approve(person("cleo"), [Approval.objects.get(state="requested").id], "right now")
    run_all()
    assert company["erp-de"].writes == 1


def test_another_number_of_another_system_is_booked(company: Any) -> None:
    order()
    record(replace(SOUND, account="OTHER-EUR"))
    give_up(case("INV-1"), "duplicate")
    arrives("InvoiceIssued", replace(SOUND, invoice_number="INV-2", billing_reference="b-2"), source="back-office")
    run.drain("record_invoice")
    run_all()
    assert company["erp-de"].writes == 1


@pytest.mark.parametrize("token", ["t" * 300, "a\x00b", "a b"])
def test_a_request_that_no_page_made_is_refused(company: Any, token: str) -> None:
    order()
    record(replace(SOUND, account="OTHER-EUR"))
    stuck = case("INV-1")
    give_up(stuck, "other")
    there = Event.objects.count()
    with pytest.raises(NotPossible, match="open it anew"):
        after_all.ask(person("zoe"), stuck.id, "wanted", token)
    assert Event.objects.count() == there
