"""Each kind of master data is found, filtered, and changed for a reason that its history keeps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client

from exceptions.models import Holiday, Policy, Team
from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    FiscalPeriod,
    FxRate,
    LegalEntity,
    PostingRule,
)
from q2c import clock
from q2c.admin.master import MasterAdmin
from q2c.models import (
    ApiKey,
    CommercialPolicy,
    Connection,
    Customer,
    ItemMapping,
    ListPrice,
    Product,
    TaxNexus,
)  # fmt: skip
from tests.admin.forms import change, errors, posted
from tests.admin.test_changes import address, listed

pytestmark = pytest.mark.django_db
Model = type[models.Model]
# After what migrate has made, whose history tells the machine's time.
LATER = dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Kind:
    """`named`: which record; `sought`: as people look for it; `column` is changed to what the form is given."""

    model: Model
    named: dict[str, Any]
    sought: str
    column: str
    given: dict[str, str]

    @property
    def record(self) -> Any:
        return self.model._default_manager.get(**self.named)


def kind(model: Model, named: dict[str, Any], sought: str, **given: str) -> Kind:
    column = next(iter(given)).removesuffix("_0")
    return Kind(model, named, sought, column, given)


KINDS = (
    kind(LegalEntity, {"code": "DE01"}, "de01", name="Germany"),
    kind(FiscalPeriod, {"entity__code": "DE01", "subledger": "general", "name": "2026-12"}, "DE01 2026-12", name="2026-XII"),
    kind(Account, {"code": "1100"}, "accounts_receivable", name="Debtors"),
    kind(Dimension, {"code": "region"}, "regi", name="Sales region"),
    kind(DimensionValue, {"code": "CC-200"}, "cc-200", name="Sales"),
    kind(DimensionRule, {"account__code": "2410", "dimension__code": "cost_center"}, "2410 cost", default_value="CC-200"),
    kind(PostingRule, {"name": "receipt"}, "receipt", effective_to="2031-01-01"),
    kind(FxRate, {"from_currency": "KWD", "to_currency": "USD", "on": "2026-05-02"}, "KWD USD", rate="3.3"),
    kind(Customer, {"key": "C-1"}, "acme group", name="Acme Holding"),
    kind(Product, {"code": "PLATFORM"}, "platf", name="The platform"),
    kind(ListPrice, {"currency": "EUR"}, "PLATFORM eur", unit_price="0.0030"),
    kind(ItemMapping, {"connection": "erp-de"}, "PLATFORM P-1", item="P-2"),
    kind(TaxNexus, {"entity": "DE01"}, "DE01", registration="DE123"),
    kind(CommercialPolicy, {"entity": "DE01"}, "DE01", discount_limit_percent="15"),
    kind(Connection, {"name": "crm"}, "salesforce.example", title="Sales"),
    kind(Policy, {"reason": "period_closed"}, "period_closed", severity="normal"),
    kind(Team, {"code": "billing-ops"}, "billing-ops", name="Billing desk"),
    kind(Holiday, {"name": "Christmas"}, "christ", name="Christmas Day"),
    kind(ApiKey, {"system": "web-shop"}, "web-sh", expires_at_0="2031-01-31", expires_at_1="12:00"),
)  # fmt: skip
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model.__name__)
# So few that nobody filters them.
A_HANDFUL = {Team}


@pytest.fixture
def kept(busy: Any) -> None:
    """Beside what the company has: an entity's own limits, a platform of a vendor that is known, an item of its own."""
    ItemMapping.objects.filter(connection="erp-us").update(item="US-1")
    CommercialPolicy.objects.create(entity="DE01")
    Connection.objects.create(
        name="crm", title="CRM", vendor="salesforce", service="crm", base_url="https://salesforce.example"
    )


def test_every_kind_of_master_data_stands_here() -> None:
    ours = {model for model, shown in admin.site._registry.items() if isinstance(shown, MasterAdmin)}
    assert {kind.model for kind in KINDS} == ours


def found(client: Client, model: Model, query: str) -> set[Any]:
    page = client.get(f"{listed(model)}{query}")
    assert page.status_code == 200, query
    return set(page.context["cl"].queryset.values_list("pk", flat=True))


@by_kind
def test_it_is_found_by_what_people_know_of_it(browser: Callable[..., Client], kept: None, kind: Kind) -> None:
    client, everything = browser(), set(kind.model._default_manager.values_list("pk", flat=True))
    hits = found(client, kind.model, f"?q={kind.sought}")
    assert kind.record.pk in hits
    assert hits < everything or len(everything) == 1
    assert found(client, kind.model, f"?q={kind.sought}+nobody") == set()


@by_kind
def test_each_record_stands_under_one_choice_of_a_filter_beside_the_list(
    browser: Callable[..., Client], kept: None, kind: Kind
) -> None:
    client = browser()
    changelist = client.get(listed(kind.model)).context["cl"]
    assert changelist.filter_specs or kind.model in A_HANDFUL
    for spec in changelist.filter_specs:
        links = [choice["query_string"] for choice in spec.choices(changelist) if not choice["selected"]]
        parts = [found(client, kind.model, link) for link in links]
        assert any(parts), spec.title
        assert sum(len(part) for part in parts) == len(set().union(*parts)), spec.title


@by_kind
def test_a_change_wants_a_reason_and_the_history_keeps_it(
    browser: Callable[..., Client], kept: None, kind: Kind
) -> None:
    client, url = browser(), address(kind.record)
    before, versions = getattr(kind.record, kind.column), kind.record.history.count()
    refused = client.post(url, posted(client.get(url), **kind.given))
    assert "Say why" in errors(refused)["change_reason"][0]
    record = kind.model._default_manager.get(pk=kind.record.pk)
    assert (getattr(record, kind.column), record.history.count()) == (before, versions)
    with clock.at(LATER):
        page = change(client, url, **kind.given, change_reason="The auditors asked for it")
    assert "adminform" not in page.context, errors(page)
    record.refresh_from_db()
    last = record.history.first()
    assert getattr(last, kind.column) == getattr(record, kind.column) != before
    assert (last.history_type, last.history_change_reason, last.history_user) == (
        "~", "The auditors asked for it", client.user,
    )  # fmt: skip
    assert "The auditors asked for it" in client.get(address(record, "history")).content.decode()
