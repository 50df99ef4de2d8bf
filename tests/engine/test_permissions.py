"""A role that lets us read and not write: no trial of the connection says that its permission is there by now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from exceptions import casework
from exceptions.models import Case, Offer, Problem
from exceptions.policies import PLATFORM
from q2c import clock
from q2c.connectors.outcomes import permission_missing
from q2c.engine import desk, mended, watch
from tests.engine import paper
from tests.engine.makers import case, issue, order, person, run_all
from tests.engine.test_mended import Door, door, later, save

pytestmark = pytest.mark.django_db
__all__ = ["door", "save"]
Saved = Callable[..., None]
BLOCKER = ("erp-de", "connection", "erp-de", "permission_missing")


@pytest.fixture
def lacking(door: Door, monkeypatch: pytest.MonkeyPatch) -> Door:
    """The token is taken by now; journals may be read, and not written. Two invoices wait, refused by other codes."""
    door.answer = permission_missing("erp-de", "Permission violation", "INSUFFICIENT_PERMISSION")
    monkeypatch.setattr(paper.PaperLedger, "probe", lambda ledger: None)
    issue("INV-2", order("ORD-2"))
    desk.replay_one(person("ann"), case("INV-1").id)
    run_all()
    door.answer = permission_missing("erp-de", "Forbidden", "403")
    issue("INV-3", order("ORD-3"))
    run_all()
    return door


def test_nothing_is_offered_whoever_saves_or_reads_the_connection(lacking: Door, save: Saved) -> None:
    with later(60):
        save(title="Another title")
        told = watch.told_of("erp-de")
        assert told is not None and told.stands is None and told.by_replay
        assert watch.watch_blockers() == {"looked": 0, "offers": 0}
        watch.tried("erp-de", None)
        look = watch.look_again(case("INV-1"), "pat")
        assert (look.stands, look.text) == (None, told.text) and "only a replay tells" in look.text
    assert not Offer.objects.exists()
    assert not Case.objects.filter(blocker_gone_at__isnull=False).exists()


def test_it_is_one_problem_of_the_connection_for_the_same_people(lacking: Door) -> None:
    cases = list(Case.objects.all())
    assert [(one.reason, one.owner_team_id, one.blocker) for one in cases] == [
        ("credentials_refused", PLATFORM, BLOCKER)
    ] * 3
    assert Problem.objects.filter(state="open").count() == len({one.problem_id for one in cases}) == 1


def test_a_replay_that_goes_through_ends_what_it_replays(lacking: Door) -> None:
    lacking.answer = None
    desk.replay_one(person("bob"), case("INV-2").id)
    run_all()
    assert [case(number).state for number in ("INV-1", "INV-2", "INV-3")] == ["open", "resolved", "open"]


def test_one_whose_credentials_are_refused_again_is_known_to_stand(lacking: Door) -> None:
    refused = permission_missing("erp-de", "not even that")
    assert mended.judge(refused, BLOCKER) == mended.Look(True, "not even that")


def test_none_sleeps_until_it_is_gone_which_nobody_sees(lacking: Door) -> None:
    cat, asleep = person("cat"), [case("INV-3").id]
    told = casework.snooze(cat, asleep, until_blocker=True)
    assert not told.done and "names no blocker that somebody looks at; give a time" in str(told.left)
    later_on = clock.now() + dt.timedelta(hours=4)
    assert casework.snooze(cat, asleep, until=later_on, until_blocker=True).done
