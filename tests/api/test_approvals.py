"""Over the API too, one person asks and another decides: reversals, periods, dates. It is 3 November 2026."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.engine import run
from q2c.models import ApiKey, Event
from tests.api.conftest import Caller
from tests.engine.conftest import books, company
from tests.engine.makers import issue, order, person, run_all

__all__ = ["books", "company"]
pytestmark = pytest.mark.django_db
RIGHTS = ("reverse_journalentry", "redate_journalentry", "reopen_period", "view_journalentry", "view_fiscalperiod")


class Signed:
    """A controller who is signed in."""

    def __init__(self, name: str) -> None:
        self.user = person(name)
        self.user.user_permissions.add(*Permission.objects.filter(codename__in=RIGHTS))
        self.client = Client()
        self.client.force_login(self.user)

    def post(self, path: str, status: int, **body: Any) -> Any:
        answer = self.client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert answer.status_code == status, answer.content
        return answer.json()

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}").json()


@pytest.fixture
def carla(company: Any) -> Signed:
    return Signed("carla")


@pytest.fixture
def cleo(company: Any) -> Signed:
    return Signed("cleo")


def test_a_reversal_is_asked_for_by_one_and_approved_by_another(carla: Signed, cleo: Signed) -> None:
    issue("INV-1", order())
    run_all()
    entry = JournalEntry.objects.get()
    carla.post(f"journals/{entry.id}/reverse", 400, effective_on="2026-11-03")
    before = carla.post(f"journals/{entry.id}/reverse", 422, effective_on="2026-09-03", reason="billed twice")
    assert before["errors"][0]["pointer"] == "/effective_on" and "2026-11" in before["remedy"]
    assert not Event.objects.filter(type="JournalReversalRequested").exists()
    carla.post(f"journals/{entry.id}/reverse", 202, effective_on="2026-11-03", reason="billed twice")
    run.drain("reverse_journal")
    carla.post(f"journals/{entry.id}/reverse", 409, effective_on="2026-11-03", reason="billed twice")
    (asked,) = carla.get("approvals?state=requested")["results"]
    assert (asked["action"], asked["requested_by"], asked["amount_minor"]) == (
        "reversal_approval_required", "carla", -119_000,
    )  # fmt: skip
    assert entry.number in asked["data"]["findings"][0]["text"]
    carla.post(f"approvals/{asked['id']}/approve", 403)
    carla.post(f"approvals/{asked['id']}/refuse", 403, why="no")
    decided = cleo.post(f"approvals/{asked['id']}/approve", 200, why="seen")
    assert (decided["state"], decided["decided_by"], decided["decision"]) == ("approved", "cleo", "seen")
    cleo.post(f"approvals/{asked['id']}/approve", 409)
    while run.drain("reverse_journal") + run.drain("post_journal"):
        pass
    assert JournalEntry.objects.get(id=entry.id).state == "reversed"
    listed = carla.get("journals")["results"]
    assert [(one["total_minor"], one["worth_minor"]) for one in listed] == [(119_000, -119_000), (119_000, 119_000)]


def test_a_period_is_reopened_by_two(carla: Signed, cleo: Signed) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    carla.post(f"periods/{october.id}/reopen", 409, why="late")
    periods.close(october, by="ceo", why="done")
    (shown,) = carla.get("periods?entity=DE01&state=closed")["results"]
    assert (shown["key"], shown["starts_on"], shown["ends_on"]) == (october.key, "2026-10-01", "2026-11-01")
    asked = carla.post(f"periods/{october.id}/reopen", 202, why="one invoice is late")
    assert (asked["action"], asked["subject_id"], asked["case"]) == ("reopen_period", october.key, None)
    carla.post(f"approvals/{asked['id']}/approve", 403)
    assert FiscalPeriod.objects.get(id=october.id).state == "closed"
    # Taken back and asked for again.
    assert carla.post(f"approvals/{asked['id']}/withdraw", 200)["state"] == "withdrawn"
    asked = carla.post(f"periods/{october.id}/reopen", 202, why="one invoice is late")
    Approval.objects.filter(id=asked["id"]).update(shown="Two cases wait.")  # as its page does, before it is decided
    assert cleo.post(f"approvals/{asked['id']}/approve", 200)["shown"] == "Two cases wait."
    assert FiscalPeriod.objects.get(id=october.id).state == "open"


def test_a_key_that_only_reads_does_not_take_her_request_back(carla: Signed) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="ceo", why="done")
    asked = carla.post(f"periods/{october.id}/reopen", 202, why="one invoice is late")
    reader = Caller(ApiKey.make("board", ["exceptions.view_case", "q2c.read_every_system"], created_by=carla.user)[1])
    answer = reader.post(f"/api/v1/approvals/{asked['id']}/withdraw", {}, "application/json")
    assert (answer.status_code, answer.json()["right"]) == (403, "exceptions.work_case")
    assert Approval.objects.get().state == "requested"


def test_a_late_document_is_booked_on_another_day_by_two(carla: Signed, cleo: Signed) -> None:
    periods.close(
        FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10"), by="x", why="y"
    )
    issue("INV-1", order())
    run_all()
    case = Case.objects.get()
    carla.post(f"cases/{case.id}/redate", 409, effective_on="2026-12-01", why="late")
    assert carla.post(f"cases/{case.id}/redate", 202, effective_on="2026-11-02", why="late")["state"] == (
        "awaiting_approval"
    )
    asked = Approval.objects.get()
    assert asked.data == {"source_on": "2026-10-05", "effective_on": "2026-11-02"}
    cleo.post(f"approvals/{asked.id}/approve", 200)
    run_all()
    assert JournalEntry.objects.get().effective_on == dt.date(2026, 11, 2)


def test_a_key_decides_as_the_person_who_made_it(carla: Signed, cleo: Signed) -> None:
    issue("INV-1", order())
    run_all()
    entry = JournalEntry.objects.get()
    carla.post(f"journals/{entry.id}/reverse", 202, effective_on="2026-11-03", reason="billed twice")
    run.drain("reverse_journal")
    asked = Approval.objects.get()
    scopes = ["exceptions.view_case", "exceptions.approve_case", "q2c.read_every_system"]
    for maker, status in ((carla, 403), (cleo, 200)):
        key = Caller(ApiKey.make(f"bot-{status}", scopes, created_by=maker.user)[1])
        answer = key.post(f"/api/v1/approvals/{asked.id}/approve", {}, "application/json")
        assert answer.status_code == status, answer.content
    assert Approval.objects.get().decided_by == cleo.user
