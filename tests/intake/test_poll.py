"""Deals and invoices are read from the platforms: each version once, none lost, whatever fails on the way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError

from exceptions.errors import NotPossible, Refused
from exceptions.models import Case, RawBody
from q2c import clock, keys
from q2c.engine import callouts, desk, poll
from q2c.models import Breaker, Callout, Connection, Event, PollCursor, Step
from tests.connectors.zuora.tenant import Tenant, provisioned, subscription
from tests.engine.makers import person
from tests.intake import platforms
from tests.intake.platforms import JAN, Org, numbers

pytestmark = pytest.mark.django_db


def test_won_deals_become_facts_once(org: Org) -> None:
    org.close("SO-1", "SO-2")
    assert org.poll() == 2
    assert sorted(numbers()) == ["SO-1", "SO-2"]
    event = Event.objects.first()
    assert event.source == "crm"
    assert event.source_id.startswith(f"{org.id_of(numbers()[0])}:")
    assert [org.poll(60), org.poll(3600)] == [0, 0]
    assert Step.objects.filter(stage="accept_order").count() == 2
    assert not Case.objects.exists()


def test_a_changed_deal_is_a_new_fact_and_takes_the_old_ones_place(org: Org) -> None:
    org.close("SO-1")
    org.poll()
    org.control.edit("Opportunity", org.id_of("SO-1"), Contract_Entity__c="DE01")
    assert org.poll(60) == 1
    states = list(Step.objects.order_by("seq").values_list("state", "reason"))
    assert states == [("abandoned", "superseded"), ("waiting", "")]
    # Taken back: the first version again, and a fact of its own.
    org.control.edit("Opportunity", org.id_of("SO-1"), Contract_Entity__c="US01")
    assert org.poll(120) == 1
    assert [org.poll(140), org.poll(4000)] == [0, 0]
    assert list(Step.objects.order_by("seq").values_list("state", flat=True)) == [
        "abandoned",
        "abandoned",
        "waiting",
    ]


def test_a_deal_that_cannot_be_mapped_is_kept_raw_once_and_ends_when_it_can(org: Org) -> None:
    org.close("SO-1", Term_Months__c=None)
    org.close("SO-2")
    assert org.poll() == 1
    case = Case.objects.get()
    assert (case.source, case.reason, case.state) == ("crm", "event_malformed", "open")
    assert case.field == "Term_Months__c"
    assert b"SO-1" in bytes(RawBody.objects.get().body)
    org.poll(30)
    case.refresh_from_db()
    assert case.attempts == 1, "reading the same again is no new failure"
    org.control.edit("Opportunity", org.id_of("SO-1"), StageName="Closed Won")
    org.control.call("PATCH", f"records/Opportunity/{org.id_of('SO-1')}", {"Contract_Entity__c": "DE01"})
    org.poll(60)
    assert sorted(Case.objects.values_list("state", "resolution")) == [("open", ""), ("resolved", "superseded")]


def abroad(org: Org) -> Case:
    """A deal of an account in a country that the connection has no code for; an hour later no poll reads it any more."""
    org.control.edit("Account", account_of(org, "C-100"), BillingCountry="Ruritania")
    org.close("SO-1")
    assert org.poll() == 0
    case = Case.objects.get()
    assert (case.state, "options.countries has no code for it" in case.text) == ("open", True)
    assert org.poll(3600) == org.poll(3700) == 0
    return case


def account_of(org: Org, number: str) -> str:
    return next(r["id"] for r in org.control.records("Account") if r["body"]["AccountNumber"] == number)


def registers(org: Org, **countries: str) -> None:
    """A person adds a code to the connection, in the admin."""
    connection = Connection.objects.get(name="crm")
    connection.options = {**connection.options, "countries": countries}
    connection.save()


@pytest.mark.django_db(transaction=True)
def test_what_was_missing_is_registered_and_the_deal_is_read_again(org: Org) -> None:
    """Nothing changes in the sales platform: that the connection was put right is what has the deal fetched."""
    case = abroad(org)
    with clock.at(JAN + clock.seconds(3800)):
        registers(org, Nowhere="NO")
        assert callouts.fetch_called_out() == 1
        case.refresh_from_db()
        assert (case.state, case.attempts, Event.objects.count()) == ("open", 1, 0), "it lacks another one"
        registers(org, Ruritania="DE")
        assert callouts.fetch_called_out() == 1
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")
    assert (numbers(), case.proof["event"]) == (["SO-1"], str(Event.objects.get().id))
    assert Step.objects.get().state == "waiting"
    with clock.at(JAN + clock.seconds(3900)):
        registers(org, Ruritania="AT")
        assert Callout.objects.filter(done_at=None).count() == 0, "nothing waits for it any more"


@pytest.mark.django_db(transaction=True)
def test_a_person_has_a_deal_read_again_after_master_data_changed(org: Org) -> None:
    """Put right there in a way that no poll is told of: the account, not the deal."""
    case, ann = abroad(org), person("ann")
    org.control.edit("Account", account_of(org, "C-100"), BillingCountry="DE")
    with clock.at(JAN + clock.seconds(3800)):
        assert org.connection.name == desk.read_again(ann, case.id)
        assert callouts.fetch_called_out() == 1
        case.refresh_from_db()
        assert case.state == "resolved"
        with pytest.raises(NotPossible, match="or has ended"):
            desk.read_again(ann, case.id)
    with pytest.raises(Refused):
        desk.read_again(person("ben", ()), case.id)


def test_what_is_committed_late_is_found_in_the_overlap(org: Org) -> None:
    org.close("SO-1")
    org.poll()
    reached = PollCursor.objects.get().reached
    org.control.clock((JAN - clock.seconds(60)).isoformat())
    org.close("SO-LATE")
    assert org.poll(20) == 1
    assert PollCursor.objects.get().reached == reached, "the cursor never goes back"


def test_an_outage_does_not_end_the_overlap(org: Org) -> None:
    """9:00 the last change is read; 9:00 to 9:50 no poll succeeds; a deal stamped 8:59 was committed meanwhile."""
    org.close("SO-1")
    org.poll()
    org.control.fault("unavailable")
    assert org.poll(1000) == 0
    org.control.calm()
    org.control.clock((JAN - clock.seconds(60)).isoformat())
    org.close("SO-LATE")
    assert org.poll(3000) == 1
    assert "SO-LATE" in numbers()


@pytest.mark.parametrize(
    ("options", "credentials", "told", "field"),
    [
        ({"poll_from": "yesterday"}, {}, "poll_from is 'yesterday'", "options.poll_from"),
        ({"poll_overlap_s": "two minutes"}, {}, "poll_overlap_s is 'two minutes'", "options.poll_overlap_s"),
        ({"poll_overlap_s": "nan"}, {}, "poll_overlap_s is 'nan'", "options.poll_overlap_s"),
        ({}, {"private_key": "x", "username": None}, "KeyError: 'username'", ""),
    ],
)
def test_a_connection_that_is_not_set_up_stops_no_other_and_is_somebodys(
    org: Org, options: dict[str, Any], credentials: dict[str, Any], told: str, field: str
) -> None:
    """It sorts before the others."""
    good = org.connection
    laid = {name: text for name, text in {**good.credentials, **credentials}.items() if text is not None}
    first = Connection.objects.create(
        name="a-crm", title="Another", vendor="salesforce", service="crm", base_url="sandbox://salesforce",
        credentials=laid, options={**good.options, **options},
    )  # fmt: skip
    Callout.remember("a-crm", ["006xx0000000001AAA"], keys.new_id())
    org.close("SO-1")
    with clock.at(JAN):
        assert poll.poll_sources() == {"called_out": 0, "a-crm": 0, "crm": 1}
        poll.poll_sources()
    case = Case.objects.get(business_key="reading changes")
    assert (case.source, case.state, case.field, told in case.text) == ("a-crm", "open", field, True)
    first.options, first.credentials = good.options, good.credentials
    first.save()
    with clock.at(JAN + clock.seconds(40)):
        poll.poll_sources()
    case.refresh_from_db()
    assert case.state == "resolved"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"poll_from": "yesterday"}, "poll_from is 'yesterday': write an instant such as 2026-12-31T00:00:00Z"),
        ({"poll_from": 20260101}, "poll_from is '20260101'"),
        ({"poll_overlap_s": "two minutes"}, "poll_overlap_s is 'two minutes'"),
        ({"poll_overlap_s": -1}, "poll_overlap_s is '-1'"),
        ({"poll_overlap_s": 120}, "poll_overlap_s is '120': write a number of seconds, 900 to 604800, such as 1800"),
        ({"poll_overlap_s": True}, "poll_overlap_s is 'True'"),
        ({"poll_overlap_s": 10**400}, "poll_overlap_s is '1000"),
    ],
)
def test_options_are_refused_by_name(org: Org, options: dict[str, Any], told: str) -> None:
    org.connection.options = options
    with pytest.raises(ValidationError) as refused:
        org.connection.full_clean()
    (text,) = refused.value.message_dict["options"]
    assert text.startswith(told)


def test_the_cursor_stays_where_a_read_failed(org: Org) -> None:
    org.close("SO-1")
    org.poll()
    before = PollCursor.objects.get()
    org.control.fault("unavailable")
    org.close("SO-2")
    assert org.poll(300) == 0
    cursor = PollCursor.objects.get()
    assert (cursor.reached, cursor.text != "") == (before.reached, True)
    org.control.calm()
    assert org.poll(320) == 1
    assert PollCursor.objects.get().text == ""


def test_a_platform_that_stays_silent_trips_its_breaker(org: Org) -> None:
    with clock.at(JAN):
        Connection.objects.update(base_url="http://127.0.0.1:9")
        for _ in range(5):
            assert poll.poll_sources().get("crm") == 0
        assert Breaker.objects.get(connection="crm").is_open
        assert "crm" not in poll.poll_sources()


def test_refused_credentials_are_somebodys_case(org: Org) -> None:
    connection = Connection.objects.get()
    good = connection.credentials
    connection.credentials = good | {"consumer_secret": "wrong"}
    connection.save()
    org.poll()
    org.poll(20)
    case = Case.objects.get()
    assert (case.reason, case.source, case.state, case.attempts) == ("credentials_refused", "crm", "open", 1)
    connection.credentials = good
    connection.save()
    org.poll(40)
    case.refresh_from_db()
    assert case.state == "resolved"


def test_history_before_the_connection_is_left_alone(org: Org) -> None:
    org.connection.options = {}
    org.connection.save()
    org.close("SO-OLD")
    assert org.poll(3 * 24 * 3600) == 0
    org.close("SO-NEW")
    assert org.poll(3 * 24 * 3600 + 60) == 1


def test_what_is_called_out_is_fetched_at_once_and_never_forgotten(org: Org) -> None:
    org.close("SO-1", "SO-2")
    first, second = org.id_of("SO-1"), org.id_of("SO-2")
    with clock.at(JAN):
        org.control.fault("unavailable")
        callouts.call_out(org.connection, [first, second, first], JAN_ID)
        assert callouts.fetch_called_out() == 0
        assert list(Callout.objects.values_list("tries", "done_at")) == [(1, None)] * 2
        org.control.calm()
    with clock.at(JAN + clock.seconds(3)):
        assert callouts.fetch_called_out() == 2
        assert callouts.fetch_called_out() == 0
    assert sorted(numbers()) == ["SO-1", "SO-2"]
    assert org.poll(10) == 0, "the poll reads them, too, and they are the same facts"


JAN_ID = "00000000-0000-0000-0000-000000000001"


def bill(tenant: Tenant) -> None:
    tenant.control.clock("2026-01-01T00:05:00Z")
    provisioned(tenant.client(), subscription())
    tenant.run("2026-01-31")


def test_invoices_are_fetched_and_become_facts_once(tenant: Tenant) -> None:
    connection = platforms.zuora()
    bill(tenant)
    with clock.at(JAN):
        assert poll.poll(connection) == 1
        assert poll.poll(connection) == 0
        cache.clear()
        assert poll.poll(connection) == 0
    event = Event.objects.get(type="InvoiceIssued")
    assert (event.source, msgspec.json.decode(event.payload)["order_number"]) == ("billing", "SO-1001")
    assert Step.objects.get(stage="record_invoice").state == "waiting"


def test_an_invoice_that_cannot_be_read_does_not_hold_up_the_others(tenant: Tenant) -> None:
    connection = platforms.zuora()
    tenant.control.clock("2026-01-01T00:05:00Z")
    provisioned(tenant.client(), subscription(), subscription(key="S-SO-2-DE", order_number="SO-2", account="B-EUR"))
    tenant.run("2026-01-31")
    tenant.control.fault("unavailable", operation="read_invoice", times=1)
    with clock.at(JAN):
        assert poll.poll(connection) == 1
        assert Callout.objects.get().done_at is None
        assert callouts.fetch_called_out() == 1
    assert Event.objects.filter(type="InvoiceIssued").count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_invoice_that_ties_to_no_order_keeps_its_one_case_until_it_does(tenant: Tenant) -> None:
    """Its subscription was not ours until a person in billing said whose it is; no change of the invoice tells that."""
    connection = platforms.zuora()
    bill(tenant)
    (made,) = tenant.control.records("subscription")
    custom = made["body"]["custom"]
    tenant.control.edit("subscription", made["id"], custom=custom | {"Q2C_Order__c": ""})
    with clock.at(JAN):
        assert poll.poll(connection) == 0
    case = Case.objects.get()
    assert (case.reason, case.state) == ("invoice_order_unknown", "open")
    ann = person("ann")
    with clock.at(JAN + clock.seconds(3600)):
        for _ in range(2):
            desk.read_again(ann, case.id)
            assert callouts.fetch_called_out() == 1
        assert Case.objects.get().state == "open", "the same case, whoever works on it"
        tenant.control.edit("subscription", made["id"], custom=custom)
        desk.read_again(ann, case.id)
        assert callouts.fetch_called_out() == 1
    case.refresh_from_db()
    assert (case.state, Event.objects.filter(type="InvoiceIssued").count()) == ("resolved", 1)
