"""A ledger shows a journal after it was looked for in vain and its invoice left the books.

9 Mar 2026   Leeds Railways' training is billed; the ERP drops the line as its journal is sent.
9 Mar        Billing cancels the invoice. The ERP is searched over its settle time, and holds nothing of it.
9 Mar        Late in the evening the ERP books the journal all the same.
10 Mar       The ERP is searched once more. Finance systems reads of it, takes it out there, and replays.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Case
from ledger import journal
from ledger.models import JournalEntry
from q2c.connectors import registry
from q2c.connectors.netsuite.client import RECORD
from q2c.connectors.outcomes import Posted
from q2c.demo.company import ERP
from q2c.demo.people import user
from q2c.engine import desk
from q2c.models import Connection, Invoice, Step
from q2c.stages import booking
from tests.scenarios.conftest import Story
from tests.scenarios.test_never_confirmed import sent_in_vain
from tests.scenarios.test_taken_back_by_billing import becomes

pytestmark = pytest.mark.django_db(transaction=True)


def erp() -> Any:
    return registry.open_connector(Connection.objects.get(name=ERP).config())


def commits_late() -> str:
    """As the ERP does what it was sent: the id that it gives."""
    (document,) = booking.documents_of(journal.read([JournalEntry.objects.get().id]))
    (done,) = erp().post([document])
    assert isinstance(done, Posted)
    return done.reference


def test_what_the_erp_books_late_is_told_and_ends_once_it_is_taken_out_there(story: Story) -> None:
    number = sent_in_vain(story)
    assert Step.objects.get(stage="post_journal").state == "unknown"
    becomes(story, number, "Canceled", "2026-03-09", "10:00")
    assert Invoice.objects.get().state == "voided" and story.documents() == []
    with story.on("2026-03-09", "22:00"):
        id_ = commits_late()
    with story.on("2026-03-10", "12:00"):
        story.flow.work()
        told = Case.objects.get(reason="journal_not_owed")
        (there,) = story.documents()
        assert (told.state, told.business_key, told.entity, told.period) == ("open", number, "UK", "2026-03")
        assert there["number"] in told.text and told.amount_minor == -180_000
        assert erp().session.send("DELETE", f"{RECORD}/journalEntry/{id_}", operation="delete").ok
        desk.replay_one(user("carla"), told.id)
        story.flow.work()
    told.refresh_from_db()
    assert told.state == "resolved" and Invoice.objects.get().state == "voided"
