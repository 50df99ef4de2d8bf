"""What people put right, each where its owner would: in master data, or as a user of the platform."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence

from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.demo import catalogue, connections
from q2c.demo.agenda import Agenda, sitting
from q2c.demo.company import ERP
from q2c.demo.items import complete_items
from q2c.demo.market import Market
from q2c.demo.office import Office
from q2c.demo.platforms import Platforms
from q2c.engine import decisions, desk
from q2c.models import Connection, Customer, ItemMapping, Product, TaxNexus

# Our dimension → the kind of record that it is in the ERP.
ERP_KINDS = {
    "cost_center": "department", "product_line": "classification", "region": "location", "account": "account",
}  # fmt: skip


class Repairs:
    """Fills `office.repairs`: one method for each name there."""

    def __init__(self, office: Office, platforms: Platforms, agenda: Agenda, market: Market) -> None:
        self.office, self.platforms, self.agenda, self.market = office, platforms, agenda, market
        # Months that were closed for good.
        self._closed: set[dt.date] = set()
        for repair in (
            self.map_item, self.register, self.raise_limit, self.correct_deal, self.reactivate, self.reopen_period,
            self.reactivate_in_erp, self.list_in_billing, self.complete_item, self.know_customer,
            self.know_product, self.send_right, self.renew_key,
        ):  # fmt: skip
            office.repairs[repair.__name__] = repair

    def map_item(self, cases: Sequence[Case]) -> None:
        product = Product.objects.get(code=cases[0].blocker_key)
        # A product that nobody knew is missing in no ledger by name: it is made in the one that all entities have.
        lacking = {case.blocker_connection or ERP for case in cases}
        lacking -= set(ItemMapping.objects.filter(product=product).values_list("connection", flat=True))
        for connection in sorted(lacking):
            row = catalogue.mapping(product, clock.today().replace(day=1), connection)
            row._change_reason = "item created in the ERP"  # type: ignore[attr-defined]
            row.save()

    def register(self, cases: Sequence[Case]) -> None:
        """With the tax service, then here."""
        entity, _, place = cases[0].blocker_key.partition(":")
        country, _, region = place.partition("-")
        nexus = [*connections.nexus_of(entity), place]
        self.platforms.change("avatax", "company", entity, nexus=nexus)
        TaxNexus.objects.create(entity=entity, country=country, region=region, effective_from=clock.today())

    def raise_limit(self, cases: Sequence[Case]) -> None:
        payers = {case.blocker_key for case in cases if case.blocker_type == "credit_limit"}
        self.platforms.seed("credit", {"customers": [self.market.limits.raised(payer) for payer in sorted(payers)]})

    def correct_deal(self, cases: Sequence[Case]) -> None:
        for case in cases:
            if case.business_key in self.market.deals:
                self.market.sales.correct(self.market.deals[case.business_key])
        self.office.flow.poll("salesforce")

    def send_right(self, cases: Sequence[Case]) -> None:
        """By the shop, or by whoever closed the deal: the case of a deal that cannot be read has its id only."""
        for case in cases:
            number = self.market.sales.number_of(case.business_key)
            if not self.market.shop.send_right(case.business_key) and number in self.market.deals:
                self.market.sales.correct(self.market.deals[number])
        self.office.flow.poll("salesforce")

    def know_product(self, cases: Sequence[Case]) -> None:
        """With its list prices and its item."""
        good = catalogue.BY_CODE[cases[0].blocker_key]
        product = catalogue.product(good)
        product._change_reason = "new in the price book"  # type: ignore[attr-defined]
        product.save()
        for price in catalogue.list_prices(product, clock.today() - dt.timedelta(days=90)):
            price._change_reason = "new in the price book"  # type: ignore[attr-defined]
            price.save()
        self.map_item(cases)

    def know_customer(self, cases: Sequence[Case]) -> None:
        account = self.market.shop.strangers[cases[0].blocker_key]
        street, city, state, postal_code = account.address
        address = {"country": account.country, "region": state, "city": city, "postal_code": postal_code}
        customer = Customer(key=account.key, name=account.name, address={**address, "line1": street})
        customer._change_reason = "new from the web shop"  # type: ignore[attr-defined]
        customer.save()

    def complete_item(self, cases: Sequence[Case]) -> None:
        complete_items()

    def renew_key(self, cases: Sequence[Case]) -> None:
        """With the tax service, and here."""
        key = secrets.token_urlsafe(18)
        self.platforms.seed("avatax", {"accounts": [{"account_id": connections.TAX_ACCOUNT, "license_key": key}]})
        connection = Connection.objects.get(name="avatax")
        connection.credentials = {"account_id": connections.TAX_ACCOUNT, "license_key": key}
        connection._change_reason = "license key renewed"  # type: ignore[attr-defined]
        connection.save()

    def reactivate(self, cases: Sequence[Case]) -> None:
        key = cases[0].blocker_key
        self.platforms.seed("salesforce", {"accounts": [{"AccountNumber": key, "Active__c": True}]})
        customer = Customer.objects.get(key=key)
        customer.active = True
        customer._change_reason = "active again in Salesforce"  # type: ignore[attr-defined]
        customer.save()

    def reactivate_in_erp(self, cases: Sequence[Case]) -> None:
        first = cases[0]
        self.platforms.change(ERP, ERP_KINDS[first.blocker_type], first.blocker_key, isInactive=False)

    def list_in_billing(self, cases: Sequence[Case]) -> None:
        self.platforms.seed("zuora", {"products": [connections.billing_product(good) for good in catalogue.GOODS]})

    def reopen_period(self, cases: Sequence[Case]) -> None:
        """Here and in the ERP. What was closed for good is open for a day; what was closed early stays open."""
        month = next((month for case in cases if (month := _month(case))), None)
        if month is None:
            return
        entities = {case.entity for case in cases}
        self.platforms.change(ERP, "accountingPeriod", erp_period(month), closed=False)
        shut = FiscalPeriod.objects.filter(
            entity__code__in=entities, starts_on=month, state__in=("soft_closed", "closed"), subledger="receivables"
        )
        for period in shut.select_related("entity"):
            asked = decisions.ask_to_reopen(self.office.person("carla"), period, "Billed late")
            desk.approve(self.office.person("dmitri"), [asked.id], "The CFO agrees.")
        if month in self._closed:
            self.agenda.plan(sitting(clock.now() + dt.timedelta(hours=26)), lambda: self.close_month(month))

    def close_month(self, month: dt.date) -> None:
        """Receivables of all entities, and the month in the ERP."""
        self._closed.add(month)
        open_ = FiscalPeriod.objects.filter(starts_on=month, subledger="receivables").exclude(state="closed")
        for period in open_.select_related("entity"):
            periods.close(period, by="carla", why="month-end close")
        self.platforms.change(ERP, "accountingPeriod", erp_period(month), closed=True)


def erp_period(month: dt.date) -> str:
    """Mar 2026, as NetSuite names it."""
    return f"{month:%b %Y}"


def _month(case: Case) -> dt.date | None:
    """The first day of the month that a case is about."""
    name = case.blocker_key.rpartition(":")[2] if not case.blocker_connection else ""
    try:
        if name:
            return dt.datetime.strptime(name, "%Y-%m").date()  # noqa: DTZ007
        return dt.datetime.strptime(case.blocker_key, "%b %Y").date()  # noqa: DTZ007
    except ValueError:
        return None
