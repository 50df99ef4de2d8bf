"""A contract is sharpened: what was stored before stays readable, and what is not is one step's case, nobody else's."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Case
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import OrderDocument
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import desk, lost_workers, replay, run, sweep, wake
from q2c.engine.claim import claim
from q2c.models import Event, Order, Step, WorkerSeen
from tests import flow_makers as fm
from tests.past_guards import past_guards

pytestmark = pytest.mark.django_db(transaction=True)
NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
LEASE = dt.timedelta(seconds=125)
HOUR = dt.timedelta(hours=1)
# As an earlier contract let it in: its accent stands for itself.
LOOSE = "SO-Cafe\u0301-1"


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "send", None)
    with clock.at(NOW):
        fm.company()


def asked(*numbers: str) -> None:
    """Somebody asks that orders be cancelled; none of them is known."""
    for number in numbers:
        what = OrderCancelRequested(order_number=f"SO-{number}", effective_on=dt.date(2026, 6, 1), reason="x")
        fm.arrive("OrderCancelRequested", "office", number, what)


def before(number: str, *, shape: bool = False) -> Step:
    """The event of this number becomes one of an earlier contract: another number, or another shape."""
    event = Event.objects.get(source_id=number)
    raw = msgspec.json.decode(event.payload) | {"order_number": LOOSE}
    if shape:
        del raw["effective_on"]
    with past_guards():
        Event.objects.filter(id=event.id).update(payload=msgspec.json.encode(raw).decode())
    return Step.objects.get(event=event)


def until_failed(at: dt.datetime = NOW) -> dt.datetime:
    """An order that is not known may be still to come; in the end a person is asked."""
    for _ in range(14):
        with clock.at(at):
            run.drain("cancel_order")
        at += HOUR
    return at


def test_it_is_the_same_document_whatever_its_patterns_say() -> None:
    sound = fm.order_document("SO-1", "Acme GmbH", "EMEA")
    raw = msgspec.json.encode(sound)
    assert stored.read(raw, OrderDocument) == sound
    old = raw.replace(b"SO-1", LOOSE.encode()).replace(b'"EUR"', b'"euro"')
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(old, type=OrderDocument)
    read = stored.read(old, OrderDocument)
    assert (read.order_number, read.currency) == (LOOSE, "euro")
    assert (type(read.lines[0]), read.lines[0], read.parties) == (type(sound.lines[0]), sound.lines[0], sound.parties)
    assert (read.starts_on, read.groups[0].ship_to) == (sound.starts_on, sound.groups[0].ship_to)


@pytest.mark.parametrize("wrong", [b"{}", b"[]", b"{", b'{"order_number": "a", "effective_on": "soon"}'])
def test_what_has_another_shape_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        stored.read(wrong, OrderCancelRequested)


def test_a_deal_of_an_earlier_contract_goes_all_its_way() -> None:
    with clock.at(NOW):
        fm.deal("SO-1")
        fm.deal(LOOSE)
        run.drain("accept_order")
    assert set(Step.objects.filter(stage="accept_order").values_list("state", flat=True)) != {"running"}
    assert set(Order.objects.values_list("number", flat=True)) == {"SO-1", LOOSE}


def test_it_runs_fails_is_looked_at_replayed_and_given_up_as_any_other() -> None:
    with clock.at(NOW):
        asked("1", "2")
    old = before("1")
    at = until_failed()
    assert list(Case.objects.values_list("reason", flat=True)) == ["record_missing", "record_missing"]
    assert LOOSE in Case.objects.get(step_id=old.id).text
    user = get_user_model().objects.create_superuser("root", password="x")
    with clock.at(at):
        batch = desk.plan(user, list(Case.objects.values_list("id", flat=True)))
        said = [item.preview["findings"][0]["reason"] for item in batch.items.all()]
        assert said == ["record_missing", "record_missing"]
        replay.refused([old.id], "ann", "no")
        assert replay.replay([old.id], "ann") == [old.id]
    with clock.at(until_failed(at)):
        assert replay.abandon([old.id], "ann", "x") == [old.id]


def test_what_cannot_be_read_is_its_own_case_and_none_of_its_neighbours() -> None:
    with clock.at(NOW):
        asked("1", "2", "3")
        old = before("2", shape=True)
        run.drain("cancel_order")
    assert dict(Step.objects.values_list("event__source_id", "state")) == {
        "1": "waiting",
        "2": "failed",
        "3": "waiting",
    }
    case = Case.objects.get()
    assert (case.step_id, case.reason) == (old.id, "internal_error")
    assert "OrderCancelRequested cannot be read" in case.text and "effective_on" in case.text
    at = until_failed()
    user = get_user_model().objects.create_superuser("root", password="x")
    with clock.at(at):
        batch = desk.plan(user, list(Case.objects.values_list("id", flat=True)))
        said = {item.step_id: item.preview["findings"][0]["reason"] for item in batch.items.all()}
        assert said.pop(old.id) == "internal_error" and set(said.values()) == {"record_missing"}
        replay.refused([old.id], "ann", "no")
        replay.replay([old.id], "ann")
        run.drain("cancel_order")
        assert Step.objects.get(id=old.id).state == "failed"
        assert replay.abandon([old.id], "ann", "x") == [old.id]


@pytest.mark.parametrize("shape", [False, True])
def test_the_sweeper_gives_it_up_and_goes_on(shape: bool) -> None:
    with clock.at(NOW):
        asked("1")
        old = before("1", shape=shape)
    for n in range(lost_workers.LOST_MAX):
        with clock.at(NOW + n * LEASE):
            claim("cancel_order")
        with clock.at(NOW + (n + 1) * LEASE):
            sweep.sweep()
    assert Step.objects.get(id=old.id).state == "failed"
    assert "lost 5 times in a row" in Case.objects.get().text


def test_one_that_cannot_be_given_up_does_not_end_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.at(NOW):
        asked("1", "2")
        bad, good = Step.objects.order_by("seq")
        Step.objects.update(failures={"worker_lost": lost_workers.LOST_MAX - 1})
        claim("cancel_order"), claim("cancel_order")
    give_up: Any = lost_workers.record.give_up

    def breaks(stage: Any, work: Any, *rest: Any) -> Any:
        if work.step.id == bad.id:
            raise RuntimeError("it cannot")
        return give_up(stage, work, *rest)

    monkeypatch.setattr(lost_workers.record, "give_up", breaks)
    with clock.at(NOW + LEASE):
        sweep.sweep()
        assert (Step.objects.get(id=bad.id).state, Step.objects.get(id=good.id).state) == ("running", "failed")
        assert WorkerSeen.objects.get(queue=sweep.SIGN_OF_LIFE).seen_at == clock.now()
    monkeypatch.setattr(lost_workers, "take_back", lambda: 1 // 0)
    with clock.at(NOW + 2 * LEASE):
        assert sweep.sweep()["lost"] == 0
        assert WorkerSeen.objects.get(queue=sweep.SIGN_OF_LIFE).seen_at == clock.now()
