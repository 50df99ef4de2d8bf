"""A replay is watched to the document number: what followed from a step that is done, or which case stopped it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions.models import Approval, Case, ReplayBatch
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.engine import decisions, desk, watch
from q2c.models import Step
from q2c.reading.coming import next_of
from q2c.stages import STAGES
from tests.engine.makers import case, issue, order, run_all, step
from tests.past_guards import reopened
from tests.stages.test_given_up import give_up
from tests.ui.people import boss, of_role, page, person, read, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def late(company: Any) -> Case:
    """An invoice meets our closed October; and in the ERP its cost centre is inactive."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    issue("INV-1", order())
    run_all()
    reopened(october, by="carla", why="one more")
    return case("INV-1")


def section(text: str, name: str) -> str:
    """A part by its id, to the end of it: the standing of a replay, the card on a case."""
    found = re.search(rf'id="{name}"(.*?)(?:</section>|<section class="card"><h2>Never)', text, re.DOTALL)
    assert found, name
    return found[1]


def rows_of(text: str) -> list[str]:
    return re.findall(r"<tr data-row>.*?</tr>", text, re.DOTALL)


def greenless(client: Any, batch: ReplayBatch, said: str) -> None:
    """Card, chips, badge and list are as what followed stands, and nothing of its own part is green."""
    text = page(client, f"/replays/{batch.id}")
    card = section(text, "standing").partition("What followed")[0]
    (item,) = rows_of(text)
    badge = item.partition('data-label="Amount"')[0]
    with CaptureQueriesContext(connection) as seen:
        listed = rows_of(page(client, "/replays"))
    (row,) = [row for row in listed if f"/replays/{batch.id}" in row]
    for part in (card, badge, row):
        assert said in part and "tone-good" not in part, part
    assert sum("WITH RECURSIVE chain" in one["sql"] for one in seen) == 1, "one statement, however many there are"


def test_the_dry_run_of_an_invoice_asks_the_ledger_of_the_journal_it_would_make(company: Any, late: Case) -> None:
    rosa = boss()
    seen = desk.dry_run(rosa, late.id)
    assert seen is not None and seen["passes"] is False
    (finding,) = seen["findings"]
    assert finding["text"] == (
        "The invoice would be recorded, but its journal stopped: cost_center CC-410 is inactive in erp-de"
    )
    assert finding["blocker"]["connection"] == "erp-de"
    assert seen["journal"]["lines"], "and what would be booked is shown all the same"
    company["erp-de"].inactive.clear()
    seen = desk.dry_run(rosa, late.id)
    assert seen is not None and seen["passes"] is True
    assert seen["checks"][-1] == {"name": "platform", "ok": True, "text": "erp-de would take this as it stands"}
    company["erp-de"].down = True
    seen = desk.dry_run(rosa, late.id)
    assert seen is not None
    assert seen["checks"][-1] == {"name": "platform", "ok": None, "text": "erp-de did not answer: no answer"}
    assert not JournalEntry.objects.exists() and not company["erp-de"].documents


def test_the_page_follows_the_record_to_the_case_that_stops_it_and_to_its_number(
    client: Any, company: Any, late: Case
) -> None:
    rosa = boss()
    client.force_login(rosa)
    batch = desk.replay_one(rosa, late.id)
    run_all()
    late.refresh_from_db(fields=["resolved_at"])
    assert ReplayBatch.objects.get(id=batch.id).state == "finished"
    second = Case.objects.get(stage="post_journal")

    # The invoice is recorded; whoever looks is told that its journal is not posted.
    text = page(client, f"/replays/{batch.id}")
    assert "but 1 step that followed is stopped" in text
    assert "1 stopped by a case of its own" in text
    assert f"/cases/{second.id}" in text and "CC-410 is inactive" in text
    assert "hx-get" not in section(text, "standing"), "nothing moves any more"
    greenless(client, batch, "Stopped further on")
    card = section(page(client, f"/cases/{late.id}"), "replaying")
    assert "tone-bad" in card and "the invoice is tied to its order and booked" in card
    assert f"/cases/{second.id}" in card and "stopped" in card

    # The cost centre is back: while the journal is on its way both pages watch it.
    company["erp-de"].inactive.clear()
    desk.replay_one(rosa, second.id)
    text = page(client, f"/replays/{batch.id}")
    assert "1 under way" in text and "hx-get" in section(text, "standing")
    greenless(client, batch, "Under way")
    live = page(client, f"/replays/{batch.id}/progress")
    item = batch.items.get()
    assert f'id="followed-{item.id}" hx-swap-oob="true"' in live and "under way" in live
    assert "hx-get" in section(page(client, f"/cases/{late.id}/progress"), "replaying")

    # Posted: the document number stands on the page of the invoice's replay.
    run_all()
    entry = JournalEntry.objects.get()
    answer = client.get(f"/replays/{batch.id}/progress")
    assert answer.headers["HX-Refresh"] == "true"
    text = page(client, f"/replays/{batch.id}")
    assert "1 done, 1 with a document number" in text
    for address, its in (("/replays", f"/replays/{batch.id}"), (f"/replays/{batch.id}", "outcome-")):
        (row,) = [row for row in rows_of(page(client, address)) if its in row]
        assert "tone-good" in row and "further on" not in row, address
    assert f"/journals/{entry.id}" in text and step("INV-1", "post_journal").document in text
    card = section(page(client, f"/cases/{late.id}"), "replaying")
    assert "tone-good" in card and entry.document_number in card


def test_what_followed_is_shown_to_whoever_may_see_it(client: Any, company: Any, late: Case) -> None:
    batch = desk.replay_one(boss(), late.id)
    run_all()
    client.force_login(person("mia", "exceptions.view_case"))
    assert "What followed" not in page(client, f"/replays/{batch.id}")
    client.force_login(person("ann", "exceptions.view_case", "q2c.view_step"))
    text = page(client, f"/replays/{batch.id}")
    assert "What followed" in text and "/journals/" not in text


def test_what_follows_with_an_unknown_outcome_is_no_success_yet(client: Any, company: Any, late: Case) -> None:
    """The replay itself is through; the ledger's answer to the journal was lost."""
    rosa = boss()
    client.force_login(rosa)
    company["erp-de"].inactive.clear()
    company["erp-de"].lose_answers = True
    batch = desk.replay_one(rosa, late.id)
    run_all()
    assert step("INV-1", "post_journal").state == "unknown"
    text = page(client, f"/replays/{batch.id}")
    said = re.sub(r"<[^>]+>", "", text)
    assert "Posting the journal in erp-de: outcome unknown, being verified" in said
    assert "The journal is posted" not in said
    assert "the outcome of 1 step that followed is unknown and being verified" in said
    head = re.search(r'<span id="stands">(.*?)</span>\s*</', text, re.DOTALL)
    assert head and "Outcome unknown" in head[1] and "good" not in head[1]
    greenless(client, batch, "Outcome unknown, being verified")
    assert "hx-get" in section(text, "standing"), "it is watched until the ledger has said"
    entry = JournalEntry.objects.get()
    said = re.sub(r"<[^>]+>", "", page(client, f"/journals/{entry.id}"))
    assert "Posting the journal in erp-de: outcome unknown, being verified" in said


def test_each_stage_has_words_for_what_is_done_and_for_what_is_not() -> None:
    for stage in STAGES.values():
        assert stage.doing.split()[0].endswith("ing") and not stage.does.split()[0].endswith("ing"), stage.name


def test_what_an_approval_has_sent_is_not_told_as_the_replay_that_failed_before(client: Any, company: Any) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    issue("INV-1", order())
    run_all()
    mei, dmitri = boss(), of_role("dmitri", "Controller", first_name="Dmitri", last_name="Hale")
    batch = desk.replay_one(mei, case("INV-1").id)
    run_all()
    client.force_login(mei)
    failed = section(page(client, f"/cases/{case('INV-1').id}"), "replaying")
    assert "by Rosa" in failed and f"/replays/{batch.id}" in failed
    decisions.ask_to_redate(mei, case("INV-1").id, dt.date(2026, 11, 2), "it came late")
    desk.approve(dmitri, [Approval.objects.get().id])
    run_all()
    assert case("INV-1").state == "resolved"
    text = page(client, f"/cases/{case('INV-1').id}")
    sent = section(text, "replaying")
    assert "sent by the approval of Dmitri Hale" in sent and "/replays/" not in sent
    assert "Resolved by the approval of Dmitri Hale" in text


def test_once_its_period_is_open_again_a_case_says_so_and_offers_the_replay(company: Any, late: Case) -> None:
    rosa = boss()
    # Nobody has noticed yet: the page sees it by itself.
    assert late.blocker_gone_at is None
    for noticed in (False, True):
        if noticed:
            watch.watch_blockers()
        text = read(signed_in(rosa), f"/cases/{late.id}")
        head, todo = text.split("What to do")[0], text.split("What to do")[1].split("Accounting impact")[0]
        assert "Ready to replay: INV-1" in head and "Period closed: INV-1" not in head
        assert "The cause is gone: receivables of DE01, October 2026" in head.replace("\xa0", " ")
        # The history keeps why it failed.
        assert "What had failed (period closed)" in head and late.text[:20] in text.split("About this case")[-1]
        assert "Replay" in todo and "Dry run" in todo and "The cause is gone" in todo
        assert "Re-date" not in todo and "In the way" not in todo and "Open the period" not in todo
    assert "No longer: period closed" in page(rosa_client := signed_in(rosa), "/queue?tab=all")
    stopped = Step.objects.get(id=late.step_id)
    (coming,) = next_of([stopped], {stopped.id: Case.objects.get(id=late.id)})
    assert coming.text.startswith("The cause is gone, it waits for its replay") and late.text in coming.text
    assert "No longer" not in page(rosa_client, "/queue?tab=resolved")


def test_while_its_period_is_closed_a_case_says_that(company: Any, late: Case) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="closed for good")
    text = read(signed_in(boss()), f"/cases/{late.id}")
    assert "Period closed: INV-1" in text and "Ready to replay" not in text and "In the way" in text


def test_what_was_given_up_since_is_counted_apart_from_what_is_done(client: Any, company: Any, late: Case) -> None:
    rosa = boss()
    client.force_login(rosa)
    batch = desk.replay_one(rosa, late.id)
    run_all()
    give_up(Case.objects.get(stage="post_journal"), "other")
    assert step("INV-1", "post_journal").state == "abandoned"
    followed = section(page(client, f"/replays/{batch.id}"), "standing").partition("What followed")[2]
    said = " ".join(re.sub(r"<[^>]+>", " ", followed).split())
    assert "1 given up since" in said and "done" not in said and "document number" not in said
