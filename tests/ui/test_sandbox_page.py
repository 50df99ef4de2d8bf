"""Sandbox switches: break a platform, change its records as its own user would, and see it in the platform."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.urls import get_resolver, reverse

from q2c.models import Connection
from q2c.ui import sandbox_forms
from q2c.ui.sandbox_words import ACTS, ENDED, RUNS, TOGGLES, kind_words, spaced
from tests.connectors.avatax import account
from tests.connectors.control import Control
from tests.connectors.credit import limits
from tests.connectors.netsuite import books
from tests.ui.people import page, person

pytestmark = pytest.mark.django_db
USE, SWITCH = "q2c.use_sandbox", "q2c.change_connection"


@pytest.fixture
def engineer(client):
    user = person("pia", USE, SWITCH)
    client.force_login(user)
    return user


@pytest.fixture
def credit():
    control = Control("credit")
    control.reset()
    control.seed(**limits.SEED)
    yield control
    control.reset()


@pytest.fixture
def netsuite():
    control = Control("netsuite")
    control.reset()
    control.seed(**books.group())
    yield control
    control.reset()


def said(client: Any, address: str, **form: Any) -> str:
    """The messages after a form was sent and the page it leads to was read."""
    answer = client.post(address, form, follow=True)
    assert answer.status_code == 200, answer.status_code
    return unescape(" ".join(re.sub(r"<[^>]+>", "", str(message)) for message in answer.context["messages"]))


# The overview


def test_every_sandbox_with_what_is_wrong_and_who_reaches_it(client, engineer, credit, netsuite):
    Connection.objects.create(
        name="credit-desk", title="Credit", vendor="credit", service="credit", base_url="sandbox://credit"
    )
    credit.fault("unavailable", times=2)
    text = page(client, "/sandbox")
    for title in ("Salesforce", "Zuora", "Oracle NetSuite", "Avalara AvaTax", "Credit service"):
        assert title in text
    assert "Unavailable" in text and "credit-desk" in text


def test_a_fault_that_is_used_up_is_no_longer_shown(client, engineer, credit):
    credit.fault("unavailable", operation="check", times=1)
    assert "Something is switched wrong" in page(client, "/sandbox/credit")
    assert limits.connect().check_credit(limits.asked(1)).reason == "platform_unavailable"
    assert "Something is switched wrong" not in page(client, "/sandbox/credit")


# Switches


def test_switch_on_and_off(client, engineer, credit):
    text = said(client, "/sandbox/credit/switch", name="latency", operation="check", value="1500", times="3")
    assert "Credit service answers late on check, the next 3 times." in text
    assert [(f["name"], f["operation"], f["value"], f["times"]) for f in credit.faults()] == [
        ("latency", "check", 1500, 3)
    ]
    assert "3 to come" in page(client, "/sandbox/credit")
    said(client, "/sandbox/credit/switch", name="too_many", value="7")
    # The fault, not the platform.
    off = said(client, "/sandbox/credit/switch", name="latency", off="latency")
    assert off == "Credit service: the fault “Answers late” is switched off."
    assert [f["name"] for f in credit.faults()] == ["too_many"]
    said(client, "/sandbox/credit/switch", off="*")
    assert credit.faults() == []


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"name": "latency", "value": "many"}, "The value is a number, not many."),
        ({"name": "latency", "value": "-1"}, "between 0 and 60,000"),
        ({"name": "latency", "value": "1e400"}, "between 0 and 60,000"),
        ({"name": "latency", "value": "NaN"}, "between 0 and 60,000"),
        ({"name": "unavailable", "times": "0"}, "whole number from 1 on"),
        ({"name": "unavailable", "times": "2.5"}, "whole number from 1 on"),
        ({"name": "explode"}, "explode is no fault switch"),
        # A check has no items, so none of them can fail alone.
        ({"name": "partial_failure"}, "partial_failure is no fault switch here; there are latency"),
        ({}, "is no fault switch"),
    ],
)
def test_what_is_no_switch_is_said_and_nothing_is_switched(client, engineer, credit, form, why):
    assert why in said(client, "/sandbox/credit/switch", **form)
    assert credit.faults() == []


def test_only_switches_that_strike_something_there_are_offered(client, engineer):
    offered = {
        vendor: "Partial failure" in page(client, f"/sandbox/{vendor}") for vendor in ("zuora", "avatax", "credit")
    }
    assert offered == {"zuora": True, "avatax": True, "credit": False}


def test_the_clock(client, engineer, credit):
    assert "It is Mar 1, 9:00\u202fAM there." in said(client, "/sandbox/credit/clock", now="2026-03-01T09:00", move="1")
    assert credit.state()["now"].startswith("2026-03-01T09:0")
    assert "no time" in said(client, "/sandbox/credit/clock", now="yesterday", move="1")
    assert "own time again" in said(client, "/sandbox/credit/clock", now="2026-03-01T09:00", real="1")
    assert not credit.state()["now"].startswith("2026-03-01")


# Records


def test_a_period_is_closed_and_opened_again(client, engineer, netsuite):
    address = "/sandbox/netsuite/records/accountingPeriod"
    text = page(client, f"{address}?find=Mar+2026")
    assert "Mar 2026" in text and "Close: Mar 2026" in text and "Feb 2026" not in text
    key = re.search(r'name="key" value="([^"]+)"', text)[1]
    told = said(client, f"{address}/change", key=key, set="closed=yes")
    assert "Mar 2026: closed in Oracle NetSuite." in told and "becomes a case" in told
    (period,) = [r for r in netsuite.records("accountingPeriod") if r["body"]["periodName"] == "Mar 2026"]
    assert period["body"]["closed"] is True
    assert "Open again: Mar 2026" in page(client, f"{address}?find=Mar+2026")
    assert "opened again" in (told := said(client, f"{address}/change", key=key, set="closed=no"))
    assert "nothing is replayed by itself" in told
    (period,) = [r for r in netsuite.records("accountingPeriod") if r["body"]["periodName"] == "Mar 2026"]
    assert period["body"]["closed"] is False


def test_a_department_is_deactivated(client, engineer, netsuite):
    text = page(client, "/sandbox/netsuite/records/department?find=CC-100")
    key = re.search(r'name="key" value="([^"]+)"', text)[1]
    assert "deactivated" in said(client, "/sandbox/netsuite/records/department/change", key=key, set="isInactive=yes")
    (department,) = [r for r in netsuite.records("department") if r["id"] == key]
    assert department["body"]["isInactive"] is True


def test_a_credit_limit_is_raised_and_counts(client, engineer, credit):
    address = "/sandbox/credit/records/customer"
    assert limits.connect().check_credit(limits.asked(200_000)).decision == "decline"
    form = {"field.soft_limit": "9000.00", "field.hard_limit": "9000.00", "field.exposure": "400.00"}
    told = said(client, f"{address}/change", key="C-1", save="1", **form)
    assert "Globex: soft limit is 9000.00 now, hard limit is 9000.00 now" in told
    assert limits.connect().check_credit(limits.asked(200_000)).decision == "approve"
    assert "so already" in said(client, f"{address}/change", key="C-1", save="1", **form)
    assert "put on hold" in said(client, f"{address}/change", key="C-1", set="on_hold=yes")
    assert limits.connect().check_credit(limits.asked(1)).code == "on_hold"


def test_a_registration_is_a_list(client, engineer):
    avatax = Control("avatax")
    avatax.reset()
    avatax.seed(**account.SEED)
    address = "/sandbox/avatax/records/company/change"
    said(client, address, key="US01", save="1", **{"field.code": "US01", "field.nexus": "US-PA, US-CA ,"})
    (company,) = [r for r in avatax.records("company") if r["id"] == "US01"]
    assert company["body"]["nexus"] == ["US-PA", "US-CA"]
    avatax.reset()


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"key": "C-99", "set": "on_hold=yes"}, "no customer C-99"),
        ({"key": "C-1", "set": "soft_limit=yes"}, "cannot be switched"),
        ({"key": "C-1", "set": "id=yes"}, "cannot be switched"),
        ({"key": "C-1", "save": "1", "field.id": "C-2"}, "so already"),
    ],
)
def test_only_what_may_be_edited_is(client, engineer, credit, form, why):
    before = credit.records("customer")
    assert why in said(client, "/sandbox/credit/records/customer/change", **form)
    assert credit.records("customer") == before


def test_a_form_without_a_record_or_without_values_breaks_nothing(client, engineer, netsuite):
    """As a script sends it: no key; or every field of the record emptied."""
    for kind, words in netsuite.state()["editable"].items():
        address = f"/sandbox/netsuite/records/{kind}"
        emptied = {f"field.{field}": "" for field in words["fields"]}
        assert "names no record" in said(client, f"{address}/change", **emptied)
        for record in netsuite.records(kind)[:1]:
            assert said(client, f"{address}/change", key=record["id"], save="1", **emptied)
        page(client, address)


def test_records_page_by_page_and_by_what_they_hold(client, engineer, credit):
    many = [{"id": f"N-{i:03}", "currency": "USD", "soft_limit": "1", "hard_limit": "1"} for i in range(60)]
    credit.seed(customers=many)
    address = "/sandbox/credit/records/customer"
    text = page(client, address)
    assert "1 to 25 of 64" in text and "skip=25" in text
    text = page(client, f"{address}?skip=50")
    assert "51 to 64 of 64" in text and "skip=25" in text
    assert "1 to 1 of 1" in page(client, f"{address}?find=N-042")
    # What would be a pattern is a text.
    assert "Clear" in page(client, f"{address}?find=%25_") or "Show all" in page(client, f"{address}?find=%25_")
    assert page(client, f"{address}?skip=abc")


def test_after_a_change_the_search_is_kept_and_no_other_page_is_led_to(client, engineer, credit):
    address = "/sandbox/credit/records/customer"
    form = {"key": "C-1", "set": "on_hold=yes"}
    kept = client.post(f"{address}/change", {**form, "back": f"{address}?find=Glob"})
    assert kept["Location"] == f"{address}?find=Glob"
    elsewhere = client.post(f"{address}/change", {**form, "back": "https://evil.example/"})
    assert elsewhere["Location"] == address


def test_without_records_the_page_says_so(client, engineer):
    Control("credit").reset()
    assert "None in this sandbox yet" in page(client, "/sandbox/credit/records/customer")


# Who, and whether


def test_only_with_the_right(client):
    client.force_login(person("otto", "q2c.view_step"))
    for address in ("/sandbox", "/sandbox/credit", "/sandbox/credit/records/customer"):
        assert USE in page(client, address, status=403)
    for address in ("/sandbox/credit/switch", "/sandbox/credit/clock", "/sandbox/credit/records/customer/change"):
        assert client.post(address).status_code == 403


def test_every_address_carries_its_right():
    names = [name for name in get_resolver().reverse_dict if str(name).startswith("sandbox")]
    assert len(names) == 9
    # Whoever sees our journals may see what the ERP holds of them.
    rights = {"sandbox-fault": SWITCH, "sandbox-clock": SWITCH, "sandbox-document": "ledger.view_journalentry"}
    for name in names:
        second = any(word in name for word in ("record", "change", "act", "document"))
        arguments = {"sandbox": []}.get(name, ["credit", "customer"][: 1 + second])
        match = get_resolver().resolve(reverse(name, args=arguments))
        assert match.func.right == rights.get(name, USE)


def test_whoever_uses_the_platform_may_change_its_records_and_break_nothing(client, credit):
    client.force_login(person("carla", USE))
    text = page(client, "/sandbox/credit")
    assert "Switch on" not in text and "Its records you may change" in text
    form = {"key": "C-1001", "set": "on_hold=yes", "back": ""}
    assert client.post("/sandbox/credit/records/customer/change", form).status_code == 302
    for address in ("/sandbox/credit/switch", "/sandbox/credit/clock"):
        assert client.post(address, {"name": "latency", "value": "1"}).status_code == 403
    assert credit.faults() == []


@pytest.mark.parametrize("address", ["/sandbox/oracle", "/sandbox/credit/records/check", "/sandbox/credit/records/no"])
def test_what_there_is_not(client, engineer, address):
    page(client, address, status=404)


def test_without_sandboxes_there_is_nothing(client, engineer, settings):
    settings.SANDBOX_URL = ""
    page(client, "/sandbox", status=404)
    assert client.post("/sandbox/credit/switch", {"name": "unavailable"}).status_code == 404


def test_silent_sandboxes_are_said_to_be(client, engineer, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    assert "do not answer" in page(client, "/sandbox", status=503)
    assert "do not answer" in page(client, "/sandbox/credit", status=503)


def test_looking_changes_nothing_and_doing_needs_a_post(client, engineer, credit):
    assert client.get("/sandbox/credit/switch").status_code == 405
    assert client.post("/sandbox/credit").status_code == 405


# Words


def test_every_field_that_may_be_edited_has_words():
    for vendor in ("salesforce", "zuora", "netsuite", "avatax", "credit"):
        for kind, fields in Control(vendor).state()["editable"].items():
            assert kind_words(vendor, kind).shown, f"{vendor} {kind} has no words"
            assert fields["fields"]


def test_whatever_is_done_to_a_record_has_words_and_is_shown_as_what_it_is():
    acts = Control("zuora").state()["acts"]
    assert set(acts) == set(sandbox_forms.FACTS) == set(ENDED)
    assert {verb for verbs in acts.values() for verb in verbs} == set(ACTS)
    assert all(kind_words("zuora", kind).shown for kind in acts)
    assert set(Control("zuora").state()["runs"]) == set(RUNS)


def test_what_is_done_to_a_record_and_has_no_words_yet_is_called_as_its_verb():
    record = {"id": "1", "number": "C-1", "body": {"name": "Acme"}}
    row = sandbox_forms.acting(record, "customer", ["close-account"], kind_words("credit", "customer"))
    assert (row["name"], row["beside"], row["facts"]) == ("C-1", "Acme", [])
    assert [(one["verb"], one["act"].button, one["day"]) for one in row["acts"]] == [
        ("close-account", "Close account", "")
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("isInactive", "Is inactive"), ("Contract_Entity__c", "Contract entity"), ("soft_limit", "Soft limit")],
)
def test_words_of_names(name, words):
    assert spaced(name) == words


@pytest.mark.parametrize("toggle", TOGGLES.values(), ids=list(TOGGLES))
def test_a_toggle_leads_both_ways(toggle):
    assert len({toggle.yes, toggle.no}) == len({toggle.to_yes, toggle.to_no}) == 2


@pytest.mark.parametrize("value", [True, "T", "true", "yes", "1"])
def test_yes_as_platforms_write_it(value):
    assert sandbox_forms.truth(value)


@pytest.mark.parametrize("value", [False, None, "F", "false", "", "0", 0])
def test_no_as_platforms_write_it(value):
    assert not sandbox_forms.truth(value)
