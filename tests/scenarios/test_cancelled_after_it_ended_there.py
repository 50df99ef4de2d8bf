"""An order is cancelled of which billing has ended a subscription before: what is signed is what billing credits.

SO-1 has a subscription in the US and one in Germany from 1 March, of USD 480 and EUR 440 a month, billed ahead.
15 Mar 2026  The one of the US is cancelled in Zuora as of 10 March. On 20 March the order is asked to be cancelled.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from exceptions.models import Approval, Case
from q2c.engine import desk
from q2c.money import Money
from q2c.reading import asked_for, cancellation
from q2c.ui import formats
from tests.scenarios.conftest import Story, order
from tests.scenarios.test_cut_short import by_hand, seen
from tests.stages.test_cancelled_in_part import DE, US, WHOLE, here, requested, sofia, sold, there
from tests.stages.test_provisioning import cancel

__all__ = ["sofia", "sold"]

pytestmark = pytest.mark.django_db(transaction=True)
ENDED = f"Billing has ended {US} as of 2026-03-10 already, so its credit is counted from then on"
# 22 and 12 of 31 days of March.
FROM_THE_10TH, FROM_THE_20TH = (34_065, "USD"), (18_581, "USD")
OF_GERMANY = (17_032, "EUR")


@pytest.fixture
def billed(sold: Story) -> Story:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    return sold


def ends(story: Story, at: str) -> None:
    with story.on(at):
        by_hand("2026-03-10")
    seen(story, at)


def asked() -> Approval:
    return Approval.objects.get(state="requested", action="cancellation_approval_required")


def about() -> list[tuple[int, str]]:
    """What whoever signs reads that billing would credit."""
    (finding,) = Case.objects.get(reason="cancellation_approval_required", state="awaiting_approval").context[
        "findings"
    ]
    return sorted((minor, currency) for minor, currency in finding["worth"])


def in_the_tower(user: Any) -> dict[tuple[str, str], list[tuple[int, str]]]:
    return {month: one.each("cancellation") for month, one in asked_for.by_month(user).items()}


def test_what_billing_ended_before_is_signed_from_its_day_on(billed: Story, sofia: Any) -> None:
    ends(billed, "2026-03-15")
    with billed.on("2026-03-20", "12:00"):
        cancel(billed, on="2026-03-20")
        assert about() == [OF_GERMANY, FROM_THE_10TH]
        text = asked().reason
        assert f"EUR 170.32 and USD 340.65 net from that day on, which billing credits then. {ENDED}" in text
        # As the months would change by it.
        assert in_the_tower(sofia) == {("US", "2026-03"): [(-34_065, "USD")], ("DE", "2026-03"): [(-17_032, "EUR")]}
        desk.approve(sofia, [asked().id], "agreed")
        billed.flow.work()
        assert (requested(), here(), there(billed)) == (["done"], WHOLE, {US: "2026-03-10", DE: "2026-03-20"})
        due = sorted(cancellation.not_credited(order("SO-1")).worth, key=str)
        assert due == [Money(*OF_GERMANY), Money(*FROM_THE_10TH)]


def test_whoever_signs_reads_that_billing_ends_it_later_and_takes_no_earlier_day(billed: Story, sofia: Any) -> None:
    with billed.on("2026-03-15"):
        by_hand("2026-03-25")
    seen(billed, "2026-03-15")
    with billed.on("2026-03-20", "12:00"):
        cancel(billed, on="2026-03-20")
        assert (
            f"Beware: billing ends {US} as of 2026-03-25 by an order of its own and takes no earlier day"
            in asked().reason
        )
        desk.approve(sofia, [asked().id], "agreed")
        billed.flow.work()
        assert Case.objects.filter(reason="subscription_ended", state="open").exists()


def test_what_waits_for_its_day_is_told_so_too(billed: Story) -> None:
    ends(billed, "2026-03-15")
    with billed.on("2026-03-16"):
        cancel(billed, on="2026-03-20")
        later = cancellation.waiting(order("SO-1"))
        assert later is not None
        assert sorted(later.credits.worth, key=str) == [Money(*OF_GERMANY), Money(*FROM_THE_10TH)]


def test_its_day_known_after_the_request_a_second_person_signs_anew(billed: Story, sofia: Any) -> None:
    with billed.on("2026-03-20", "12:00"):
        cancel(billed, on="2026-03-20")
        assert about() == [OF_GERMANY, FROM_THE_20TH] and ENDED not in asked().reason
        by_hand("2026-03-10")
        billed.flow.poll("zuora")
        desk.approve(sofia, [asked().id], "agreed")
        billed.flow.work()
        # Nothing has been asked of billing by then.
        assert (about(), there(billed)) == ([OF_GERMANY, FROM_THE_10TH], {US: "2026-03-10", DE: None})
        assert ENDED in asked().reason
        desk.approve(sofia, [asked().id], "that, too")
        billed.flow.work()
        assert (requested(), here()) == (["done"], WHOLE)


def test_what_billing_has_credited_from_its_day_on_counts_for_nothing(billed: Story, sofia: Any) -> None:
    """One credit for days of March and of April, whose days cost differently: none of them is still to come."""
    with billed.on("2026-04-01", "12:00"):
        assert len(billed.bill()) == 2
    ends(billed, "2026-04-02")
    with billed.on("2026-04-03"):
        (credit,) = billed.bill()
    with billed.on("2026-04-05", "12:00"):
        cancel(billed, on="2026-04-05")
        # 26 of 30 days of April.
        assert about() == [(38_133, "EUR")]
        text = asked().reason
        assert re.search(r"; invoice INV\d+ bills about EUR 381\.33 net", text) and ENDED in text
        assert credit not in text and "USD" not in text
        assert in_the_tower(sofia) == {("DE", "2026-04"): [(-38_133, "EUR")]}


def test_the_page_proposes_billings_day_and_tells_of_it_until_the_order_is_cancelled(
    billed: Story, sofia: Any, client: Any
) -> None:
    ends(billed, "2026-03-15")
    client.force_login(sofia)
    said = formats.dates(f"Zuora ends {US} as of 2026-03-10, and bills nothing for the days from then on")

    def page(path: str) -> str:
        return " ".join(client.get(path).content.decode().split())

    whole = f"/orders/{order('SO-1').id}"
    with billed.on("2026-03-20", "12:00"):
        shown = page(whole)
        assert 'name="effective_on" value="2026-03-10"' in shown
        dialog = shown.split('name="effective_on"')[0].rsplit("is cancelled in billing, then the order here", 1)[1]
        assert said in dialog and "is proposed; the other subscriptions are cancelled as of that day, too" in dialog
        assert "Cancel the order as of that day, or have it taken back there" in shown
        # As of that day, it waits for a signature, and nothing of it has changed yet.
        cancel(billed, on="2026-03-10")
        assert requested() == ["failed"]
        shown = page(whole)
        assert said in shown and "To cancel the order as of then is asked for already" in shown
        assert "or have it taken back there" not in shown and "Billing issues the other invoices" in shown
        assert "Ends in billing" in shown and "Ends in billing" in page("/orders")
        desk.approve(sofia, [asked().id], "agreed")
        billed.flow.work()
        assert here() == WHOLE and said not in page(whole) and "Ends in billing" not in page("/orders")
