"""What waits behind another step is no secret: pages, trace and API say for which, how that stands, and its case."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.template.loader import render_to_string

from exceptions.models import Case
from q2c import clock
from q2c.models import Event, Invoice, Step
from q2c.reading import followed, held
from q2c.ui import story
from tests.engine.makers import NOW, issue, order, run_all
from tests.engine.records import made
from tests.ui.people import boss, page, person

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
    given = {"event": front.event, "stage": "reverse_journal", "part": name, "business_key": "INV-1", "next_at": NOW}
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
    assert "1 behind another step" in page(client, "/process")


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
    assert list(held.behind(front)) == []
    middle = behind(front, "middle", order_key="another")
    first = behind(front, "first", order_key="another", seq=front.seq - 2)
    for state in ("running", "accepted"):
        Step.objects.filter(id=middle.id).update(state=state, connection="erp-de")
    middle = Step.objects.get(id=middle.id)
    assert str(held.in_front(rosa, [first])[first.id]) == (
        "Waits for another step: reverse journal INV-1, which is worked on by erp-de"
    )
    assert list(held.behind(middle)) == [first]


def test_what_waits_for_its_day_is_not_held_yet(front: Step, rosa: Any) -> None:
    later = behind(front, next_at=NOW + dt.timedelta(days=3))
    assert held.in_front(rosa, [later]) == {} == held.by_stage(rosa)
    with clock.at(NOW + dt.timedelta(days=3)):
        assert list(held.in_front(rosa, [later])) == [later.id]
        assert held.by_stage(rosa) == {"reverse_journal": 1}


def test_who_may_not_see_steps_is_told_nothing_of_them(front: Step) -> None:
    mia = person("mia")
    step = behind(front)
    assert str(held.in_front(mia, [step])[step.id]) == "Waits for an earlier step"
    assert held.by_stage(mia) == {}


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
