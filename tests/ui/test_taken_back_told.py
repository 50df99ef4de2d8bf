"""The page of a case of what billing took back says what to do as its journal stands now, whatever was so before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.engine import requests, run
from tests.application_role import as_owner
from tests.engine.makers import run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_look_again import NEXT_DAY, appears
from tests.stages.test_not_owed import LATER, cancelled
from tests.stages.test_not_owed_refused import looked_for, met_503, refused
from tests.stages.test_reversals import TODAY, _work, controller
from tests.ui.people import boss, read, signed_in

pytestmark = pytest.mark.django_db


def says(client: Client, told: Case, words: str) -> None:
    """The page does, and so does the API."""
    assert words in read(client, f"/cases/{told.id}")
    assert words in client.get(f"/api/v1/cases/{told.id}").json()["to_do"]


def test_what_to_do_is_told_by_what_is_so_now(company: Any) -> None:
    stuck, client = refused(company, keeps=True), signed_in(boss())
    told = cancelled()
    assert told is not None and told.text.endswith("and it is booked here: billing cancelled it")
    says(client, told, f"Its journal is not posted yet ({stuck.shown}): see to that first")
    give_up(stuck, "other")
    says(client, told, f"Its journal was given up ({stuck.shown}) and is not posted")
    looked_for(stuck, is_given_up=True)
    says(client, told, "Reverse its journal: Reverse on its page asks a second person")
    company["erp-de"].refuse_all = ""
    with clock.at(LATER):
        entry = JournalEntry.objects.get()
        requests.reverse_journal(controller("carla"), entry, TODAY, "billing cancelled it")
        run.drain("reverse_journal")
        says(client, told, f"The reversal of its journal {entry.number} is under way")
        _work()
    assert Case.objects.get(id=told.id).state == "resolved"
    assert not client.get(f"/api/v1/cases/{told.id}").json()["to_do"]


def test_what_was_left_out_is_not_said_to_be_done(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is searched for once more says so, with the key that it has in the ledger."""
    _, (journal,) = met_503(monkeypatch)
    client = signed_in(boss())
    with clock.at(LATER):
        run_all()
        shown = read(client, "/trace?q=INV-1")
        assert "Left out: posting the journal in erp-de" in shown and "erp-de holds no journal of it" in shown
        assert "Still to come: what was not posted is searched for once more in erp-de" in shown
        assert "Done: the journal is posted" not in shown and "There it is superseded" not in shown
    appears(company, journal)
    with clock.at(NEXT_DAY):
        run.drain("look_again")
        shown = read(client, f"/cases/{Case.objects.get(reason='journal_not_owed').id}")
    assert f"it is searched for under our key {journal.key}. A replay searches for it, and sends nothing." in shown


def test_a_case_of_before_loses_the_advice_of_its_day(company: Any) -> None:
    refused(company, keeps=True)
    told = cancelled()
    assert told is not None
    text = told.text
    Case.objects.filter(id=told.id).update(
        text=f"{text}. Its journal is not posted yet (C-1): see to that first. It is"
    )
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0059_cases_without_advice").SQL)
    assert Case.objects.get(id=told.id).text == text
