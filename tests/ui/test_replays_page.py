"""The list of replays says what became of each, and a replay's page keeps up with what is sent."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions.errors import NotPossible
from exceptions.models import Case, ReplayBatch
from ledger import journal
from ledger.models import JournalEntry
from q2c.engine import desk, sweep
from q2c.models import Connection, Transition
from q2c.stages import booking
from tests import flow_makers as make
from tests.engine.makers import case, issue, order, run_all
from tests.ui.people import boss, of_role, page, read, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopped(company: Any) -> Case:
    """A journal whose cost centre is inactive in the ERP."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    return case("INV-1")


def row(text: str, number: int) -> str:
    """One replay's row of the list."""
    return next(part for part in text.split("<tr data-row>") if f"R-{number}<" in part)


def test_each_replay_says_its_worth_and_what_became_of_it(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    again = desk.replay_one(rosa, stopped.id)
    run_all()
    company["erp-de"].inactive.clear()
    through = desk.replay_one(rosa, stopped.id)
    run_all()
    text = page(client, "/replays")
    failed = row(text, again.number)
    assert "tone-bad" in failed and "1 failed" in failed and "Finished" not in failed and "tone-good" not in failed
    good = row(text, through.number)
    assert "Finished" in good and "1 confirmed" in good and "tone-bad" not in good
    assert stopped.currency in read(client, "/replays") and 'class="money"' in good
    # The page of it says the same.
    text = page(client, f"/replays/{again.id}")
    assert "Every case that was sent failed again" in text and "Finished" not in text


def test_a_dry_run_whose_case_has_ended_has_nothing_left_to_send(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    stale = desk.plan(rosa, [stopped.id])
    text = page(client, f"/replays/{stale.id}")
    assert "1 would fail again" in text and "Make the dry run anew" in text
    # Its cost centre is back: the dry run is made anew, in place of the old one.
    company["erp-de"].inactive.clear()
    answer = client.post(f"/replays/{stale.id}/anew", follow=True)
    fresh = ReplayBatch.objects.get(state="dry_run")
    assert answer.redirect_chain[-1][0] == f"/replays/{fresh.id}" and "1 would go through" in answer.content.decode()
    assert ReplayBatch.objects.get(id=stale.id).ended_because == f"made anew as R-{fresh.number}"
    # Somebody else sends it meanwhile.
    desk.replay_one(rosa, stopped.id)
    run_all()
    text = page(client, f"/replays/{fresh.id}")
    assert "Nothing is left to send" in text and "would go through" not in text and "Nothing to send" in text
    assert f"/replays/{fresh.id}/send" not in text
    text = client.post(f"/replays/{fresh.id}/send", follow=True).content.decode()
    assert "Not done." in text and "Nothing is left to send" in text
    assert ReplayBatch.objects.get(id=fresh.id).state == "dry_run"
    text = client.post(f"/replays/{fresh.id}/anew", follow=True).content.decode()
    assert "None of these cases can be replayed now" in text


def test_what_a_silent_platform_leaves_open_is_no_pass_and_the_warning_ends_with_the_answer(
    client: Any, company: Any, stopped: Case
) -> None:
    rosa = boss()
    client.force_login(rosa)
    company["erp-de"].inactive.clear()
    company["erp-de"].down = True
    Connection.objects.filter(name="erp-de").update(title="NetSuite Germany")
    batch = desk.plan(rosa, [stopped.id])
    text = read(client, f"/replays/{batch.id}")
    assert "1 cannot be told yet: NetSuite Germany (erp-de) does not answer" in text
    assert "would go through" not in text and "Would pass" not in text and "Cannot be told yet" in text
    assert "Platform: erp-de did not answer" in text
    assert "INV-1" in read(client, f"/replays/{batch.id}?outcome=cannot_be_told").split("Cases: Cannot be told")[1]
    company["erp-de"].down = False
    desk.send(rosa, batch.id)
    run_all()
    text = read(client, f"/replays/{batch.id}")
    assert "Confirmed" in text and "did not answer" not in text


def test_pressed_twice_it_is_sent_once_and_said_so(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    company["erp-de"].inactive.clear()
    batch = desk.plan(rosa, [stopped.id])
    client.post(f"/replays/{batch.id}/send")
    for _ in range(2):
        text = client.post(f"/replays/{batch.id}/send", follow=True).content.decode()
        assert f"R-{batch.number} is sent already." in text and "Not done." not in text
        run_all()
    assert company["erp-de"].writes == 1


def test_an_order_that_passes_goes_on_and_the_page_says_so(client: Any) -> None:
    make.company()
    line = make.order_document("O-4").lines[0]
    make.deal("O-4", lines=(msgspec.structs.replace(line, product="NOPE"),))
    make.run("accept_order")
    stuck = Case.objects.get()
    rosa = boss()
    client.force_login(rosa)
    text = read(client, f"/cases/{stuck.id}")
    assert "nothing is written to a platform" not in text
    assert "If it passes, the order is accepted and goes on by itself" in text
    batch = desk.plan(rosa, [stuck.id])
    assert "accepted and go on to billing and the ledger" in read(client, f"/replays/{batch.id}")


def test_debits_and_credits_have_their_words_where_columns_stack(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    company["erp-de"].inactive.clear()
    text = page(client, f"/replays/{desk.plan(rosa, [stopped.id]).id}")
    assert 'data-label="Debit"' in text and 'data-label="Credits"' in text


def test_statements_of_the_list_do_not_grow_with_its_rows(
    client: Any, company: Any, stopped: Case, django_assert_num_queries: Any
) -> None:
    rosa = boss()
    client.force_login(rosa)
    desk.plan(rosa, [stopped.id])
    page(client, "/replays")
    with CaptureQueriesContext(connection) as few:
        page(client, "/replays")
    for _ in range(5):
        desk.plan(rosa, [stopped.id])
    with django_assert_num_queries(len(few)):
        page(client, "/replays")


def test_heading_and_buttons_keep_up_while_it_runs(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    company["erp-de"].inactive.clear()
    batch = desk.replay_one(rosa, stopped.id)
    live = page(client, f"/replays/{batch.id}/progress")
    assert 'id="stands" hx-swap-oob="true"' in live and "Cancel the rest" in live
    run_all()
    live = page(client, f"/replays/{batch.id}/progress")
    assert "Cancel the rest" not in live, "nothing is left to cancel"
    assert re.search(r'id="stands" hx-swap-oob="true"><span class="badge tone-good">', live)
    assert 'id="lead" hx-swap-oob="true"' in live and 'id="doing"' in live


def test_what_would_all_fail_is_sent_only_after_a_question(client: Any, company: Any, stopped: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    issue("INV-2", order("ORD-2"))
    run_all()
    batch = desk.plan(rosa, [stopped.id, case("INV-2").id])
    text = page(client, f"/replays/{batch.id}")
    assert 'class="button primary" type="submit" data-key="y"' not in text
    assert 'data-dialog="send-anyway"' in text and "All 2 of them would fail again" in text
    client.post(f"/replays/{batch.id}/send", {"canary": "1", "stop_after": "1"})
    batch.refresh_from_db(fields=["canary"])
    assert batch.canary == 1
    client.post(f"/replays/{batch.id}/cancel")
    company["erp-de"].inactive.clear()
    run_all()
    batch = desk.plan(rosa, [case("INV-2").id])
    text = page(client, f"/replays/{batch.id}")
    assert "send-anyway" not in text and 'class="button primary" type="submit" data-key="y"' in text
    assert ReplayBatch.objects.count() == 2


def test_who_sends_it_is_who_moves_it_and_who_planned_it_is_kept(company: Any, stopped: Case) -> None:
    mei = of_role("mei", "Finance systems", first_name="Mei", last_name="Lin")
    carla = of_role("carla", "Controller", first_name="Carla", last_name="Weiss")
    batch = desk.plan(mei, [stopped.id], why="the cost centre is back")
    company["erp-de"].inactive.clear()
    assert signed_in(carla).post(f"/replays/{batch.id}/send").status_code == 302
    run_all()
    batch.refresh_from_db()
    assert (batch.created_by, batch.sent_by) == (mei, carla)
    # The step, the case and the replay itself.
    moves = Transition.objects.filter(record_id=stopped.step_id, source="failed")
    assert list(moves.values_list("target", "actor")) == [("waiting", "carla")]
    assert set(Transition.objects.filter(record_id=batch.id, target__in=("queued", "running")).values_list(
        "actor", flat=True)) == {"carla"}  # fmt: skip
    sent = stopped.events.exclude(actor="q2c").filter(kind="replay_requested")
    assert list(sent.values_list("actor", flat=True)) == ["carla"]
    shown = signed_in(carla).get(f"/api/v1/cases/{stopped.id}").json()
    assert [one["actor"] for one in shown["events"] if one["kind"] == "replay_requested"] == ["carla"]
    text = read(signed_in(carla), f"/replays/{batch.id}")
    assert "Planned byMei Lin" in text and "Sent byCarla Weiss" in text
    assert "Carla Weissplanned by Mei Lin" in read(signed_in(carla), "/replays")


@pytest.fixture
def one_differs(company: Any, stopped: Case) -> list[Case]:
    """Three journals whose cost centre is back; the ERP holds another document under the key of the first."""
    for n in (2, 3):
        issue(f"INV-{n}", order(f"ORD-{n}"))
    run_all()
    company["erp-de"].inactive.clear()
    book, entry = company["erp-de"], JournalEntry.objects.get(business_document="invoice:INV-1")
    (document,) = booking.documents_of(journal.read([entry.id]))
    book.numbers[document.key] = "JE-9"
    book.documents[document.key] = msgspec.structs.replace(document, memo="somebody else's")
    return [stopped, case("INV-2"), case("INV-3")]


def test_what_would_fail_is_left_out_by_the_first_button_and_stays_in_the_queue(
    client: Any, company: Any, one_differs: list[Case]
) -> None:
    rosa = boss()
    client.force_login(rosa)
    batch = desk.plan(rosa, [one.id for one in one_differs])
    text = page(client, f"/replays/{batch.id}")
    assert re.search(r'class="button primary"[^>]*name="only" value="passing"', text)
    assert "Send the 2 that pass" in text and "Send all 3" in text
    assert "1 would fail again; left out, it stays in the queue." in text
    # What goes first is the first of those that are sent.
    form = {"only": "passing", "canary": "1", "stop_after": ""}
    text = client.post(f"/replays/{batch.id}/send", form, follow=True).content.decode()
    assert "1 that would fail is left out and in the queue still." in text
    assert sorted(batch.items.values_list("outcome", flat=True)) == ["queued", "sent", "skipped"]
    for _ in range(2):
        run_all()
        sweep.sweep()
    text = read(client, f"/replays/{batch.id}")
    assert "Every case that was sent has come to something" in text and "Cases3, 1 left out" in text
    assert "1 that would fail was left out and stays in the queue." in text
    assert "Left out: JE-9 has other content" in read(client, f"/replays/{batch.id}?outcome=skipped")
    [left, *sent] = [Case.objects.get(id=one.id) for one in one_differs]
    assert (left.state, left.last_failed_at) == ("open", one_differs[0].last_failed_at)
    assert {one.state for one in sent} == {"resolved"}
    assert company["erp-de"].writes == 2


def test_all_of_it_can_be_sent_all_the_same(client: Any, company: Any, one_differs: list[Case]) -> None:
    rosa = boss()
    client.force_login(rosa)
    batch = desk.plan(rosa, [one.id for one in one_differs])
    client.post(f"/replays/{batch.id}/send")
    run_all()
    assert sorted(batch.items.values_list("outcome", flat=True)) == ["confirmed", "confirmed", "failed_again"]
    assert "1 of 3 failed again" in read(client, f"/replays/{batch.id}")


def test_nothing_that_passes_is_nothing_to_send_by_the_first_button(company: Any, one_differs: list[Case]) -> None:
    rosa = boss()
    batch = desk.plan(rosa, [one_differs[0].id])
    with pytest.raises(NotPossible, match="None of what is left would pass"):
        desk.send(rosa, batch.id, leave_out=True)
    assert ReplayBatch.objects.get().state == "dry_run"


def test_those_that_a_silent_platform_leaves_open_may_pass(client: Any, company: Any, one_differs: list[Case]) -> None:
    rosa = boss()
    client.force_login(rosa)
    batch = desk.plan(rosa, [one.id for one in one_differs])
    item = batch.items.get(case=one_differs[1])
    item.preview = item.preview | {"sure": False, "silent": "erp-de"}
    item.save(update_fields=["preview"])
    assert "Send the 2 that may pass" in read(client, f"/replays/{batch.id}")
