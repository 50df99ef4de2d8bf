"""What goes wrong in the platforms and the books in a year: clean-ups, early closings, outages, work by hand.

Each is caused where it would be caused; what follows from it, and how it is put right, is the flow's and the people's.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.demo import connections
from q2c.demo.agenda import Agenda, office_hours
from q2c.demo.company import ERP
from q2c.demo.flow import Flow
from q2c.demo.items import move_item
from q2c.demo.repairs import erp_period
from q2c.demo.shop import Shop
from q2c.models import Invoice

# Which bill runs in the middle of a month (their number) meet what; it is so from an hour before.
DEPARTMENTS_OFF = {1: "CC-410", 3: "CC-200", 5: "CC-410", 7: "CC-410", 9: "CC-300"}
ACCOUNTS_OFF = {6: "4020"}
CLOSED_HERE = {2: "UK", 4: "JP", 7: "UK", 8: "DE"}
CLOSED_IN_ERP = (1,)
OUTAGES = {3: ERP, 6: "zuora", 8: ERP}
# An item is moved in the ERP, and its cost centre forgotten.
ITEMS_MOVED = {5: "TRAINING"}
# Of all bill runs.
LOST_ANSWERS = (1, 4, 8, 12, 16, 20)
# Days of the year.
CREDIT_OUTAGE, KEY_RUNS_OUT = 145, 310
SHOP_ORDERS = (34, 61, 83, 118, 149, 171, 205, 233, 262, 289, 317, 333)
SHOP_CONFLICTS, SHOP_MISTAKES, SHOP_STRANGERS = (84, 206), (120, 290), (172, 318)
COPIED, REDATED = (110, 240, 330), (160, 275)


class Mishaps:
    def __init__(
        self, flow: Flow, agenda: Agenda, runs: Sequence[dt.datetime], first_day: dt.date, chance: random.Random
    ) -> None:
        self.flow, self.agenda, self.runs, self.first_day, self.chance = flow, agenda, runs, first_day, chance

    def plan(self, shop: Shop) -> None:
        self._platforms()
        self._books()
        self._shop(shop)
        for day in COPIED:
            self.on(day, 9, self.copy_invoice)
        for day in REDATED:
            self.on(day, 9, self.redate_invoice)

    def on(self, day: int, hour: int, act: Callable[[], None]) -> None:
        self.agenda.plan(dt.datetime.combine(self.first_day + dt.timedelta(days=day), dt.time(hour), dt.UTC), act)

    def _before(self, number: int, act: Callable[[], None], runs: Sequence[dt.datetime] = ()) -> None:
        among = runs or [run for run in self.runs if 10 < run.day < 20]
        if number < len(among):
            self.agenda.plan(among[number] - dt.timedelta(hours=1), act)

    def _platforms(self) -> None:
        for run in LOST_ANSWERS:
            lost = partial(self.flow.platforms.fault, ERP, "drop_after", "create_journal", times=2)
            self._before(run, lost, self.runs)
        for run, vendor in OUTAGES.items():
            self._before(run, partial(self.outage, vendor))
        self.on(CREDIT_OUTAGE, 13, partial(self.outage, "credit"))
        self.on(KEY_RUNS_OUT, 5, self._key_runs_out)

    def _books(self) -> None:
        for run, code in DEPARTMENTS_OFF.items():
            self._before(run, partial(self.switch_off, "department", code))
        for run, code in ACCOUNTS_OFF.items():
            self._before(run, partial(self.switch_off, "account", code))
        for run, entity in CLOSED_HERE.items():
            self._before(run, partial(self.close_here, entity))
        for run in CLOSED_IN_ERP:
            self._before(run, self._close_in_erp)
        for run, product in ITEMS_MOVED.items():
            self._before(run, partial(move_item, self.flow.platforms, product))

    def _shop(self, shop: Shop) -> None:
        for day in SHOP_ORDERS:
            self.on(day, 10, shop.sell)
        for day in SHOP_CONFLICTS:
            self.on(day, 10, shop.contradict)
        for day in SHOP_MISTAKES:
            self.on(day, 10, shop.mistake)
        for day in SHOP_STRANGERS:
            self.on(day, 10, shop.stranger)

    # One each ------------------------------------------------------------------------------------------------------

    def switch_off(self, kind: str, key: str) -> None:
        self.flow.platforms.change(ERP, kind, key, isInactive=True)

    def close_here(self, entity: str) -> None:
        """Its controller closes the month's receivables for the group's deadline, before the last bills are run."""
        month = clock.today().replace(day=1)
        period = FiscalPeriod.objects.select_related("entity").get(
            entity__code=entity, subledger="receivables", starts_on=month
        )
        periods.close(period, by="dmitri", why="fast close for the group")

    def _close_in_erp(self) -> None:
        """Somebody closes the wrong month."""
        self.flow.platforms.change(ERP, "accountingPeriod", erp_period(clock.today().replace(day=1)), closed=True)

    def outage(self, vendor: str) -> None:
        """For some hours."""
        self.flow.platforms.fault(vendor, "unavailable")
        ends_at = clock.now() + dt.timedelta(hours=self.chance.uniform(3, 6))
        self.agenda.plan(office_hours(ends_at), partial(self._back, vendor))

    def _back(self, vendor: str) -> None:
        self.flow.platforms.no_fault(vendor)
        self.flow.sweep()

    def _key_runs_out(self) -> None:
        """The tax service takes another key now, and nobody has told q2c."""
        account = {"account_id": connections.TAX_ACCOUNT, "license_key": secrets.token_urlsafe(18)}
        self.flow.platforms.seed("avatax", {"accounts": [account]})

    def _posted(self) -> Invoice | None:
        """One of the last invoices that bills something once or ahead."""
        found = Invoice.objects.filter(state="posted", lines__kind__in=("one_time", "recurring"), total_minor__gt=0)
        return found.order_by("-recorded_at", "-number").distinct().first()

    def copy_invoice(self) -> None:
        """One-time charges: what is billed twice of them is more than was sold."""
        found = Invoice.objects.filter(state="posted", lines__kind="one_time").exclude(lines__kind="recurring")
        if (invoice := found.order_by("-recorded_at", "-number").distinct().first()) is not None:
            self.flow.platforms.control("zuora", "copy-invoice", {"number": invoice.number})
            self.flow.poll("zuora")

    def redate_invoice(self) -> None:
        if (invoice := self._posted()) is not None:
            on = invoice.issued_on + dt.timedelta(days=3)
            self.flow.platforms.control("zuora", "redate-invoice", {"number": invoice.number, "on": on.isoformat()})
            self.flow.poll("zuora")
