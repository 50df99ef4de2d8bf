"""AvaTax over real HTTP: what is charged where, what is refused, and that silence is never zero tax."""

from __future__ import annotations

import pytest

from q2c.connectors.http import recording
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable
from q2c.contracts.documents import Address, TaxEstimate
from q2c.reasons import Reason
from tests.connectors.avatax import account
from tests.connectors.avatax.account import asked, connect


def test_tax_by_line_and_jurisdiction(avatax):
    found = connect().estimate(
        asked((1, "SOFTWARE", "SUB-ENT", 240_000), (2, "SERVICE", "SETUP", 50_000), (7, "SOFTWARE", "ADDON", 333))
    )
    assert found == TaxEstimate(
        # 6 % state and 2 % county; the service bears the county's alone; 3.33 → 0.20 + 0.07.
        tax_minor=14_400 + 4_800 + 1_000 + 20 + 7,
        by_line={1: 19_200, 2: 1_000, 7: 27},
        by_jurisdiction={"US-PA State: PENNSYLVANIA": 14_420, "US-PA County: PHILADELPHIA": 5_807},
    )


@pytest.mark.parametrize(
    ("company", "place", "currency", "net_minor", "tax_minor"),
    [
        ("DE01", account.MUNICH, "EUR", 100_001, 19_000),
        ("US01", account.TOKYO, "JPY", 1_000_005, 100_001),
        ("DE01", account.MUNICH, "KWD", 1_000_000, 190_000),
        ("US01", account.SALEM, "USD", 99_999, 0),
        ("US01", account.PHILADELPHIA, "USD", -240_000, -19_200),
        ("US01", account.PHILADELPHIA, "USD", 99_999_999_999_999, 7_999_999_999_999 + 1),
    ],
)
def test_amounts_are_exact_in_each_currency(avatax, company, place, currency, net_minor, tax_minor):
    line = (1, "SOFTWARE", "X", net_minor)
    found = connect().estimate(asked(line, company=company, ship_to=place, currency=currency))
    assert isinstance(found, TaxEstimate), found
    assert (found.tax_minor, found.by_line) == (tax_minor, {1: tax_minor})


def test_nothing_is_asked_for_no_lines(avatax):
    with recording() as attempts:
        found = connect().estimate(account.asked(lines=()))
    assert (found, attempts) == (TaxEstimate(tax_minor=0, by_line={}, by_jurisdiction={}), [])


def test_an_estimate_is_not_kept(avatax):
    client = connect()
    client.estimate(asked())
    assert avatax.records("transaction") == []


def test_entities_may_have_other_names_at_avatax(avatax):
    avatax.seed(companies=[{"code": "ACME-US"}])
    avatax.edit("company", "US01", active=False)
    found = connect(companies={"US01": "ACME-US"}, ship_from={"US01": {"country": "US", "region": "CA"}}).estimate(
        asked()
    )
    assert isinstance(found, TaxEstimate)


@pytest.mark.parametrize(
    ("changes", "code", "field", "blocker"),
    [
        ({"ship_to": account.NOWHERE}, "GetTaxError", "ship_to", None),
        ({"ship_to": Address(country="US")}, "GetTaxError", "ship_to", None),
        (
            {"ship_to": account.NOWHERE, "ship_from": account.MUNICH}, "GetTaxError", "ship_to", None,
        ),
        (
            {"lines": ((1, "SOFTWARE", "X", 100), (9, "WINE", "Y", 100))}, "InvalidTaxCode", "lines/9/taxCode", None,
        ),
        ({"customer": "A" * 51}, "StringLengthError", "customerCode", None),
        ({"lines": ((1, "T" * 26, "X", 100),)}, "StringLengthError", "taxCode", None),
        (
            {"ship_to": Address(country="DE", region="BY", postal_code="123456789012")}, "StringLengthError",
            "postalCode", None,
        ),
        (
            {"company": "FR01"}, "CompanyNotFoundError", "CompanyCode",
            Blocker(connection="tax", object_type="tax_company", object_key="FR01", condition="missing"),
        ),
        (
            {"ship_to": Address(country="US", region="CA", postal_code="94105")}, "NexusRule", "",
            Blocker(connection="tax", object_type="tax_nexus", object_key="US01:US-CA", condition="missing"),
        ),
    ],
)  # fmt: skip
def test_refusals_name_what_is_wrong(avatax, changes, code, field, blocker):
    found = connect().estimate(asked(**changes))
    assert isinstance(found, Rejected), found
    assert (found.reason, found.code, found.field, found.blocker) == (Reason.TAX_REFUSED, code, field, blocker)
    assert found.text


def test_an_inactive_company_is_refused_until_it_is_active_again(avatax):
    avatax.edit("company", "US01", active=False)
    refused = connect().estimate(asked())
    assert isinstance(refused, Rejected)
    assert refused.code == "InactiveCompanyError"
    avatax.edit("company", "US01", active=True)
    assert isinstance(connect().estimate(asked()), TaxEstimate)


def test_a_company_and_a_registration_are_seen_to_be_mended(avatax):
    client = connect()
    company = Blocker(connection="tax", object_type="tax_company", object_key="FR01", condition="missing")
    nexus = Blocker(connection="tax", object_type="tax_nexus", object_key="US01:US-CA", condition="missing")
    bavaria = Blocker(connection="tax", object_type="tax_nexus", object_key="FR01:DE-BY", condition="missing")
    other = Blocker(connection="tax", object_type="cost_center", object_key="1", condition="inactive")
    assert [client.still_blocked(b) for b in (company, nexus, bavaria, other)] == [True, True, True, None]
    avatax.seed(companies=[{"code": "FR01", "nexus": ["DE"]}])
    avatax.edit("company", "US01", nexus=["US-PA", "US-CA"])
    assert [client.still_blocked(b) for b in (company, nexus, bavaria)] == [False, False, False]
    avatax.edit("company", "FR01", active=False)
    assert client.still_blocked(company) is True
    avatax.fault("unavailable")
    assert [client.still_blocked(b) for b in (company, nexus)] == [None, None]


def test_credentials(avatax):
    assert connect().probe() is None
    wrong = connect(credentials={"account_id": "2000000001", "license_key": "wrong"})
    for found in (wrong.probe(), wrong.estimate(asked())):
        assert isinstance(found, Rejected)
        assert found.reason == Reason.CREDENTIALS_REFUSED


def test_the_licence_key_is_never_kept(avatax):
    with recording() as attempts:
        connect().estimate(asked())
    kept = repr(attempts)
    assert account.CREDENTIALS["license_key"] not in kept
    assert "Basic " + "MjAwMDAw" not in kept
    assert attempts[0].operation == "estimate"


# What the platform does wrong


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after_s"),
    [
        ({"name": "too_many", "value": 7}, Reason.PLATFORM_BUSY, 7.0),
        ({"name": "unavailable"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "drop_before"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "drop_after"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "latency", "value": 1500}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "late_commit", "value": 1.5}, Reason.PLATFORM_UNAVAILABLE, None),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_silence_means_waiting_and_then_it_answers(avatax, fault, reason, retry_after_s):
    avatax.fault(**fault, operation="create", times=1)
    client = connect(time_limit_s=0.7)
    found = client.estimate(asked())
    assert isinstance(found, Unavailable), found
    assert (found.reason, found.retry_after_s) == (reason, retry_after_s)
    assert isinstance(connect().estimate(asked()), TaxEstimate)


@pytest.mark.parametrize(
    ("fault", "reason", "field"),
    [
        ("token_expired", Reason.CREDENTIALS_REFUSED, ""),
        ("business_failure", Reason.TAX_REFUSED, "ship_to"),
        ("partial_failure", Reason.TAX_REFUSED, "lines/1"),
    ],
)
def test_what_waiting_does_not_mend_is_refused(avatax, fault, reason, field):
    avatax.fault(fault)
    found = connect().estimate(asked())
    assert isinstance(found, Rejected)
    assert (found.reason, found.field) == (reason, field)


def test_a_partial_failure_strikes_batches_alone(avatax):
    """Whatever else is asked meanwhile."""
    wrong = avatax.call("POST", "faults", {"name": "partial_failure", "operation": "ping"})
    said = "ping is no operation that partial_failure strikes; there are create"
    assert wrong.status_code == 400 and said in wrong.json()["error"]
    avatax.fault("partial_failure", times=1)
    tax = connect()
    assert tax.probe() is None
    assert [fault["hits"] for fault in avatax.faults()] == [0]
    assert [tax.estimate(asked()).__class__ for _ in range(2)] == [Rejected, TaxEstimate]
    assert [fault["hits"] for fault in avatax.faults()] == [1]


def test_search_lag_is_no_matter_to_an_estimate(avatax):
    avatax.fault("search_lag", value=60)
    assert isinstance(connect().estimate(asked()), TaxEstimate)
