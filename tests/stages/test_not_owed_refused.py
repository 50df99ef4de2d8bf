"""Billing takes back, or people give up as a duplicate, an invoice whose journal the ledger refused, or answered 503
for: it may hold it all the same, and is asked before the invoice leaves the books.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors.outcomes import Unavailable
from q2c.engine import after_all, desk, run
from q2c.models import Attempt, Step
from q2c.reading import billing_now, what_stays
from q2c.stages import not_owed
from tests.application_role import as_owner
from tests.engine import paper
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_not_owed import cancelled, stands

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(minutes=10)


def refused(company: Any, *, keeps: bool) -> Case:
    book = company["erp-de"]
    book.refuse_all, book.keeps_what_it_refuses = "Error in script", keeps
    issue("INV-1", order())
    run_all()
    step = Step.objects.get(stage="post_journal")
    assert (step.state, step.reason, step.sent_at) == ("failed", "journal_refused", None)
    return case("INV-1")


def looked_for(stuck: Case, *, is_given_up: bool) -> None:
    with clock.at(LATER):
        if is_given_up:
            after_all.ask(person("zoe"), stuck.id, "have the ledger asked")
            asked = Approval.objects.get(state="requested")
            desk.approve(person("yan"), [asked.id], "agreed")
        else:
            desk.replay_one(person("zoe"), stuck.id)
        run_all()


@pytest.mark.parametrize("is_given_up", [False, True])
def test_what_the_ledger_refused_and_kept_is_posted_here_and_is_to_be_reversed(company: Any, is_given_up: bool) -> None:
    stuck = refused(company, keeps=True)
    if is_given_up:
        give_up(stuck, "other")
    told = cancelled()
    assert told is not None and stands() == ("recorded", "blocked")
    assert f"{'was given up' if is_given_up else 'is not posted yet'} ({stuck.shown})" in billing_now.what_to_do(told)
    looked_for(stuck, is_given_up=is_given_up)
    told.refresh_from_db()
    assert billing_now.what_to_do(told).startswith("Reverse its journal:")
    assert (stands(), told.state) == (("posted", "posted"), "open") and len(company["erp-de"].documents) == 1


@pytest.mark.parametrize("is_given_up", [False, True])
def test_what_the_ledger_refused_and_did_not_keep_leaves_the_books(company: Any, is_given_up: bool) -> None:
    stuck = refused(company, keeps=False)
    if is_given_up:
        give_up(stuck, "other")
    told = cancelled()
    assert told is not None
    company["erp-de"].refuse_all = ""
    looked_for(stuck, is_given_up=is_given_up)
    told.refresh_from_db()
    assert (stands(), told.state) == (("voided", "superseded"), "resolved") and not company["erp-de"].documents
    assert not Case.objects.exclude(state__in=("resolved", "closed_without_fix")).exists()


def met_503(monkeypatch: pytest.MonkeyPatch, *, is_booked: bool = False) -> tuple[Case, list[Any]]:
    """INV-1 is answered 503, booked behind it or not, and cancelled in billing at once: the case of that, and the
    journals that went out."""
    real, sent = paper.PaperLedger._post, list[Any]()

    def post(self: paper.PaperLedger, journal: Any) -> Unavailable:
        sent.append(journal)
        if is_booked:
            real(self, journal)
        return Unavailable(text="503 of the gateway")

    issue("INV-1", order())
    run.drain("record_invoice")
    with monkeypatch.context() as patch:
        patch.setattr(paper.PaperLedger, "_post", post)
        run.run_stage("post_journal")
    step = Step.objects.get(stage="post_journal")
    assert (step.state, step.sent_at) == ("waiting", None)
    told = cancelled()
    assert told is not None
    return told, sent


@pytest.mark.parametrize(("is_booked", "ends", "told_as"), [
    (True, ("posted", "posted"), "open"), (False, ("voided", "superseded"), "resolved"),
])  # fmt: skip
def test_a_503_that_may_hide_a_journal_is_not_believed(
    company: Any, monkeypatch: pytest.MonkeyPatch, is_booked: bool, ends: tuple[str, str], told_as: str
) -> None:
    told, _ = met_503(monkeypatch, is_booked=is_booked)
    assert stands() == ("recorded", "posting")
    # Nobody does anything: the step looks by itself, and sends nothing.
    with clock.at(LATER):
        run_all()
    told.refresh_from_db()
    assert (stands(), told.state, company["erp-de"].writes) == (ends, told_as, int(is_booked))


@pytest.mark.parametrize("root_cause", ["duplicate", "test_data"])
def test_given_up_as_a_mistake_what_the_ledger_may_have_kept_stays_in_the_books(company: Any, root_cause: str) -> None:
    stuck = refused(company, keeps=True)
    assert "may hold it all the same" in what_stays.wills([(stuck, root_cause)])[stuck.id]
    give_up(stuck, root_cause)
    assert stands() == ("recorded", "blocked")
    told = cancelled()
    assert told is not None
    looked_for(stuck, is_given_up=True)
    assert stands() == ("posted", "posted")


def test_an_empty_look_before_the_settle_time_is_over_proves_nothing(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger commits behind its 503 half a minute later."""
    _, (journal,) = met_503(monkeypatch)
    book = company["erp-de"]
    with clock.at(NOW + dt.timedelta(seconds=20)):
        run_all()
        step = Step.objects.get(stage="post_journal")
        assert (step.state, stands()) == ("waiting", ("recorded", "posting")) and "may still commit it" in step.text
    book.documents[journal.key], book.numbers[journal.key] = journal, "JE-1"
    with clock.at(LATER):
        run_all()
    assert (stands(), book.writes) == (("posted", "posted"), 0)


def test_what_was_refused_before_it_was_noted_that_it_left_may_be_there(company: Any) -> None:
    """As a database of before has it: attempts of its calls, and no mark."""
    stuck = refused(company, keeps=True)
    step = Step.objects.get(id=stuck.step_id)
    del step.proof["left"]
    step.save(update_fields=["proof"])
    about = {"step": step, "correlation_id": step.event.correlation_id, "connection": "erp-de", "duration_ms": 9}
    Attempt.objects.create(at=NOW, method="POST", url="http://paper.test/journals", **about)
    give_up(stuck, "other")
    assert not not_owed.may_be_there(step)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0057_journals_that_may_have_left").SQL)
    assert cancelled() is not None and stands() == ("recorded", "blocked")
    looked_for(stuck, is_given_up=True)
    assert stands() == ("posted", "posted")


def test_what_was_only_read_before_may_not(company: Any) -> None:
    stuck = refused(company, keeps=False)
    step = Step.objects.get(id=stuck.step_id)
    Step.objects.filter(id=step.id).update(proof={})
    about = {"step": step, "correlation_id": step.event.correlation_id, "connection": "erp-de", "duration_ms": 9}
    Attempt.objects.create(at=NOW, method="GET", url="http://paper.test/periods", **about)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0057_journals_that_may_have_left").SQL)
    assert not not_owed.may_be_there(Step.objects.get(id=step.id))
    assert cancelled() is None and stands() == ("voided", "superseded")
