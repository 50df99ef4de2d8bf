"""The suite itself: tests have the rights of web and workers, and what only the owner may do they say."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from tests.application_role import as_owner


def role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


def _told(request: object) -> HttpResponse:
    return HttpResponse(role())


urlpatterns = [path("role", _told)]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_test_and_what_it_asks_for_have_the_rights_of_the_application() -> None:
    assert role() == settings.DATABASE_APP_ROLE
    assert Client().get("/role").content.decode() == settings.DATABASE_APP_ROLE
    with as_owner():
        assert role() != settings.DATABASE_APP_ROLE
    assert role() == settings.DATABASE_APP_ROLE


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closing_connections")
def test_so_have_its_threads() -> None:
    found: list[str] = []

    def ask() -> None:
        found.append(role())
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [role()] == [settings.DATABASE_APP_ROLE]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE q2c_step DISABLE TRIGGER ALL",
        "TRUNCATE q2c_event CASCADE",
        "DELETE FROM q2c_transition",
        "DELETE FROM django_migrations",
        "CREATE INDEX ON q2c_step (state)",
    ],
)
def test_what_only_the_owner_may_do_is_refused(statement: str) -> None:
    with pytest.raises(ProgrammingError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


@pytest.mark.django_db
def test_a_statement_that_failed_leaves_the_owner_no_owner() -> None:
    with pytest.raises(ProgrammingError), transaction.atomic(), as_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert role() == settings.DATABASE_APP_ROLE
