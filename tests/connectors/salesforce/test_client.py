"""The connector against the sandbox org over real HTTP: sessions, deals page by page, write-back, refusals."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from q2c.connectors.outcomes import NotFound, Posted, ReadFailed, Rejected, Unavailable, Unknown
from q2c.connectors.ports import BadDeal, Deal, DealNotice
from q2c.connectors.salesforce.client import Salesforce
from q2c.reasons import Reason
from tests.connectors.salesforce import orgs
from tests.connectors.salesforce.orgs import deal, line

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def changed(salesforce: Salesforce, since: dt.datetime = LONG_AGO) -> list[Deal | BadDeal]:
    return list(salesforce.deals([notice.source_id for notice in salesforce.changed_deals(since)]))


def numbers(found: list[Any]) -> list[str]:
    return [each.document.order_number for each in found]


# Sessions


@pytest.mark.parametrize("jwt", [True, False], ids=["jwt-bearer", "client-credentials"])
def test_both_ways_in(connect, jwt):
    client = connect(jwt=jwt)
    assert client.probe() is None
    used, allowed = client.api_usage
    assert (used >= 1, allowed) == (True, 15_000)


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"consumer_key": "key-secret", "consumer_secret": "wrong"}, "invalid_client"),
        ({"consumer_key": "nobody", "consumer_secret": "a secret"}, "invalid_client_id"),
        ({"consumer_key": "key-jwt", "username": "other@acme.example"}, "invalid_grant"),
        ({}, "invalid_client_id"),
    ],
)
def test_refused_credentials_are_told_apart(org, credentials, code):
    given = {**credentials, "private_key": orgs.keypair()[0]} if "username" in credentials else credentials
    config = orgs.config()
    client = Salesforce(type(config)(name="crm", vendor="salesforce", base_url=config.base_url, credentials=given))
    refusal = client.probe()
    assert isinstance(refusal, Rejected)
    assert (refusal.reason, refusal.code) == (Reason.CREDENTIALS_REFUSED, code)


def test_a_key_that_is_not_the_apps_is_refused(org):
    org.seed(apps=[{**orgs.jwt_app(), "public_key": _other_public_key()}])
    refusal = orgs.connect(jwt=True).probe()
    assert isinstance(refusal, Rejected)
    assert refusal.reason == Reason.CREDENTIALS_REFUSED


def test_the_certificate_that_an_org_is_given_will_do_for_its_sandbox(org):
    org.seed(apps=[{**orgs.jwt_app(), "public_key": _certificate(orgs.keypair()[0])}])
    assert orgs.connect(jwt=True).probe() is None


def _certificate(private: str) -> str:
    key: Any = serialization.load_pem_private_key(private.encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "q2c")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, LONG_AGO, LONG_AGO + dt.timedelta(days=730))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _other_public_key() -> str:
    return orgs.keypair.__wrapped__()[1]


def test_a_session_that_ran_out_is_renewed_once_and_the_call_repeated(org, salesforce):
    assert salesforce.probe() is None
    org.do("expire-tokens")
    assert salesforce.probe() is None
    assert len(org.records("token")) == 1


def test_a_session_that_is_refused_again_is_a_matter_of_credentials(org, salesforce):
    org.fault("token_expired")
    refusal = salesforce.probe()
    assert isinstance(refusal, Rejected)
    assert refusal.reason == Reason.CREDENTIALS_REFUSED


def test_a_token_is_used_for_many_calls(org, salesforce):
    for _ in range(3):
        assert salesforce.probe() is None
    assert len(org.records("token")) == 1


def test_the_instance_is_another_host_of_the_vendor_or_our_own_and_no_third(salesforce):
    session = salesforce.session
    assert session._trusted("https://acme.my.salesforce.com/") == "https://acme.my.salesforce.com"
    for elsewhere in ("https://salesforce.com.evil.example", "http://acme.my.salesforce.com", "ftp://x", ""):
        assert session._trusted(elsewhere) == salesforce.config.base_url


def test_calls_go_to_the_instance_that_the_login_names(org):
    """The login host differs from the instance: both are asked, and no NotSent comes of it."""
    base = orgs.config().base_url
    client = orgs.connect(base_url=base.replace("127.0.0.1", "localhost"), login_url=base)
    assert client.probe() is None


# Deals


def test_a_deal_with_its_lines_account_and_parents(org, salesforce):
    org.seed(opportunities=[deal("SO-1", line(), line(Invoice_Group__c="DE", Region__c="EU", Bill_To="C-101",
                                 Group_Currency__c="EUR", Ship_To_Country__c="DE"))])  # fmt: skip
    (found,) = changed(salesforce)
    assert isinstance(found, Deal), found
    document = found.document
    assert [(x.product, x.quantity, x.amount_minor) for x in document.lines] == [("SUB-ENT", "10", 2_400_000)] * 2
    assert [(g.key, g.bill_to, g.currency) for g in document.groups] == [("US", "C-100", "USD"), ("DE", "C-101", "EUR")]
    assert {p.key: p.parent for p in document.parties} == {"C-100": "C-1", "C-1": None, "C-101": "C-1"}
    assert salesforce.deal(found.source_id) == found
    assert salesforce.deal(found.source_id[:15]) == found


def test_only_won_deals_in_order_of_change(org, salesforce):
    org.clock("2026-03-01T10:00:00+00:00")
    org.seed(opportunities=[deal("SO-2"), deal("SO-3", StageName="Negotiation")])
    org.clock("2026-03-01T09:00:00+00:00")
    org.seed(opportunities=[deal("SO-1")])
    assert numbers(changed(salesforce)) == ["SO-1", "SO-2"]
    half_past = dt.datetime(2026, 3, 1, 11, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert numbers(changed(salesforce, half_past)) == ["SO-2"]
    open_deal = next(r for r in org.records("Opportunity") if r["body"]["Order_Number__c"] == "SO-3")
    told = salesforce.deal(open_deal["id"])
    assert isinstance(told, DealNotice)
    assert (told.won, told.order_number, told.stage) == (False, "SO-3", "Negotiation")
    org.clock("2026-03-01T12:00:00+00:00")
    org.do("close-won", order_number="SO-3")
    assert numbers(changed(salesforce)) == ["SO-1", "SO-2", "SO-3"]


def test_a_change_made_in_the_org_makes_the_deal_appear_again_with_another_version(org, salesforce):
    org.clock("2026-03-01T09:00:00+00:00")
    org.seed(opportunities=[deal("SO-1")])
    (before,) = changed(salesforce)
    org.clock("2026-03-02T09:00:00+00:00")
    org.edit("Opportunity", before.source_id, Contract_Entity__c="DE01")
    (after,) = changed(salesforce, dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    assert (after.document.contract_entity, after.version != before.version) == ("DE01", True)


def test_unknown_ids_are_no_deal(salesforce):
    for source_id in ("0065g0000000zzzAAA", "nonsense", "", "006' OR Id != '"):
        assert salesforce.deal(source_id) is None


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 6])
def test_every_page_size_gives_every_deal_once(org, connect, page_size):
    org.seed(page_size=page_size, opportunities=[deal(f"SO-{i}", line(), line(), line()) for i in range(5)])
    found = changed(connect(batch_size=200))
    assert numbers(found) == [f"SO-{i}" for i in range(5)]
    assert [len(each.document.lines) for each in found] == [3] * 5


def test_lines_beyond_one_page(org, connect):
    org.seed(page_size=200, opportunities=[deal("SO-1", *[line(Description=f"seat {i}") for i in range(450)])])
    (found,) = changed(connect(batch_size=200))
    assert [each.description for each in found.document.lines] == [f"seat {i}" for i in range(450)]


def test_a_tree_deeper_than_soql_reaches_is_read_to_its_top(org, salesforce):
    chain = [{"AccountNumber": f"T-{i}", "Name": f"Level {i}", "BillingCountry": "US"} for i in range(9)]
    for i in range(8):
        chain[i]["Parent"] = f"T-{i + 1}"
    org.seed(accounts=chain, opportunities=[deal("SO-1", Account="T-0")])
    (found,) = changed(salesforce)
    assert [p.key for p in found.document.parties] == [f"T-{i}" for i in range(9)]


def test_a_loop_of_parents_ends(org, salesforce):
    org.seed(accounts=[{"AccountNumber": "C-1", "Parent": "C-100"}], opportunities=[deal("SO-1")])
    (found,) = changed(salesforce)
    assert {p.key: p.parent for p in found.document.parties} == {"C-100": "C-1", "C-1": "C-100"}


def test_a_bad_deal_does_not_hide_the_others(org, salesforce):
    org.seed(opportunities=[deal("SO-1"), deal("SO-2", line(Line_Kind__c="Lease")), deal("SO-3")])
    found = changed(salesforce)
    assert [type(each) for each in found] == [Deal, BadDeal, Deal]
    assert found[1].field == "Line_Kind__c"


def test_many_accounts_are_asked_for_in_several_queries(org, connect, monkeypatch):
    monkeypatch.setattr("q2c.connectors.salesforce.client.SOQL_MAX", 700)
    accounts = [{"AccountNumber": f"M-{i}", "Name": "M", "BillingCountry": "US"} for i in range(40)]
    deals = [deal(f"SO-{i:02}", Account=f"M-{i}") for i in range(40)]
    org.seed(accounts=accounts, opportunities=deals)
    assert [each.document.customer for each in changed(connect())] == [f"M-{i}" for i in range(40)]


def test_an_org_without_a_field_is_told_by_its_name(org, connect):
    client = connect(fields={"opportunity": {"order_number": "Legacy_No__c"}})
    org.seed(opportunities=[deal("SO-0")])
    with pytest.raises(ReadFailed) as error:
        changed(client)
    outcome = error.value.outcome
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.field) == ("INVALID_FIELD", "Legacy_No__c")
    org.seed(custom_fields={"Opportunity": ["Legacy_No__c"]}, opportunities=[deal("SO-1", Legacy_No__c="L-7")])
    assert "L-7" in [each.document.order_number for each in changed(client) if isinstance(each, Deal)]


# Write-back


def written(org: Any) -> tuple[str, str]:
    (record,) = org.records("Opportunity")
    return record["body"].get("Billing_Order_Number__c"), record["body"].get("Billing_Status__c")


@pytest.fixture
def won(org: Any, salesforce: Salesforce) -> str:
    org.seed(opportunities=[deal("SO-1")])
    (found,) = changed(salesforce)
    return found.source_id


def test_write_back_sets_the_configured_fields_and_nothing_else(org, salesforce, won):
    (before,) = changed(salesforce)
    fields = {"order_number": "O-00000007", "status": "Active"}
    for _ in range(2):
        outcome = salesforce.write_back(won, fields)
        assert isinstance(outcome, Posted)
        assert (outcome.reference, outcome.found) == (won, False)
    assert written(org) == ("O-00000007", "Active")
    (after,) = changed(salesforce)
    assert after.version == before.version


def test_write_back_to_other_field_names(org, connect, won):
    client = connect(write_back={"status": "NextStep"})
    assert isinstance(client.write_back(won, {"status": "Billed"}), Posted)
    (record,) = org.records("Opportunity")
    assert record["body"]["NextStep"] == "Billed"


@pytest.mark.parametrize(
    ("source_id", "fields", "reason", "code", "field"),
    [
        ("0065g0000000zzzAAA", {"status": "x"}, Reason.RECORD_MISSING, "NOT_FOUND", ""),
        ("../../limits", {"status": "x"}, Reason.RECORD_MISSING, "", "Id"),
        (None, {"Nope__c": "x"}, Reason.REQUEST_REFUSED, "INVALID_FIELD", "Nope__c"),
        (None, {"IsWon": "x"}, Reason.REQUEST_REFUSED, "INVALID_FIELD_FOR_INSERT_UPDATE", "IsWon"),
        (None, {"Name": ""}, Reason.REQUEST_REFUSED, "REQUIRED_FIELD_MISSING", "Name"),
        (None, {"CloseDate": "soon"}, Reason.REQUEST_REFUSED, "JSON_PARSER_ERROR", ""),
    ],
)
def test_write_back_refusals(salesforce, won, source_id, fields, reason, code, field):
    outcome = salesforce.write_back(source_id or won, fields)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.code, outcome.field) == (reason, code, field)


def test_what_was_written_is_found_by_reading(org, salesforce, won):
    fields = {"order_number": "O-00000007", "status": "Active"}
    assert isinstance(salesforce.find_write_back(won, fields), NotFound)
    org.fault("drop_after", "update", times=1)
    assert isinstance(salesforce.write_back(won, fields), Unknown)
    found = salesforce.find_write_back(won, fields)
    assert isinstance(found, Posted) and found.found and found.reference == won
    assert found.proof["fields"] == {"Billing_Order_Number__c": "O-00000007", "Billing_Status__c": "Active"}
    assert isinstance(salesforce.find_write_back(won, {**fields, "status": "Cancelled"}), NotFound)


def test_a_look_up_that_finds_nobody_or_no_deal_says_so(org, salesforce, won):
    for key in ("../../limits", "0065g0000000zzzAAA"):
        missing = salesforce.find_write_back(key, {"status": "Active"})
        assert isinstance(missing, Rejected) and missing.reason == Reason.RECORD_MISSING
    org.fault("unavailable", "read")
    assert isinstance(salesforce.find_write_back(won, {"status": "Active"}), Unavailable)


# Faults of reads


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after_s"),
    [
        ("too_many", Reason.PLATFORM_BUSY, 60.0),
        ("unavailable", Reason.PLATFORM_UNAVAILABLE, None),
        ("drop_before", Reason.PLATFORM_UNAVAILABLE, None),
        ("drop_after", Reason.PLATFORM_UNAVAILABLE, None),
    ],
)
def test_a_read_that_fails_is_said_and_passes(org, salesforce, fault, reason, retry_after_s):
    org.seed(opportunities=[deal("SO-1")])
    assert salesforce.probe() is None
    org.fault(fault, "query", times=1)
    with pytest.raises(ReadFailed) as error:
        changed(salesforce)
    outcome = error.value.outcome
    assert isinstance(outcome, Unavailable)
    assert (outcome.reason, outcome.retry_after_s) == (reason, retry_after_s)
    assert numbers(changed(salesforce)) == ["SO-1"]


def test_a_failure_in_the_middle_leaves_what_was_read(org, connect):
    org.seed(page_size=2, opportunities=[deal(f"SO-{i}") for i in range(5)])
    client = connect(batch_size=200)
    org.fault("unavailable", "query_more", times=1)
    found = []
    with pytest.raises(ReadFailed):
        for each in client.changed_deals(LONG_AGO):
            found.append(each)
    assert numbers(list(client.deals([notice.source_id for notice in found]))) == ["SO-0", "SO-1"]


@pytest.mark.parametrize("fault", ["too_many", "unavailable", "drop_before"])
def test_no_token_for_a_while(org, connect, fault):
    org.fault(fault, "token", times=1)
    client = connect()
    refusal = client.probe()
    assert isinstance(refusal, Unavailable), refusal
    assert client.probe() is None


def test_latency_beyond_the_time_limit(org, connect):
    client = connect(time_limit_s=0.5)
    assert client.probe() is None
    org.fault("latency", "limits", times=1, value=1500)
    assert isinstance(client.probe(), Unavailable)
    assert client.probe() is None


def test_business_failures(org, salesforce, won):
    org.fault("business_failure", times=2)
    refusal = salesforce.write_back(won, {"status": "Active"})
    assert isinstance(refusal, Rejected)
    assert (refusal.reason, refusal.code) == (Reason.REQUEST_REFUSED, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    refusal = salesforce.probe()
    assert isinstance(refusal, Rejected)
    assert refusal.code == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_a_new_deal_is_found_after_the_search_lag(org, salesforce):
    org.fault("search_lag", "create", value=1.5)
    key = _create(salesforce, "Opportunity", {
        "Name": "Late", "StageName": "Closed Won", "CloseDate": "2026-01-15", "Order_Number__c": "SO-9"})  # fmt: skip
    assert changed(salesforce) == []
    # By its id it is there at once, and so it can be written to.
    assert isinstance(salesforce.write_back(key, {"status": "Seen"}), Posted)
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10)
    while not (found := changed(salesforce)) and dt.datetime.now(dt.UTC) < deadline:
        pass
    assert [each.source_id for each in found] == [key]


def _create(salesforce: Salesforce, name: str, body: dict[str, Any]) -> str:
    from q2c.connectors.http import json_body

    answer = salesforce.session.send("POST", f"{salesforce.root}/sobjects/{name}", body=json_body(body))
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


def test_limits_and_what_happens_when_they_are_used_up(org, salesforce):
    org.seed(daily_limit=100)
    limits = salesforce.limits()
    assert limits["DailyApiRequests"]["Max"] == 100
    assert 0 < limits["DailyApiRequests"]["Remaining"] < 100
    org.seed(daily_limit=1)
    refusal = salesforce.probe()
    assert isinstance(refusal, Unavailable)
    assert (refusal.reason, "TotalRequests Limit exceeded" in refusal.text) == (Reason.PLATFORM_BUSY, True)


def test_the_day_after_the_quota_is_whole_again(org, salesforce):
    org.seed(daily_limit=15)
    org.clock("2026-03-01T09:00:00+00:00")
    while salesforce.probe() is None:
        pass
    org.clock("2026-03-02T09:00:00+00:00")
    assert salesforce.probe() is None


def test_an_address_where_nothing_answers(org):
    client = orgs.connect(base_url="http://127.0.0.1:1")
    assert isinstance(client.probe(), Unavailable)
    with pytest.raises(ReadFailed):
        changed(client)
    assert isinstance(client.write_back("0065g00000AbCdEAAV", {"status": "x"}), Unavailable)
