"""One order whole: what it is, what the controls found, what came of it, and how it is undone."""

from __future__ import annotations

import datetime as dt
import re
from unittest.mock import patch

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from exceptions.models import Approval, Case
from ledger.models import FiscalPeriod
from q2c import clock, keys
from q2c.connectors.outcomes import Rejected, Unavailable
from q2c.contracts.documents import InvoiceGroup, InvoiceLine
from q2c.engine import desk, requests
from q2c.models import Event, Order, Step, Subscription
from q2c.reading import cancellation, coming, credits_due
from q2c.reasons import Reason
from q2c.ui import control_tower, formats, words
from tests import flow_makers as make
from tests.past_guards import past_guards
from tests.told_once import anew, told_once
from tests.ui.people import boss, of_role, page, person, read

pytestmark = pytest.mark.django_db
NOW, BILLINGS = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC), patch.object(make, "BILLING", "zuora")


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW), BILLINGS:
        yield


def tell_order():
    make.company()
    return make.through("O-1", "INV-1")


_order = told_once(BILLINGS(tell_order), at=NOW)


@pytest.fixture
def order(_order):
    return anew(_order)


def test_it_tells_the_deal_line_by_line_and_all_that_came_of_it(client, order):
    client.force_login(boss())
    text = read(client, f"/orders/{order.id}")
    for said in (
        "Order O-1", "Acme GmbH", "149,000.00", "Platform, per seat", "100 × 40.00 a month", "200 × 40.00 a month",
        "Implementation", "api_calls, 10,000 included", "the first 100,000 beyond: 0.002 EUR each", "all beyond", "Ratable monthly", "Meridian DE01",
        "Subscription S-O-1-emea", "Phase 2", "INV-1", "DE01-26-S0000001", "Price arithmetic, exact",
    ):  # fmt: skip
        assert said in text, said
    assert "Phase 2 is activated for group emea in zuora" in text and "Nov 2, 2027" in text.replace("\u202f", " ")


def test_a_subscription_says_which_of_its_amounts_are_after_a_discount(client, order):
    """Quantity times price times months is more than they are."""
    client.force_login(boss())

    def subscription() -> str:
        return read(client, f"/orders/{order.id}").split("Subscription S-O-1-emea")[1].split("</section>")[0]

    assert "after its discount" not in subscription()
    with past_guards():
        order.lines.filter(line=1).update(discount_minor=1_000)
    assert "after its discount" in subscription()


def test_an_invoice_that_came_and_is_not_recorded_is_shown_with_its_case(client, order):
    for state in ("soft_closed", "closed"):
        FiscalPeriod.objects.filter(entity__code="DE01").update(state=state)
    make.bill(order, "INV-2")
    client.force_login(boss())
    assert "INV-2 149,000.00" not in read(client, f"/orders/{order.id}")
    make.run("record_invoice")
    case = Case.objects.get()
    text = read(client, f"/orders/{order.id}")
    assert "1 invoice received but not recorded" in text
    assert re.search(rf"INV-2 EUR [\d,.]+ {words.plain(case.reason)}, {case.shown}", text), text
    assert "Invoice INV-2, not recorded" in read(client, f"/trace?q={order.number}")


def test_each_group_of_an_order_has_its_own_phase_and_subscription(client):
    """Two groups with phases on one day: which of them is meant is said wherever a step is told."""
    make.company()
    first = make.order_document("O-9")
    groups = (first.groups[0], msgspec.structs.replace(first.groups[0], key="apac"))
    lines = (first.lines[0], msgspec.structs.replace(first.lines[0], line=99, group="apac"))
    make.deal("O-9", groups=groups, lines=lines)
    for stage in ("accept_order", "sync_customer", "provision_billing"):
        make.run(stage)
    client.force_login(boss())
    text = read(client, f"/orders/{Order.objects.get().id}")
    for group in ("emea", "apac"):
        assert f"Done: the subscription is made for group {group} in zuora" in text
        assert text.count(f"Phase 2 is activated for group {group} in zuora") == 1
    # A number too long to hold its group is told by itself.
    long = Step(stage="activate_subscription", part="phase-1", order_key="activation:S-O-9x-abc", business_key="O-9y")
    assert coming.done_of(long) == "phase 1 is activated for S-O-9x-abc"


def test_the_case_of_an_order_says_that_its_invoices_book(client):
    make.company()
    make.deal("O-4", discount_minor=9_000_000)
    make.run("accept_order")
    case, cleo = Case.objects.get(), of_role("cleo", "Controller")
    client.force_login(boss())
    assert "An order books nothing; its invoices will." in page(client, f"/cases/{case.id}")
    assert desk.approve(cleo, [Approval.objects.get().id], "seen").done
    for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
        make.run(stage)
    make.bill(Order.objects.get(number="O-4"), "INV-4")
    make.run("record_invoice")
    text = page(client, f"/cases/{case.id}")
    assert "The order itself books nothing; its invoices do: 1 recorded." in text and "Nothing is booked" not in text


def test_a_discount_over_the_limit_waits_for_a_second_person(client):
    make.company()
    make.deal("O-5", discount_minor=9_000_000)
    make.run("accept_order")
    client.force_login(boss())
    text = page(client, f"/orders/{Order.objects.get().id}")
    assert "Awaiting approval" in text and "Waits for approval" in text
    assert "by the flow" in text.partition("<h2>Approvals")[2]


def test_names_from_outside_are_text_not_markup(client):
    make.company()
    group = InvoiceGroup(key="<b>", region="EMEA", bill_to="A-1", ship_to=make.Address(country="DE"), currency="EUR")
    line = msgspec.structs.replace(
        make.order_document("O-6").lines[1], group="<b>", description="<script>alert(1)</script>"
    )
    make.deal("O-6", customer="<img src=x>", customer_key="A-1", groups=(group,), lines=(line,))
    make.run("accept_order")
    client.force_login(boss())
    text = page(client, f"/orders/{Order.objects.get().id}")
    assert "<script>alert" not in text and "<img src=x>" not in text and "&lt;img src=x&gt;" in text


def test_who_may_not_see_orders_is_told_which_right(client, order):
    client.force_login(person("mia", "q2c.view_invoice"))
    assert "q2c.view_order" in page(client, f"/orders/{order.id}", 403)


def test_what_the_reader_may_not_see_is_left_out(client, order):
    client.force_login(person("mia", "q2c.view_order"))
    text = page(client, f"/orders/{order.id}")
    assert "Order O-1" in text and "INV-1" not in text and "DE01-26" not in text and "S-O-1-emea" not in text


def test_an_unknown_order_is_not_found(client):
    client.force_login(boss())
    page(client, f"/orders/{keys.new_id()}", 404)
    page(client, "/orders/not-an-id", 404)


def test_the_page_asks_as_often_for_many_invoices_as_for_one(client, order):
    client.force_login(boss())
    with CaptureQueriesContext(connection) as few:
        page(client, f"/orders/{order.id}")
    for number in range(2, 9):
        make.bill(order, f"INV-{number}")
    make.run("record_invoice")
    make.run("post_journal")
    with CaptureQueriesContext(connection) as more:
        page(client, f"/orders/{order.id}")
    # Approvals, and what it said as it opened, are asked for once there is a case.
    assert len(more) <= len(few) + 2 <= 32


def form(text: str, **more: str) -> dict[str, str]:
    token = re.search(r'name="token" value="([^"]+)"', text)
    assert token
    return {"token": token[1], "effective_on": "2026-11-03", "reason": "The customer withdrew"} | more


def test_a_cancellation_goes_through_the_engine_and_ends_everywhere(client, order):
    client.force_login(person("sam", "q2c.view_order", "q2c.cancel_order", "q2c.view_step", "q2c.view_subscription"))
    sent = form(page(client, f"/orders/{order.id}"))
    answer = client.post(f"/orders/{order.id}/cancel", sent, follow=True)
    assert answer.redirect_chain == [(f"/orders/{order.id}", 302)]
    assert "Cancellation of O-1 is asked for." in answer.content.decode()
    event = Event.objects.get(type="OrderCancelRequested")
    assert event.source == "urn:q2c:person:sam" and "The customer withdrew" in event.payload
    assert event.correlation_id == order.correlation_id
    make.run("cancel_order")
    # An invoice bills days after that: a second person signs, whose card says what is credited.
    client.force_login(boss())
    card = page(client, "/approvals")
    assert "Cancellation needs approval" in card and "Sam asks to cancel order O-1 as of" in card
    assert "invoice INV-1 bills about" in card
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": "approve", "reason": "agreed"})
    make.run("cancel_order")
    assert Subscription.objects.get().state == "cancelled" and Order.objects.get().state == "cancelled"
    text = page(client, f"/orders/{order.id}")
    assert "Cancelled" in text and 'data-dialog="cancel"' not in text
    # It was active, and is to no end any more: the road and the days say so.
    assert "Cancelled after Active, step 4 of 5." in text and "Cancelled after Active, step 2 of 3." in text
    told = read(client, f"/orders/{order.id}")
    assert "cancelled as of Nov 3, 2026" in told and "Cancelledas of Nov 3, 2026" in told
    for address in ("/orders", "/trace?q=O-1"):
        assert "Cancelled after Active, step 4 of 5." in page(client, address), address


def test_the_dialog_takes_no_longer_reason_than_is_kept(client, order):
    client.force_login(boss())
    assert f'name="reason" rows="3" maxlength="{requests.REASON_MAX}"' in page(client, f"/orders/{order.id}")


def test_two_presses_ask_once(client, order):
    client.force_login(boss())
    sent = form(page(client, f"/orders/{order.id}"))
    for _ in range(2):
        text = client.post(f"/orders/{order.id}/cancel", sent, follow=True).content.decode()
        assert "is asked for" in text
    other = form(page(client, f"/orders/{order.id}"))
    assert "being cancelled already" in client.post(f"/orders/{order.id}/cancel", other, follow=True).content.decode()
    assert Event.objects.filter(type="OrderCancelRequested").count() == 1
    assert Step.objects.filter(stage="cancel_order").count() == 1


def test_an_order_that_has_not_begun_is_cancelled_as_of_its_start(client, order):
    """Billing ends nothing before its term: the dialog offers the first day, and says so where an earlier is chosen."""
    with past_guards():
        Order.objects.filter(id=order.id).update(starts_on=dt.date(2026, 12, 1))
    client.force_login(boss())
    text = page(client, f"/orders/{order.id}")
    assert 'name="effective_on" value="2026-12-01"' in text and "it is done at once; a later day is waited for" in text
    text = client.post(f"/orders/{order.id}/cancel", form(text), follow=True).content.decode()
    assert "so billing is told that day" in text


def test_a_cancellation_that_failed_is_asked_for_again(client, order):
    client.force_login(boss())
    client.post(f"/orders/{order.id}/cancel", form(page(client, f"/orders/{order.id}")))
    make.run("cancel_order", lambda work: Rejected(reason=Reason.SUBSCRIPTION_REFUSED, text="Not in its term"))
    text = client.post(f"/orders/{order.id}/cancel", form(page(client, f"/orders/{order.id}")), follow=True)
    assert "is asked for" in text.content.decode()
    assert sorted(Step.objects.filter(stage="cancel_order").values_list("state", flat=True)) == ["abandoned", "waiting"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": "  "}, "Say why"),
        ({"reason": "x" * 401}, "400 are kept"),
        ({"effective_on": "soon"}, "no date"),
        ({"effective_on": ""}, "no date"),
        ({"effective_on": "0001-01-01"}, "no date"),
    ],
)
def test_a_form_that_lacks_something_asks_for_nothing(client, order, wrong, said):
    client.force_login(boss())
    sent = form(page(client, f"/orders/{order.id}"), **wrong)
    assert said in client.post(f"/orders/{order.id}/cancel", sent, follow=True).content.decode()
    assert not Event.objects.filter(type="OrderCancelRequested").exists()


def test_without_the_right_the_button_and_the_address_say_so(client, order):
    client.force_login(person("mia", "q2c.view_order"))
    assert "q2c.cancel_order" in page(client, f"/orders/{order.id}")
    answer = client.post(f"/orders/{order.id}/cancel", {"effective_on": "2026-11-03", "reason": "no"})
    assert answer.status_code == 403 and "q2c.cancel_order" in answer.content.decode()
    assert not Event.objects.filter(type="OrderCancelRequested").exists()


def test_a_cancellation_for_a_later_day_is_withdrawn_on_the_page(client, order):
    client.force_login(boss())
    text = page(client, f"/orders/{order.id}")
    assert 'data-dialog="keep"' not in text
    client.post(f"/orders/{order.id}/cancel", form(text, effective_on="2027-02-03"))
    text = page(client, f"/orders/{order.id}")
    assert (
        'data-dialog="keep"' in text
        and 'This takes the place of the cancellation as of <time datetime="2027-02-03">' in text
    )
    refused = client.post(f"/orders/{order.id}/keep", {"reason": ""}, follow=True).content.decode()
    assert "Nothing was withdrawn." in refused and "Say why" in refused
    text = client.post(f"/orders/{order.id}/keep", {"reason": "They stay"}, follow=True).content.decode()
    assert "The cancellation of O-1 is withdrawn." in text and 'data-dialog="keep"' not in text
    assert "They stay" in text
    client.force_login(person("mia", "q2c.view_order"))
    assert client.post(f"/orders/{order.id}/keep", {"reason": "no"}).status_code == 403


def test_a_cancellation_that_waits_says_whose_and_why_and_what_it_takes_back(client, order):
    client.force_login(boss())
    client.post(f"/orders/{order.id}/cancel", form(page(client, f"/orders/{order.id}"), effective_on="2026-11-20"))
    text = page(client, f"/orders/{order.id}")
    assert "To be cancelled as of" in text and "<strong>" in text and "The customer withdrew" in text
    assert "a second person approves it when its day comes" in text
    assert "Billing issues invoices as they fall due, until it is cancelled" in " ".join(text.split())


def test_what_was_withdrawn_is_told_as_given_up_and_never_as_done(client, order):
    client.force_login(boss())
    client.post(f"/orders/{order.id}/cancel", form(page(client, f"/orders/{order.id}"), effective_on="2027-02-03"))
    client.post(f"/orders/{order.id}/keep", {"reason": "They stay"}, follow=True)
    text = page(client, f"/orders/{order.id}")
    assert "Done: the subscription is cancelled" not in text
    assert "Given up: cancelling the subscription" in text and "withdrew it: They stay" in text


def cancelled(client, order):
    client.force_login(person("sam", "q2c.view_order", "q2c.cancel_order", "q2c.view_step", "q2c.view_subscription"))
    client.post(f"/orders/{order.id}/cancel", form(page(client, f"/orders/{order.id}")))
    make.run("cancel_order")
    client.force_login(boss())
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": "approve", "reason": "agreed"})
    make.run("cancel_order")


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("lacks", "left"), [(1, []), (2, [(2, "EUR")])])
def test_what_billing_s_rounding_leaves_of_a_credit_is_not_still_to_come(client, order, recorded, lacks, left):
    cancelled(client, order)
    sold, rosa = Order.objects.get(id=order.id), get_user_model().objects.get(username="rosa")
    ((minor, _),) = credits_due.due(rosa).total.sums
    billed = order.invoices.get().lines.get(kind="recurring")
    credit = InvoiceLine(
        line=1, product="PLATFORM", kind="recurring", charge="Platform", quantity="100", net_minor=lacks - minor,
        service_starts_on=clock.today(), service_ends_on=billed.service_ends_on,
    )  # fmt: skip
    make.bill(order, "CR-1", lines=[credit])
    if recorded:
        make.run("record_invoice")
        assert order.invoices.filter(number="CR-1").exists()
    assert credits_due.due(rosa).total.sums == left
    assert [(one.minor, one.currency) for one in cancellation.not_credited(sold).worth] == left


def test_credits_that_a_cancellation_still_lacks_are_told(client, order, monkeypatch):
    cancelled(client, order)
    text = page(client, f"/orders/{order.id}")
    assert "Cancelled" in text and "its credits have not come yet" in text
    assert '<a href="/sandbox/zuora">run billing there</a>' in text
    happened = " ".join(re.sub(r"<[^>]+>", " ", text.split("What happened")[1]).split())
    assert "Approved: Cancellation approval required" in happened and "agreed" in happened
    # The close and the tower tell of it, by the month as of which it was cancelled.
    rosa = get_user_model().objects.get(username="rosa")

    sold = Order.objects.get(id=order.id)

    def as_one_order():
        return [(sum.minor, sum.currency) for sum in cancellation.not_credited(sold).worth]

    ((month, due),) = credits_due.due(rosa).months.items()
    assert month == ("DE01", "2026-11") and (due.orders, due.order_id) == (1, order.id)
    assert due.sums == as_one_order() == credits_due.due(rosa).total.sums and due.sums[0][0] > 0
    worth = formats.amount_text(*due.sums[0])
    said = " ".join(read(client, "/").replace("\xa0", " ").split())
    assert f"DE01 Nov 2026: billing is still to credit 1 cancelled order, about EUR {worth} net." in said
    november, december = (
        FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name=name)
        for name in ("2026-11", "2026-12")
    )
    address = reverse("admin:ledger_fiscalperiod_move", args=["close"])
    left = read(client, f"{address}?ids={november.pk}")
    assert "Credits of 1 cancelled order, about, net" in left and worth in left and "Not all is done" in left
    assert "cancelled order, about" not in read(client, f"{address}?ids={december.pk}")
    # So many months are shown; of all there is the sum. What was received but not recorded counts as for one order.
    make.bill(order, "INV-9")
    more = credits_due.due(rosa).total.sums
    assert more == as_one_order() and more[0][0] > due.sums[0][0]
    monkeypatch.setattr(control_tower, "_PERIODS_SHOWN", 0)
    total = formats.amount_text(*more[0])
    assert f"and 1 more month; together billing is still to credit 1 cancelled order, about EUR {total} net." in read(
        client, "/"
    ).replace("\xa0", " ")


def test_what_was_signed_and_waits_for_a_platform_says_so_and_waits_for_no_signature(client, order):
    make.deal("O-7", customer="Zeta KG", discount_minor=8_000_000)
    make.run("accept_order")
    sold = Order.objects.get(number="O-7")
    assert sold.state == "awaiting_approval"
    client.force_login(boss())
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": "approve", "reason": "agreed"})

    def silent(work):
        work.waiting_for = "credit"
        return Unavailable(text="credit gave no answer", reason=Reason.PLATFORM_UNAVAILABLE)

    make.run("accept_order", silent)
    assert Order.objects.get(number="O-7").state == "received"
    shown = read(client, f"/orders/{sold.id}").split("What comes next")[1].split("Controls")[0]
    assert (
        ": waits for Credit service (credit)" in shown and "credit gave no answer" in shown and "under way" not in shown
    )
