"""A cancellation that billing has done in part: what is done is kept, and nothing takes it back or passes it by.

SO-1 has a subscription in the US and one in Germany. The first is cancelled in billing; the second is not to be had.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from q2c import clock, trace
from q2c.connectors.zuora.client import Zuora
from q2c.engine import desk, lost_workers, replay, requests, run
from q2c.models import Breaker, Invoice, Step, Subscription
from q2c.money import Money
from q2c.reading import approvals as approvals_read
from q2c.reading import cancellation, credits_due, what_stays
from q2c.stages import cancellations, commitments, completed
from q2c.ui import formats
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, order
from tests.stages.conftest import tell
from tests.stages.test_provisioning import cancel, deal, seats

pytestmark = pytest.mark.django_db(transaction=True)
US, DE = "S-SO-1-US", "S-SO-1-DE"
IN_PART = f"Billing has cancelled {US} as of 2026-03-20 already; {DE} goes on there"


@pytest.fixture
def sofia(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("sofia1", password="x", first_name="Sofia", last_name="Ito")


@pytest.fixture
def ann(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("ann1", password="x")


@pytest.fixture
def sold(story: Story) -> Story:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE")))
    with story.on("2026-03-05"):
        story.flow.work()
    return story


def before_the_second(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """`act` happens once billing has cancelled one subscription, before it is asked for the next."""
    true, asked = Zuora.cancel, list[str]()

    def cancel_(self: Zuora, subscription: str, *more: Any) -> Any:
        asked.append(subscription)
        if len(asked) == 2:
            act()
        return true(self, subscription, *more)

    monkeypatch.setattr(Zuora, "cancel", cancel_)


def goes_silent(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_second(monkeypatch, lambda: story.platforms.fault("zuora", "unavailable"))


def refuses(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_second(monkeypatch, lambda: story.platforms.fault("zuora", "business_failure", "create_order", times=1))


def is_back(story: Story) -> None:
    story.platforms.no_fault("zuora")
    Breaker.objects.all().delete()


def signed(story: Story, sofia: Any) -> None:
    """Invoices beyond the day are there, so a second person agrees to the credits."""
    cancel(story, on="2026-03-20")
    desk.approve(sofia, list(Approval.objects.values_list("id", flat=True)), "agreed")
    story.flow.work()


def requested() -> list[str]:
    return list(Step.objects.filter(stage="cancel_order").order_by("seq").values_list("state", flat=True))


def half_done() -> Step:
    return Step.objects.filter(stage="cancel_order").earliest("seq")


def here() -> dict[str, str]:
    return {"order": order("SO-1").state} | dict(Subscription.objects.values_list("number", "state"))


def there(story: Story) -> dict[str, str | None]:
    rows = story.platforms.records("zuora", "subscription")
    return {row["number"]: row["body"].get("cancelledOn") for row in rows}


def found_by(*documents: str) -> bool:
    """Whether a trace finds the order by each of what billing calls its cancellations."""
    sofia = get_user_model().objects.get(username="sofia1")
    traces = [trace.find(sofia, document) for document in documents]
    return all([one.number for one in found.orders] == ["SO-1"] for found in traces)


def shown(client: Any, user: Any) -> Any:
    """What the order's page is made of."""
    client.force_login(user)
    return client.get(f"/orders/{order('SO-1').id}").context


HALF_HERE = {"order": "active", US: "cancelled", DE: "active"}
HALF_THERE = {US: "2026-03-20", DE: None}
WHOLE = {"order": "cancelled", US: "cancelled", DE: "cancelled"}


def test_what_billing_has_done_is_kept_and_cannot_be_withdrawn(
    sold: Story, sofia: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-05", "10:00"):
        cancel(sold, on="2026-03-20")
        goes_silent(sold, monkeypatch)
    with sold.on("2026-03-20", "12:00"):
        sold.flow.work()
        assert (requested(), here(), there(sold)) == (["waiting"], HALF_HERE, HALF_THERE)
        step = half_done()
        assert step.sent_at is not None and step.text == f"Zuora: Service Unavailable. {IN_PART}"
        kept = step.proof["kept"][US]
        assert (kept["on"], kept["document"], kept["found"]) == ("2026-03-20", "X-SO-1-US", False)
        assert found_by("X-SO-1-US") and not trace.find(sofia, "X-SO-1-DE")
        ends = {one["subscription"].number: one["ended_on"] for one in shown(client, sofia)["subscriptions"]}
        assert ends == {US: dt.date(2026, 3, 20), DE: None}
        assert cancellation.waiting(order("SO-1")) is None and not cancellations.for_later(["SO-1"])
        with pytest.raises(NotPossible, match="waits for its day any more"):
            requests.withdraw_cancellation(sofia, order("SO-1"), "they stay after all")
        with pytest.raises(NotPossible, match="being cancelled already"):
            requests.cancel_order(sofia, order("SO-1"), clock.today(), "at once")
        is_back(sold)
    # Surely nothing of the rest had left: it is sent at once, after one look, and the step tells of both.
    with sold.on("2026-03-20", "12:05"):
        sold.flow.work()
    step = half_done()
    assert (step.state, here(), there(sold)) == ("done", WHOLE, {US: "2026-03-20", DE: "2026-03-20"})
    assert (step.reference, step.document) == (f"{DE}, {US}", "X-SO-1-DE, X-SO-1-US")
    assert len(step.proof["cancelled"]) == 2 and "rest_unsent" not in step.proof
    assert found_by("X-SO-1-US", "X-SO-1-DE")
    ends = {one["subscription"].number: one["ended_on"] for one in shown(client, sofia)["subscriptions"]}
    assert ends == dict.fromkeys((US, DE), dt.date(2026, 3, 20))


def test_a_request_for_another_day_waits_for_the_end_of_one_that_is_half_done(
    sold: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-20", "12:00"):
        goes_silent(sold, monkeypatch)
        cancel(sold, on="2026-03-20")
        cancel(sold, on="2026-06-01")
        assert (requested(), here()) == (["waiting", "waiting"], HALF_HERE)
        is_back(sold)
    with sold.on("2026-03-21"):
        sold.flow.work()
        assert (requested(), here()) == (["done", "waiting"], WHOLE)
    with sold.on("2026-06-01", "12:00"):
        sold.flow.work()
    assert (requested(), there(sold)) == (["done", "done"], {US: "2026-03-20", DE: "2026-03-20"})


def test_a_later_day_that_comes_while_it_is_a_case_waits_behind_it(
    sold: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        cancel(sold, on="2026-03-20")
        cancel(sold, on="2026-06-01")
        assert requested() == ["failed", "waiting"]
    with sold.on("2026-06-01", "12:00"):
        sold.flow.work()
        assert (requested(), here(), there(sold)) == (["failed", "waiting"], HALF_HERE, HALF_THERE)
        replay.replay([half_done().id], "ann")
        sold.flow.work()
    with sold.on("2026-06-01", "12:05"):
        sold.flow.work()
    assert (requested(), there(sold)) == (["done", "done"], {US: "2026-03-20", DE: "2026-03-20"})


def test_its_case_tells_what_is_done_and_closing_it_takes_nothing_back(
    sold: Story, sofia: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        cancel(sold, on="2026-03-20")
        case = Case.objects.get()
        assert case.text.endswith(f"refuses the request. {IN_PART}")
        with pytest.raises(NotPossible, match=r"cancelled in part: .* goes on there") as refused:
            requests.cancel_order(sofia, order("SO-1"), clock.today(), "at once")
        assert refused.value.remedy.startswith("Replay its case")
        # Another system asks, too: nothing takes its place.
        cancel(sold, on="2026-03-19")
        assert requested() == ["failed", "waiting"]
        desk.close_without_fix(ann, [case.id], "Germany stays", "other")
        desk.approve(sofia, list(Approval.objects.filter(state="requested").values_list("id", flat=True)), "so be it")
        assert (half_done().state, here(), there(sold)) == ("abandoned", HALF_HERE, HALF_THERE)
    # The one that waited goes on with what is left, and does not ask for what is done as of another day.
    with sold.on("2026-03-20", "12:05"):
        sold.flow.work()
    assert (requested(), here()) == (["abandoned", "done"], WHOLE)
    assert there(sold) == {US: "2026-03-20", DE: "2026-03-19"}


def test_nobody_signs_again_once_something_is_cancelled(
    sold: Story, sofia: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credit for what is done arrives before the rest is: another sum, and yet no other question."""
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        goes_silent(sold, monkeypatch)
        signed(sold, sofia)
        is_back(sold)
        sold.platforms.control("zuora", "bill-run", {"until": "2026-03-20"})
        sold.flow.poll("zuora")
        run.drain("record_invoice")
        assert Invoice.objects.filter(total_minor__lt=0).count() == 1
    with sold.on("2026-03-20", "14:00"):
        sold.flow.work()
    assert (requested(), here(), Approval.objects.count()) == (["done"], WHOLE, 1)


def test_what_a_lost_worker_had_done_is_found_and_kept(sold: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies between the two; whoever looks finds the first, and keeps it at once."""

    class Struck(BaseException):
        pass

    def dies() -> None:
        raise Struck

    with sold.on("2026-03-20", "12:00"), monkeypatch.context() as patched:
        before_the_second(patched, dies)
        with pytest.raises(Struck):
            cancel(sold, on="2026-03-20")
        assert (requested(), here()["order"], there(sold)) == (["running"], "active", HALF_THERE)
    with sold.on("2026-03-20", "12:30"):
        assert lost_workers.take_back() == 1
        run.run_stage("cancel_order")
        step = half_done()
        assert (step.state, here(), list(step.proof["kept"])) == ("waiting", HALF_HERE, [US])
        assert step.text == f"searched over the settle time, none found: sent again. {IN_PART}"
    with sold.on("2026-03-20", "14:00"):
        sold.flow.work()
    assert (requested(), here()) == (["done"], WHOLE)


def test_what_is_told_and_counted_of_an_order_that_is_cancelled_in_part(
    sold: Story, sofia: Any, ann: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invoices of March are there. The US is cancelled as of the 20th, its credit has not come; Germany is refused."""
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        signed(sold, sofia)
        assert here() == HALF_HERE
        client.force_login(sofia)
        page = client.get(f"/orders/{order('SO-1').id}").content.decode()
        assert "<span>Cancelled in part</span>" in page
        assert formats.dates(f"{IN_PART}.") in page
        assert "<span>Cancelled in part</span>" in client.get("/orders").content.decode()
        answer = client.get(f"/api/v1/orders/{order('SO-1').id}").json()
        assert answer["cancelled_in_part"] == IN_PART
        # Of what is cancelled alone a credit is due, by the order and by the month.
        usd = [Money(18_581, "USD")]
        assert cancellation.not_credited(order("SO-1")).worth == usd
        due = credits_due.due(sofia)
        assert (due.total.sums, due.total.orders) == ([(18_581, "USD")], 1)
        assert list(due.months) == [("US", "2026-03")]
        # Credit is asked about what goes on alone.
        payers = [group.bill_to for group in order("SO-1").groups.all()]
        assert {currency for _, currency in commitments.unbilled(payers)} == {"EUR"}
        # Whoever decides on closing it, and whoever signs that, reads what stays cancelled.
        case = Case.objects.get()
        assert "X-SO-1-US" in client.get(f"/cases/{case.id}").content.decode()
        assert what_stays.will(case).endswith(f"{IN_PART}. What is cancelled there stays so.")
        desk.close_without_fix(ann, [case.id], "Germany stays", "other")
        (asked,) = Approval.objects.filter(state="requested")
        (card,) = approvals_read.requests(sofia, [asked])
        assert IN_PART in card.stays
        desk.approve(sofia, [asked.id], "so be it")
        assert cancellation.in_part_of(order("SO-1")) == IN_PART
        # Asked for anew it is about what goes on, and says what does not.
        cancel(sold, on="2026-03-19")
        finding = Case.objects.get(state="awaiting_approval").text
        assert "invoice INV00000002 bills about EUR" in finding and "USD" not in finding and finding.endswith(IN_PART)
    with sold.on("2026-04-02"):
        sold.platforms.control("zuora", "bill-run", {"until": "2026-03-20"})
        sold.flow.poll("zuora")
        run.drain("record_invoice")
        assert (cancellation.not_credited(order("SO-1")).worth, credits_due.due(sofia).total.sums) == ([], [])


def test_an_invoice_for_days_after_a_group_was_cancelled_is_a_case(
    sold: Story, sofia: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        signed(sold, sofia)
        for group in ("US", "DE"):
            billed_on(group, dt.date(2026, 4, 1))
        run.drain("record_invoice")
    (told,) = Case.objects.filter(stage="record_invoice").values_list("text", flat=True)
    assert told.startswith("Invoice INV-US bills PLATFORM from 2026-04-01 until 2026-05-01")
    assert told.endswith(f"but subscription {US} of order SO-1 was cancelled as of 2026-03-20")
    assert Invoice.objects.filter(number="INV-DE").exists()


def billed_on(group: str, day: dt.date) -> None:
    """Billing bills the month from that day on as it did the first."""
    first = json.loads(Invoice.objects.get(group=group).event.payload)
    lines = [line | {"service_starts_on": f"{day}", "service_ends_on": "2026-05-01"} for line in first["lines"]]
    named = {"invoice_number": f"INV-{group}", "billing_reference": f"ref-{group}", "issued_on": "2026-03-20"}
    tell("InvoiceIssued", f"i-{group}", "zuora", first | named | {"due_on": "2026-05-01", "lines": lines})


def test_an_order_of_which_a_part_is_cancelled_is_completed_by_the_rest(
    sold: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-05", "12:00"):
        refuses(sold, monkeypatch)
        cancel(sold, on="2026-03-05")
    for month in range(3, 15):
        with sold.on(f"{2026 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}-05", "13:00"):
            sold.bill()
    with sold.on("2027-03-02"):
        assert completed.complete() == 1
    assert here() == {"order": "completed", US: "cancelled", DE: "expired"}
