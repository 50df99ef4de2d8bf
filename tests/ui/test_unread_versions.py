"""Versions of an invoice that a system sends by itself, one of which cannot be read: only a later one ends its case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import intake
from q2c.engine.envelope import Item, Sender
from tests import flow_makers as make
from tests.ui.test_given_up_told import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def good() -> Iterator[InvoiceDocument]:
    with clock.at(NOW):
        make.company()
        invoice = make.through("O-1", "INV-1").invoices.get()
    document = stored.read(invoice.event.payload, InvoiceDocument)
    with clock.at(NOW + dt.timedelta(hours=5)):
        yield msgspec.structs.replace(document, invoice_number="INV-9", billing_reference="X-9")


def item(id_: str, document: Any, hour: float | None) -> Item:
    said = {"specversion": "1.0", "id": id_, "source": "erp", "type": "InvoiceIssued"}
    if hour is not None:
        said["time"] = (NOW + dt.timedelta(hours=hour)).isoformat()
    return Item(body=msgspec.json.encode(document), content_type="application/json", attributes=said)


def send(*items: Item) -> list[Any]:
    return intake.take(items, Sender(system="erp", actor="erp"))


def unreadable(good: InvoiceDocument, hour: float | None) -> Item:
    return item("X-9:2", msgspec.structs.replace(good, due_on=good.issued_on - dt.timedelta(days=1)), hour)


@pytest.mark.parametrize("turned", [False, True])
def test_an_older_version_that_comes_late_ends_no_case_of_a_newer_one(good: InvoiceDocument, turned: bool) -> None:
    send(unreadable(good, 2))
    send(item("X-9:1", good, 1))
    assert Case.objects.get().state == "open"
    versions = [item("X-9:0", good, 0.5), item("X-9:3", good, 3), item("X-9:4", good, 2.5)]
    came = send(*(reversed(versions) if turned else versions))
    case = Case.objects.get(raw_hash__isnull=False)
    assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")
    assert case.proof["event"] == str(next(one.event_id for one in came if one.source_id == "X-9:3"))


@pytest.mark.parametrize("hour", [None, 30], ids=["without a time", "by a clock that is ahead"])
def test_one_that_says_no_time_that_can_be_ends_by_any_good_version(good: InvoiceDocument, hour: float | None) -> None:
    send(unreadable(good, hour))
    send(item("X-9:1", good, 1))
    assert Case.objects.get(raw_hash__isnull=False).resolution == "resolved_by_itself"
