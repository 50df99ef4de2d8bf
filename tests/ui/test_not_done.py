"""What could not be done is told on the page of what it was about, also where the browser says not where it came from."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Approval, Case
from q2c.engine import desk
from tests.engine.makers import case, issue, order, run_all
from tests.ui.people import boss

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopped(client: Any, company: Any) -> Case:
    """A journal whose cost centre is inactive in the ERP."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    client.force_login(boss())
    return case("INV-1")


def boss_again() -> Any:
    return get_user_model().objects.get(is_superuser=True)


def wrong(client: Any, address: str, form: dict[str, str], **headers: str) -> str:
    """Where a form leads that cannot be done, and that nothing is done is said there."""
    answer = client.post(address, form, follow=True, headers=headers)
    assert "Not done." in answer.content.decode(), address
    return str(answer.redirect_chain[0][0])


def test_it_is_told_on_the_page_of_the_record(client: Any, stopped: Case) -> None:
    batch = desk.plan(boss_again(), [stopped.id])
    desk.close_without_fix(boss_again(), [stopped.id], "booked by hand", "other")
    approval = Approval.objects.get()
    its = f"/cases/{stopped.id}"
    assert wrong(client, f"{its}/act", {"verb": "explode"}) == its
    assert wrong(client, f"/approvals/{approval.id}/decide", {"verb": "explode"}) == its
    assert wrong(client, f"/approvals/{uuid.uuid4()}/decide", {"verb": "explode"}) == "/approvals"
    assert wrong(client, f"/replays/{batch.id}/send", {"canary": "all"}) == f"/replays/{batch.id}"
    assert wrong(client, f"/offers/{uuid.uuid4()}/take", {}) == "/offers"
    assert wrong(client, "/queue/act", {"verb": "explode"}) == "/queue"


def test_a_problem_of_which_nothing_is_left_to_replay(client: Any, company: Any, stopped: Case) -> None:
    company["erp-de"].inactive.clear()
    desk.replay_one(boss_again(), stopped.id)
    run_all()
    of_problem = f"/problems/{stopped.problem_id}"
    assert wrong(client, f"{of_problem}/replay", {}) == of_problem


def test_where_the_person_came_from_goes_before(client: Any, stopped: Case) -> None:
    came = {"referer": "http://testserver/queue?q=INV-1"}
    assert wrong(client, f"/cases/{stopped.id}/act", {"verb": "explode"}, **came) == "/queue?q=INV-1"
    elsewhere = {"referer": "https://evil.example/queue"}
    assert wrong(client, f"/cases/{stopped.id}/act", {"verb": "explode"}, **elsewhere) == f"/cases/{stopped.id}"


def test_what_was_done_to_a_case_is_told_there_too(client: Any, stopped: Case) -> None:
    answer = client.post(f"/cases/{stopped.id}/act", {"verb": "comment", "text": "seen"})
    assert answer["Location"] == f"/cases/{stopped.id}"
