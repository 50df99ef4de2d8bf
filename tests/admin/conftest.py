"""A company with a journal posted, one blocked and what the flow made of it; people with roles, and their browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from exceptions.models import Holiday, Team
from ledger import periods
from ledger.models import FiscalPeriod, FxRate
from q2c import clock, roles
from q2c.models import (
    ApiKey,
    CommercialPolicy,
    CrossReference,
    Customer,
    ListPrice,
    PollCursor,
    Product,
    SubscriptionCursor,
    TaxNexus,
)  # fmt: skip
from tests.engine import makers
from tests.engine.conftest import books, company

__all__ = ["books", "company"]
SECRET = "a secret that is shown nowhere"


@pytest.fixture
def browser(db: None) -> Callable[..., Client]:
    """browser("Controller") signed in with that role; browser() as an administrator."""

    def make(*names: str) -> Client:
        users = get_user_model().objects
        if names:
            user = users.create_user("-".join(names).lower().replace(" ", "-"), password="a long word", is_staff=True)
            user.groups.set(roles.of(names))
        else:
            user = users.create_superuser("root", password="a long enough word")
        client = Client()
        client.force_login(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def busy(company: Any) -> Iterator[Any]:
    """One invoice is posted, another waits for October, which is closed; every kind of record has one."""
    sold = makers.order()
    makers.issue("INV-1", sold)
    makers.run_all()
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(period, by="cleo", why="October is done")
    makers.issue("INV-2", sold)
    makers.run_all()
    Customer.objects.get_or_create(key="C-1", defaults={"name": "Acme Group"})
    TaxNexus.objects.create(entity="DE01", country="DE", effective_from="2026-01-01")
    ListPrice.objects.create(
        product=Product.objects.get(code="PLATFORM"), currency="EUR", price_period="month", unit_price="0.0020",
        effective_from="2026-01-01",
    )  # fmt: skip
    CommercialPolicy.objects.get_or_create(entity="")
    FxRate.objects.get_or_create(from_currency="EUR", to_currency="USD", on="2026-11-01", defaults={"rate": "1.1"})
    holiday = Holiday.objects.create(day="2026-12-25", name="Christmas", team=Team.objects.first())
    ApiKey.make("web-shop", ["q2c.add_event"])
    PollCursor.objects.create(connection="crm", reached=clock.now())
    SubscriptionCursor.objects.create(connection="billing", reached=clock.now())
    CrossReference.objects.create(connection="erp-de", kind="customer", our_key="C-1", reference="4711", at=clock.now())
    yield company
    # Holidays are kept when a test that committed is cleaned up.
    holiday.delete()
