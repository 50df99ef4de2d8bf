"""What people put right, each where its owner would: in master data, or as a user of the platform."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.demo import catalogue, connections, people
from q2c.demo.agenda import Agenda, office_hours
from q2c.demo.company import ERP
from q2c.demo.deals import Deal
from q2c.demo.office import Office
from q2c.demo.platforms import Platforms
from q2c.demo.sales_desk import SalesDesk
from q2c.engine import decisions, desk
from q2c.models import Customer, ItemMapping, Order, Product, TaxNexus

# Our dimension → the kind of record that it is in the ERP.
ERP_KINDS = {
    "cost_center": "department", "product_line": "classification", "region": "location", "account": "account",
}  # fmt: skip


class Repairs:
    """Fills `office.repairs`: one method for each name there."""

    def __init__(
        self, office: Office, platforms: Platforms, sales: SalesDesk, agenda: Agenda, deals: dict[str, Deal]
    ) -> None:
        self.office, self.platforms, self.sales, self.agenda, self.deals = office, platforms, sales, agenda, deals
        for repair in (
            self.map_item, self.register, self.raise_limit, self.correct_deal, self.reactivate, self.reopen_period,
            self.reactivate_in_erp, self.list_in_billing,
        ):  # fmt: skip
            office.repairs[repair.__name__] = repair

    def map_item(self, cases: Sequence[Case]) -> None:
        product = Product.objects.get(code=cases[0].blocker_key)
        if not ItemMapping.objects.filter(product=product, connection=ERP).exists():
            row = catalogue.mapping(product, clock.today().replace(day=1))
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
        orders = Order.objects.filter(number__in=[case.business_key for case in cases])
        found = Customer.objects.filter(key__in=[order.customer_key for order in orders])
        rows = [
            {"id": customer.parent_key or customer.key, "name": customer.name, "exposure": "0", "on_hold": False,
             **connections.CREDIT_DEFAULT}
            for customer in found
        ]  # fmt: skip
        self.platforms.seed("credit", {"customers": rows})

    def correct_deal(self, cases: Sequence[Case]) -> None:
        for case in cases:
            if case.business_key in self.deals:
                self.sales.correct(self.deals[case.business_key])
        self.office.flow.poll("salesforce")

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
        """Here and in the ERP, for a day."""
        month = next((month for case in cases if (month := _month(case))), None)
        if month is None:
            return
        self.open_month(month, "billed late; approved by the CFO")
        self.agenda.plan(office_hours(clock.now() + dt.timedelta(hours=26)), lambda: self.close_month(month))

    def open_month(self, month: dt.date, why: str) -> None:
        self.platforms.change(ERP, "accountingPeriod", erp_period(month), closed=False)
        shut = FiscalPeriod.objects.filter(
            starts_on=month, state__in=("soft_closed", "closed"), subledger="receivables"
        )
        for period in shut.select_related("entity"):
            # Asked by one controller, approved by the other.
            asked = decisions.ask_to_reopen(people.user("carla"), period, why)
            desk.approve(people.user("dmitri"), [asked.id], "for a day")

    def close_month(self, month: dt.date) -> None:
        """Receivables of all entities, and the month in the ERP."""
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
