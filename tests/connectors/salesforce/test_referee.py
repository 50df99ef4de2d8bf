"""simple-salesforce, which is not ours, finds in the sandbox the org it expects.

It speaks https to *.salesforce.com only, so an adapter carries its requests to the sandbox; the host stays in a header.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from simple_salesforce import Salesforce, SalesforceExpiredSession, exceptions

from tests.connectors.control import sandbox_url
from tests.connectors.salesforce import orgs
from tests.connectors.salesforce.orgs import deal, line

pytestmark = pytest.mark.referee


class Carried(requests.adapters.HTTPAdapter):
    """Sends what is meant for https://<org>.salesforce.com/… to the sandbox."""

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        wanted, base = urlsplit(request.url), urlsplit(sandbox_url("salesforce"))
        request.headers["Host"] = wanted.netloc
        request.url = urlunsplit((base.scheme, base.netloc, base.path + wanted.path, wanted.query, ""))
        return super().send(request, **more)


def session() -> requests.Session:
    found = requests.Session()
    found.trust_env = False
    found.mount("https://", Carried())
    return found


def by_jwt() -> Salesforce:
    app = orgs.jwt_app()
    return Salesforce(
        username=app["username"], consumer_key=app["consumer_key"], privatekey=orgs.keypair()[0], domain="login",
        version="61.0", session=session(),
    )  # fmt: skip


def by_secret(secret: str = "a secret") -> Salesforce:
    return Salesforce(
        consumer_key="key-secret", consumer_secret=secret, domain="acme.my", version="61.0", session=session()
    )


@pytest.fixture(params=["jwt", "secret"])
def client(org: Any, request: pytest.FixtureRequest) -> Salesforce:
    return by_jwt() if request.param == "jwt" else by_secret()


@pytest.fixture
def one(org: Any) -> Salesforce:
    return by_secret()


def test_login_limits_and_the_org_it_is_told(client):
    assert client.sf_instance == "acme.my.salesforce.com"
    limits = client.limits()
    assert limits["DailyApiRequests"]["Max"] == 15_000
    assert client.api_usage["api-usage"].total == 15_000


def test_a_wrong_secret(org):
    with pytest.raises(exceptions.SalesforceAuthenticationFailed) as error:
        by_secret("wrong")
    assert error.value.code == "invalid_client"


def test_query_all_follows_every_page(org, one):
    org.seed(page_size=3, opportunities=[deal(f"SO-{i:02}", line()) for i in range(10)])
    soql = """SELECT Id, Name, Amount, Account.Name, Account.Parent.Name,
        (SELECT Quantity, ProductCode FROM OpportunityLineItems) FROM Opportunity WHERE IsWon = true ORDER BY Name"""
    found = one.query_all(soql)
    assert (found["totalSize"], found["done"]) == (10, True)
    assert [each["Name"] for each in found["records"]] == [f"Deal SO-{i:02}" for i in range(10)]
    first = found["records"][0]
    assert (first["Amount"], first["Account"]["Parent"]["Name"]) == (2000.0, "Acme Group")
    assert first["OpportunityLineItems"]["records"][0]["ProductCode"] == "SUB-ENT"
    assert [each["Name"] for each in one.query_all_iter(soql)] == [each["Name"] for each in found["records"]]


def test_counts_and_deleted_rows(org, one):
    org.seed(opportunities=[deal("SO-1"), deal("SO-2")])
    (first, _) = one.query("SELECT Id FROM Opportunity ORDER BY Name")["records"]
    assert one.Opportunity.delete(first["Id"]) == 204
    assert one.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 1
    assert one.query_all("SELECT Id FROM Opportunity", include_deleted=True)["totalSize"] == 2


def test_create_read_update(one):
    made = one.Account.create({"Name": "New Ltd", "AccountNumber": "C-900"})
    assert (made["success"], made["errors"], len(made["id"])) == (True, [], 18)
    assert one.Account.update(made["id"], {"Industry": "Energy"}) == 204
    read = one.Account.get(made["id"])
    assert (read["Name"], read["Industry"], read["ParentId"]) == ("New Ltd", "Energy", None)
    assert read["attributes"]["type"] == "Account"
    assert one.Account.get_by_custom_id("AccountNumber", "C-900")["Id"] == made["id"]


def test_upsert(one):
    first = one.Opportunity.upsert(
        "Order_Number__c/SO-7", {"Name": "A", "StageName": "Prospecting", "CloseDate": "2026-01-31"}
    )
    second = one.Opportunity.upsert("Order_Number__c/SO-7", {"StageName": "Closed Won"})
    assert (first, second) == (201, 200)
    (row,) = one.query("SELECT IsWon, Order_Number__c FROM Opportunity")["records"]
    assert (row["IsWon"], row["Order_Number__c"]) == (True, "SO-7")


def test_describe(one):
    described = one.OpportunityLineItem.describe()
    fields = {each["name"]: each for each in described["fields"]}
    assert (described["keyPrefix"], fields["Quantity"]["type"]) == ("00k", "double")
    assert (fields["TotalPrice"]["updateable"], fields["Bill_To__c"]["custom"]) == (False, True)


@pytest.mark.parametrize(
    ("act", "error", "code"),
    [
        (lambda sf: sf.query("SELECT Nope FROM Account"), exceptions.SalesforceMalformedRequest, "INVALID_FIELD"),
        (lambda sf: sf.query("SELECT"), exceptions.SalesforceMalformedRequest, "MALFORMED_QUERY"),
        (lambda sf: sf.Account.create({}), exceptions.SalesforceMalformedRequest, "REQUIRED_FIELD_MISSING"),
        (lambda sf: sf.Account.get("0015g0000000zzzAAA"), exceptions.SalesforceResourceNotFound, "NOT_FOUND"),
        (lambda sf: sf.Nope__c.describe(), exceptions.SalesforceResourceNotFound, "NOT_FOUND"),
    ],
)
def test_errors_are_what_it_takes_them_for(one, act, error, code):
    with pytest.raises(error) as raised:
        act(one)
    assert raised.value.content[0]["errorCode"] == code


def test_two_records_under_one_external_id(org, one):
    for name in ("A", "B"):
        one.Account.create({"Name": name, "AccountNumber": "C-TWICE"})
    with pytest.raises(exceptions.SalesforceMoreThanOneRecord):
        one.Account.get_by_custom_id("AccountNumber", "C-TWICE")


def test_an_expired_session_is_one_it_understands(org, one):
    org.do("expire-tokens")
    # It renews by itself when it may log in again, and repeats the call.
    assert one.limits()["DailyApiRequests"]["Max"] == 15_000
    org.fault("token_expired")
    with pytest.raises(SalesforceExpiredSession):
        one.query("SELECT Id FROM Account")


def test_updated_and_deleted(org, one):
    import datetime as dt

    org.clock("2026-03-01T09:00:00Z")
    made = [one.Account.create({"Name": name})["id"] for name in ("A", "B")]
    one.Account.delete(made[1])
    window = (dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC), dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC))
    assert one.Account.updated(*window)["ids"] == [made[0]]
    assert [each["id"] for each in one.Account.deleted(*window)["deletedRecords"]] == [made[1]]


def test_composite(org, one):
    org.seed(opportunities=[deal("SO-1")])
    (row,) = one.query("SELECT Id FROM Opportunity")["records"]
    calls = [
        {"method": "PATCH", "url": f"/services/data/v61.0/sobjects/Opportunity/{row['Id']}", "referenceId": "opp",
         "body": {"Billing_Status__c": "Ordered"}},
        {"method": "POST", "url": "/services/data/v61.0/sobjects/Account", "referenceId": "acc", "body": {"Name": "X"}},
        {"method": "GET", "url": "/services/data/v61.0/sobjects/Account/@{acc.id}", "referenceId": "read"},
    ]  # fmt: skip
    done = one.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": calls})
    assert [each["httpStatusCode"] for each in done["compositeResponse"]] == [204, 201, 200]
    calls[1]["body"] = {}
    calls[0]["body"] = {"Billing_Status__c": "Undone"}
    failed = one.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": calls})
    codes = [each["body"][0]["errorCode"] for each in failed["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert one.Opportunity.get(row["Id"])["Billing_Status__c"] == "Ordered"
