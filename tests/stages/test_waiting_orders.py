"""Orders that wait for one item mapping: those that start once it holds are offered, the others stay where they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from exceptions import casework
from exceptions.models import Case, Offer
from q2c.engine import desk as people
from q2c.engine import replay
from q2c.models import ItemMapping, Product
from tests.engine.makers import person
from tests.stages.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def mapped_from(day: str) -> None:
    ItemMapping.objects.create(
        product=Product.objects.get(code="P-SEATS"), connection="erp", item="I-SEATS",
        effective_from=dt.date.fromisoformat(day),
    )  # fmt: skip


@pytest.fixture
def waiting(desk: Desk) -> Callable[[str], Case]:
    """Two orders from 1 February on and one from 5 March, none of them mapped; by number."""
    ItemMapping.objects.filter(product__code="P-SEATS").delete()
    for number, starts_on in (("SO-1", "2026-02-01"), ("SO-2", "2026-02-01"), ("SO-3", "2026-03-05")):
        desk.comes(number, order_number=number, starts_on=starts_on)
        desk.works()
    assert len({case.blocker for case in Case.objects.all()}) == 1
    return lambda number: Case.objects.get(business_key=number)


def test_a_mapping_from_a_day_on_offers_the_orders_that_start_then(desk: Desk, waiting: Callable[[str], Case]) -> None:
    ann = person("ann")
    casework.snooze(ann, [waiting(n).id for n in ("SO-1", "SO-3")], until_blocker=True, why="Finance systems maps it")
    mapped_from("2026-03-02")
    [offer] = Offer.objects.all()
    assert (offer.state, offer.cases) == ("open", 1)
    assert (waiting("SO-1").state, waiting("SO-3").state) == ("snoozed", "open")
    batch = people.take_offer(ann, offer.id)
    people.send(ann, batch.id)
    desk.works()
    assert [waiting(n).state for n in ("SO-1", "SO-2", "SO-3")] == ["snoozed", "open", "resolved"]
    offer.refresh_from_db()
    assert offer.state == "taken"
    # Held from the start of the others on: what is offered then is what passes.
    ItemMapping.objects.filter(product__code="P-SEATS").delete()
    mapped_from("2026-01-01")
    assert Offer.objects.get(state="open").cases == 2
    assert waiting("SO-1").state == "open"
    steps = [waiting(n).step_id for n in ("SO-1", "SO-2")]
    assert [run.would_pass for run in replay.dry_run([step for step in steps if step])] == [True, True]


def test_an_offer_counts_only_what_the_mapping_covers(desk: Desk, waiting: Callable[[str], Case]) -> None:
    """Mapped from a day between the two starts: one of three, and the title says so."""
    mapped_from("2026-02-20")
    assert Offer.objects.get().title.startswith("1 case, USD 12,500.00, can be replayed")
