"""What a replay is worth: charges, credits, and beside them what billing has otherwise than the books, which is neither.

INV-1 is booked, and billing makes it cheaper; INV-2, a credit, and INV-3, a charge, are refused by the ledger.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from exceptions.models import Case, ReplayBatch
from q2c import clock
from q2c.contracts.documents import InvoiceLine
from q2c.engine import desk
from q2c.models import Invoice
from tests import flow_makers as make
from tests.application_role import as_owner
from tests.ui.people import boss, read
from tests.ui.test_differences_told import NOW, again, dearer, invoice  # noqa: F401
from tests.ui.test_signs_told import refused

pytestmark = pytest.mark.django_db
CREDIT, CHARGE, LESS = -10_000, 20_000, -3_000


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.at(NOW):
        yield


@pytest.fixture
def batch(client: Any, invoice: Invoice) -> ReplayBatch:  # noqa: F811
    """The dry run of all three."""
    again(invoice, "v2", 1, **dearer(invoice, LESS))
    order = invoice.order
    make.bill(order, "INV-2", lines=[InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=CREDIT)])
    make.bill(order, "INV-3", net_minor=CHARGE, tax_minor=0)
    make.run("record_invoice")
    make.run("post_journal", refused)
    assert sorted(Case.objects.values_list("amount_minor", flat=True)) == [CREDIT, LESS, CHARGE]
    rosa = boss()
    client.force_login(rosa)
    return desk.plan(rosa, list(Case.objects.values_list("id", flat=True)))


def test_a_difference_is_no_credit(client: Any, batch: ReplayBatch) -> None:
    assert (batch.credits, batch.differences) == ({"EUR": CREDIT}, {"EUR": [0, LESS]})
    for address in ("/replays", f"/replays/{batch.id}"):
        said = read(client, address)
        assert "EUR 200.00EUR −100.00 of creditsEUR −30.00 of differences" in said, address


def test_a_replay_of_differences_alone_tells_of_no_credit_and_no_charge(client: Any, batch: ReplayBatch) -> None:
    alone = desk.plan(batch.created_by, list(Case.objects.filter(amount_minor=LESS).values_list("id", flat=True)))
    said = read(client, f"/replays/{alone.id}")
    assert "EUR −30.00 of differences" in said and "of credits" not in said and "EUR 0.00" not in said


def test_replays_from_before_tell_it_too(batch: ReplayBatch) -> None:
    """The migration's own script, over what was kept until then."""
    ReplayBatch.objects.update(credits={"EUR": CREDIT + LESS}, differences={})
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(import_module("exceptions.migrations.0019_replays_tell_differences")._TOLD)
    batch.refresh_from_db()
    assert (batch.credits, batch.differences) == ({"EUR": CREDIT}, {"EUR": [0, LESS]})
