"""What waits behind another step is no secret: pages, trace and API say for which, how that stands, and its case."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.template.loader import render_to_string

from exceptions.models import Case, ReplayBatch, ReplayItem
from q2c import clock, states
from q2c.models import Event, Invoice, Step
from q2c.reading import followed, held
from q2c.ui import story
from tests.engine.makers import NOW, issue, order, run_all
from tests.engine.records import made
from tests.ui.people import boss, page, person, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def front(company: Any) -> Step:
    """The journal of INV-1 is refused; another step of it waits behind."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    step = Step.objects.get(stage="post_journal", business_key="INV-1")
    assert step.state == "failed"
    return step


@pytest.fixture
def rosa() -> Any:
    return boss()


def behind(front: Step, name: str = "late", **columns: Any) -> Step:
    given = {
        "event": front.event,
        "stage": "reverse_journal",
        "part": name,
        "business_key": "INV-1",
        "next_at": NOW,
        "entity": front.entity,
    }
    return made(Step, **{**given, "order_key": front.order_key, "correlation_id": front.correlation_id, **columns})


def test_pages_and_trace_say_what_it_waits_for(front: Step, rosa: Any, client: Any) -> None:
    behind(front)
    case = Case.objects.get(step_id=front.id)
    said = f"Waits for an earlier step: post journal INV-1, which stopped, case {case.shown}"
    client.force_login(rosa)
    invoice = Invoice.objects.get(number="INV-1")
    for address in (f"/invoices/{invoice.id}", "/trace?q=INV-1"):
        text = page(client, address)
        assert said in text, address
        assert f"/cases/{case.id}" in text, address
    assert ": held" in page(client, f"/invoices/{invoice.id}"), "under What comes next"
    text = page(client, "/process")
    assert 'href="#held">1 behind another step' in text
    waits = text.split('id="held"')[1]
    assert said in waits and f'href="/cases/{case.id}"' in waits and "/trace?q=INV-1" in waits


def test_the_tower_counts_what_is_held_and_leads_to_it(front: Step, rosa: Any, client: Any) -> None:
    client.force_login(rosa)
    assert "held" not in page(client, "/")
    behind(front, connection="erp-de")
    behind(front, "later today", next_at=NOW + dt.timedelta(minutes=30))
    text = page(client, "/")
    tiles = {tile.partition("<")[0]: tile for tile in text.split("</ol>")[0].split('class="stage-name">')[1:]}
    assert [name for name, tile in tiles.items() if "1 held" in tile] == ["Journals"]
    assert "1 step is held behind another one, and goes on by itself once that is done." in text
    assert 'href="/process#held"' in text
    assert "<b>1</b> waiting, all held" in text.split('id="platforms"')[1], "of what waits for erp-de"
    behind(front, "unbound")
    assert "2 steps are held behind another one, and go on by themselves" in page(client, "/")


def test_more_than_a_page_of_held_steps_is_counted(front: Step, rosa: Any, client: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("q2c.ui.process._HELD_SHOWN", 2)
    for n in range(3):
        behind(front, f"late {n}", next_at=NOW - dt.timedelta(hours=n))
    client.force_login(rosa)
    text = page(client, "/process")
    assert "3 behind another step" in text and "and 1 more, due later than these" in text
    client.force_login(person("ann", "q2c.view_step"))
    text = page(client, "/process").split('id="held"')[1]
    assert "Waits for an earlier step: post journal INV-1, which stopped" in text
    assert "/cases/" not in text and "/trace" not in text, "rights of their own"


def test_the_api_says_it_of_each_step(front: Step, rosa: Any, client: Any, django_assert_max_num_queries: Any) -> None:
    behind(front)
    for n in range(5):
        behind(front, f"later {n}")
    client.force_login(rosa)
    # Steps are asked for once, however many are held.
    with django_assert_max_num_queries(25):
        found = client.get(f"/api/v1/events/{front.event_id}").json()
    waits = {step["part"]: step["waits_for"] for step in found["steps"]}
    assert waits[front.part] == "", "it stopped; nothing stands in front of it"
    assert waits["late"].startswith("Waits for an earlier step: post journal INV-1, which stopped, case ")
    assert waits["later 4"] == waits["late"], "the one that has to move first"
    assert any(step["waits_for"] for step in client.get("/api/v1/trace?q=INV-1").json()["steps"])


def test_what_is_in_the_middle_holds_those_before_it_too(front: Step, rosa: Any) -> None:
    early = behind(front, "early", seq=front.seq - 1)
    assert held.in_front(rosa, [early]) == {}, "one that stopped holds those after it"
    assert list(held.behind(rosa, front)) == []
    middle = behind(front, "middle", order_key="another")
    first = behind(front, "first", order_key="another", seq=front.seq - 2)
    for state in ("running", "accepted"):
        Step.objects.filter(id=middle.id).update(state=state, connection="erp-de")
    middle = Step.objects.get(id=middle.id)
    assert str(held.in_front(rosa, [first])[first.id]) == (
        "Waits for another step: reverse journal INV-1, which is worked on by erp-de"
    )
    assert list(held.behind(rosa, middle)) == [first]


def test_what_waits_for_its_day_is_not_held_yet(front: Step, rosa: Any) -> None:
    later = behind(front, next_at=NOW + dt.timedelta(days=3))
    assert held.in_front(rosa, [later]) == {} == held.by_stage(held.counts(rosa))
    with clock.at(NOW + dt.timedelta(days=3)):
        assert list(held.in_front(rosa, [later])) == [later.id]
        assert held.by_stage(held.counts(rosa)) == {"reverse_journal": 1}


def test_who_may_not_see_steps_is_told_nothing_of_them(front: Step) -> None:
    mia = person("mia")
    step = behind(front)
    assert str(held.in_front(mia, [step])[step.id]) == "Waits for an earlier step"
    assert held.counts(mia) == {}


def test_what_followed_from_a_replay_says_so_and_is_not_under_way(front: Step, rosa: Any) -> None:
    """The journal that an invoice led to is held: its page does not wait for it as if something moved."""
    recorded = Step.objects.get(stage="record_invoice", business_key="INV-1")
    event = Event.objects.get(causation_id=recorded.event_id, id=front.event_id)
    held_one = behind(front, event=event)
    journey = followed.of(rosa, [recorded])[recorded.id]
    tones = {one.step.id: (one.tone, bool(one.front)) for one in journey.steps}
    assert tones == {front.id: ("bad", False), held_one.id: ("quiet", True)}
    assert not journey.underway
    rows = {row["step"].id: row for row in story.followed(journey)}
    assert rows[held_one.id]["case"]["case"].step_id == front.id
    text = render_to_string("parts/followed.html", {"followed": list(rows.values())})
    assert ": held" in text and "Waits for an earlier step: post journal INV-1" in text


@pytest.fixture
def sent(front: Step, rosa: Any) -> ReplayBatch:
    """A replay of two: one is held behind the journal that stopped, one is free and due."""
    batch = made(ReplayBatch, created_by=rosa, size=2, title="Replay of 2 cases")
    steps = behind(front), behind(front, "free", order_key="")
    for n, step in enumerate(steps, start=1):
        one = made(Case, step_id=step.id, business_key=f"R-{n}")
        made(ReplayItem, batch=batch, ordinal=n, case=one, step_id=step.id, outcome="sent")
    for verb in ("queue", "start"):
        states.move(ReplayBatch, verb, [batch.id], queued_at=NOW)
    return ReplayBatch.objects.get(id=batch.id)


def test_a_replay_tells_what_is_held_from_what_is_on_its_way(sent: ReplayBatch, rosa: Any, client: Any) -> None:
    client.force_login(rosa)
    for address in (f"/replays/{sent.id}", f"/replays/{sent.id}/progress"):
        text = read(client, address)
        assert "1 sent, not confirmed yet, 1 held behind another step" in text
        assert "Sent 2, 1 of them held" in text
        assert "Waits for an earlier step: post journal INV-1, which stopped, case" in text
    assert "On its way." in read(client, f"/replays/{sent.id}")
    text = read(client, "/replays")
    assert "1 on its way" in text and "1 held behind another step" in text
    assert held.of_replays([sent.id]) == {sent.id: (1, 1)}
    Step.objects.filter(part="free").update(order_key=Step.objects.get(part="late").order_key)
    text = read(client, f"/replays/{sent.id}")
    assert "What is left of it is held behind what has stopped, and goes on once that is done." in text
    assert "2 held behind another step" in text and "not confirmed yet" not in text and "Sent 2, all held" in text


def test_what_followed_from_a_replay_is_counted_apart_where_it_is_held(front: Step, rosa: Any, client: Any) -> None:
    recorded = Step.objects.get(stage="record_invoice", business_key="INV-1")
    batch = made(ReplayBatch, created_by=rosa, size=1)
    one = made(Case, step_id=recorded.id)
    made(ReplayItem, batch=batch, ordinal=1, case=one, step_id=recorded.id, outcome="confirmed")
    behind(front)
    found = followed.counts(rosa, batch.id)
    assert (found.stopped, found.held, found.stuck, found.underway) == (1, 1, 1, 0)
    for verb in ("queue", "start", "finish"):
        states.move(ReplayBatch, verb, [batch.id])
    client.force_login(rosa)
    text = page(client, f"/replays/{batch.id}")
    assert "1 held behind what has stopped" in text and "under way" not in text
    assert "hx-trigger" not in text.split('id="standing"')[1].split("</section>")[0], "nothing moves"
    behind(front, "middle", order_key="another", state="waiting")
    middle = Step.objects.get(part="middle")
    Step.objects.filter(part="late").update(order_key="another", seq=middle.seq + 1)
    found = followed.counts(rosa, batch.id)
    assert (found.held, found.stuck, found.underway) == (1, 0, 1), "it goes on when that does"
    assert "1 held behind another step" in page(client, f"/replays/{batch.id}/progress")
