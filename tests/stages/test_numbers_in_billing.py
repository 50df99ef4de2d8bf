"""What billing knows our subscriptions by: their order's number and group, as far as an address takes them."""

from __future__ import annotations

import re
import string
from dataclasses import replace

import pytest

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c.models import Order, Subscription
from q2c.stages.orders import account_key, account_number
from q2c.stages.provision_billing import subscription_number
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, entry, order
from tests.stages.test_provisioning import deal, seats


def test_numbers_of_subscriptions_stay_what_billing_knows_them_by() -> None:
    """A step that was sent by an earlier version is searched for under just this number."""
    long = "S" * 64
    assert subscription_number(Order(number="SO-1"), "UK") == "S-SO-1-UK"
    assert subscription_number(Order(number="SO-1"), "DE-SOUTH") == "S-SO-1-DE-SOUTH"
    numbers = {subscription_number(Order(number=long), group) for group in ("UK", "US")}
    assert len(numbers) == 2 and all(len(number) <= 64 for number in numbers)
    assert subscription_number(Order(number="SO 1.2_ä"), "UK") == "S-SO 1.2_ä-UK"
    apart = [subscription_number(Order(number=f"SO{mark}1"), "UK") for mark in "-/\\%?#;"]
    assert len(set(apart)) == 7 and all(re.fullmatch(r"S-SO-1-UK(-\w+)?", number) for number in apart)


@pytest.mark.django_db(transaction=True)
def test_a_number_that_no_address_takes_is_provisioned_and_activated(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO/1", {"US": HARBOR}, seats("US")), deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
    assert not Case.objects.exists() and order("SO/1").state == order("SO-1").state == "active"
    assert Subscription.objects.values("number").distinct().count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_number_of_every_mark_goes_the_whole_way(story: Story) -> None:
    number = "SO" + string.punctuation + "1"
    with story.on("2026-02-02"):
        story.close(deal(number, {"US": HARBOR}, seats("US")))
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
        (invoice,) = story.bill()
    assert not list(Case.objects.values_list("text", "stage", "business_key")) and order(number).state == "active"
    assert entry(invoice).state == "posted"


@pytest.mark.django_db(transaction=True)
def test_a_customer_whose_key_no_address_takes_is_found_after_a_lost_answer(story: Story) -> None:
    mother = replace(HARBOR, key="K/100")
    daughter = replace(HARBOR_DE, key="K/101", parent="K/100")
    with story.on("2026-02-02"):
        story.platforms.seed("salesforce", {"accounts": [mother.seed(), daughter.seed()]})
        story.platforms.fault("zuora", "drop_after", "create_account", times=1)
        story.close(deal("SO-1", {"DE": daughter}, seats("DE"), customer=daughter))
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
    assert not list(Case.objects.values_list("text", "stage", "business_key"))
    assert not Case.objects.exists() and order("SO-1").state == "active"
    numbers = [row["number"] for row in story.platforms.records("zuora", "account")]
    assert sorted(numbers) == sorted(account_number(one.key, "EUR") for one in (mother, daughter))
    assert all(re.fullmatch(r"K-10[01]-EUR-Q2C\w+", number) for number in numbers)


@pytest.mark.django_db(transaction=True)
def test_an_account_of_before_keeps_its_number(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older versions gave an account its key for a number, which an address may not take."""
    mother = replace(HARBOR, key="K/100")
    daughter = replace(HARBOR, key="K/101", parent="K/100", pays_for_itself=True)
    with story.on("2026-02-02"):
        story.platforms.seed("salesforce", {"accounts": [mother.seed(), daughter.seed()]})
        with monkeypatch.context() as before:
            before.setattr("q2c.stages.orders.account_number", account_key)
            story.close(deal("SO-1", {"US": mother}, seats("US"), customer=mother))
        story.close(deal("SO-2", {"US": mother}, seats("US"), customer=mother))
        story.close(deal("SO-3", {"US": daughter}, seats("US"), customer=daughter))
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
        assert len(story.bill()) == 3
    assert not list(Case.objects.values_list("text", "stage", "business_key"))
    there = {row["number"]: row for row in story.platforms.records("zuora", "account")}
    assert set(there) == {"K/100-USD", account_number("K/101", "USD")}
    assert there[account_number("K/101", "USD")]["body"]["parentId"] == there["K/100-USD"]["id"]
    assert [entry.state for entry in JournalEntry.objects.all()] == ["posted"] * 3
