"""What a ledger shows after its journal left the books here is told. DE01's INV-1 is answered 503 on 3 November and
cancelled in billing; minutes later the ledger holds none of it, and the invoice leaves the books.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, replay, run
from q2c.models import Event, Invoice, Step
from tests.engine.makers import person, run_all
from tests.stages.conftest import emitted
from tests.stages.test_invoices_and_journals import arrives
from tests.stages.test_not_owed_refused import LATER, met_503, stands

pytestmark = pytest.mark.django_db

NEXT_DAY = LATER + dt.timedelta(days=1)


@pytest.fixture
def sent(company: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The journal as it went out."""
    _, (journal,) = met_503(monkeypatch)
    with clock.at(LATER):
        run_all()
        assert stands() == ("voided", "superseded") and not run.drain("look_again"), "its day is tomorrow"
    return journal


def appears(company: Any, journal: Any) -> None:
    book = company["erp-de"]
    book.documents[journal.key], book.numbers[journal.key] = journal, "JE-1"


def look(day: dt.datetime = NEXT_DAY) -> Step:
    with clock.at(day):
        assert run.drain("look_again") == 1
    return Step.objects.get(stage="look_again")


def test_what_the_ledger_shows_later_is_a_case_in_its_period_until_it_is_gone_there(company: Any, sent: Any) -> None:
    assert emitted("post_journal") == ["JournalWithdrawn"]
    appears(company, sent)
    assert look().state == "failed"
    told = Case.objects.get(state="open")
    assert (told.reason, told.owner_team_id, told.business_key) == ("journal_not_owed", "finance-systems", "INV-1")
    assert (told.entity, told.period, told.amount_minor, told.currency) == ("DE01", "2026-10", -119_000, "EUR")
    assert "as JE-1, though billing took its invoice back" in told.text
    with clock.at(NEXT_DAY):
        (shown,) = replay.dry_run([told.step_id], ask=True)
        assert not shown.would_pass and "JE-1" in shown.platform_text
        company["erp-de"].documents.clear()
        company["erp-de"].numbers.clear()
        (shown,) = replay.dry_run([told.step_id], ask=True)
        assert shown.would_pass
        desk.replay_one(person("ann"), told.id)
        run.drain("look_again")
    told.refresh_from_db()
    assert (told.state, company["erp-de"].writes, stands()) == ("resolved", 0, ("voided", "superseded"))


def test_what_stays_away_is_nobodys_case(company: Any, sent: Any) -> None:
    step = look()
    assert step.state == "done" and step.proof["searches"][0]["found"] is None
    assert step.proof["key"] == sent.key
    assert not Case.objects.filter(reason="journal_not_owed").exists()


def test_a_ledger_that_is_away_is_asked_later(company: Any, sent: Any) -> None:
    company["erp-de"].down = True
    assert look().state == "waiting"


def test_booked_again_under_its_key_it_is_the_new_journals_own(company: Any, sent: Any) -> None:
    """Billing posts the invoice again: its journal has the same key, and whoever sends it looks for that first."""
    with clock.at(LATER):
        arrives("InvoiceIssued", stored.read(Event.objects.get(type="InvoiceIssued").payload, InvoiceDocument))
        run_all()
    assert Invoice.objects.filter(state="posted").count() == 1 and company["erp-de"].writes == 1
    step = look()
    assert (step.state, step.reference) == ("done", "superseded")
