"""The control tower: what stands where, what needs a person, what blocks the close."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock, keys
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.contracts.documents import InvoiceLine
from q2c.models import Attempt, Breaker, Connection, Order, OrderGroup, PollCursor, Step, Tally, tally
from q2c.reading import close, flow, tallies
from q2c.reasons import Reason
from q2c.ui import control_tower
from tests import flow_makers as make
from tests.past_guards import past_guards
from tests.told_once import told_once
from tests.ui.people import boss, page, person
from tests.ui.test_given_up_told import closing

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
READER = ("q2c.view_step", "q2c.view_order", "q2c.view_invoice", "ledger.view_journalentry", "q2c.view_subscription")


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def refused(work):
    blocker = Blocker(connection="erp-de01", object_type="cost_center", object_key="CC-410", condition="inactive")
    return Rejected(reason=Reason.DIMENSION_INACTIVE, text="Cost centre CC-410 is inactive", blocker=blocker)


def tell_monday():
    """Two deals through, one whose journal the ledger refused, one that names a product nobody knows."""
    make.company()
    make.through("O-1", "INV-1")
    make.through("O-2", "INV-2", customer="株式会社サクラ", region="APAC")
    make.deal("O-3")
    for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
        make.run(stage)
    make.bill(Order.objects.get(number="O-3"), "INV-3")
    make.run("record_invoice")
    make.run("post_journal", refused)
    line = make.order_document("O-4").lines[0]
    make.deal("O-4", lines=(msgspec.structs.replace(line, product="NOPE"),))
    make.run("accept_order")


monday = told_once(tell_monday, at=NOW)


def test_each_leg_tells_its_states_what_is_under_way_and_what_failed(monday):
    stations = {one.leg.label: one for one in flow.stations(boss())}
    assert dict(stations["Orders"].counts) == {"active": 3, "received": 1}
    assert dict(stations["Billing"].counts) == {"active": 3}
    assert dict(stations["Invoices"].counts) == {"posted": 2, "recorded": 1}
    assert dict(stations["Journals"].counts) == {"posted": 2, "blocked": 1}
    assert {label: one.failed for label, one in stations.items()} == {
        "Orders": 1, "Billing": 0, "Invoices": 0, "Journals": 1,
    }  # fmt: skip
    assert stations["Journals"].sums == [(6_212_000, "EUR")] and stations["Journals"].trend[-1] == 3
    assert stations["Journals"].oldest == NOW
    assert "Cash" not in stations


def test_an_order_that_waits_for_a_second_person_has_not_failed(monday):
    make.deal("O-5", discount_minor=9_000_000)
    make.run("accept_order")
    orders = next(one for one in flow.stations(boss()) if one.leg.label == "Orders")
    assert dict(orders.counts)["awaiting_approval"] == 1 and orders.failed == 1, "that of O-4 alone"


def test_an_invoice_that_was_not_recorded_is_told_apart_with_its_money(client, monday):
    make.bill(Order.objects.get(number="O-1"), "INV-9")
    with past_guards():
        OrderGroup.objects.filter(order__number="O-1").update(entity="US01")
    make.run("record_invoice")
    failed = Step.objects.filter(stage="record_invoice", state="failed")
    client.force_login(boss())
    tile = page(client, "/").split('class="stage-name">Invoices')[1].split("</li>\n")[0].split("Journals")[0]
    assert failed.count() == 1 and "1 received but not recorded" in tile
    assert f"{failed[0].amount_minor / 100_000:.1f}k" in tile and failed[0].currency in tile


def test_the_page_says_what_needs_a_person_and_by_when(client, monday):
    client.force_login(boss())
    text = page(client, "/")
    assert "<strong>2</strong> cases need a person" in text
    assert "cost centre CC-410 in erp-de01" in text and "Acme GmbH" in text
    with clock.at(NOW + dt.timedelta(days=30)):
        assert "past their service level" in page(client, "/")


def test_what_blocks_a_close_is_one_click_from_its_cases(client, monday):
    user = boss()
    (row,) = close.blocked(user)
    assert (row.entity, row.period, row.cases, row.sums) == ("DE01", "2026-11", 1, [(6_212_000, "EUR")])
    assert row.query == "entity:DE01 period:2026-11"
    closed = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    periods.close(closed, by="controller")
    client.force_login(user)
    text = page(client, "/")
    assert "DE01 Nov\u00a02026" in text and "receivables closed" in text and "62,120.00" in text


def test_a_platform_that_is_down_comes_first_with_what_waits_for_it(client, monday):
    Breaker.objects.create(connection="erp-jp01", failures=5, opened_at=NOW, text="connection refused")
    client.force_login(boss())
    text = page(client, "/").split('id="platforms"')[1]
    assert text.index("NetSuite Japan") < text.index("AvaTax")
    assert "Paused since" in text and "connection refused" in text
    german = text.split("NetSuite Germany")[1].split("</li>")[0]
    assert "Answered 400" in german and "<b>1</b> failed" in german


@pytest.mark.parametrize(
    ("status", "shown"), [(503, "Unsteady"), (429, "Unsteady"), (None, "Unsteady"), (400, "Up"), (200, "Up")]
)
def test_a_platform_whose_last_call_came_to_nothing_is_not_up(client, monday, status, shown):
    """A refusal is an answer."""
    Attempt.objects.create(
        correlation_id=keys.new_id(), connection="erp-jp01", at=NOW, method="POST", url="/x", status=status,
        duration_ms=5,
    )  # fmt: skip
    client.force_login(boss())
    japan = page(client, "/").split("NetSuite Japan")[1].split("</li>")[0]
    assert {"Up", "Unsteady"} & set(re.findall(r">(\w+)<", japan)) == {shown}


def test_only_figures_of_what_one_may_see(client, monday):
    client.force_login(person("mia", "q2c.view_step", "q2c.view_order"))
    text = page(client, "/")
    assert "Orders" in text and ">Journals<" not in text and "62,120" not in text
    for right in ("exceptions.view_case", "q2c.view_connection"):
        assert right in text


def test_without_its_right_the_address_names_it(client):
    client.force_login(person("mia"))
    assert "q2c.view_step" in page(client, "/", 403)


def test_an_empty_house_says_how_it_begins(client):
    client.force_login(boss())
    text = page(client, "/")
    assert (
        "Nothing has come in yet" in text and "Nothing stops the close" in text and "No platform is connected" in text
    )


def test_the_part_that_refreshes_itself_is_small(client, monday):
    client.force_login(boss())
    answer = client.get("/?part=live", headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.startswith('<div id="live"') and "<html" not in text
    assert "<html" in client.get("/?part=live").content.decode()


def test_the_page_asks_no_more_however_much_there_is(client, monday):
    client.force_login(boss())
    page(client, "/")
    with CaptureQueriesContext(connection) as before:
        page(client, "/")
    for number in range(10, 15):
        make.through(f"O-{number}", f"INV-{number}")
    make.bill(Order.objects.get(number="O-10"), "INV-X")
    make.run("record_invoice")
    make.run("post_journal", refused)
    with CaptureQueriesContext(connection) as after:
        page(client, "/")
    assert len(after) <= len(before) <= 41


def test_the_counts_are_those_of_the_tables_whatever_happens(monday):
    user = boss()
    from ledger.models import JournalEntry
    from q2c.models import Invoice, Subscription

    def counted():
        return {noun: found.by_state for noun, found in tallies.counts(user).items()}

    def real(model):
        states = list(model.objects.values_list("state", flat=True))
        return {state: states.count(state) for state in set(states)}

    models = {"order": Order, "subscription": Subscription, "invoice": Invoice, "journal": JournalEntry}
    assert counted() == {noun: real(model) for noun, model in models.items()}
    before, rows = counted(), Tally.objects.count()
    tally.fold()
    assert counted() == before
    for number in range(20, 26):
        make.through(f"O-{number}", f"INV-{number}")
    piled, grown = counted(), Tally.objects.count()
    tally.fold()
    assert counted() == piled == {noun: real(model) for noun, model in models.items()}
    assert Tally.objects.count() < grown and rows
    total = sum(minor for minor, currency in tallies.counts(user)["order"].sums_of(["active"]) if currency == "EUR")
    assert total == sum(Order.objects.filter(state="active", currency="EUR").values_list("total_minor", flat=True))


def test_a_credit_that_is_not_through_makes_no_invoice_smaller(client, monday):
    """One that goes on takes its credit along; folded, the sums are the same."""
    order = Order.objects.get(number="O-1")
    make.bill(order, "INV-C", lines=[InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=-99_000)])
    make.run("record_invoice")
    client.force_login(boss())

    def stations():
        return {one.leg.label: one for one in flow.stations(get_user_model().objects.get(username="rosa"))}

    found = stations()
    assert found["Invoices"].credits == found["Journals"].credits == [(-99_000, "EUR")]
    assert page(client, "/").split('id="now"')[0].count("of credits") == 2
    # Whoever closes the month reads the same of its journals.
    assert "EUR 62,120.00EUR −990.00 of credits" in closing(client).split("2 not posted")[1][:60]
    tally.fold()
    assert stations() == found
    make.run("post_journal")
    assert not stations()["Invoices"].credits and not stations()["Journals"].credits
    counted = tallies.counts(get_user_model().objects.get(username="rosa"))["invoice"]
    assert counted.credits_of(["posted"]) == [(-99_000, "EUR")]


def test_a_station_says_what_is_not_through_yet_and_never_a_sum_of_nothing(client, monday):
    stations = {one.leg.label: one for one in flow.stations(boss())}
    assert stations["Billing"].sums == []
    client.force_login(get_user_model().objects.get(username="rosa"))
    text = page(client, "/")
    assert "All through" not in text and "Nothing waits" in text and "not through yet" in text
    assert control_tower._note(dataclasses.replace(stations["Billing"], counts=[("provisioned", 2)])) == (
        "2 not through yet"
    )


@pytest.fixture
def crm():
    Connection.objects.create(
        name="crm", title="Salesforce", vendor="salesforce", service="crm", base_url="sandbox://salesforce"
    )


def of_sales(client):
    """How the tower shows the sales platform: its state, and what stands below."""
    client.force_login(boss())
    text = page(client, "/").split("<strong>Salesforce</strong>")[1].split("</li>")[0]
    (shown,) = {"Up", "Quiet", "Unsteady", "Not read"} & set(re.findall(r">([\w ]+)<", text))
    return shown, text


def answered(at):
    Attempt.objects.create(
        correlation_id=keys.new_id(), connection="crm", at=at, method="POST", url="/x", status=200, duration_ms=5,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), [("", "Up"), ("no answer", "Unsteady")])
def test_a_poll_says_how_a_platform_is_too(client, crm, text, shown):
    """Its last step was yesterday; it is asked for news every twenty seconds."""
    answered(NOW - dt.timedelta(days=1))
    polled = NOW - dt.timedelta(seconds=9)
    PollCursor.objects.create(
        connection="crm", reached=NOW, polled_at=polled, read_at=polled - dt.timedelta(minutes=1), text=text
    )
    state, told = of_sales(client)
    assert state == shown and (text or "Polled ") in told


@pytest.mark.parametrize(("ago_s", "shown"), [(119, "Up"), (121, "Not read")])
def test_a_source_whose_changes_nobody_asked_for_is_told(client, crm, ago_s, shown):
    """Also while steps are answered there."""
    at = NOW - dt.timedelta(seconds=ago_s)
    PollCursor.objects.create(connection="crm", reached=NOW, polled_at=at, read_at=at)
    answered(NOW)
    state, told = of_sales(client)
    assert state == shown and ("Its changes were last read " in told) == (shown == "Not read")


def test_a_source_that_turns_each_poll_away_is_not_read_whatever_it_answers_else(client, crm):
    PollCursor.objects.create(
        connection="crm", reached=NOW, polled_at=NOW, read_at=NOW - dt.timedelta(hours=3), text="Calls used up"
    )
    answered(NOW)
    state, told = of_sales(client)
    assert (state, "Its changes were last read 3 h ago: Calls used up" in re.sub(r"<[^>]+>", "", told)) == (
        "Not read",
        True,
    )


@pytest.mark.parametrize("read_ago_s", [60, 10_800])
def test_a_source_that_wants_fewer_calls_says_when_it_is_asked_again(client, crm, read_ago_s):
    PollCursor.objects.create(
        connection="crm", reached=NOW, polled_at=NOW, read_at=NOW - dt.timedelta(seconds=read_ago_s),
        text="Calls used up", not_before=NOW + dt.timedelta(minutes=15),
    )  # fmt: skip
    told = re.sub(r"<[^>]+>", "", of_sales(client)[1])
    assert "Calls used up\nWants a pause: asked again Nov 3, 10:15" in told


@pytest.mark.parametrize("polled_at", [None, NOW])
def test_a_source_that_was_never_read_is_not_up(client, crm, polled_at):
    """Set up, and no worker reads it; or it was tried and never succeeded."""
    if polled_at is not None:
        PollCursor.objects.create(connection="crm", reached=NOW, polled_at=polled_at, text="Calls used up")
    answered(NOW)
    state, told = of_sales(client)
    assert (state, "Its changes were not read yet" in told) == ("Not read", True)


@pytest.mark.parametrize(("ago", "shown"), [(59, "Up"), (27 * 60, "Quiet")])
def test_who_was_not_asked_for_an_hour_is_not_said_to_be_up(client, monday, ago, shown):
    Attempt.objects.create(
        correlation_id=keys.new_id(), connection="erp-jp01", at=NOW - dt.timedelta(minutes=ago), method="GET",
        url="/x", status=200, duration_ms=5,
    )  # fmt: skip
    client.force_login(boss())
    japan = page(client, "/").split("NetSuite Japan")[1].split("</li>")[0]
    assert {"Up", "Quiet"} & set(re.findall(r">(\w+)<", japan)) == {shown}
