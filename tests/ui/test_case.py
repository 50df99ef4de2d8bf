"""The case page, the replay page, problems and approvals, with real steps behind them; everything without script."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions import casework
from exceptions.models import Approval, Case, Offer, ReplayBatch
from exceptions.raw import RawItem, open_raw
from q2c import clock, keys
from q2c.engine import desk, run, sweep
from tests.engine.makers import case as case_of
from tests.engine.makers import issue, order, run_all, step
from tests.ui.people import of_role, signed_in, with_rights

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia(company: Any) -> Any:
    return of_role("mia", "Controller", "Finance systems", team="controllers", first_name="Mia", last_name="Ochoa")


def refused(books: Any, number: str = "INV-1", sold: Any = None) -> Case:
    books["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue(number, sold or order())
    run_all()
    return case_of(number)


def page(user: Any, address: str) -> str:
    answer = signed_in(user).get(address)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return str(answer.content.decode())


def act(user: Any, case: Case, **fields: Any) -> str:
    answer = signed_in(user).post(f"/cases/{case.id}/act", fields, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def words(text: str) -> str:
    """What a reader sees, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\u00a0", " ")


def test_the_page_says_what_happened_what_to_do_and_what_it_books(company: Any, mia: Any) -> None:
    case = refused(company)
    text = words(page(mia, f"/cases/{case.id}"))
    for said in (
        "Dimension value inactive: INV-1",
        "cost_center CC-410 is inactive in erp-de",
        "In the way: cost centre CC-410 in erp-de , inactive.",
        "Reactivate it in the ERP",
        "The journal as it stands",
        "1,190 .00",
        "Balanced",
        "Failed, and became this case",
        "Nothing is known to be there under our key",
    ):
        assert said in text, said


def test_the_fix_is_one_link_away(company: Any, mia: Any) -> None:
    case = refused(company)
    assert 'href="http://paper.test"' in page(mia, f"/cases/{case.id}")


def test_the_dry_run_is_an_address_and_a_part(company: Any, mia: Any) -> None:
    case = refused(company)
    whole = words(page(mia, f"/cases/{case.id}?dry_run=1"))
    assert "A replay would fail again" in whole and "What a replay would book" in whole
    company["erp-de"].inactive.clear()
    part = page(mia, f"/cases/{case.id}/dry-run")
    assert "<html" not in part and "A replay would go through" in words(part)
    assert step("INV-1", "post_journal").state == "failed"


def test_a_replay_from_the_button_to_the_document(company: Any, mia: Any) -> None:
    case = refused(company)
    company["erp-de"].inactive.clear()
    text = words(act(mia, case, verb="replay", reason="CC-410 is back"))
    assert f"{case.shown} is sent again." in text and "Waits to be sent." in text
    assert '<noscript><meta http-equiv="refresh"' in page(mia, f"/cases/{case.id}")
    moving = signed_in(mia).get(f"/cases/{case.id}/progress")
    assert "hx-get" in moving.content.decode() and "HX-Refresh" not in moving
    run_all()
    done = signed_in(mia).get(f"/cases/{case.id}/progress")
    assert done["HX-Refresh"] == "true"
    text = page(mia, f"/cases/{case.id}")
    assert "Confirmed as JE-1 in erp-de." in text and "hx-get" not in text.split('id="replaying"')[1].split(">")[0]
    seen = words(text)
    for said in ("Searched", "nothing was there", "Posted", "Document JE-1 in erp-de", "Replay: confirmed"):
        assert said in seen, said


def test_it_fails_again_for_the_same_cause_and_then_for_another(company: Any, mia: Any) -> None:
    case = refused(company)
    act(mia, case, verb="replay")
    run_all()
    assert "It failed again, for the same cause." in page(mia, f"/cases/{case.id}")
    company["erp-de"].inactive.clear()
    company["erp-de"].closed.add("2026-10")
    act(mia, case_of("INV-1"), verb="replay")
    run_all()
    assert "It failed for another cause now: 2026-10 is closed in erp-de" in page(mia, f"/cases/{case.id}")


def test_an_unknown_outcome_is_shown_as_being_verified(company: Any, mia: Any) -> None:
    case = refused(company)
    company["erp-de"].inactive.clear()
    company["erp-de"].lose_answers = True
    act(mia, case, verb="replay")
    run.run_stage("post_journal")
    text = page(mia, f"/cases/{case.id}")
    assert "Outcome unknown" in text or "Being verified" in text
    assert "The answer of erp-de was lost." in text
    with clock.at(clock.now() + clock.days(1)):
        run_all()
    proof = words(page(mia, f"/cases/{case.id}").split("Proof of no duplicate")[1].split("</section>")[0])
    # Searched before it was sent, sent, and found there: in that order, each once.
    assert re.fullmatch(
        r".*Searched .*nothing was there.* Sent .*under the key.* Found there .*it had been taken.* Document JE-1.*",
        proof,
    ), proof
    assert proof.count("nothing was there") == proof.count("Found there") == 1 and "Read back" not in proof


@pytest.mark.parametrize("view", ["timeline", "documents", "payload", "attempts", "history", "no such view"])
def test_each_view_below(company: Any, mia: Any, view: str) -> None:
    case = refused(company)
    casework.comment(mia, [case.id], "Asked <Rosa> about it")
    text = page(mia, f"/cases/{case.id}?view={view}")
    said = {
        "documents": "INV-1",
        "payload": "JournalReady",
        "attempts": "No platform was called",
        "history": "Failed",
    }.get(view, "Asked &lt;Rosa&gt; about it")
    assert said in text.split('id="more"')[1]


def test_what_may_not_be_seen_below_says_so(company: Any) -> None:
    case = refused(company)
    eve = with_rights("eve", "view_case")
    for view, right in (("payload", "q2c.view_event"), ("attempts", "q2c.view_attempt")):
        assert right in page(eve, f"/cases/{case.id}?view={view}").split('id="more"')[1]


def waits_behind(first: Any, called: str) -> None:
    type(first).objects.create(
        event=first.event, stage="reverse_journal", part=called, key="Q2CX", order_key=first.order_key,
        next_at=first.next_at, created_at=first.created_at, business_key=called,
    )  # fmt: skip


def test_of_other_records_a_case_shows_those_that_the_reader_may_see(company: Any, mia: Any) -> None:
    sold = order()
    case = refused(company, sold=sold)
    first = step("INV-1", "post_journal")
    waits_behind(first, "INV-1-R")
    told = ("The journal as it stands", "INV-1-R")
    assert [each in words(page(mia, f"/cases/{case.id}")) for each in told] == [True, True]
    eve = with_rights("eve", "view_case")
    assert [each in words(page(eve, f"/cases/{case.id}")) for each in told] == [False, False]


def test_what_waits_behind_is_counted(company: Any, mia: Any) -> None:
    sold = order()
    case = refused(company, sold=sold)
    first = step("INV-1", "post_journal")
    waits_behind(first, "INV-1-R")
    text = words(page(mia, f"/cases/{case.id}"))
    assert "1 waits behind it" in text and "1 document waits behind this one" in text and "INV-1-R" in text
    for n in range(120):
        waits_behind(first, f"INV-1-R{n}")
    assert "121 wait behind it" in words(page(mia, f"/cases/{case.id}")), "all of them"


def test_verbs_of_one_case(company: Any, mia: Any) -> None:
    case = refused(company)
    assert "1 case claimed." in act(mia, case, verb="claim")
    assert "Release" in page(mia, f"/cases/{case.id}")
    assert "Comment added." in act(mia, case, verb="comment", text="Waiting for the ERP team")
    assert "1 case snoozed." in act(mia, case, verb="snooze", until="2026-11-05T09:00")
    text = page(mia, f"/cases/{case.id}")
    assert "Paused: snoozed" in text and "Wake" in text
    assert "back in the queue." in act(mia, case, verb="wake")
    assert "1 case waiting for approval." in act(mia, case, verb="close", reason="Twice", root_cause="duplicate")
    assert "Write something" in act(mia, case, verb="comment", text=" ")


def test_what_must_be_written_is_asked_for_in_its_dialog(company: Any, mia: Any) -> None:
    case = refused(company)
    text = page(mia, f"/cases/{case.id}")
    for field in ("close-why", "comment-text"):
        assert re.search(rf'<textarea id="{field}"[^>]* required>', text), field
    # In the queue all dialogs share the form of the selection: required only while theirs is sent (frame.js).
    text = page(mia, "/queue?tab=all")
    for field in ("bulk-close-why", "bulk-comment-text"):
        assert re.search(rf'<textarea id="{field}"[^>]* form="bulk" data-required>', text), field


def test_disabled_buttons_say_why(company: Any, mia: Any) -> None:
    case = refused(company)
    eve = with_rights("eve", "view_case")
    bar = page(eve, f"/cases/{case.id}").split('class="actions"')[1].split("<dialog")[0]
    for right in ("exceptions.replay_case", "exceptions.work_case", "exceptions.close_case"):
        assert right in bar, right
    company["erp-de"].inactive.clear()
    desk.replay_one(mia, case.id)
    bar = page(mia, f"/cases/{case.id}").split('class="actions"')[1].split("<dialog")[0]
    assert "It is on its way already." in bar
    [raw] = open_raw([RawItem(body=b"{", source="shop", text="The JSON ends too early")], "intake")
    text = page(mia, f"/cases/{raw}?view=payload")
    assert "It came in unreadable" in text and "The JSON ends too early" in text


@pytest.mark.parametrize("address", ["/cases/{}", "/problems/{}", "/replays/{}", "/cases/{}/progress"])
def test_what_is_not_there(mia: Any, address: str) -> None:
    assert signed_in(mia).get(address.format(keys.new_id())).status_code == 404


def test_the_page_costs_a_bounded_number_of_statements(company: Any, mia: Any) -> None:
    sold = order()
    case = refused(company, sold=sold)
    for number in range(2, 12):
        refused(company, f"INV-{number}", sold)
        casework.comment(mia, [case.id], f"Comment {number}")
    client = signed_in(mia)
    client.get(f"/cases/{case.id}")
    with CaptureQueriesContext(connection) as seen:
        assert client.get(f"/cases/{case.id}").status_code == 200
    assert len(seen) <= 33, [query["sql"][:100] for query in seen]


def test_a_problem_from_its_page_to_a_batch_that_is_sent(company: Any, mia: Any) -> None:
    sold = order()
    first = refused(company, "INV-1", sold)
    refused(company, "INV-2", sold)
    text = words(page(mia, f"/problems/{first.problem_id}"))
    for said in ("2,380 .00", "DE01", "Oct 2026", "Replay 2", "INV-1", "INV-2", "Reactivate it in the ERP"):
        assert said in text, said
    company["erp-de"].inactive.clear()
    answer = signed_in(mia).post(f"/problems/{first.problem_id}/replay", follow=True)
    batch = ReplayBatch.objects.get()
    text = words(answer.content.decode())
    for said in ("Nothing is sent yet.", "2 would go through", "What it would book", "2,380 .00", "Send 2"):
        assert said in text, said
    text = signed_in(mia).post(f"/replays/{batch.id}/send", {"canary": "1", "stop_after": "3"}, follow=True)
    assert f"R-{batch.number} is on its way." in text.content.decode()
    run_all()
    sweep.sweep()
    part = signed_in(mia).get(f"/replays/{batch.id}/progress")
    assert "1 sent, not confirmed yet" in part.content.decode() and "HX-Refresh" not in part
    run_all()
    assert signed_in(mia).get(f"/replays/{batch.id}/progress")["HX-Refresh"] == "true"
    text = words(page(mia, f"/replays/{batch.id}"))
    for said in (
        "Every case of it has come to something.",
        "2 confirmed",
        "JE-1",
        "JE-2",
        "after 3 failures of one cause",
    ):
        assert said in text, said
    assert f"R-{batch.number}" in page(mia, "/replays")


def test_a_dry_run_tells_what_would_fail_and_is_cancelled(company: Any, mia: Any) -> None:
    case = refused(company)
    batch = desk.plan(mia, [case.id])
    text = words(page(mia, f"/replays/{batch.id}?outcome=would_fail"))
    assert "1 would fail again" in text and "cost_center CC-410 is inactive in erp-de" in text
    bad = signed_in(mia).post(f"/replays/{batch.id}/send", {"canary": "many"}, follow=True).content.decode()
    assert "How many go first is a whole number from 0 to 100,000" in bad
    text = signed_in(mia).post(f"/replays/{batch.id}/cancel", {"reason": "wrong one"}, follow=True).content.decode()
    assert f"R-{batch.number} is cancelled." in text
    again = signed_in(mia).post(f"/replays/{batch.id}/send", follow=True).content.decode()
    assert "is cancelled; it can no longer be sent" in again


def test_four_eyes_on_the_approvals_page(company: Any, mia: Any) -> None:
    case = refused(company)
    jo = of_role("jo", "Controller")
    casework.close_without_fix(jo, [case.id], "Billed twice", "duplicate")
    [asked] = Approval.objects.all()
    own = page(jo, "/approvals")
    assert "You asked for this; a second person decides it." in own and "Take it back" in own
    address = f"/approvals/{asked.id}/decide"
    assert signed_in(jo).post(address, {"verb": "approve"}).status_code == 403
    assert Approval.objects.get().state == "requested"
    eve = with_rights("eve", "view_case")
    assert "exceptions.approve_case" in page(eve, "/approvals")
    assert signed_in(eve).post(address, {"verb": "approve"}).status_code == 403
    without = signed_in(mia).post(address, {"verb": "refuse"}, follow=True).content.decode()
    assert "Say why it is refused" in without
    text = signed_in(mia).post(address, {"verb": "approve", "reason": "Seen"}, follow=True).content.decode()
    assert "Approved." in text and "Nothing waits for a decision" in text
    assert case_of("INV-1").state == "closed_without_fix"
    assert step("INV-1", "post_journal").state == "abandoned"
    decided = words(page(mia, "/approvals?view=decided"))
    assert "Mia Ochoa" in decided and "Seen" in decided


def test_taken_back(company: Any, mia: Any) -> None:
    case = refused(company)
    casework.close_without_fix(mia, [case.id], "Old", "other")
    [asked] = Approval.objects.all()
    text = signed_in(mia).post(f"/approvals/{asked.id}/decide", {"verb": "withdraw"}, follow=True).content.decode()
    assert "Taken back." in text and case_of("INV-1").state == "open"


def test_every_address_of_these_pages_says_who_may_open_it() -> None:
    from q2c.ui.urls import _CASES

    assert all(getattr(pattern.callback, "right", "") for pattern in _CASES)


def test_when_the_cause_is_gone_the_page_says_since_when_and_offers_dry_run_and_replay(company: Any, mia: Any) -> None:
    sold = order()
    case, other = refused(company, sold=sold), refused(company, "INV-2", sold)
    text = page(mia, f"/cases/{case.id}")
    assert "In the way:" in text and "Look whether it is gone" in text and "The cause is gone" not in text
    said = words(act(mia, case, verb="look"))
    assert "It is still in the way: cost centre CC-410 in erp-de, inactive." in said
    company["erp-de"].inactive.clear()
    said = words(act(mia, case, verb="look"))
    assert "The cause is gone: cost centre CC-410 in erp-de is active again." in said
    text = page(mia, f"/cases/{case.id}")
    todo = text.split("What to do")[1].split("Accounting impact")[0]
    assert "In the way" not in todo and "The cause is gone, found" in todo and "2 cases waited for it." in words(todo)
    assert "dry_run=1" in todo and 'data-dialog="replay"' in todo and "Dry run of all 2" in todo
    assert "Open the cost centre" not in todo
    # Both rows, and the card of the cause, which offers the replay instead of the fix.
    assert page(mia, "/queue").count("Cause is gone") == 3
    card = page(mia, "/problems").split('class="card problem-card')[1]
    assert "Cause is gone" in card and "Replay 2" in card and "Open the cost centre" not in card
    assert "Cause is gone" in page(mia, f"/problems/{case.problem_id}")
    # Its dry run knows better than its blocker.
    Offer.objects.update(looked={"cases": 2, "fails": 1}, looked_at=clock.now())
    assert "1 of 2 would fail again" in words(page(mia, f"/cases/{case.id}"))
    eve = with_rights("eve", "view_case")
    assert "dry_run=1" not in page(eve, f"/cases/{case.id}").split("What to do")[1].split("Accounting impact")[0]
    assert signed_in(eve).post(f"/cases/{case.id}/act", {"verb": "look"}).status_code == 403
    # Failed again for the same cause, it is in the way again.
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    act(mia, case, verb="replay")
    run_all()
    for each in (case, other):
        assert "In the way:" in page(mia, f"/cases/{each.id}")


def test_pressed_twice_it_is_asked_once_and_told_once(company: Any, mia: Any) -> None:
    """A double-click: the second press comes while what the first one said is still unread."""
    case, client = refused(company), signed_in(mia)
    form = {"verb": "close", "reason": "booked by hand", "root_cause": "duplicate"}
    for _ in range(2):
        assert client.post(f"/cases/{case.id}/act", form).status_code == 302
    text = client.get(f"/cases/{case.id}").content.decode()
    assert text.count("1 case waiting for approval.") == 1 and "left as they were" not in text
    # While it waits, the page's own button does not send it.
    assert 'data-dialog="replay"' not in text and "A second person decides about it first" in text
    # Somebody else who asks is told that it is asked.
    other = of_role("otto", "Controller", "Finance systems", team="controllers")
    text = signed_in(other).post(f"/cases/{case.id}/act", form, follow=True).content.decode()
    assert "1 case left as it was" in text


def test_people_are_called_by_their_names(company: Any, mia: Any) -> None:
    case = refused(company)
    act(mia, case, verb="claim")
    otto = of_role("otto", "Controller", "Finance systems", team="controllers", first_name="Otto", last_name="Berg")
    assert "belongs to Mia Ochoa" in act(otto, case, verb="claim")
    company["erp-de"].inactive.clear()
    act(mia, case, verb="replay")
    run_all()
    assert "Resolved by a replay of Mia Ochoa" in words(page(otto, f"/cases/{case.id}"))
