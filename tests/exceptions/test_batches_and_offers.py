"""Replays as records: frozen, with a canary and a brake; and what is offered when a blocker is gone."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction

from exceptions import approvals, batches, cases, casework, moves, sweep, unblock
from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case, CaseEvent, Offer, ReplayBatch, ReplayItem
from q2c import clock, keys
from q2c.ui import approvals as cards
from tests import flow_makers as make
from tests.exceptions.conftest import NOW, again, failure, fresh, opened

pytestmark = pytest.mark.django_db
BLOCKER = ("erp-de", "period", "2026-10", "closed")


def many(number: int, **given: Any) -> list[Case]:
    found = [failure(step_id=keys.new_id(), business_key=f"INV-{n}", **given) for n in range(number)]
    return list(Case.objects.filter(id__in=cases.open_for(found, "q2c").values()).order_by("number"))


def sent(user: Any, chosen: list[Case], **how: Any) -> ReplayBatch:
    batch = batches.create(user, [case.id for case in chosen], **how)
    return batches.queue(user, batch.id)


def done(case: Case, document: str) -> None:
    cases.resolve_for({case.step_id: {"document": document}}, "q2c")


def outcomes(batch: ReplayBatch) -> list[str]:
    return list(batch.items.order_by("ordinal").values_list("outcome", flat=True))


def test_the_choice_is_frozen_with_its_money(person: Any) -> None:
    ann, chosen = person("ann"), many(3)
    yen = opened(currency="JPY", amount_minor=5_000, business_key="INV-J")
    batch = batches.create(ann, [*(case.id for case in chosen), yen.id])
    assert (batch.size, batch.totals) == (4, {"EUR": 1_446_300, "JPY": 5_000})
    assert batch.title == "Replay of 4 cases"
    item = batch.items.first()
    assert item is not None
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        ReplayItem.objects.filter(id=item.id).update(amount_minor=1)
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        item.delete()


def test_a_replay_nets_no_credit_against_a_charge(person: Any) -> None:
    """Net it is worth ten euros, and 1,990 are not in the books. What was known before is told by the migration."""
    ann, chosen = person("ann"), [opened(amount_minor=minor, business_key=f"I{minor}") for minor in (100_000, -99_000)]
    ended = opened(amount_minor=-7, business_key="I-ended")
    done(ended, "JE-0")
    batch = batches.create(ann, [*(case.id for case in chosen), ended.id])
    assert (batch.size, batch.totals, batch.credits) == (2, {"EUR": 1_000}, {"EUR": -99_000})
    now = batches.progress(batch)
    assert (now.amounts["queued"], now.credits) == (
        {"EUR": 1_000},
        {"queued": {"EUR": -99_000}, "skipped": {"EUR": -7}},
    )
    ReplayBatch.objects.filter(id=batch.id).update(credits={})
    script: Any = importlib.import_module("exceptions.migrations.0012_replays_tell_credits")
    with connection.cursor() as cursor:
        cursor.execute(script._TOLD)
    assert fresh(batch).credits == {"EUR": -99_000}


def test_an_offer_nets_no_credit_against_a_charge() -> None:
    for minor in (100_000, -99_000):
        opened(amount_minor=minor, business_key=f"I{minor}")
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    assert offer.title.startswith("2 cases, EUR 1,000.00 and EUR -990.00 of credits, can be replayed")
    assert offer.headline.startswith("2 cases, EUR 1,000.00 and EUR -990.00 of credits, may be replayed")
    offer.looked = {"cases": 2, "passes": 2, "untold": 0, "amounts": {"EUR": 1_000}, "credits": {"EUR": -99_000}}
    offer.looked_at = NOW
    assert offer.headline.startswith("2 cases would go through, EUR 1,000.00 and EUR -990.00 of credits:")
    # Counted before credits stood apart: what is known of it.
    offer.totals = [{"currency": "EUR", "amount_minor": 1_000}]
    assert offer.worth == "EUR 10.00"


def test_what_waits_for_a_period_nets_no_credit_against_a_charge() -> None:
    """Whoever signs that it is reopened reads both."""
    make.company()
    key = "DE01:receivables:2026-10"
    for minor in (100_000, -99_000):
        opened(amount_minor=minor, business_key=f"I{minor}", blocker=("", "fiscal_period", key, "period_closed"))
    asked = Approval(action=approvals.REOPEN, state="requested", subject_type="fiscal_period", subject_id=key)
    waiting = cards._waiting(get_user_model().objects.create_superuser("boss"), asked)
    assert waiting is not None and [sum.minor for sum in waiting["waits"]["sums"]] == [100_000, -99_000]


def test_what_cannot_be_replayed_is_in_it_with_the_reason(person: Any) -> None:
    ann = person("ann")
    one, two = many(2)
    done(two, "JE-1")
    batch = batches.create(ann, [one.id, two.id])
    assert batch.size == 1
    assert list(batch.items.values_list("outcome", "text")) == [("queued", ""), ("skipped", "It is resolved")]
    with pytest.raises(NotPossible, match="None of these"):
        batches.create(ann, [two.id])
    with pytest.raises(NotPossible, match="None of these"):
        batches.create(ann, [keys.new_id()])


def test_the_rest_follows_a_confirmed_canary(person: Any) -> None:
    chosen = many(4)
    batch = sent(person("ann"), chosen, canary=2)
    assert batches.advance(batch.id) == [case.step_id for case in chosen[:2]]
    done(chosen[0], "JE-1")
    assert batches.advance(batch.id) == [], "half a canary is none"
    done(chosen[1], "JE-2")
    assert len(batches.advance(batch.id)) == 2
    done(chosen[2], "JE-3")
    done(chosen[3], "JE-4")
    assert fresh(batch).state == "finished"
    progress = batches.progress(batch)
    assert (progress.done, progress.items, progress.amounts) == (
        4, {"confirmed": 4}, {"confirmed": {"EUR": 4 * 482_100}},
    )  # fmt: skip


def test_what_is_skipped_of_a_canary_makes_room_for_the_next(person: Any) -> None:
    chosen = many(5)
    batch = sent(person("ann"), chosen, canary=2)
    batches.advance(batch.id)
    batches.skipped([chosen[0].step_id], "It was given up in the meantime")
    assert batches.canary_ends(batch) == 3
    assert batches.advance(batch.id) == [chosen[2].step_id], "two go first, and only two"
    done(chosen[1], "JE-1")
    assert batches.advance(batch.id) == []
    again(chosen[2])
    assert batches.advance(batch.id) == []
    assert fresh(batch).state == "stopped" and outcomes(batch)[3:] == ["skipped"] * 2


@pytest.mark.parametrize(
    ("how", "because"), [({"canary": 1}, "what went first failed"), ({"stop_after": 1}, "1 failed for")]
)
def test_stopped_by_canary_or_brake(person: Any, how: dict[str, int], because: str) -> None:
    chosen = many(3)
    batch = sent(person("ann"), chosen, **how)
    batches.advance(batch.id, 1)
    again(chosen[0])
    assert batches.advance(batch.id) == []
    batch = fresh(batch)
    assert batch.state == "stopped" and batch.ended_because.startswith(because)
    assert outcomes(batch) == ["failed_again", "skipped", "skipped"]
    assert batches.advance(batch.id) == []


def test_failures_of_different_causes_do_not_add_up(person: Any) -> None:
    chosen = many(3)
    batch = sent(person("ann"), chosen, stop_after=2)
    batches.advance(batch.id, 2)
    again(chosen[0])
    again(chosen[1], reason="dimension_inactive", blocker=("erp-de", "cost_center", "CC-1", "inactive"))
    assert len(batches.advance(batch.id)) == 1


def test_an_answer_that_was_lost_is_told_and_settled(person: Any) -> None:
    [case] = many(1)
    batch = sent(person("ann"), [case])
    batches.advance(batch.id)
    cases.outcome_unknown([case.step_id], "q2c", "the line dropped")  # type: ignore[list-item]
    assert outcomes(batch) == ["unknown"] and fresh(batch).state == "running"
    done(case, "JE-9")
    assert outcomes(batch) == ["confirmed"] and fresh(batch).state == "finished"


def test_cancelled_before_and_in_the_middle(person: Any) -> None:
    ann, chosen = person("ann"), many(2)
    early = batches.create(ann, [case.id for case in chosen])
    assert batches.cancel(ann, early.id).state == "cancelled"
    with pytest.raises(NotPossible, match="it can no longer be sent"):
        batches.queue(ann, early.id)
    batch = sent(ann, chosen)
    batches.advance(batch.id, 1)
    batches.cancel(ann, batch.id, "wrong list")
    assert outcomes(batch) == ["sent", "skipped"]
    assert [fresh(case).state for case in chosen] == ["replaying", "open"]


def test_many_at_once_is_a_right_of_its_own(person: Any) -> None:
    sam = person("sam", rights=("view_case", "replay_case"))
    one, two = many(2)
    with pytest.raises(Refused) as refusal:
        batches.create(sam, [one.id, two.id])
    assert refusal.value.right == "exceptions.bulk_replay"
    assert batches.create(sam, [one.id]).size == 1


def test_an_offer_counts_what_waits_and_is_counted_anew(person: Any) -> None:
    many(2)
    opened(currency="USD", amount_minor=100, entity="US", business_key="INV-US")
    opened(reason="dimension_inactive", blocker=("erp-de", "cost_center", "CC-1", "inactive"), business_key="OTHER")
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None and offer.cases == 3
    assert offer.title == "3 cases, EUR 9,642.00 and USD 1.00, can be replayed: period 2026-10 in erp-de is open again"
    opened(business_key="INV-LATE", blocker=("erp-de", "period", "2026-09", "closed"))
    same = unblock.blocker_gone(*BLOCKER)
    assert same is not None and same.id == offer.id


def test_struck_again_the_offer_is_taken_back(person: Any) -> None:
    [case] = many(1)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    again(case)
    assert fresh(offer).state == "withdrawn"
    with pytest.raises(NotPossible, match="withdrawn already"):
        unblock.take(person("ann"), offer.id)


def test_nothing_waits_nothing_is_offered() -> None:
    assert unblock.blocker_gone("erp-de", "period", "2031-01", "closed") is None
    assert not Offer.objects.exists()


def test_looked_at_as_a_dry_run_and_taken_by_the_one_that_is_sent(person: Any) -> None:
    ann, chosen = person("ann"), many(2)
    casework.snooze(ann, [chosen[0].id], until_blocker=True)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None and offer.cases == 2 and fresh(chosen[0]).state == "open"
    batch = unblock.take(ann, offer.id)
    assert (batch.state, batch.size, batch.title) == ("dry_run", 2, "Period 2026-10 in erp-de is open again")
    assert fresh(offer).state == "open", "to look is not to send"
    assert unblock.take(ann, offer.id) == batch, "pressed twice, it is one"
    unblock.sent(ann, batches.queue(ann, batch.id))
    assert (fresh(offer).state, fresh(offer).batch_id) == ("taken", batch.id)
    with pytest.raises(NotPossible, match=f"sent this already, as R-{batch.number}"):
        unblock.take(ann, offer.id)
    with pytest.raises(Refused):
        unblock.dismiss(person("eve", rights=("view_case",)), offer.id)


def test_an_offer_goes_when_nothing_waits_for_it_any_more() -> None:
    """The last of its cases has ended; the offer goes with it, and the sweeper finds nothing left to do."""
    case = opened()
    assert case.blocker_key
    offer = unblock.blocker_gone(case.blocker_connection, case.blocker_type, case.blocker_key, case.blocker_condition)
    assert offer is not None
    assert sweep.sweep()["offers"] == 0
    cases.resolve_for({case.step_id: {"document": "4711"}}, "engine")
    assert fresh(offer).state == "withdrawn"
    assert sweep.sweep()["offers"] == 0


def test_the_sweeper_takes_back_what_is_spent_by_another_way(person: Any) -> None:
    case = opened()
    assert case.blocker is not None
    offer = unblock.blocker_gone(*case.blocker)
    moves.start_replay([case], "ann", "by hand")
    assert sweep.sweep()["offers"] == 1
    assert fresh(offer).state == "withdrawn"


def told(case: Case) -> int:
    return CaseEvent.objects.filter(case=case, kind="offered").count()


def test_what_was_sent_is_not_offered_again_while_it_is_on_its_way(person: Any) -> None:
    ann, chosen = person("ann"), many(3)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    batch = unblock.take(ann, offer.id, canary=1)
    unblock.sent(ann, batches.queue(ann, batch.id))
    assert unblock.found_gone(ann, fresh(chosen[1])) == offer, "its turn is still to come, and its cause is gone"
    with transaction.atomic():
        batches.advance(batch.id)
    assert [fresh(case).state for case in chosen] == ["replaying", "open", "open"]
    assert unblock.blocker_gone(*BLOCKER) is None, "the rest goes once the first is through"
    # One that failed meanwhile is in no replay.
    opened(business_key="INV-LATE")
    late = unblock.blocker_gone(*BLOCKER)
    assert late is not None and late.cases == 1 and [told(case) for case in chosen] == [1, 1, 1]


def test_a_dry_run_that_nobody_sends_takes_the_offer_from_nobody(person: Any) -> None:
    ann, ben, chosen = person("ann"), person("ben"), many(2)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    first = unblock.take(ann, offer.id)
    with clock.at(NOW + dt.timedelta(minutes=1)):
        second = unblock.take(ben, offer.id)
        again = unblock.blocker_gone(*BLOCKER)
        assert again is not None and (again.id, again.cases) == (offer.id, 2)
        assert unblock.ready(ben, map(fresh, chosen)) == {case.id for case in chosen}
        assert unblock.looks(ann, [again]) == {offer.id: [second, first]}
        assert sweep.sweep()["offers"] == 0
    # Looked at again after a while, on today's master data: one dry run a person.
    with clock.at(NOW + dt.timedelta(minutes=10)):
        third = unblock.take(ann, offer.id)
        assert (fresh(first).state, fresh(first).ended_because) == ("cancelled", f"looked at anew as R-{third.number}")
        assert unblock.looks(ann, [offer]) == {offer.id: [third, second]}
    with clock.at(NOW + unblock.LOOKING + dt.timedelta(minutes=9)):
        assert unblock.looks(ann, [offer]) == {offer.id: [third]}


def test_of_two_dry_runs_of_one_offer_only_one_sends_a_case(person: Any) -> None:
    """Ann's is sent with one to go first; Ben's, of the same cases, finds nothing left, and what came late is his."""
    ann, ben = person("ann"), person("ben")
    many(2)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    of_ann, of_ben = unblock.take(ann, offer.id, canary=1), unblock.take(ben, offer.id)
    late = opened(business_key="INV-LATE")
    wider = batches.create(ben, unblock.waiting_for(offer.blocker))
    batches.queue(ann, of_ann.id)
    with transaction.atomic():
        assert len(batches.advance(of_ann.id)) == 1
    with pytest.raises(NotPossible, match="Nothing is left to send"):
        batches.queue(ben, of_ben.id)
    assert fresh(of_ben).state == "dry_run" and outcomes(of_ben) == ["queued", "queued"]
    assert batches.sendable(wider.id).get().case_id == late.id
    batches.queue(ben, wider.id)
    said = list(wider.items.exclude(case=late).values_list("outcome", "text"))
    assert said == [("skipped", f"R-{of_ann.number} is sending it already")] * 2
    with transaction.atomic():
        assert batches.advance(wider.id) == [late.step_id]
    assert ReplayItem.objects.filter(outcome__in=("sent", "queued")).exclude(batch=of_ben).count() == 3


def test_an_open_offer_ends_where_its_last_case_is_sent(person: Any) -> None:
    ann, chosen = person("ann"), many(2)
    offer = unblock.blocker_gone(*BLOCKER)
    for case, state in zip(chosen, ("open", "withdrawn"), strict=True):
        batch = sent(ann, [case])
        with transaction.atomic():
            unblock.withdraw_spent_of(batches.advance(batch.id))
        assert fresh(offer).state == state


def test_not_now_holds_for_a_day_or_until_another_case_fails_for_it(person: Any) -> None:
    ann, case = person("ann"), opened()
    assert case.blocker is not None
    offer = unblock.blocker_gone(*case.blocker)
    assert offer is not None
    unblock.dismiss(ann, offer.id)
    with clock.at(NOW + dt.timedelta(minutes=1)):
        assert unblock.blocker_gone(*case.blocker) is None
        opened(business_key="INV-2")
        anew = unblock.blocker_gone(*case.blocker)
        assert anew is not None and anew.cases == 2
        unblock.dismiss(ann, anew.id)
    with clock.at(NOW + dt.timedelta(hours=25)):
        assert unblock.blocker_gone(*case.blocker) is not None


def test_a_case_knows_since_when_its_cause_is_gone(person: Any) -> None:
    ann, case = person("ann"), opened()
    assert case.blocker is not None and unblock.found_gone(ann, case) is None
    with clock.at(NOW + dt.timedelta(minutes=5)):
        offer = unblock.blocker_gone(*case.blocker)
        case = fresh(case)
        assert unblock.found_gone(ann, case) == offer
        assert unblock.ready(ann, [case]) == {case.id}
        unblock.blocked_again([case.blocker])
        case = fresh(case)
        assert unblock.found_gone(ann, case) is None and unblock.ready(ann, [case]) == set()
    with clock.at(NOW + dt.timedelta(minutes=6)):
        offer = unblock.blocker_gone(*case.blocker)
        assert offer is not None
        unblock.dismiss(ann, offer.id)
        # Not wanted now, it is still true.
        case = fresh(case)
        assert unblock.found_gone(ann, case) is not None and unblock.ready(ann, [case]) == set()
    with clock.at(NOW + dt.timedelta(minutes=7)):
        assert unblock.found_gone(ann, again(case)) is None, "it struck again since"


def test_who_had_begun_goes_on_when_a_replay_fails(person: Any) -> None:
    """Claimed, replayed, failed again: it is in progress with the same person; nobody's is open."""
    ann, chosen = person("ann"), many(2)
    casework.claim(ann, [chosen[0].id])
    batch = sent(ann, chosen)
    with transaction.atomic():
        batches.advance(batch.id)
    assert [(c.state, c.assignee_id) for c in map(again, chosen)] == [("in_progress", ann.pk), ("open", None)]
