"""A deal of a sales platform comes under another order number: its versions stay versions of one deal.

"sf" is the sales platform, 006A its deal. Acme's deals may give up to 20 % away with nobody asked.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, connection

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors.ports import DealNotice
from q2c.engine import desk as cases
from q2c.engine import gates, lost_deals, record, run
from q2c.engine.intake import Item, Sender, take
from q2c.models import CommercialPolicy, Connection, Order, Step
from q2c.stages import STAGES
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.past_guards import past_guards
from tests.stages.conftest import MONDAY, Desk, tell
from tests.stages.test_acceptance import discounted, seats
from tests.stages.test_numbers_shared import WRONG, asked_for, comes, encoded, salesforce

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("salesforce")]

__all__ = ["salesforce"]


def orders() -> list[tuple[str, str, str]]:
    return list(Order.objects.order_by("number").values_list("number", "state", "deal"))


def step(id_: str) -> Step:
    return Step.objects.get(stage="accept_order", event__source_id=id_)


def later(desk: Desk, id_: str, minutes: float = 10, **changes: Any) -> None:
    with desk.waits(minutes):
        comes(id_, "sf", **changes)


def test_an_old_number_replayed_after_the_new_one_was_accepted_sells_nothing(desk: Desk) -> None:
    comes("006A:1", "sf", order_number="SO-1", **WRONG)
    old = desk.case
    later(desk, "006A:2", order_number="SO-2")
    assert orders() == [("SO-2", "accepted", "sf:006A")]
    assert Case.objects.get(pk=old.pk).resolution == "superseded"
    assert step("006A:1").state == "abandoned"


def test_a_refused_discount_stays_asked_under_another_number(desk: Desk) -> None:
    comes("006A:1", "sf", order_number="SO-1", **discounted(30))
    cases.refuse(person("bea"), [desk.asked().id], "too much")
    CommercialPolicy.objects.update_or_create(entity="", defaults={"discount_limit_percent": 35})
    later(desk, "006A:2", order_number="SO-2", **discounted(29))
    assert orders() == [("SO-2", "awaiting_approval", "sf:006A")]
    (finding,) = Approval.objects.get(state="requested").data["findings"]
    assert (finding["measure"]["value"], finding["measure"]["limit"]) == ("29.0000", "20")


def test_given_up_for_good_it_begins_again_under_no_number(desk: Desk) -> None:
    comes("006A:1", "sf", order_number="SO-1", **discounted(30))
    cases.refuse(person("bea"), [desk.asked().id], "not with us", for_good=True)
    later(desk, "006A:2", order_number="SO-2", **discounted(10))
    assert orders() == [("SO-1", "rejected", "sf:006A")]
    assert (step("006A:2").state, step("006A:2").reason) == ("failed", "order_changed")


def test_two_numbers_of_one_deal_in_one_batch_are_one_order(desk: Desk) -> None:
    items = []
    for version, number in ((1, "SO-1"), (2, "SO-2")):
        attributes = {
            "specversion": "1.0", "id": f"006A:{version}", "source": "sf", "type": "OrderReceived",
            "time": MONDAY.isoformat(),
        }  # fmt: skip
        body = encoded(document(order_number=number))
        items.append(Item(body=body, attributes=attributes, content_type="application/json"))
    take(items, Sender(system="sf", actor="poll:sf"))
    desk.works()
    assert (step("006A:1").state, step("006A:2").state) == ("abandoned", "done")
    assert orders() == [("SO-2", "accepted", "sf:006A")]


@pytest.mark.parametrize("apart", [True, False], ids=["two workers", "one batch"])
def test_two_numbers_at_the_same_moment_make_one_order(desk: Desk, apart: bool) -> None:
    """Nothing else holds them apart here: the database has the last word."""
    tell("OrderReceived", "006A:1", "sf", document(order_number="SO-1"))
    Step.objects.filter(event__source_id="006A:1").update(order_key="")
    tell("OrderReceived", "006A:2", "sf", document(order_number="SO-2", description="again"))
    if apart:
        workers = [asked_for("sf", "006A:1"), asked_for("sf", "006A:2")]
    else:
        workers = [[*asked_for("sf", "006A:1"), *asked_for("sf", "006A:2")]]
    for works in workers:
        record.record(STAGES["accept_order"], works, [], gates.Gates())
    run.drain("accept_order")
    assert orders() == [("SO-1", "accepted", "sf:006A")]
    assert (step("006A:1").state, step("006A:2").reason) == ("done", "order_changed")
    assert Order.objects.get().lines.count() == 2


def test_the_database_keeps_no_second_order_of_a_deal(desk: Desk) -> None:
    comes("006A:1", "sf")
    there = Order.objects.get()
    there.pk, there.number = None, "SO-2"
    with pytest.raises(IntegrityError, match="one_order_per_deal"):
        there.save(force_insert=True)


def test_a_number_that_is_another_deals_is_told_and_what_waited_is_asked_about_no_more(desk: Desk) -> None:
    comes("006B:1", "sf", order_number="SO-2", **seats(5))
    comes("006A:1", "sf", order_number="SO-1", **discounted(30))
    later(desk, "006A:2", order_number="SO-2", **discounted(30))
    assert orders() == [("SO-1", "received", "sf:006A"), ("SO-2", "accepted", "sf:006B")]
    assert step("006A:2").reason == "order_number_taken"
    assert not Approval.objects.filter(state="requested").exists()
    later(desk, "006A:3", 20, order_number="SO-3", **seats(5))
    assert orders() == [("SO-2", "accepted", "sf:006B"), ("SO-3", "accepted", "sf:006A")]


def test_a_deal_that_told_of_another_systems_order_has_that(desk: Desk) -> None:
    comes("1", "webshop", order_number="SO-1", **seats(5))
    comes("006A:1", "sf", order_number="SO-1", **seats(5))
    assert step("006A:1").state == "done"
    later(desk, "006A:2", order_number="SO-2", **seats(5))
    assert orders() == [("SO-1", "accepted", "")]
    assert (step("006A:2").reason, desk.case.text.partition(";")[0]) == (
        "order_changed", "Deal 006A of sf has order SO-1 here, which is accepted",
    )  # fmt: skip
    later(desk, "006A:3", 20, order_number="SO-1", **seats(5))
    assert (step("006A:2").state, step("006A:3").state) == ("abandoned", "done")


def test_orders_of_other_senders_are_known_by_their_number(desk: Desk) -> None:
    comes("A:1", "webshop", order_number="SO-1", **seats(5))
    comes("A:2", "webshop", order_number="SO-2", **seats(5))
    assert orders() == [("SO-1", "accepted", ""), ("SO-2", "accepted", "")]


def test_of_a_deal_with_two_orders_from_before_the_first_has_it(desk: Desk) -> None:
    """The migration; and a loss is told of both."""
    comes("006C:1", "old", order_number="SO-1", **seats(5))
    comes("006C:2", "old", order_number="SO-2", **seats(5))
    Connection.objects.create(
        name="old", title="Salesforce", vendor="salesforce", service="crm", base_url="sandbox://old"
    )
    script: Any = import_module("q2c.migrations.0044_one_order_per_deal")
    with past_guards(), connection.cursor() as cursor:
        cursor.execute(script.DEALS)
        cursor.execute(script.KEYS)
    assert orders() == [("SO-1", "accepted", "old:006C"), ("SO-2", "accepted", "")]
    assert set(Step.objects.filter(stage="accept_order").values_list("order_key", flat=True)) == {"deal:old:006C"}
    with desk.waits(10):
        lost = DealNotice(source_id="006C", order_number="SO-2", changed_at=clock.now(), won=False, stage="Lost")
        for _ in range(2):
            assert lost_deals.take_out("old", [lost], "poll:old") == []
        comes("006C:3", "old", order_number="SO-3", **seats(5))
    assert set(Case.objects.values_list("business_key", "code")) == {
        ("SO-1", "no_longer_won"), ("SO-2", "no_longer_won"), ("SO-3", ""),
    }  # fmt: skip
