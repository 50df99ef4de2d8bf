"""Somebody cancels a subscription in billing, and the order goes on here: it is kept, told once, and ends by itself.

SO-1 has a subscription in the US and one in Germany for a year from 1 March, of USD 5,760 and EUR 5,280.
20 Mar 2026  The one of the US is cancelled in Zuora as of 1 April. The next poll of its subscriptions finds that.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from exceptions.models import Approval, Case
from exceptions.policies import BILLING
from q2c import clock
from q2c.connectors.outcomes import Unavailable
from q2c.connectors.zuora.client import Zuora
from q2c.engine import breaker, callouts, desk, pauses, poll, requests
from q2c.engine.subscriptions import Subscriptions
from q2c.models import Breaker, Connection, PollCursor, Step, Subscription, SubscriptionCursor
from q2c.reasons import Reason
from q2c.stages import commitments, cut_short
from q2c.ui import formats
from tests.connectors.control import Control
from tests.scenarios.conftest import Story, order
from tests.stages.test_cancelled_in_part import DE, US, WHOLE, ann, here, requested, sofia, sold, there
from tests.stages.test_provisioning import cancel

__all__ = ["ann", "sofia", "sold"]

pytestmark = pytest.mark.django_db(transaction=True)
APRIL = dt.date(2026, 4, 1)


def by_hand(day: str | None, number: str = US) -> None:
    """By an order of a person in billing; None: that order is taken back."""
    if day is None:
        Control("zuora").call("POST", "keep-subscription", {"number": number})
    else:
        Control("zuora").call("POST", "cancel-subscription", {"number": number, "on": day})


def seen(story: Story, at: str = "2026-03-20", time: str = "12:00") -> None:
    with story.on(at, time):
        story.flow.poll("zuora")


def told() -> list[tuple[str, str]]:
    rows = Case.objects.filter(reason="subscription_cut_short").order_by("number")
    return [(case.state, case.context["ends_on"]) for case in rows]


def kept(number: str = US) -> dt.date | None:
    found = Subscription.objects.get(number=number).ended_there_on
    assert found is None or isinstance(found, dt.date)
    return found


@pytest.fixture
def cut(sold: Story) -> Story:
    with sold.on("2026-03-20"):
        by_hand("2026-04-01")
    seen(sold)
    return sold


def test_it_is_kept_and_told_to_billing_ops_once(cut: Story) -> None:
    (case,) = Case.objects.all()
    assert case.text == (
        f"Zuora ends subscription {US} as of 2026-04-01, and order SO-1 goes on here until 2027-02-28: cancel "
        "the order here as of 2026-04-01, or have the cancellation taken back in Zuora"
    )
    assert (case.owner_team_id, case.business_key, case.entity, case.source) == (BILLING, "SO-1", "US", "zuora")
    assert case.customer == order("SO-1").customer_name and case.correlation_id == order("SO-1").correlation_id
    # Of USD 5,760.00 what is sold for 334 of 365 days.
    assert (case.currency, case.amount_minor) == ("USD", round(576_000 * 334 / 365))
    assert (kept(), kept(DE)) == (APRIL, None)
    # Nothing of the order changes by itself.
    assert here() == {"order": "active", US: "active", DE: "active"}
    seen(cut, time="12:10")
    seen(cut, "2026-03-21")
    assert told() == [("open", "2026-04-01")]
    # No document is to be had of it, whatever is asked for.
    assert desk.source_to_ask(case) is None
    assert callouts.read_again(Connection.objects.get(name="zuora")) == 0


def test_cancelled_here_as_of_that_day_it_is_over(cut: Story) -> None:
    with cut.on("2026-04-01", "12:00"):
        cancel(cut, on="2026-04-01")
        assert (requested(), here()) == (["done"], WHOLE)
        (case,) = Case.objects.all()
        assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")
    seen(cut, "2026-04-01", "13:00")
    assert (told(), there(cut)) == ([("resolved", "2026-04-01")], {US: "2026-04-01", DE: "2026-04-01"})


def test_taken_back_there_it_is_over_and_cancelled_once_more_it_is_told_anew(cut: Story) -> None:
    with cut.on("2026-03-21"):
        by_hand(None)
    seen(cut, "2026-03-21")
    assert (told(), kept()) == ([("resolved", "2026-04-01")], None)
    with cut.on("2026-03-22"):
        by_hand("2026-04-01")
    seen(cut, "2026-03-22")
    assert (told(), kept()) == ([("resolved", "2026-04-01"), ("open", "2026-04-01")], APRIL)


def test_closed_without_fix_it_stays_closed_until_the_day_changes(cut: Story, ann: Any, sofia: Any) -> None:
    desk.close_without_fix(ann, [Case.objects.get().id], "the customer goes on without an invoice", "other")
    desk.approve(sofia, list(Approval.objects.filter(state="requested").values_list("id", flat=True)), "yes")
    seen(cut, "2026-03-21")
    seen(cut, "2026-03-22")
    assert told() == [("closed_without_fix", "2026-04-01")]
    with cut.on("2026-03-23"):
        by_hand(None)
        by_hand("2026-05-01")
    seen(cut, "2026-03-23")
    assert told() == [("closed_without_fix", "2026-04-01"), ("open", "2026-05-01")]
    # An open one gives way to the next day.
    with cut.on("2026-03-24"):
        by_hand(None)
        by_hand("2026-06-01")
    seen(cut, "2026-03-24")
    assert told()[1:] == [("resolved", "2026-05-01"), ("open", "2026-06-01")]


def test_what_a_request_of_ours_ends_is_nobodys_case(sold: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each poll is quicker than the record of the call."""
    true, polled = Zuora.cancel, list[dt.date | None]()

    def cancel_(self: Zuora, *told: Any) -> Any:
        said = true(self, *told)
        sold.flow.poll("zuora")
        polled.append(kept())
        assert cut_short.of_orders(["SO-1"]) == {}
        return said

    monkeypatch.setattr(Zuora, "cancel", cancel_)
    with sold.on("2026-03-20", "12:00"):
        cancel(sold, on="2026-03-20")
    seen(sold, time="13:00")
    assert dt.date(2026, 3, 20) in polled
    assert (requested(), here(), told()) == (["done"], WHOLE, [])


def test_what_waits_to_be_cancelled_here_on_that_day_is_nobodys_case(sold: Story, sofia: Any) -> None:
    with sold.on("2026-03-20"):
        cancel(sold, on="2026-04-01")
        by_hand("2026-04-01")
    seen(sold)
    assert (requested(), told(), kept()) == (["waiting"], [], APRIL)
    # Withdrawn, somebody has to hear of it.
    with sold.on("2026-03-21"):
        requests.withdraw_cancellation(sofia, order("SO-1"), "they stay")
        sold.flow.poll("zuora")
    assert told() == [("open", "2026-04-01")]


def test_one_kind_that_cannot_be_read_holds_up_no_other(sold: Story) -> None:
    with sold.on("2026-03-20"):
        by_hand("2026-04-01")
        Control("zuora").fault("business_failure", "query_subscriptions")
        sold.platforms.control("zuora", "bill-run", {"until": "2026-03-20"})
    seen(sold)
    assert Step.objects.filter(stage="record_invoice").count() == 2
    (case,) = Case.objects.all()
    assert (case.business_key, case.state, told()) == ("reading subscriptions", "open", [])
    assert (PollCursor.objects.get(connection="zuora").text, kept()) == ("", None)
    assert SubscriptionCursor.objects.get().failing_at is not None
    sold.platforms.no_fault("zuora")
    Control("zuora").fault("business_failure", "query_invoices")
    seen(sold, "2026-03-25")
    case.refresh_from_db()
    assert (case.state, told(), kept()) == ("resolved", [("open", "2026-04-01")], APRIL)
    assert SubscriptionCursor.objects.get().failing_at is None
    assert Case.objects.filter(business_key="reading changes", state="open").exists()
    sold.platforms.no_fault("zuora")


def test_a_platform_that_gives_its_invoices_is_not_down(sold: Story) -> None:
    Control("zuora").fault("unavailable", "query_subscriptions")
    with sold.on("2026-03-20"):
        SubscriptionCursor.objects.all().delete()
        for _ in range(breaker.TRIPS_AT + 1):
            PollCursor.objects.update(not_before=None)
            sold.flow.poll("zuora")
    assert not Breaker.objects.filter(opened_at__isnull=False).exists()
    assert SubscriptionCursor.objects.get().failing_at is not None
    sold.platforms.no_fault("zuora")
    Control("zuora").fault("unavailable")
    with sold.on("2026-03-20"):
        for _ in range(breaker.TRIPS_AT):
            PollCursor.objects.update(not_before=None)
            sold.flow.poll("zuora")
    assert Breaker.objects.get().opened_at is not None
    sold.platforms.no_fault("zuora")


def test_what_was_cancelled_before_the_first_poll_is_seen_by_it(sold: Story) -> None:
    """As where q2c reads subscriptions since its last update alone."""
    with sold.on("2026-03-01"):
        by_hand("2026-04-01")
    SubscriptionCursor.objects.all().delete()
    seen(sold)
    assert told() == [("open", "2026-04-01")]


def test_what_the_polls_missed_the_daily_sweep_finds(cut: Story) -> None:
    with cut.on("2026-03-21"):
        by_hand("2026-04-15", DE)
    with cut.on("2026-03-22"):
        SubscriptionCursor.objects.update(reached=clock.now(), seen_at=clock.now())
        cut.flow.poll("zuora")
        assert kept(DE) is None
        poll.sweep(Connection.objects.get(name="zuora"), Subscriptions)
    assert (kept(DE), told()) == (dt.date(2026, 4, 15), [("open", "2026-04-01"), ("open", "2026-04-15")])


def test_the_order_says_so_on_its_page_in_the_list_and_to_other_systems(cut: Story, sofia: Any, client: Any) -> None:
    said = f"Zuora ends {US} as of 2026-04-01, and bills nothing for the days from then on; here it goes on"
    client.force_login(sofia)

    def page(path: str, at: str = "2026-03-20") -> str:
        with cut.on(at, "12:30"):
            return " ".join(client.get(path).content.decode().split())

    whole = f"/orders/{order('SO-1').id}"
    shown = page(whole)
    assert formats.dates(said) in shown and "Ends in billing" in shown
    # The other subscription goes on to its end.
    assert "Billing issues the other invoices as they fall due, until" in shown
    assert shown.count("ends in billing as of") == 1
    assert "Ends in billing" in page("/orders")
    answer = client.get(f"/api/v1{whole}").json()
    assert answer["ended_in_billing"] == said
    assert [one["ended_there_on"] for one in answer["subscriptions"]] == [None, "2026-04-01"]
    # Both end: invoices come until the later day, and none after it.
    with cut.on("2026-03-20", "12:20"):
        by_hand("2026-04-11", DE)
        cut.flow.poll("zuora")
    assert re.search(r"as they fall due, until <time[^>]*>Apr 10", page(whole))
    assert "Billing issues" not in page(whole, "2026-04-11")
    case = Case.objects.earliest("number")
    shown = page(f"/cases/{case.id}")
    assert "It books nothing itself" in shown and "There is nothing to replay here" in shown
    assert "Find the order" in shown and "came in unreadable" not in shown
    # A request that waits changes nothing of that.
    with cut.on("2026-03-21"):
        cancel(cut, on="2026-04-01")
        assert "Ends in billing" in client.get("/orders").content.decode()
    assert re.search(r"as they fall due, until it is cancelled as of <time[^>]*>Apr 1,", page(whole, "2026-03-21"))


def test_what_billing_will_not_bill_counts_for_no_credit(sold: Story) -> None:
    def counts(at: str) -> dict[tuple[str, str], int]:
        with sold.on(at, "12:00"):
            sold.flow.poll("zuora")
            return dict(commitments.unbilled(["A-1", "A-2"]))

    with sold.on("2026-03-20"):
        assert counts("2026-03-20") == {("A-1", "USD"): 576_000, ("A-2", "EUR"): 528_000}
        by_hand("2026-04-01")
    rest = round(576_000 * 334 / 365)
    assert counts("2026-03-20") == {("A-1", "USD"): 576_000 - rest, ("A-2", "EUR"): 528_000}
    assert counts("2026-04-01") == {("A-2", "EUR"): 528_000}
    with sold.on("2026-04-02"):
        by_hand(None)
    assert counts("2026-04-02") == {("A-1", "USD"): 576_000, ("A-2", "EUR"): 528_000}


def test_what_was_taken_back_without_a_stamp_the_daily_sweep_finds(cut: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that cancelled was removed there: the version before it is the latest again, with its old stamp."""
    monkeypatch.setattr(Zuora, "changed_subscriptions", lambda self, since: iter(()))
    by_hand(None)
    seen(cut, "2026-03-21")
    assert told() == [("open", "2026-04-01")]
    with cut.on("2026-03-22"):
        poll.sweep(Connection.objects.get(name="zuora"), Subscriptions)
    assert (told(), kept()) == ([("resolved", "2026-04-01")], None)


def test_a_sweep_that_billing_turns_away_tries_again_and_says_so(cut: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wants fewer calls: that is a pause, and the sweep is not done with."""
    zuora = Connection.objects.get(name="zuora")
    busy = Unavailable(text="busy", reason=Reason.PLATFORM_BUSY, retry_after_s=600)
    monkeypatch.setattr(Zuora, "changed_subscriptions", lambda self, since: iter(()))
    with cut.on("2026-03-22"):
        by_hand(None)
        with monkeypatch.context() as patch:
            patch.setattr(Zuora, "subscription", lambda self, number: busy)
            poll.sweep(zuora, Subscriptions)
            assert poll._is_to_be_swept(zuora, Subscriptions) and "zuora" in pauses.paused()
    with cut.on("2026-03-22", "20:00"):
        poll.sweep_sources()
        assert (told(), kept()) == ([("resolved", "2026-04-01")], None)
