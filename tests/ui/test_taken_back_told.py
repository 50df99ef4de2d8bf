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
from tests.stages.test_given_up import give_up
from tests.stages.test_not_owed import LATER, cancelled
from tests.stages.test_not_owed_refused import looked_for, refused
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
