"""What a system sends without the right to claims no money that is booked as another one told it; unbooked, it counts.

DE01 sells O-1 to Acme on 3 November 2026; the reseller's system tells of OB-1, EUR 100.00. The web shop may not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec
import pytest
from django.db import connection

from exceptions.models import Case, CaseEvent
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import intake
from q2c.engine.envelope import Item, Sender
from q2c.models import Invoice
from q2c.reading import close
from tests.ui.people import read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_told import NOW, boss_of, invoice
from tests.ui.test_given_up_told import closing
from tests.ui.test_told_by_others import tell, told

__all__ = ["invoice", "told"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.at(NOW):
        yield


def shop_sends(invoice: Invoice, number: str = "OB-1") -> Case:
    """By its key, which has no right to tell of invoices."""
    document = stored.read(invoice.event.payload, InvoiceDocument)
    line = msgspec.structs.replace(document.lines[0], net_minor=10_000, tax_minor=0)
    document = msgspec.structs.replace(
        document, invoice_number=number, billing_reference=number, lines=(line,), total_minor=10_000
    )
    attributes = {"specversion": "1.0", "id": f"shop-{number}", "source": "webshop", "type": "InvoiceIssued"}
    item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
    (taken,) = intake.take([item], Sender(system="webshop", actor="api:webshop", may=lambda right: False))
    assert [fault.code for fault in taken.faults] == ["forbidden"]
    return Case.objects.get(id=taken.case_id)


def open_in_november() -> list[tuple[int, str]]:
    (blocked,) = close.blocked(boss_of())
    assert (blocked.entity, blocked.period, blocked.cases) == ("DE01", "2026-11", 1)
    return [(minor, currency) for minor, currency in blocked.sums if minor]


def test_of_what_is_booked_it_claims_nothing_and_its_case_says_what_is(told: Invoice) -> None:
    case = shop_sends(told)
    assert (case.amount_minor, case.currency, case.context["total_minor"]) == (0, "EUR", 10_000)
    assert open_in_november() == []
    client = signed_in(boss_of())
    shown = said(read(client, f"/cases/{case.id}"))
    assert "reseller/eu’s OB-1, EUR 100.00, is booked: invoice OB-1, recorded; journal" in shown
    assert "webshop has no right to tell of it: nothing is booked for what it sent, and that counts in no sum" in shown
    assert "Nothing is booked for it yet" not in shown
    assert "1 open case" in closing(client) and "EUR 100.00 of open cases" not in closing(client)


def test_booked_later_it_claims_nothing_from_then_on(told: Invoice) -> None:
    case = shop_sends(told, "OB-2")
    assert open_in_november() == [(10_000, "EUR")]
    assert "Nothing is booked for it yet" in read(signed_in(boss_of()), f"/cases/{case.id}")
    tell(told, "OB-2")
    assert open_in_november() == []
    case.refresh_from_db()
    assert (case.state, case.amount_minor, case.context["total_minor"]) == ("open", 0, 10_000)
    restated = CaseEvent.objects.get(case=case, kind="restated")
    assert restated.text == "OB-2 is booked, as reseller/eu told of it"


def test_what_the_same_system_told_before_it_had_the_right_stays_its_own(told: Invoice) -> None:
    case = shop_sends(told, "OB-2")
    tell(told, "OB-2", source="webshop")
    case.refresh_from_db()
    assert case.amount_minor == 10_000


def test_what_is_booked_under_another_number_says_nothing_of_it(told: Invoice) -> None:
    case = shop_sends(told, "OB-3")
    tell(told, "OB-4")
    case.refresh_from_db()
    assert case.amount_minor == 10_000 and not CaseEvent.objects.filter(case=case, kind="restated").exists()


def test_what_was_open_before_is_told_so_too(told: Invoice) -> None:
    case = shop_sends(told)
    del case.context["total_minor"]
    Case.objects.filter(id=case.id).update(amount_minor=10_000, context=case.context)
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(import_module("q2c.migrations.0068_what_a_system_may_not_tell").TOLD)
    case.refresh_from_db()
    assert (case.amount_minor, case.context["total_minor"]) == (0, 10_000) and open_in_november() == []
