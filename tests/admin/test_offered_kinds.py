"""Whatever kind of master data stood in the way: who puts it right in the admin is told what goes through now."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.http import HttpResponse
from django.test import Client

from exceptions.models import Case, Holiday, Offer, Policy, Team
from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    FiscalPeriod,
    FxRate,
    LegalEntity,
    PostingRule,
    PostingRuleLine,
)
from q2c import clock
from q2c.admin.master import MasterAdmin
from q2c.connectors.outcomes import Unavailable, credentials_refused, permission_missing
from q2c.engine import watch
from q2c.models import (
    ApiKey,
    CommercialPolicy,
    Connection,
    Customer,
    ItemMapping,
    ListPrice,
    Order,
    Product,
    TaxNexus,
)  # fmt: skip
from tests import flow_makers
from tests.admin.forms import change, errors, said
from tests.admin.test_changes import address
from tests.connectors.control import Control

pytestmark = pytest.mark.django_db(transaction=True)
Model = type[models.Model]
NOW = dt.datetime(2027, 12, 20, 9, tzinfo=dt.UTC)
TAX_KEY = {"account_id": "2000000001", "license_key": "the new key"}


def order_comes() -> None:
    """Germany sells to Acme."""
    flow_makers.deal("O-1")
    flow_makers.run("accept_order")


def invoice_comes() -> None:
    """Germany bills what it sold before anything was in the way."""
    flow_makers.bill(Order.objects.get(), "INV-1")
    flow_makers.run("record_invoice")


def invoice_of_next_year_comes() -> None:
    """Nobody has set up its months."""
    flow_makers.bill(Order.objects.get(), "INV-1", issued_on=dt.date(2028, 1, 5))
    flow_makers.run("record_invoice")


def order_is_not_let_in() -> None:
    """The tax service has another key by now."""
    flow_makers.deal("O-2", starts_on=dt.date(2028, 1, 1))
    flow_makers.run("accept_order", lambda work: credentials_refused("avatax", "AvaTax: no such account and key"))


def customer_has_no_way() -> None:
    """Whoever waits for a ledger that is switched off waits in vain, until a person is asked."""
    Policy.objects.filter(reason="platform_unavailable").update(retry_attempts=0)
    gone = Unavailable(text="No active connection is called erp-de01")
    flow_makers.run("sync_customer", lambda work: gone if work.step.connection == "erp-de01" else flow_makers.yes(work))


@pytest.fixture
def tax() -> Iterator[None]:
    """The tax service, which lets its customer in with one key."""
    service = Control("avatax")
    service.reset()
    service.seed(accounts=[TAX_KEY])
    yield
    service.reset()


@dataclass(frozen=True)
class Row:
    """`breaks` is done behind q2c's back; then `comes` fails for `blocker`, until `cured` in the admin."""

    kind: Model
    name: str
    breaks: Callable[[], Any]
    comes: Callable[[], None]
    blocker: tuple[str, str, str]
    cured: Callable[[Client], HttpResponse]


def changed(find: Callable[[], Any], **values: str) -> Callable[[Client], HttpResponse]:
    return lambda client: change(client, address(find()), change_reason="Put right", **values)


def added(model: Model, **values: str | Callable[[], str]) -> Callable[[Client], HttpResponse]:
    def add(client: Client) -> HttpResponse:
        given = {name: value() if callable(value) else value for name, value in values.items()}
        return change(client, address(model, "add"), **given)

    return add


def product() -> Product:
    return Product.objects.get(code="PLATFORM")


def germany() -> LegalEntity:
    return LegalEntity.objects.get(code="DE01")


def value(code: str) -> DimensionValue:
    return DimensionValue.objects.get(dimension__code="cost_center", code=code)


def default_of_deferred() -> DimensionRule:
    return DimensionRule.objects.get(account__code="2410", dimension__code="cost_center")


def mapping() -> ItemMapping:
    return ItemMapping.objects.get(product__code="PLATFORM", connection="erp-de01")


def deferral() -> PostingRule:
    return PostingRule.objects.get(name="invoice deferred, ratable_monthly")


def inactive(code: str) -> Any:
    return DimensionValue.objects.filter(code=code).update(is_active=False)


def with_(record: models.Model, **columns: Any) -> Any:
    """As nobody noticed it."""
    return type(record)._default_manager.filter(pk=record.pk).update(**columns)


ROWS = (
    Row(FiscalPeriod, "a month that is set up", lambda: None, invoice_of_next_year_comes,
        ("", "fiscal_period", "DE01:receivables:2028-01"),
        added(FiscalPeriod, entity=lambda: str(germany().pk), subledger="receivables", name="2028-01",
              fiscal_year="2028", starts_on="2028-01-01", ends_on="2028-02-01")),
    Row(LegalEntity, "a region that somebody serves", lambda: with_(germany(), regions=[]), order_comes,
        ("", "legal_entity", "EMEA"), changed(germany, regions="EMEA")),
    Row(LegalEntity, "a ledger of an entity that had none", lambda: with_(germany(), erp_connection=""), order_comes,
        ("", "item_mapping", "PLATFORM"), changed(germany, erp_connection="erp-de01")),
    Row(Account, "a role that an account has again", lambda: Account.objects.filter(code="1100").update(role=""),
        invoice_comes, ("", "account_role", "DE01:accounts_receivable"),
        changed(lambda: Account.objects.get(code="1100"), role="accounts_receivable")),
    Row(Account, "an account that is in use again", lambda: Account.objects.filter(code="1100").update(is_active=False),
        invoice_comes, ("", "account", "1100"), changed(lambda: Account.objects.get(code="1100"), is_active="on")),
    Row(DimensionValue, "a cost centre made active again", lambda: inactive("CC-410"), invoice_comes,
        ("", "cost_center", "CC-410"), changed(lambda: value("CC-410"), is_active="on")),
    Row(DimensionValue, "a cost centre that was not there", lambda: value("CC-410").delete(), invoice_comes,
        ("", "cost_center", "CC-410"),
        added(DimensionValue, dimension=lambda: str(Dimension.objects.get(code="cost_center").pk), code="CC-410",
              is_active="on", effective_from="2020-01-01")),
    Row(DimensionRule, "a default for what products give nothing of",
        lambda: (with_(mapping(), dimensions={}), with_(default_of_deferred(), default_value="")), invoice_comes,
        ("", "dimension_rule", "2410:cost_center"), changed(default_of_deferred, default_value="CC-100")),
    Row(DimensionRule, "another default than a cost centre out of use",
        lambda: (with_(mapping(), dimensions={}), inactive("CC-100")), invoice_comes, ("", "cost_center", "CC-100"),
        changed(default_of_deferred, default_value="CC-200")),
    Row(PostingRule, "a rule that goes on", lambda: with_(deferral(), effective_to="2020-01-01"), invoice_comes,
        ("", "posting_rule", "DE01:InvoiceIssued:revenue"), changed(deferral, effective_to="")),
    Row(PostingRuleLine, "a line to a role that an account has",
        lambda: deferral().lines.update(account_role="nosuch"), invoice_comes, ("", "account_role", "DE01:nosuch"),
        changed(deferral, **{"lines-0-account_role": "deferred_revenue:{product_line}"})),
    Row(PostingRuleLine, "a line to another account than the one out of use",
        lambda: Account.objects.filter(code="2410").update(is_active=False), invoice_comes, ("", "account", "2410"),
        changed(deferral, **{"lines-0-account_role": "deferred_revenue"})),
    Row(FxRate, "a rate", lambda: FxRate.objects.filter(from_currency="EUR").delete(), invoice_comes,
        ("", "fx_rate", "EUR:USD"),
        added(FxRate, from_currency="EUR", to_currency="USD", kind="spot", on="2027-12-20", rate="1.1")),
    Row(Customer, "a customer who buys again",
        lambda: Customer.objects.create(key="A-Acme GmbH", name="Acme GmbH", active=False, pays_for_itself=True),
        order_comes, ("", "customer", "A-Acme GmbH"),
        changed(lambda: Customer.objects.get(key="A-Acme GmbH"), active="on")),
    Row(Product, "a product that is sold again", lambda: with_(product(), active=False), order_comes,
        ("", "product", "PLATFORM"), changed(product, active="on")),
    Row(ItemMapping, "an item in the ledger", lambda: mapping().delete(), order_comes,
        ("erp-de01", "item_mapping", "PLATFORM"),
        added(ItemMapping, product=lambda: str(product().pk), connection="erp-de01", item="P",
              effective_from="2020-01-01")),
    Row(ItemMapping, "another cost centre than the one out of use",
        lambda: (with_(mapping(), dimensions={"cost_center": "CC-300"}), inactive("CC-300")), invoice_comes,
        ("", "cost_center", "CC-300"), changed(mapping, **{"dimensions-cost_center": "CC-200"})),
    Row(ListPrice, "a list price", lambda: ListPrice.objects.create(
            product=product(), currency="USD", price_period="month", unit_price=40, effective_from="2020-01-01"),
        order_comes, ("", "list_price", "EUR:month:PLATFORM"),
        added(ListPrice, product=lambda: str(product().pk), currency="EUR", price_period="month", unit_price="40",
              effective_from="2020-01-01")),
    Row(TaxNexus, "a registration for tax", lambda: TaxNexus.objects.filter(entity="DE01").delete(), order_comes,
        ("", "tax_nexus", "DE01:DE"), added(TaxNexus, entity="DE01", country="DE", effective_from="2020-01-01")),
    Row(Connection, "a key that the platform takes", lambda: None, order_is_not_let_in,
        ("avatax", "connection", "avatax"),
        changed(lambda: Connection.objects.get(name="avatax"), new_credentials=json.dumps(TAX_KEY))),
    Row(Connection, "one that is used again",
        lambda: Connection.objects.filter(name="erp-de01").update(active=False), customer_has_no_way,
        ("erp-de01", "connection", "erp-de01"), changed(lambda: Connection.objects.get(name="erp-de01"), active="on")),
)  # fmt: skip

# What people own and no document waits for.
BLOCKS_NOTHING: dict[Model, str] = {
    Dimension: "a value is missing or inactive, or a rule asks for one: the dimension is only their heading",
    CommercialPolicy: "over its limits a second person decides, and what they were asked stays asked "
    "(tests/stages/test_orders_stay_asked.py, test_invoices_stay_asked.py)",
    Policy: "says who owns a case, not whether there is one",
    Team: "owns cases",
    Holiday: "moves when a case is due",
    ApiKey: "what comes with a bad one is refused to its sender, and nothing is kept",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind.__name__}: {row.name}")
def test_a_cure_in_the_admin_offers_what_waited_for_it(browser: Callable[..., Client], tax: None, row: Row) -> None:
    with clock.at(NOW):
        _cured(browser(), row)


def _cured(client: Client, row: Row) -> None:
    flow_makers.company()
    if row.comes is not order_comes:
        order_comes()
    row.breaks()
    row.comes()
    case = Case.objects.get()
    assert case.blocker is not None and case.blocker[:3] == row.blocker, case.text
    page = row.cured(client)
    assert "adminform" not in page.context or not errors(page), errors(page)
    offers = Offer.objects.filter(state="open")
    assert [(offer.blocker, offer.cases) for offer in offers] == [(case.blocker, 1)]
    assert any(offers[0].headline.rstrip(".") in text and "See and replay" in text for text in said(page)), said(page)


def test_whoever_saves_a_connection_that_lacks_a_permission_is_told_what_is_left_to_do(
    browser: Callable[..., Client], tax: None
) -> None:
    with clock.at(NOW):
        flow_makers.company()
        flow_makers.deal("O-2", starts_on=dt.date(2028, 1, 1))
        flow_makers.run("accept_order", lambda work: permission_missing("avatax", "AvaTax: no right to estimate"))
        avatax = Connection.objects.get(name="avatax")
        told = said(change(browser(), address(avatax), new_credentials=json.dumps(TAX_KEY), change_reason="Put right"))
    (left,) = [text for text in told if "only a replay tells" in text]
    assert left.endswith("it refused, only a replay tells. 1 case may be replayed, and nothing is offered"), left
    assert not Offer.objects.exists()


def test_every_kind_of_master_data_stands_here() -> None:
    ours = {model for model, shown in admin.site._registry.items() if isinstance(shown, MasterAdmin)}
    told = {row.kind for row in ROWS}
    assert told == set(watch._TOUCHES)
    assert told - {PostingRuleLine} | set(BLOCKS_NOTHING) == ours
    assert not told & set(BLOCKS_NOTHING)


def test_a_line_that_is_saved_without_its_rule_is_noticed_too() -> None:
    with clock.at(NOW):
        flow_makers.company()
        order_comes()
        deferral().lines.update(account_role="nosuch")
        invoice_comes()
        line = deferral().lines.get()
        line.account_role = "deferred_revenue"
        line.save()
    assert Offer.objects.get(state="open").blocker == Case.objects.get().blocker
