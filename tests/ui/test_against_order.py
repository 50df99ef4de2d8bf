"""The case of an invoice that its order does not carry shows the two side by side, and what billed the same before.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked. INV-2 bills its implementation again.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.contracts.documents import InvoiceLine
from q2c.models import Order
from tests import flow_makers as make
from tests.ui.people import boss, person, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.at(NOW):
        yield


def billed_twice() -> Case:
    make.company()
    order = make.through("O-1", "INV-1")
    fee = order.lines.get(product="ONBOARDING").amount_minor
    line = InvoiceLine(line=1, product="ONBOARDING", kind="one_time", charge="Implementation", net_minor=fee)
    make.bill(order, "INV-2", lines=[line])
    make.run("record_invoice")
    return Case.objects.get(business_key="INV-2")


def below(client: Any, case: Case) -> Any:
    return client.get(f"/cases/{case.id}?view=documents").context["below"]["against"]


def test_what_was_sold_what_is_billed_and_what_this_adds_stand_in_one_row(client: Any) -> None:
    case = billed_twice()
    client.force_login(boss())
    found, fee = below(client, case), Order.objects.get().lines.get(product="ONBOARDING").amount_minor
    (row,) = found["products"]
    assert (row.product, row.sold, row.before, row.now, row.left) == ("ONBOARDING", fee, fee, fee, -fee)
    (before,) = found["billed"]
    assert (before["one"].number, before["one"].minor) == ("INV-1", fee)
    assert before["href"] == f"/invoices/{before['one'].invoice_id}"
    text = read(client, f"/cases/{case.id}?view=documents")
    assert "Beside its order O-1" in " ".join(text.split()) and "in the order" not in text
    assert not any(head["differs"] for head in found["heads"])


def test_what_the_reader_may_not_see_is_left_out(client: Any) -> None:
    case = billed_twice()
    client.force_login(person("eve", "exceptions.view_case"))
    context = client.get(f"/cases/{case.id}?view=documents").context["below"]
    assert (context["ours"], context["theirs"], context["against"]) == ([], [], None)
