"""Two people give up an invoice that cannot be read, and billing still has it: touched there, it stays given up.

9 Mar 2026   Billing posts Leeds Railways' invoice for a legal entity that nobody knows. It was a test: its case is
             closed without fix.
11 Mar       Billing touches it, calls it out, changes it, cancels it, posts it again.
"""

from __future__ import annotations

import pytest

from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case
from q2c.demo.people import user
from q2c.engine import after_all, callouts, desk
from q2c.reading import given_up, given_up_before, unread, what_stays
from tests.scenarios.conftest import Story
from tests.scenarios.test_given_up_and_touched import touched
from tests.scenarios.test_reads_that_meet import billed
from tests.scenarios.test_undoing import sign

pytestmark = pytest.mark.django_db(transaction=True)
# What makes it unreadable: a legal entity that is another than its subscription's, or an invoice group.
ENTITY, GROUP = {"Q2C_Entity__c": "NOPE"}, {"Q2C_Group__c": "NOPE"}


def close(case: Case) -> Case:
    desk.close_without_fix(user("carla"), [case.id], "never sold", "test_data")
    sign(1)
    return Case.objects.get(id=case.id)


def unreadable(story: Story, **changes: str) -> str:
    """The number of one that was given up as it could not be read."""
    number = billed(story)
    touched(story, number, "2026-03-09", **changes)
    with story.on("2026-03-09"):
        close(Case.objects.get())
    return number


def an_open_case() -> Case:
    return Case.objects.get(state="open")


def told(number: str) -> list[int | None]:
    """What the close of its month, or every close, says of it."""
    found = [one for sums in given_up.of_open_months(user("carla")).values() for one in sums.found["invoice"]]
    lost = [case for case in unread.unplaced(user("carla")) if case.state == "closed_without_fix"]
    assert {one.number for one in found} | {case.business_key for case in lost} <= {number}
    return [one.amount_minor for one in found] + [case.amount_minor for case in lost]


@pytest.mark.parametrize("fault", [ENTITY, GROUP], ids=["of no known month", "of March"])
@pytest.mark.parametrize("way", ["poll", "callout"])
@pytest.mark.parametrize("touch", [{"comments": "reminder sent"}, {"dueDate": "2026-05-01"}], ids=["comment", "due"])
def test_touched_it_stays_given_up(story: Story, touch: dict[str, str], way: str, fault: dict[str, str]) -> None:
    number = unreadable(story, **fault)
    for day in ("2026-03-11", "2026-03-12"):
        touched(story, number, day, way, **{name: f"{value}"[:9] + day[-1] for name, value in touch.items()})
    assert Case.objects.get().state == "closed_without_fix" and told(number) == [180_000]


def test_a_case_of_before_versions_were_kept_stays_given_up_too(story: Story) -> None:
    number = unreadable(story, **ENTITY)
    case = Case.objects.get()
    Case.objects.filter(id=case.id).update(context={name: case.context[name] for name in ("reference", "order")})
    touched(story, number, "2026-03-11", comments="reminder sent")
    assert Case.objects.get().state == "closed_without_fix"


@pytest.mark.parametrize("change", [{"Q2C_Entity__c": "ALSO NOT"}, {"invoiceDate": "2026-03-10"}])
def test_changed_it_is_a_case_that_says_so_and_counts_once(story: Story, change: dict[str, str]) -> None:
    number = unreadable(story, **ENTITY)
    first = Case.objects.get()
    touched(story, number, "2026-03-11", **change)
    again = an_open_case()
    assert given_up_before.of(user("carla"), [again])[again.id].case == first
    assert told(number) == [], "it is somebody's open case"
    assert what_stays.has(user("carla"), first) == (
        f"It was given up, and has come again since, so that it cannot be read ({again.shown})."
    )
    with story.on("2026-03-12"):
        close(again)
    assert told(number) == [180_000]
    touched(story, number, "2026-03-13", comments="reminder sent")
    assert Case.objects.filter(state="closed_without_fix").count() == Case.objects.count() == 2
    # Back to what it was, it is not what was given up last.
    touched(story, number, "2026-03-16", **ENTITY, invoiceDate="2026-03-09")
    assert an_open_case().business_key == number and told(number) == []


def test_cancelled_in_billing_and_posted_again_it_is_a_case_again(story: Story) -> None:
    number = unreadable(story, **ENTITY)
    touched(story, number, "2026-03-11", status="Canceled")
    assert told(number) == []
    touched(story, number, "2026-03-12", status="Posted")
    assert an_open_case().business_key == number


@pytest.mark.parametrize("way", ["poll", "callout"])
def test_broken_again_after_it_could_be_read_it_is_a_case_again(story: Story, way: str) -> None:
    """Signed and booked meanwhile: what billing says then, be it what it was given up for, is news."""
    number = unreadable(story, **ENTITY)
    touched(story, number, "2026-03-11", way, Q2C_Entity__c="")
    with story.on("2026-03-12"):
        sign(1)
        story.flow.work()
    assert len(story.documents()) == 1
    touched(story, number, "2026-03-13", way, **ENTITY)
    assert an_open_case().business_key == number


@pytest.mark.parametrize("way", ["poll", "callout"])
def test_the_same_fault_once_more_is_a_case_once_more(story: Story, way: str) -> None:
    """Nobody gave it up: it came right by itself."""
    number = billed(story)
    for broken, right in (("2026-03-09", "2026-03-10"), ("2026-03-11", "2026-03-12")):
        touched(story, number, broken, way, **ENTITY)
        assert an_open_case().business_key == number
        touched(story, number, right, way, Q2C_Entity__c="")
        assert not Case.objects.filter(state="open").exists()


def test_whoever_wants_it_read_again_asks_and_another_one_signs(story: Story) -> None:
    number = unreadable(story, **ENTITY)
    case = Case.objects.get()
    with story.on("2026-03-11"):
        for _ in range(2):
            after_all.ask(user("carla"), case.id, "It was sold", "token-1")
        with pytest.raises(NotPossible, match="is asked for it already"):
            after_all.ask(user("ben"), case.id, "It was sold")
        callouts.fetch_called_out()
    said = case.events.order_by("id").values_list("kind", flat=True)
    assert list(said)[-3:] == ["after_all", "asked_again", "read_again"]
    assert case.events.last().text.startswith("Not settled by it: ") and told(number) == [180_000]
    with story.on("2026-03-12"):
        story.platforms.change("zuora", "invoice", number, Q2C_Entity__c="")
        after_all.ask(user("carla"), case.id, "It is put right")
        callouts.fetch_called_out()
        story.flow.work()
        assert case.events.filter(kind="read_again").last().text == "It can be read now"
        asked = Approval.objects.get(state="requested")
        assert asked.requested_by == user("carla")
        assert asked.reason.endswith("Carla Weiss asks to have it read again and booked: It is put right")
        with pytest.raises(Refused, match="own request"):
            desk.approve(user("carla"), [asked.id])
        assert not story.documents()
        with pytest.raises(NotPossible, match="has come again since"):
            after_all.ask(user("ben"), case.id, "It was sold")
        sign(1)
        story.flow.work()
    assert len(story.documents()) == 1 and told(number) == []


def test_read_by_a_poll_first_it_is_that_persons_wish_all_the_same(story: Story) -> None:
    number = unreadable(story, **ENTITY)
    with story.on("2026-03-11"):
        after_all.ask(user("carla"), Case.objects.get().id, "It was sold")
    touched(story, number, "2026-03-11", Q2C_Entity__c="")
    assert Approval.objects.get(state="requested").requested_by == user("carla")


def test_what_billing_took_back_is_not_asked_for(story: Story) -> None:
    number = unreadable(story, **ENTITY)
    touched(story, number, "2026-03-11", status="Canceled")
    with story.on("2026-03-12"), pytest.raises(NotPossible, match="zuora has taken it back"):
        after_all.ask(user("carla"), Case.objects.get().id, "It was sold")
