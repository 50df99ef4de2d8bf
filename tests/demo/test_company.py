"""The demo company as data: its deals pass every control of the flow, its amounts are exact, its draw is repeatable."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model

from ledger import fx
from ledger.facts import Finding
from q2c import roles
from q2c.connectors.ports import ConnectionConfig, Deal
from q2c.connectors.salesforce.client import Salesforce
from q2c.demo import catalogue, company, customers, deals, people
from q2c.demo.platforms import Platforms
from q2c.local.places import ROOT
from q2c.models import Product
from q2c.stages.accept_order import check
from q2c.stages.controls.world import world
from q2c.stages.customers import maintain
from q2c.stages.verb import Fact

pytestmark = pytest.mark.django_db

SINCE, UNTIL = dt.date(2025, 11, 24), dt.date(2026, 11, 24)


@pytest.fixture
def platforms(settings: object) -> Platforms:
    found = Platforms()
    found.control("salesforce", "reset")
    return found


def test_every_deal_reads_back_from_the_sales_platform_and_passes_the_controls(platforms: Platforms, settings) -> None:
    company.found(SINCE, UNTIL)
    catalogue.list_goods(SINCE)
    accounts = customers.accounts()
    app = {"consumer_key": "q2c", "consumer_secret": "of the test", "username": "q2c@tern.example"}
    drawn = deals.Salesroom(accounts, SINCE).year(60, 365)
    platforms.seed(
        "salesforce",
        {
            "apps": [app],
            "products": [{"ProductCode": good.code, "Name": good.name} for good in catalogue.GOODS],
            "accounts": [account.seed() for account in accounts],
            "opportunities": [deal.seed() for deal in drawn],
        },
    )
    config = ConnectionConfig(
        name="salesforce", vendor="salesforce", base_url=f"{settings.SANDBOX_URL}/salesforce", credentials=app
    )
    salesforce = Salesforce(config)
    notices = list(salesforce.changed_deals(dt.datetime(2025, 1, 1, tzinfo=dt.UTC)))
    read = list(salesforce.deals([notice.source_id for notice in notices]))
    assert [deal.source_id for deal in read] == [notice.source_id for notice in notices]
    assert [deal.document.order_number for deal in read if isinstance(deal, Deal)] == [deal.number for deal in drawn]
    maintain([_fact(deal) for deal in read])
    documents = [deal.document for deal in read]
    known = world(documents, SINCE)
    wrong = {d.order_number: [f.text for f in check(d, replace(known, on=d.closed_on))] for d in documents}
    assert {number: found for number, found in wrong.items() if found} == {}


def _fact(deal: Deal) -> Fact:
    return Fact(
        id=None, type="OrderReceived", source="salesforce", source_id=deal.source_id, correlation_id=None,
        occurred_at=deal.changed_at, payload=deal.document,
    )  # type: ignore[arg-type]  # fmt: skip


def test_the_draw_is_repeatable_and_has_every_shape() -> None:
    first = deals.Salesroom(customers.accounts(), SINCE).year(300, 365)
    again = deals.Salesroom(customers.accounts(), SINCE).year(300, 365)
    assert [deal.seed() for deal in first] == [deal.seed() for deal in again]
    assert all(SINCE <= deal.closed_on < SINCE + dt.timedelta(days=365) for deal in first)
    sold = Counter(line.product for deal in first for line in deal.lines)
    sold_later = {*catalogue.LAUNCHED_LATER, *catalogue.NOT_LISTED}
    assert set(sold) == {good.code for good in catalogue.GOODS} - sold_later
    assert {deal.contract_entity for deal in first} == {one.code for one in company.COMPANIES}
    assert max(len(deal.groups) for deal in first) >= 3
    assert any(has_every_shape(deal) for deal in first)


def has_every_shape(deal: deals.Deal) -> bool:
    """Of several years, with an implementation fee, seats in phases and a meter with an allowance, and regions apart."""
    kinds = {catalogue.BY_CODE[line.product].kind for line in deal.lines}
    phased = any(line.phases and catalogue.BY_CODE[line.product].kind == "recurring" for line in deal.lines)
    metered = any(catalogue.BY_CODE[line.product].meter and line.included > 0 for line in deal.lines)
    regions = {account.region for account in deal.groups.values()}
    return deal.months > 12 and "one_time" in kinds and phased and metered and len(regions) > 1


def test_products_have_every_revenue_treatment() -> None:
    company.found(SINCE, UNTIL)
    catalogue.list_goods(SINCE)
    held = set(Product.objects.values_list("revenue_treatment", flat=True))
    assert held == {code for code, _ in Product.TREATMENTS}


def test_each_day_has_a_rate_for_each_pair_that_books_and_totals_need() -> None:
    company.found(SINCE, UNTIL)
    sold = {currency for each in company.COMPANIES for currency in each.currencies}
    of_contracts = {(source, target) for source in sold for target in sold if source != target}
    assert set(deals.CURRENCIES.values()) == sold and len(of_contracts) == 20
    for source, target in {*company.pairs(), *of_contracts}:
        for day in (SINCE, dt.date(2026, 3, 1), UNTIL):
            assert not isinstance(fx.rate(source, target, day), Finding), (source, target, day)


def test_scale_makes_more_accounts_under_names_of_their_own() -> None:
    once, thrice = customers.accounts(), customers.accounts(3)
    assert len(thrice) == 3 * len(once)
    assert len({account.key for account in thrice}) == len({account.name for account in thrice}) == len(thrice)
    assert all(account.parent in {each.key for each in once} for account in once if account.parent)


def test_a_person_for_every_role_with_a_password_and_a_team() -> None:
    shown = people.hire()
    assert {row["role"].partition(",")[0] for row in shown} == set(roles.ROLES)
    # What one controller asks for, the other signs.
    controllers = {row["name"]: row["role"] for row in shown if row["role"].startswith("Controller")}
    assert controllers == {"carla": "Controller", "dmitri": "Controller, for second signatures"}
    for row in shown:
        user = get_user_model().objects.get(username=row["name"])
        assert user.check_password(row["password"])
        assert user.has_perm("exceptions.view_case")
    hidden = get_user_model().objects.exclude(username__in=[row["name"] for row in shown])
    assert hidden.exists() and not any(user.has_usable_password() for user in hidden)


def test_whoever_the_documents_make_a_key_for_works_in_the_demo() -> None:
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/api.md"))
    named = set(re.findall(r"make_api_key \S+ --for (\w+)", text))
    assert named and named <= {person.name for person in people.PEOPLE}
