"""A connection is tried as its settings are saved, and for a while after that; not with each round."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exceptions.models import Offer
from q2c import clock
from q2c.connectors.outcomes import Rejected, Unavailable, credentials_refused
from q2c.engine import breaker, desk, mended, watch
from q2c.models import Connection
from q2c.reasons import Reason
from tests.engine import paper
from tests.engine.makers import NOW, case, issue, order, person, run_all

pytestmark = pytest.mark.django_db
Saved = Callable[..., None]
BLOCKER = ("erp-de", "connection", "erp-de", "credentials_refused")


class Door:
    """What the ledger says to whoever knocks, and how often somebody did."""

    def __init__(self) -> None:
        self.answer: mended.Said = credentials_refused("erp-de", "no such token")
        self.knocks = 0

    def probe(self) -> mended.Said:
        self.knocks += 1
        return self.answer


@pytest.fixture
def door(company: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The token of erp-de has run out; one journal is refused."""
    found = Door()

    def post(ledger: Any, journal: Any) -> Any:
        return found.answer if isinstance(found.answer, Rejected | Unavailable) else posted(ledger, journal)

    posted = paper.PaperLedger._post
    monkeypatch.setattr(paper.PaperLedger, "_post", post)
    monkeypatch.setattr(paper.PaperLedger, "probe", lambda ledger: found.probe())
    issue("INV-1", order())
    run_all()
    assert (case("INV-1").reason, case("INV-1").blocker) == ("credentials_refused", BLOCKER)
    yield found


@pytest.fixture
def save(django_capture_on_commit_callbacks: Any) -> Saved:
    """Save erp-de as a form or a command would."""

    def saved(**columns: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            one = Connection.objects.get(name="erp-de")
            for name, value in columns.items():
                setattr(one, name, value)
            one.save()

    return saved


def later(minutes: float) -> Any:
    return clock.at(NOW + dt.timedelta(minutes=minutes))


def test_no_round_knocks_until_the_connection_is_saved(door: Door, save: Saved) -> None:
    """A sign-in that is refused every few seconds locks an account. The company's connections were made long ago."""
    with later(60):
        watch.watch_blockers()
        assert door.knocks == 0
        save()
        assert door.knocks == 1 and not Offer.objects.exists()
        watch.watch_blockers()
        assert door.knocks == 2
    with later(66):
        watch.watch_blockers()
        assert door.knocks == 2


def test_what_was_on_its_way_with_the_old_secret_spoils_no_offer_for_good(door: Door, save: Saved) -> None:
    """Its refusal is recorded after the new secret was found to be right."""
    issue("INV-2", order("ORD-2"))
    with later(60):
        old, door.answer = door.answer, None
        save()
        assert Offer.objects.get().cases == 1
        door.answer = old
        run_all()
        assert Offer.objects.get().state == "withdrawn" and case("INV-1").blocker_gone_at is None
        door.answer = None
        assert watch.watch_blockers() == {"looked": 1, "offers": 1}
        assert Offer.objects.get(state="open").cases == 2


@pytest.mark.parametrize(
    "answer",
    [Unavailable(text="no answer"), Rejected(reason=Reason.REQUEST_REFUSED, text="no such page"), ZeroDivisionError()],
    ids=["silent", "refuses something else", "broken"],
)
def test_where_nobody_can_say_nothing_is_offered_until_somebody_can(
    door: Door, save: Saved, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    def said(ledger: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with later(60):
        with monkeypatch.context() as now:
            now.setattr(paper.PaperLedger, "probe", said)
            save()
        told = watch.told_of("erp-de")
        assert told is not None and told.stands is None and told.text
        assert watch.told_of("erp-de") is None, "it is told once"
        assert not Offer.objects.exists()
        door.answer = None
        watch.watch_blockers()
    assert Offer.objects.get().cases == 1


def test_a_person_may_ask_about_a_case(door: Door) -> None:
    with later(60):
        look = watch.look_again(case("INV-1"), "pat")
        assert (look.stands, look.text) == (True, "no such token")
        door.answer = None
        assert watch.look_again(case("INV-1"), "pat").stands is False
    assert Offer.objects.get().raised_by == "pat"


def test_one_that_was_silent_is_tried_all_the_same(door: Door, save: Saved) -> None:
    """Its breaker is tried in its own time; whether a secret is right is worth a try now."""
    for _ in range(breaker.TRIPS_AT):
        breaker.silent("erp-de", "no answer")
    with later(60):
        door.answer = None
        save()
    assert Offer.objects.get().blocker == BLOCKER


def test_switched_off_it_is_not_knocked_at_and_its_cases_say_so(door: Door, save: Saved) -> None:
    with later(60):
        save(active=False)
        told = watch.told_of("erp-de")
    assert door.knocks == 0 and told is not None and (told.stands, told.text) == (None, "erp-de is not active")


def test_where_nothing_waits_nobody_is_asked(door: Door, save: Saved) -> None:
    door.answer = None
    with later(60):
        save()
        desk.replay_one(person("ann"), case("INV-1").id)
        run_all()
        assert case("INV-1").state == "resolved" and door.knocks == 1
        watch.told_of("erp-de")
        save()
    assert door.knocks == 1 and watch.told_of("erp-de") is None
