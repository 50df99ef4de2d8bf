"""Replays from the case's side: looked at, sent, confirmed or failed again; and never a second document."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions import approvals
from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case, ReplayBatch, ReplayItem
from ledger import journal, periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.engine import desk, replay, sweep
from q2c.models import Step
from q2c.stages import STAGES, booking, withdrawn
from q2c.stages.verb import Work
from tests.engine import makers
from tests.engine.makers import NOW, case, issue, order, person, run_all, step
from tests.past_guards import reopened

pytestmark = pytest.mark.django_db


def refused(books: Any, *numbers: str) -> list[Case]:
    """Invoices whose journals meet an inactive cost centre in the ERP."""
    books["erp-de"].inactive.add(("cost_center", "CC-410"))
    sold = order()
    for number in numbers:
        issue(number, sold)
    run_all()
    return [case(number) for number in numbers]


def fresh(record: Any) -> Any:
    return type(record).objects.get(pk=record.pk)


def test_a_cost_centre_is_reactivated_and_the_journal_posts_once_with_its_proof(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    assert (stuck.state, stuck.reason) == ("open", "dimension_inactive")
    assert stuck.blocker == ("erp-de", "cost_center", "CC-410", "inactive")
    ann = person("ann")
    company["erp-de"].inactive.clear()
    batch = desk.replay_one(ann, stuck.id, "CC-410 is back")
    assert (batch.state, batch.size, batch.totals) == ("running", 1, {"EUR": 119_000})
    assert fresh(stuck).state == "replaying"
    assert step("INV-1", "post_journal").state == "waiting"
    run_all()
    stuck = fresh(stuck)
    assert (stuck.state, stuck.resolution, stuck.document) == ("resolved", "fixed_by_replay", "JE-1")
    assert [search["found"] for search in stuck.proof["searches"]] == [None]
    assert "posted_at" in stuck.proof
    assert fresh(batch).state == "finished"
    assert list(batch.items.values_list("outcome", "document")) == [("confirmed", "JE-1")]
    assert company["erp-de"].writes == 1


def test_the_dry_run_shows_debits_credits_and_what_the_erp_would_say(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    ann = person("ann")
    before = JournalEntry.objects.count()
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and seen["passes"] is False
    assert [(line["debit_minor"], line["credit_minor"]) for line in seen["journal"]["lines"]] == [
        (119_000, 0), (0, 100_000), (0, 19_000),
    ]  # fmt: skip
    assert seen["checks"] == [{"name": "platform", "ok": False, "text": "cost_center CC-410 is inactive in erp-de"}]
    company["erp-de"].inactive.clear()
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and seen["passes"] is True and seen["findings"] == []
    assert JournalEntry.objects.count() == before
    assert (fresh(stuck).state, step("INV-1", "post_journal").state) == ("open", "failed")
    assert company["erp-de"].writes == 0


def test_the_dry_run_looks_the_key_up_as_a_replay_would(company: Any) -> None:
    """Whatever the ERP would refuse today: what it holds already is not sent again."""
    [stuck] = refused(company, "INV-1")
    ann, book = person("ann"), company["erp-de"]
    (document,) = booking.documents_of(journal.read([JournalEntry.objects.get().id]))
    book.numbers[document.key], book.documents[document.key] = "JE-9", document
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and seen["passes"] is True
    assert seen["checks"][-1]["text"] == "erp-de holds it already as JE-9: nothing would be sent"
    book.documents[document.key] = replace(document, memo="somebody else's")
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and seen["passes"] is False
    assert [finding["text"] for finding in seen["findings"]] == ["JE-9 has other content"]


def test_the_dry_run_tells_what_would_wait_behind_an_earlier_step(company: Any) -> None:
    first, second = refused(company, "INV-1", "INV-2")
    company["erp-de"].inactive.clear()
    ann = person("ann")
    Step.objects.filter(id=second.step_id).update(order_key=step("INV-1", "post_journal").order_key)
    seen = desk.dry_run(ann, second.id)
    assert seen is not None and seen["passes"] is False
    (finding,) = seen["findings"]
    assert finding["text"].startswith("It waits for an earlier step: post_journal INV-1, failed (cost_center CC-410")
    assert finding["remedy"] == "See to the earlier one first"
    batch = desk.plan(ann, [first.id, second.id])
    assert [item.preview["passes"] for item in batch.items.all()] == [True, True], "the earlier one goes with it"


def test_a_selection_is_frozen_looked_at_sent_and_told_apart(company: Any) -> None:
    one, two = refused(company, "INV-1", "INV-2")
    ann = person("ann")
    batch = desk.plan(ann, [one.id, two.id], title="After the fix")
    assert (batch.state, batch.size, batch.totals) == ("dry_run", 2, {"EUR": 238_000})
    assert [item.preview["passes"] for item in batch.items.all()] == [False, False]
    assert step("INV-1", "post_journal").state == "failed"
    company["erp-de"].inactive.clear()
    assert desk.look(batch.id) == 0
    desk.send(ann, batch.id)
    run_all()
    assert sorted(batch.items.values_list("outcome", "document")) == [("confirmed", "JE-1"), ("confirmed", "JE-2")]
    assert fresh(batch).state == "finished"


def test_nothing_that_came_after_the_list_is_taken_with_all_that_match(company: Any) -> None:
    refused(company, "INV-1")
    shown_at = clock.now()
    with clock.at(NOW + dt.timedelta(minutes=5)):
        issue("INV-2", order("ORD-2"))
        run_all()
    ann = person("ann")
    assert desk.chosen(ann, "reason:dimension_inactive", "open").count() == 2
    found = desk.chosen(ann, "reason:dimension_inactive", "open", shown_at)
    batch = desk.plan(ann, found)
    assert [item.case.business_key for item in batch.items.all()] == ["INV-1"]


def test_the_canary_goes_first_and_stops_the_rest_when_it_fails(company: Any) -> None:
    cases = refused(company, "INV-1", "INV-2", "INV-3")
    ann = person("ann")
    batch = desk.plan(ann, [c.id for c in cases], canary=1)
    desk.send(ann, batch.id)
    assert sorted(batch.items.values_list("outcome", flat=True)) == ["queued", "queued", "sent"]
    assert desk.advance(batch.id) == 0
    run_all()
    sweep.sweep()
    batch = fresh(batch)
    assert batch.state == "stopped"
    assert batch.ended_because.startswith("what went first failed: cost_center CC-410 is inactive")
    assert sorted(batch.items.values_list("outcome", flat=True)) == ["failed_again", "skipped", "skipped"]
    assert {c.state for c in Case.objects.all()} == {"open"}


def test_after_a_confirmed_canary_the_sweeper_sends_the_rest(company: Any) -> None:
    cases = refused(company, "INV-1", "INV-2", "INV-3")
    ann = person("ann")
    company["erp-de"].inactive.clear()
    batch = desk.plan(ann, [c.id for c in cases], canary=1)
    desk.send(ann, batch.id)
    run_all()
    assert company["erp-de"].writes == 1
    # Nobody woke anything: a lost Redis.
    assert sweep.sweep()["replayed"] == 2
    run_all()
    assert fresh(batch).state == "finished"
    assert company["erp-de"].writes == 3


def test_a_canary_that_billing_takes_back_makes_room_for_the_next(company: Any) -> None:
    """The rest goes only once one was confirmed."""
    cases = refused(company, "INV-1", "INV-2", "INV-3")
    company["erp-de"].inactive.clear()
    ann = person("ann")
    batch = desk.send(ann, desk.plan(ann, [c.id for c in cases], canary=1).id)
    first = batch.items.order_by("ordinal")[0].case.business_key
    withdrawn.invoice("zuora", f"b-{first}", "poll:zuora", "Canceled")
    stands = batch.items.order_by("ordinal").values_list("outcome", flat=True)
    assert list(stands) == ["skipped", "queued", "queued"]
    assert (desk.work(), list(stands.all())) == (1, ["skipped", "sent", "queued"])
    run_all()
    assert (desk.work(), list(stands.all())) == (1, ["skipped", "confirmed", "sent"])
    run_all()
    assert fresh(batch).state == "finished" and company["erp-de"].writes == 2


def test_many_failures_of_one_cause_stop_it(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = refused(company, *(f"INV-{n}" for n in range(6)))
    monkeypatch.setattr(desk, "CAREFUL_WINDOW", 2)
    ann = person("ann")
    batch = desk.plan(ann, [c.id for c in cases], stop_after=2)
    desk.send(ann, batch.id)
    assert desk.advance(batch.id) == 0, "no more than the window is on its way"
    run_all()
    sweep.sweep()
    batch = fresh(batch)
    assert batch.state == "stopped" and batch.ended_because.startswith("2 failed for one cause: Dimension value")
    outcomes = list(batch.items.order_by("ordinal").values_list("outcome", flat=True))
    assert outcomes == ["failed_again"] * 2 + ["skipped"] * 4


def test_cancelled_in_the_middle_what_is_out_comes_to_its_end(company: Any) -> None:
    cases = refused(company, "INV-1", "INV-2", "INV-3")
    company["erp-de"].inactive.clear()
    ann = person("ann")
    batch = desk.plan(ann, [c.id for c in cases], canary=1)
    desk.send(ann, batch.id)
    desk.cancel(ann, batch.id, "wrong list")
    run_all()
    sweep.sweep()
    batch = fresh(batch)
    assert (batch.state, batch.ended_because) == ("cancelled", "wrong list")
    assert sorted(batch.items.values_list("outcome", flat=True)) == ["confirmed", "skipped", "skipped"]
    assert company["erp-de"].writes == 1


def test_the_second_of_two_people_is_told_and_nothing_is_sent_twice(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    company["erp-de"].inactive.clear()
    ann, bob = person("ann"), person("bob")
    late = desk.plan(bob, [stuck.id])
    desk.replay_one(ann, stuck.id)
    with pytest.raises(NotPossible, match="None of these cases can be replayed now"):
        desk.replay_one(bob, stuck.id)
    with pytest.raises(NotPossible, match="Nothing is left to send"):
        desk.send(bob, late.id)
    run_all()
    assert (case("INV-1").state, fresh(late).state) == ("resolved", "dry_run")
    assert company["erp-de"].writes == 1


def test_the_erp_had_it_all_along(company: Any) -> None:
    company["erp-de"].lose_answers = True
    issue("INV-1", order())
    run_all()
    unknown = step("INV-1", "post_journal")
    assert unknown.state == "unknown"
    # The budget for looking it up is spent while the ledger is down; a person is asked.
    company["erp-de"].down, company["erp-de"].lose_answers = True, False
    Step.objects.filter(pk=unknown.pk).update(failures={"platform_unavailable": 99})
    with clock.at(NOW + dt.timedelta(minutes=2)):
        run_all()
        stuck = case("INV-1")
        assert stuck.state == "open"
        company["erp-de"].down = False
        desk.replay_one(person("ann"), stuck.id)
        run_all()
    stuck = fresh(stuck)
    assert (stuck.state, stuck.document) == ("resolved", "JE-1")
    assert "found_at" in stuck.proof
    assert company["erp-de"].writes == 1


def test_a_step_that_was_done_meanwhile_resolves_its_case(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    company["erp-de"].inactive.clear()
    ann = person("ann")
    batch = desk.plan(ann, [stuck.id])
    # Put back to work by another door; its case is told, so nothing is left to send.
    replay.replay([stuck.step_id], "engine")
    run_all()
    with pytest.raises(NotPossible, match="its cases have ended"):
        desk.send(ann, batch.id)
    assert case("INV-1").state == "resolved"
    assert company["erp-de"].writes == 1


def test_without_the_right_nothing_moves_and_the_refusal_is_on_record(company: Any) -> None:
    one, two = refused(company, "INV-1", "INV-2")
    eve = person("eve", ("view_case",))
    with pytest.raises(Refused, match=r"exceptions\.replay_case"):
        desk.replay_one(eve, one.id)
    assert one.events.filter(kind="refused", actor="eve").exists()
    sam = person("sam", ("view_case", "replay_case"))
    with pytest.raises(Refused, match=r"exceptions\.bulk_replay"):
        desk.plan(sam, [one.id, two.id])
    with pytest.raises(Refused, match=r"exceptions\.replay_case"):
        desk.dry_run(eve, one.id)
    assert ReplayBatch.objects.count() == ReplayItem.objects.count() == 0
    assert set(Step.objects.filter(stage="post_journal").values_list("state", flat=True)) == {"failed"}


def test_closed_without_a_fix_by_two_people_frees_what_waits_behind(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    ann, bob = person("ann"), person("bob")
    desk.close_without_fix(ann, [stuck.id], "Billed by mistake, credited", "order_entry")
    [asked] = Approval.objects.filter(case=stuck)
    with pytest.raises(Refused, match="may not"):
        desk.approve(ann, [asked.id])
    assert fresh(stuck).state == "awaiting_approval"
    assert stuck.events.filter(kind="refused", actor="ann").exists()
    decision = desk.approve(bob, [asked.id], "Seen the credit memo")
    assert decision.done == [asked.id]
    stuck = fresh(stuck)
    assert (stuck.state, stuck.resolution, stuck.root_cause) == ("closed_without_fix",) * 2 + ("order_entry",)
    given_up = step("INV-1", "post_journal")
    assert given_up.state == "abandoned" and given_up.finished_at == NOW


def test_refused_it_goes_back_into_the_queue(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    desk.close_without_fix(person("ann"), [stuck.id], "Old", "other")
    [asked] = Approval.objects.filter(case=stuck)
    with pytest.raises(NotPossible, match="Say why"):
        desk.refuse(person("bob"), [asked.id], " ")
    desk.refuse(person("cleo"), [asked.id], "It must be posted")
    assert fresh(stuck).state == "open"
    assert step("INV-1", "post_journal").state == "failed"


def test_a_closed_period_of_ours_is_seen_in_the_dry_run(company: Any) -> None:
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(period, by="cleo", why="October is done")
    issue("INV-1", order())
    run_all()
    stuck = case("INV-1")
    assert (stuck.stage, stuck.reason) == ("record_invoice", "period_closed")
    ann = person("ann")
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and not seen["passes"]
    assert {"name": "period", "ok": False, "text": "Period 2026-10 of DE01 (receivables) is closed"} in seen["checks"]
    reopened(period, by="cleo", why="One more invoice")
    seen = desk.dry_run(ann, stuck.id)
    assert seen is not None and seen["passes"]
    assert [line["debit_minor"] for line in seen["journal"]["lines"]] == [119_000, 0, 0]
    assert JournalEntry.objects.count() == 0


def test_one_that_cannot_be_shown_spoils_no_other_dry_run(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = refused(company, "INV-1", "INV-2")
    company["erp-de"].inactive.clear()
    verb = STAGES["post_journal"].verb
    shown = verb.preview

    def breaks(work: Work) -> dict[str, Any]:
        if work.step.id == one.step_id:
            raise ValueError("out of range")
        return shown(work)

    monkeypatch.setattr(verb, "preview", breaks)
    bad, good = replay.dry_run([one.step_id, two.step_id])
    assert not bad.would_pass and "ValueError: out of range" in str(bad.findings[0]["text"])
    assert good.would_pass and good.preview


def test_decidable_is_asked_outside_so_that_the_refusal_stays(company: Any) -> None:
    [stuck] = refused(company, "INV-1")
    ann = person("ann")
    desk.close_without_fix(ann, [stuck.id], "Old", "other")
    [asked] = Approval.objects.filter(case=stuck)
    assert approvals.decidable(person("bob"), [asked.id], "approve").done == [asked.id]
    assert makers.case("INV-1").state == "awaiting_approval"
