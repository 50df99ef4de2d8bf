"""What the application's own role may not do by raw SQL: what q2c/guards.py holds, tried on records of a whole flow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from simple_history.models import HistoricalChanges

from exceptions import approvals
from exceptions.models import Approval
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import guards, states
from q2c.engine import decisions, desk, run
from q2c.models import CrossReference, Customer, Invoice, Step
from tests.application_role import as_owner
from tests.engine.makers import issue, order, run_all
from tests.past_guards import past_guards, reopened, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked(company: Any) -> Any:
    """ORD-1 accepted, INV-1 recorded, posted and known under the ERP's own id."""
    issue("INV-1", order())
    run_all()
    assert Invoice.objects.get().state == "posted" and CrossReference.objects.exists()
    return company


@contextmanager
def refused(constraint: str, *words: str) -> Iterator[None]:
    """By the application's role, in a savepoint; what is deferred is asked at once."""
    sql("SELECT 1 / (current_user = %s)::int", settings.DATABASE_APP_ROLE)
    with pytest.raises(IntegrityError) as found, transaction.atomic():
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    told: Any = found.value.__cause__
    assert told.diag.constraint_name.endswith(constraint), told
    for word in words:
        assert word in str(told)


def sql(statement: str, *given: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given or None)


RECORDS = {
    # table → (columns of a record that is decided, where, words of the error)
    "q2c_invoice": (
        ("number", "entity", "currency", "net_minor", "total_minor", "order_id", "due_on", "event_id"),
        "state = 'posted'", ("is posted and stays as it is", "billing corrects it by another document"),
    ),
    "q2c_order": (
        ("number", "total_minor", "currency", "document", "customer_key", "payer_key", "portions", "accepted_at"),
        "state = 'accepted'", ("what was sold changes by another order",),
    ),
    "q2c_step": (
        ("key", "proof", "reference", "document", "sent_at", "event_id", "stage", "text", "finished_at", "amount_minor"),
        "state = 'done'", (),
    ),
}  # fmt: skip
CHANGED = {
    "uuid": "gen_random_uuid()", "json": "'{\"a\": 1}'::json", "jsonb": "'{\"a\": 1}'::jsonb",
    "date": "'1999-01-01'", "timestamp with time zone": "'1999-01-01'", "bigint": "4711",
}  # fmt: skip


@pytest.mark.parametrize(("table", "column"), [(table, one) for table, told in RECORDS.items() for one in told[0]])
def test_what_is_decided_stays(booked: Any, table: str, column: str) -> None:
    _, where, words = RECORDS[table]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
            [table, column],
        )
        [(kind,)] = cursor.fetchall()
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {where}")
        assert cursor.fetchone() != (0,)
    with refused(f"{table}_stays", column, *words):
        sql(f'UPDATE {table} SET "{column}" = {CHANGED.get(kind, "$$9$$")} WHERE {where}')


@pytest.mark.parametrize("table", ["q2c_invoiceline", "q2c_orderline", "q2c_ordergroup", "q2c_crossreference"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_hangs_on_them_is_written_once(booked: Any, table: str, statement: str) -> None:
    with refused("append_only", f"{table} is append-only"):
        sql(statement.format(table))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("q2c_invoiceline", "invoice_id, line, product, kind, charge, description, quantity, net_minor, tax_minor, tax_code"),
        ("q2c_ordergroup", "order_id, key, region, entity, bill_to, currency, total_minor"),
    ],
)  # fmt: skip
def test_nothing_is_added_to_them_later(booked: Any, table: str, columns: str) -> None:
    other = columns.replace("line,", "line + 1,").replace(" key,", " key || 'b',")
    with refused(f"{table}_stays", f"no {table} is added to it any more"):
        sql(f"INSERT INTO {table} ({columns}) SELECT {other} FROM {table}")


def test_a_step_keeps_its_key_before_it_is_done_too(company: Any) -> None:
    issue("INV-1", order())
    assert set(Step.objects.values_list("state", flat=True)) == {"waiting"}
    with refused("q2c_step_stays", "key"):
        sql("UPDATE q2c_step SET key = 'another'")


ADDED_TO = ["q2c_transition", "q2c_attempt", "q2c_event", "exceptions_caseevent", "exceptions_rawbody"]


@pytest.mark.parametrize("state", ["recorded", "posted"])
def test_an_invoice_whose_journal_lives_is_not_voided(company: Any, state: str) -> None:
    """Its number would be free, and the same invoice be booked beside it."""
    issue("INV-1", order())
    run.drain("record_invoice")
    if state == "posted":
        run_all()
    assert Invoice.objects.get().state == state
    with refused("invoice_voided_unbooked", "INV-1"):
        sql("UPDATE q2c_invoice SET state = 'voided'")


@pytest.mark.parametrize("table", ADDED_TO)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_what_is_told_is_only_added_to(booked: Any, table: str, statement: str) -> None:
    model = next(model for model in apps.get_models() if model._meta.db_table == table)
    asked = statement.format(table, model._meta.pk.column)
    with pytest.raises(DatabaseError, match=r"append-only|permission denied"), transaction.atomic():
        sql(asked)


HISTORIES = [model for model in apps.get_models() if issubclass(model, HistoricalChanges)]


@pytest.mark.parametrize("model", HISTORIES, ids=lambda model: model.__name__)
def test_versions_are_only_added_to(model: type[models.Model], db: None) -> None:
    table = model._meta.db_table
    column = "history_change_reason" if hasattr(model, "history_change_reason") else "history_id"
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with refused("append_only", f"{table} is append-only"):
            sql(statement)


def test_every_history_is_among_them() -> None:
    named = {model for model in apps.get_models() if model.__name__.startswith("Historical")}
    assert named == set(HISTORIES) and len(named) >= 20


def test_who_made_a_version_goes_with_the_person_alone(db: None) -> None:
    ann, bo = (get_user_model().objects.create_user(name) for name in ("ann", "bo"))
    kept = Customer(key="C-1", name="Acme")
    kept._history_user = ann  # type: ignore[attr-defined]
    kept.save()
    for whose in ("NULL", str(bo.pk)):
        with refused("append_only", "who made a version stays"):
            sql(f"UPDATE q2c_historicalcustomer SET history_user_id = {whose}")
    ann.delete()
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    assert kept.history.get().history_user_id is None


@pytest.fixture
def asked(company: Any) -> Approval:
    """Controllers ann, bo and cy; ann asks that October be reopened, which is closed."""
    people = [get_user_model().objects.create_superuser(name) for name in ("ann", "bo", "cy")]
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="general", name="2026-10")
    periods.close(october, by="ann", why="done")
    return decisions.ask_to_reopen(people[0], october, "one more")


def user_id(name: str) -> int:
    return int(get_user_model().objects.get(username=name).pk)


DECIDE = "UPDATE exceptions_approval SET state = %s, decided_by_id = %s, decided_at = now()"


@pytest.mark.parametrize("verb", ["approved", "refused"])
def test_nobody_decides_what_may_be_their_own(asked: Approval, verb: str) -> None:
    with refused("approval_by_another_person"):
        sql(DECIDE, verb, user_id("ann"))
    approvals.ask_about(("key", "K-1"), "reverse", "please", asked.requested_by, {"not_by": [user_id("bo"), 99]})
    with refused("approval_by_another_person", "nobody decides what they asked for"):
        sql(f"{DECIDE} WHERE subject_id = 'K-1'", verb, user_id("bo"))
    sql(f"{DECIDE} WHERE subject_id = 'K-1'", verb, user_id("cy"))


@pytest.mark.parametrize("column", ["subject_id", "action", "reason", "requested_by_id", "data", "currency"])
def test_what_is_asked_is_decided_as_it_was_asked(asked: Approval, column: str) -> None:
    value = {"data": "'{\"not_by\": []}'", "requested_by_id": str(user_id("bo"))}.get(column, "'XYZ'")
    with refused("exceptions_approval_stays", column, "is requested", "decided as it was asked"):
        sql(f"UPDATE exceptions_approval SET {column} = {value}")


@pytest.mark.parametrize("change", ["decided_by_id = %s", "decision = $$no$$", "decided_at = now()"])
def test_a_decision_is_taken_once(asked: Approval, change: str) -> None:
    desk.approve(get_user_model().objects.get(username="bo"), [asked.id], "yes")
    given = [user_id("cy")] if "%s" in change else []
    with refused("exceptions_approval_stays", "a decision is taken once"):
        sql(f"UPDATE exceptions_approval SET {change}", *given)
    with refused("append_only"):
        sql("DELETE FROM exceptions_approval")


REOPEN = "UPDATE ledger_fiscalperiod SET state = 'open' WHERE state <> 'open'"


def test_a_period_is_opened_by_two_people_once(asked: Approval) -> None:
    october = FiscalPeriod.objects.get(state="closed")
    with refused("period_reopened_by_two", f"period {october.key} is closed", "ask to reopen it"):
        sql(REOPEN)
    with refused("period_reopened_by_two"):
        periods.reopen(october, by="ann", why="alone")
    # An approval for another period, and what is only asked for, open nothing.
    signed(FiscalPeriod.objects.get(entity__code="DE01", subledger="general", name="2026-09"))
    with refused("period_reopened_by_two"):
        sql(REOPEN)
    desk.approve(get_user_model().objects.get(username="bo"), [asked.id], "yes")
    october = FiscalPeriod.objects.get(pk=october.pk)
    assert october.state == "open"
    # Closed again it is closed: what was granted is spent.
    for close in (periods.soft_close, periods.close):
        close(october, by="ann", why="done now")
        with refused("period_reopened_by_two", october.state.replace("_", " ")):
            sql(REOPEN)
    assert reopened(october, by="bo", why="again").state == "open"


def test_an_approval_that_nobody_asked_for_opens_nothing(asked: Approval) -> None:
    with past_guards():
        sql("UPDATE exceptions_approval SET requested_by_id = NULL")
    sql(DECIDE, "approved", user_id("bo"))
    with refused("period_reopened_by_two"):
        sql(REOPEN)


def test_the_application_cannot_say_that_it_is_the_owner(booked: Any) -> None:
    sql("SET q2c.maintenance = 'on'")
    with refused("q2c_invoice_stays"):
        sql("UPDATE q2c_invoice SET total_minor = 1")
    with refused("append_only"):
        sql("DELETE FROM q2c_orderline")
    with past_guards():
        sql("UPDATE q2c_invoice SET total_minor = 1")


def test_guards_are_lifted_for_a_migration_and_put_back(booked: Any) -> None:
    with as_owner():
        guards.lift()
        Invoice.objects.update(total_minor=1)
        guards.install(settings.DATABASE_APP_ROLE)
    with refused("q2c_invoice_stays"):
        sql("UPDATE q2c_invoice SET total_minor = 2")


def test_a_declaration_names_columns_that_there_are() -> None:
    with pytest.raises(LookupError, match="totl_minor"):
        guards.stays_sql(Invoice, 0, states.Stays("x", only=("totl_minor",)))
