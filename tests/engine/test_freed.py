"""What q2c owns frees one case and not another: told case by case, offered, woken and looked at by its own truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from exceptions import casework
from exceptions.models import Case, Offer
from ledger.models import Account, DimensionRule, FxRate
from q2c import clock, keys
from q2c.engine import desk, freed, replay, watch
from q2c.models import ItemMapping, Product
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.ui.people import boss, read, signed_in

pytestmark = pytest.mark.django_db
Capture = Callable[..., Any]
JULY, LATER_IN_JULY, OCTOBER = dt.date(2026, 7, 6), dt.date(2026, 7, 7), dt.date(2026, 10, 6)


def rate(on: dt.date) -> None:
    FxRate.objects.create(from_currency="EUR", to_currency="USD", kind="spot", on=on, rate=Decimal("1.1"))


@pytest.fixture
def without_rates(company: Any) -> list[Case]:
    """Three invoices of which no rate of the day is there: two of July, one of October."""
    FxRate.objects.all().delete()
    sold = order()
    for number, day in (("INV-1", JULY), ("INV-2", LATER_IN_JULY), ("INV-3", OCTOBER)):
        issue(number, sold, on=day)
    run_all()
    return [case(number) for number in ("INV-1", "INV-2", "INV-3")]


def test_a_rate_frees_the_invoices_of_its_days_and_no_others(
    without_rates: list[Case], django_capture_on_commit_callbacks: Capture
) -> None:
    assert len({each.blocker for each in without_rates}) == 1
    ann = person("ann")
    casework.snooze(ann, [each.id for each in without_rates], until_blocker=True, why="Treasury loads rates")
    with django_capture_on_commit_callbacks(execute=True):
        rate(OCTOBER - dt.timedelta(days=1))
    [offer] = Offer.objects.all()
    assert (offer.state, offer.cases) == ("open", 1)
    assert [case(number).state for number in ("INV-1", "INV-2", "INV-3")] == ["snoozed", "snoozed", "open"]
    batch = desk.take_offer(ann, offer.id)
    assert [item.case.business_key for item in batch.items.all()] == ["INV-3"]
    # Later in July: one more is free, and the first of them still waits.
    with django_capture_on_commit_callbacks(execute=True):
        rate(LATER_IN_JULY)
    offer.refresh_from_db()
    assert (offer.state, offer.cases) == ("open", 2)
    assert (case("INV-1").state, case("INV-2").state) == ("snoozed", "open")
    assert [case(n).events.filter(kind="offered").count() for n in ("INV-1", "INV-2", "INV-3")] == [0, 1, 1]


def test_to_look_again_at_one_case_judges_that_case(without_rates: list[Case]) -> None:
    rate(OCTOBER - dt.timedelta(days=1))
    first, _, third = without_rates
    client = signed_in(boss())
    said = client.post(f"/cases/{third.id}/act", {"verb": "look"}, follow=True).content.decode()
    assert "The cause is gone" in said
    said = client.post(f"/cases/{first.id}/act", {"verb": "look"}, follow=True).content.decode()
    assert "It is still in the way" in said and "Jul 6, 2026" in said.split("It is still in the way")[1][:300]
    assert Offer.objects.get().cases == 1
    assert "In the way:" in read(client, f"/cases/{first.id}")
    assert "The cause is gone, found" in read(client, f"/cases/{third.id}")
    # The problem is gone for one of three: its cases say which, the cause itself does not say so.
    text = read(client, f"/problems/{first.problem_id}")
    assert text.count("Cause is gone") == 1


def test_what_stands_again_for_one_stays_offered_for_the_others(
    without_rates: list[Case], django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        rate(JULY)
        rate(OCTOBER)
    assert Offer.objects.get().cases == 3
    with django_capture_on_commit_callbacks(execute=True):
        FxRate.objects.get(on=OCTOBER).delete()
    assert (Offer.objects.get().state, Offer.objects.get().cases) == ("open", 2)
    assert [case(n).blocker_gone_at is None for n in ("INV-1", "INV-2", "INV-3")] == [False, False, True]
    # One that fails for it takes the offer from nobody else.
    issue("INV-4", order("ORD-2"), on=OCTOBER)
    run_all()
    assert case("INV-4").blocker == case("INV-1").blocker
    assert Offer.objects.get().state == "open"
    with django_capture_on_commit_callbacks(execute=True):
        FxRate.objects.all().delete()
    assert Offer.objects.get().state == "withdrawn"
    assert not Case.objects.exclude(blocker_gone_at=None).exists()


def test_a_dimension_that_comes_with_a_mapping_from_a_day_on(
    company: Any, django_capture_on_commit_callbacks: Capture
) -> None:
    """The mapping has no cost centre, and the account asks for one; from 6 October on it has one."""
    ItemMapping.objects.filter(connection="erp-de").update(dimensions={})
    deferred = Account.objects.get(entity=None, code="2410")
    DimensionRule.objects.filter(account=deferred, dimension__code="cost_center").update(
        requirement="required", default_value=""
    )
    sold = order()
    issue("INV-1", sold, on=OCTOBER - dt.timedelta(days=2))
    issue("INV-2", sold, on=OCTOBER)
    run_all()
    assert {case(n).blocker_type for n in ("INV-1", "INV-2")} == {"dimension_rule"}
    assert case("INV-1").blocker == case("INV-2").blocker
    product = Product.objects.get().code
    (wrong, *_) = case("INV-1").context["findings"]
    assert wrong["remedy"] == f"Give it a cost centre in the item mapping of {product}"
    with django_capture_on_commit_callbacks(execute=True):
        old = ItemMapping.objects.get(connection="erp-de")
        old.effective_to = OCTOBER
        old.save()
        ItemMapping.objects.create(
            product=Product.objects.get(), connection="erp-de", item="P-1", dimensions={"cost_center": "CC-410"},
            effective_from=OCTOBER,
        )  # fmt: skip
    offer = Offer.objects.get(state="open")
    assert offer.cases == 1
    assert offer.headline.endswith(f": product {product} on account 2410 has its cost centre now")
    assert (case("INV-1").blocker_gone_at, case("INV-2").blocker_gone_at is None) == (None, False)


def test_many_are_looked_at_in_bounded_batches_spread_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(keys.new_id(), keys.new_id()) for _ in range(1_000)]
    one, two = ("", "fx_rate", "EUR:USD", "missing"), ("", "product", "X", "unknown")
    waiting = {one: many, two: many[:3]}
    slices = list(freed._slices(waiting, {}))
    assert all(sum(len(part) for part in each.values()) <= freed.A_LOOK for each in slices)
    seen = [pair for each in slices for pair in each.get(one, [])]
    assert sorted(seen) == sorted(many) and len(slices[0][two]) == 3
    # The first look meets early and late ones alike, the next round takes others.
    places = [many.index(pair) for pair in slices[0][one]]
    assert min(places) < 50 and max(places) > 950
    following = next(iter(freed._slices(waiting, {one: 1})))
    assert not {*following[one]} & {*slices[0][one]}
    # Without news it is one look, however many wait.
    looked: list[int] = []
    monkeypatch.setattr(freed, "_waiting", lambda blocker: waiting[blocker])
    monkeypatch.setattr(replay, "dry_run", lambda steps: looked.append(len(steps)) or [])
    freed.look([one, two], "watch")
    assert looked == [len(slices[0][one]) + 3]


def test_each_turn_of_a_long_list_counts_its_visits() -> None:
    """Blockers and their cases take turns of their own: none is met always at the same place."""
    named = [("", "product", str(n), "unknown") for n in range(40)]
    visits: dict[Any, set[int]] = {blocker: set() for blocker in named}
    for turn in range(6):
        with clock.at(NOW + dt.timedelta(seconds=watch.ROUND_S * turn)):
            for blocker, visit in watch._turn(named, 20).items():
                visits[blocker].add(visit)
    assert {len(those) for those in visits.values()} == {3}
