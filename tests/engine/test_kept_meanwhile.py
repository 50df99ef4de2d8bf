"""What joins or ends a record at the moment in which somebody decides it: the guard waits for who came first."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from exceptions import batches
from exceptions.models import ReplayBatch
from q2c import keys
from q2c.engine import run
from q2c.models import Invoice, Order, OrderLine
from tests.engine.makers import issue, order, person
from tests.exceptions.conftest import opened
from tests.meeting import connected, met

pytestmark = pytest.mark.django_db(transaction=True)


def refused(error: BaseException | None, constraint: str) -> None:
    assert isinstance(error, psycopg.IntegrityError) and error.diag.constraint_name == constraint, error


def copied(table: str, record: str, **changes: str) -> str:
    """A row like another one, apart from these."""
    said = ", ".join(f"'{column}', {value}" for column, value in changes.items())
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(r, jsonb_build_object({said}))).* FROM {table} r"
        f" WHERE {record};"
    )


def test_no_line_joins_an_order_that_is_being_accepted(company: Any) -> None:
    given = {"new": keys.new_id(), "old": order().id}
    with connected() as makes:
        waits = copied("q2c_order", "id = %(old)s", id="%(new)s", number="'ORD-9'", state="'received'", source_id="'9'")
        psycopg.ClientCursor(makes).execute(waits, given)
    line = copied("q2c_orderline", "order_id = %(old)s", id="-1", order_id="%(new)s", amount_minor="999999999")
    accepted = "UPDATE q2c_order SET state = 'accepted', accepted_at = now() WHERE id = %(new)s"
    refused(met(connected, accepted, line, given), "q2c_orderline_stays")
    assert Order.objects.get(number="ORD-9").state == "accepted"
    assert not OrderLine.objects.filter(order__number="ORD-9").exists()


def test_who_accepts_waits_for_a_line(company: Any) -> None:
    given = {"new": keys.new_id(), "old": order().id}
    with connected() as makes:
        waits = copied("q2c_order", "id = %(old)s", id="%(new)s", number="'ORD-9'", state="'received'", source_id="'9'")
        psycopg.ClientCursor(makes).execute(waits, given)
    line = copied("q2c_orderline", "order_id = %(old)s", id="-1", order_id="%(new)s")
    assert met(connected, line, "UPDATE q2c_order SET state = 'accepted' WHERE id = %(new)s", given) is None


def test_no_case_joins_a_replay_that_is_being_queued(company: Any) -> None:
    batch = batches.create(person("ann"), [opened().id])
    given = {"batch": batch.id, "case": opened(business_key="INV-9").id}
    joins = copied("exceptions_replayitem", "batch_id = %(batch)s", id="-1", ordinal="9", case_id="%(case)s")
    queued = "UPDATE exceptions_replaybatch SET state = 'queued' WHERE id = %(batch)s"
    refused(met(connected, queued, joins, given), "replay_items_frozen")
    assert ReplayBatch.objects.get().items.count() == 1


def test_no_invoice_is_voided_that_is_being_booked(company: Any) -> None:
    """Its first journal never went out and is superseded; the next one is about to be."""
    issue("INV-1", order())
    run.drain("record_invoice")
    with connected() as makes:
        makes.execute("UPDATE ledger_journalentry SET state = 'superseded'")
    given = {"new": keys.new_id()}
    booked = copied(
        "ledger_journalentry", "true", id="%(new)s", state="'drafted'", number="NULL", generation="generation + 1"
    )
    refused(met(connected, booked, "UPDATE q2c_invoice SET state = 'voided'", given), "invoice_voided_unbooked")
    assert Invoice.objects.get().state == "recorded"


def test_nothing_is_booked_of_an_invoice_that_is_being_voided(company: Any) -> None:
    issue("INV-1", order())
    run.drain("record_invoice")
    with connected() as makes:
        makes.execute("UPDATE ledger_journalentry SET state = 'superseded'")
    booked = copied(
        "ledger_journalentry", "true", id="%(new)s", state="'drafted'", number="NULL", generation="generation + 1"
    )
    error = met(connected, "UPDATE q2c_invoice SET state = 'voided'", booked, {"new": keys.new_id()})
    refused(error, "voided_invoice_unbooked")
    assert Invoice.objects.get().state == "voided"
