"""Over the API too, one person asks and another decides: reversals, periods, dates. It is 3 November 2026."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from exceptions import casework
from exceptions.models import Approval, Case, CaseEvent
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.api.authentication import KeyHolder
from q2c.api.cases import person_of
from q2c.engine import run
from q2c.models import ApiKey, Event
from tests.api.conftest import Caller
from tests.engine.conftest import books, company
from tests.engine.makers import issue, order, person, run_all

__all__ = ["books", "company"]
pytestmark = pytest.mark.django_db
DECIDES = ("exceptions.view_case", "exceptions.approve_case", "q2c.read_every_system")
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
    for maker, status in ((carla, 403), (cleo, 200)):
        answer = by_key(maker, *DECIDES, "ledger.reverse_journalentry").post(
            f"/api/v1/approvals/{asked.id}/approve", {}, "application/json"
        )
        assert answer.status_code == status, answer.content
    assert Approval.objects.get().decided_by == cleo.user


def by_key(maker: Signed, *scopes: str) -> Caller:
    return Caller(ApiKey.make("bot", list(scopes), created_by=maker.user)[1])


def reversal(carla: Signed) -> str:
    issue("INV-1", order())
    run_all()
    carla.post(
        f"journals/{JournalEntry.objects.get().id}/reverse", 202, effective_on="2026-11-03", reason="billed twice"
    )
    run.drain("reverse_journal")
    return "ledger.reverse_journalentry"


def reopening(carla: Signed) -> str:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="ceo", why="done")
    carla.post(f"periods/{october.id}/reopen", 202, why="one invoice is late")
    return "ledger.reopen_period"


def redating(carla: Signed) -> str:
    reopened = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(reopened, by="ceo", why="done")
    issue("INV-1", order())
    run_all()
    carla.post(f"cases/{Case.objects.get().id}/redate", 202, effective_on="2026-11-02", why="late")
    return "ledger.redate_journalentry"


def closing(carla: Signed) -> str:
    redating(carla)
    case = Case.objects.get()
    carla.post(f"approvals/{Approval.objects.get().id}/withdraw", 200)
    casework.close_without_fix(carla.user, [case.id], "never", "other")
    return "exceptions.close_case"


@pytest.mark.parametrize("verb", ["approve", "refuse"])
@pytest.mark.parametrize("asks", [reversal, reopening, redating, closing])
def test_a_key_decides_on_nothing_that_its_scopes_do_not_allow(
    carla: Signed, cleo: Signed, asks: Callable[[Signed], str], verb: str
) -> None:
    """Its maker may, and she has given it the right to decide alone."""
    right = asks(carla)
    asked = Approval.objects.get(state="requested")
    answer = by_key(cleo, *DECIDES).post(f"/api/v1/approvals/{asked.id}/{verb}", {"why": "seen"}, "application/json")
    assert (answer.status_code, answer.json().get("right")) == (403, right), answer.content
    assert Approval.objects.get(id=asked.id).state == "requested"
    answer = by_key(cleo, *DECIDES, right).post(
        f"/api/v1/approvals/{asked.id}/{verb}", {"why": "seen"}, "application/json"
    )
    assert answer.status_code == 200, answer.content


def test_whoever_acts_by_a_key_has_no_right_that_it_lacks(carla: Signed) -> None:
    """Also an administrator, whatever a verb asks for beside the right of its address."""
    boss = get_user_model().objects.create_superuser("boss")
    key, _ = ApiKey.make("bot", ["exceptions.replay_case"], created_by=boss)
    acting = person_of(KeyHolder(key), "exceptions.replay_case")
    assert acting == boss and acting.reads_only == "bot"
    assert [acting.has_perm(f"exceptions.{name}") for name in ("replay_case", "bulk_replay")] == [True, False]
    assert get_user_model().objects.get(pk=boss.pk).has_perm("exceptions.bulk_replay")


def test_who_may_decide_but_not_ask_is_refused_on_the_record(carla: Signed) -> None:
    """Not by the page's word alone: 403 naming the right, and the case tells it."""
    right = redating(carla)
    asked = Approval.objects.get()
    dora = Signed("dora")
    dora.user.user_permissions.remove(Permission.objects.get(codename="redate_journalentry"))
    refused = dora.post(f"approvals/{asked.id}/approve", 403)
    assert right in refused["detail"] and right in refused["remedy"]
    told = CaseEvent.objects.get(case=asked.case, kind="refused")
    assert (told.actor, told.data["right"]) == ("dora", right)
    assert Approval.objects.get().state == "requested"
