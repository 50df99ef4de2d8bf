"""The database is put back to what it was before an invoice came; the platforms are not, and neither is Redis.

What the ledger holds already is found there again under the key of its document, and booked once.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import guards
from q2c.connectors import registry
from q2c.engine import poll
from q2c.models import Connection, Invoice
from tests.application_role import as_owner as owner
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import training
from tests.scenarios.test_undoing import sign, tell

pytestmark = pytest.mark.django_db(transaction=True)
BACKUP = "q2c_test_backup"


@pytest.fixture
def backup() -> Iterator[Callable[[], Callable[[], None]]]:
    """Copies the database, and gives what puts the copy in its place."""
    url = urlsplit(os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"])
    live = str(connection.settings_dict["NAME"])

    def as_owner(*statements: str) -> None:
        connections.close_all()
        registry.close_all()
        with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as there:
            there.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'",
                [live],
            )
            for statement in statements:
                there.execute(statement.encode())

    def put_back() -> None:
        as_owner(f'DROP DATABASE "{live}"', f'CREATE DATABASE "{live}" TEMPLATE {BACKUP}')
        # A copy has the rights of a new database. As migrate does, which is run after a restore.
        with owner():
            guards.install(settings.DATABASE_APP_ROLE)

    def copy() -> Callable[[], None]:
        as_owner(f"DROP DATABASE IF EXISTS {BACKUP}", f'CREATE DATABASE {BACKUP} TEMPLATE "{live}"')
        return put_back

    yield copy
    as_owner(f"DROP DATABASE IF EXISTS {BACKUP}")


def polled(story: Story) -> None:
    poll.poll(Connection.objects.get(name="zuora"))
    story.flow.work()


def reverse(story: Story, number: str, id_: str) -> None:
    asked = {"journal_id": str(entry(number).id), "effective_on": "2026-03-04", "reason": "training not held"}
    assert tell("JournalReversalRequested", id_, **asked) == "stored"
    story.flow.work()
    sign(1)
    story.flow.work()
    assert entry(number).state == "reversed"


def test_what_was_posted_after_the_backup_is_found_in_the_ledger_and_not_posted_again(
    story: Story, backup: Callable[[], Callable[[], None]]
) -> None:
    with story.on("2026-03-02"):
        story.close(training("SO-4001", dt.date(2026, 3, 2)))
    put_back = backup()
    with story.on("2026-03-02", "12:00"):
        (number,) = story.bill()
    (document,) = story.documents()
    lost = entry(number)
    assert (lost.state, lost.document_number) == ("posted", document["number"])

    put_back()
    assert not Invoice.objects.exists() and len(story.documents()) == 1
    with story.on("2026-03-02", "13:00"):
        polled(story)
    again = entry(number)
    assert (again.id, again.event_id) != (lost.id, lost.event_id)
    assert (again.key, again.state, again.document_number) == (lost.key, "posted", document["number"])
    assert story.documents() == [document] and not Case.objects.exists()

    # What comes later is not kept back, and has a number and a document of its own.
    with story.on("2026-03-03"):
        story.close(training("SO-4002", dt.date(2026, 3, 3)))
        (later,) = story.bill()
    assert entry(later).document_number != document["number"] and len(story.documents()) == 2


def test_a_reversal_that_was_made_after_the_backup_is_found_too(
    story: Story, backup: Callable[[], Callable[[], None]]
) -> None:
    with story.on("2026-03-02"):
        story.close(training("SO-4001", dt.date(2026, 3, 2)))
        (number,) = story.bill()
    put_back = backup()
    with story.on("2026-03-04"):
        reverse(story, number, "r-1")
    documents = story.documents()
    assert len(documents) == 2

    put_back()
    assert JournalEntry.objects.get().state == "posted"
    with story.on("2026-03-05"):
        # A person asks again: another request.
        reverse(story, number, "r-2")
    assert JournalEntry.objects.get(reverses__isnull=False).state == "posted"
    assert story.documents() == documents and not Case.objects.filter(state="open").exists()
