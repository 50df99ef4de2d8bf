"""What goes wrong in a year, and when: typing errors, forgotten master data, clean-ups in the ERP, outages.

Each is caused where it would be caused; what follows from it, and how it is put right, is the flow's and the people's.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.demo import catalogue, connections
from q2c.demo.agenda import Agenda, office_hours
from q2c.demo.company import ERP
from q2c.demo.customers import Account
from q2c.demo.deals import Deal, Line
from q2c.demo.flow import Flow
from q2c.demo.office import Office
from q2c.demo.repairs import erp_period

# Launched on this day of the year, and sold with this share of the deals from then on.
LAUNCHES = {"INSIGHTS-AI": (70, 0.25), "EDGE-BOX-2": (190, 0.15), "VAULT": (356, 0.6)}
# Day of the year on which a clean-up in the ERP switches a cost centre off.
CLEAN_UPS = {"CC-410": (48, 280), "CC-300": (150, 226), "CC-200": (262, 355)}
LOST_ANSWERS = (20, 62, 101, 133, 176, 219, 248, 301, 340)
OUTAGES = ((ERP, 92), ("credit", 145), ("zuora", 211), (ERP, 318))
# Months after the first in which somebody closes the ERP's period a week too early; and one in which the wrong month,
# the one that has just begun, is closed.
EARLY_CLOSINGS = (2, 6, 8)
WRONG_CLOSING = 4
OHIO = ("410 Long Street", "Columbus", "OH", "43215")
OREGON = ("77 Burnside Street", "Portland", "OR", "97205")
# From here on the story leaves things open; what it is that nobody gets to, and from which day on.
LEFT_OPEN = {
    "US:US-OR": 300, "credit_refused": 335, "CC-200": 354, "VAULT": 354, "discount_approval_required": 349,
    "credit_approval_required": 349, "customer_inactive": 340,
}  # fmt: skip


class Mishaps:
    def __init__(
        self, flow: Flow, agenda: Agenda, deals: list[Deal], first_day: dt.date, chance: random.Random
    ) -> None:
        self.flow, self.agenda, self.deals, self.first_day, self.chance = flow, agenda, deals, first_day, chance
        # Deals that nothing was done to yet, so that each goes wrong in one way.
        self._sound = list(deals)

    def _day(self, deal: Deal) -> int:
        return (deal.closed_on - self.first_day).days

    def _pick(self, share: float, fits: Callable[[Deal], Any]) -> list[Deal]:
        """So many of all deals, among the sound ones that fit."""
        among = [deal for deal in self._sound if fits(deal)]
        found = self.chance.sample(among, min(len(among), max(1, round(share * len(self.deals)))))
        self._sound = [deal for deal in self._sound if deal not in found]
        return found

    # Deals ---------------------------------------------------------------------------------------------------------

    def spoil_deals(self) -> None:
        """What sales types wrong, sells before it can be sold, or gives away."""
        self._launch()
        for deal in self._pick(0.020, _ships_to_us):
            wrong = {"Ship_To_Postal_Code__c": connections.NO_ZIP_CODE}
            deal.slips = {n: wrong for n, line in enumerate(deal.lines, 1) if deal.groups[line.group].country == "US"}
        for deal in self._pick(0.022, _first_recurring):
            number = _first_recurring(deal)
            right = deal.line(number)["Contract_Amount__c"]
            deal.slips = {number: {"Contract_Amount__c": _rounded(right)}}
        for deal in self._pick(0.03, _first_recurring):
            percent = self.chance.choice((22, 25, 30, 35))
            for line in deal.lines:
                if catalogue.BY_CODE[line.product].kind == "recurring":
                    line.discount_percent = percent
        for share, place, days in ((0.012, OHIO, range(95, 131)), (0.006, OREGON, range(326, 350))):
            for deal in self._pick(share, self._american_in(days)):
                deal.groups = {
                    group: replace(account, address=place) if account.country == "US" else account
                    for group, account in deal.groups.items()
                }
        # A few of each kind shortly before the end, so that the queue is not empty then.
        for deal in self._pick(0.007, lambda deal: self._day(deal) >= 350 and _first_recurring(deal)):
            deal.lines[_first_recurring(deal) - 1].discount_percent = 30

    def _american_in(self, days: range) -> Callable[[Deal], bool]:
        return lambda deal: _ships_to_us(deal) and self._day(deal) in days

    def _launch(self) -> None:
        for product, (day, share) in LAUNCHES.items():
            for deal in self.deals:
                sold = self._day(deal) >= day and self.chance.random() < share
                first = _first_recurring(deal)
                if sold and catalogue.BY_CODE[product].kind == "one_time":
                    group = next(iter(deal.groups))
                    deal.lines.append(Line(product=product, group=group, quantity=self.chance.randrange(2, 30, 2)))
                elif sold and first:
                    model = deal.lines[first - 1]
                    deal.lines.append(
                        Line(
                            product=product, group=model.group, quantity=max(model.quantity // 2, 5),
                            frequency=model.frequency, alignment=model.alignment,
                        )
                    )  # fmt: skip

    def parked_accounts(self) -> list[Account]:
        """Customers that a clean-up of the sales platform sets inactive shortly before they buy."""
        early = self._pick(0.012, lambda deal: not deal.customer.below)
        late = self._pick(0.003, lambda deal: not deal.customer.below and self._day(deal) >= 342)
        return [deal.customer for deal in early + late]

    def credit_limits(self, accounts: list[Account]) -> list[dict[str, Any]]:
        """Customers with less credit than others, as the credit service takes them."""
        found = []
        for account in self.chance.sample(accounts, len(accounts) // 8):
            hard = self.chance.choice(("60000.00", "250000.00", "400000.00"))
            limits = {"soft_limit": "40000.00", "hard_limit": hard, "currency": "USD"}
            found.append({"id": account.parent or account.key, "name": account.name, **limits})
        return found

    # Platforms -----------------------------------------------------------------------------------------------------

    def break_platforms(self) -> None:
        for centre, days in CLEAN_UPS.items():
            for day in days:
                self._plan(day, 7, self._switcher(centre))
        for day in LOST_ANSWERS:
            self._plan(day, 5, lambda: self.flow.platforms.fault(ERP, "drop_after", "create_journal", times=2))
        for vendor, day in OUTAGES:
            self._plan(day, 5, self._outage(vendor))
        for months in EARLY_CLOSINGS:
            month = _months_after(self.first_day, months)
            self.agenda.plan(_at(month + dt.timedelta(days=24), 16), self._early_closing(month))

        wrong = _months_after(self.first_day, WRONG_CLOSING)
        self.agenda.plan(_at(wrong, 5), self._early_closing(wrong))

    def leave_open(self, office: Office) -> None:
        """What people do not get to any more before the story ends."""
        for what, day in LEFT_OPEN.items():
            self._plan(day, 7, partial(office.left_open.add, what))
        month = self.agenda.ends_at.date().replace(day=1)
        office.left_open.add(f"JP:receivables:{month:%Y-%m}")
        self._plan(355, 8, partial(self._close_early_here, month))

    def _close_early_here(self, month: dt.date) -> None:
        """The Japanese controller closes receivables for the group's deadline, with a week to go."""
        period = FiscalPeriod.objects.select_related("entity").get(
            entity__code="JP", subledger="receivables", starts_on=month
        )
        periods.close(period, by="dmitri", why="fast close for the group")

    def _plan(self, day: int, hour: int, act: Callable[[], None]) -> None:
        self.agenda.plan(_at(self.first_day + dt.timedelta(days=day), hour), act)

    def _switcher(self, centre: str) -> Callable[[], None]:
        return lambda: self.flow.platforms.change(ERP, "department", centre, isInactive=True)

    def _outage(self, vendor: str) -> Callable[[], None]:
        def begin() -> None:
            self.flow.platforms.fault(vendor, "unavailable")
            self.agenda.plan(office_hours(clock.now() + dt.timedelta(hours=self.chance.uniform(3, 6))), end)

        def end() -> None:
            self.flow.platforms.no_fault(vendor)
            self.flow.sweep()
            self.flow.work()

        return begin

    def _early_closing(self, month: dt.date) -> Callable[[], None]:
        return lambda: self.flow.platforms.change(ERP, "accountingPeriod", erp_period(month), closed=True)


def _ships_to_us(deal: Deal) -> bool:
    return any(account.country == "US" for account in deal.groups.values())


def _first_recurring(deal: Deal) -> int:
    """The number of the first recurring line; 0 where there is none."""
    kinds = [catalogue.BY_CODE[line.product].kind for line in deal.lines]
    return kinds.index("recurring") + 1 if "recurring" in kinds else 0


def _rounded(amount: str) -> str:
    """An amount as somebody rounds it by hand: to the next hundred, or just off by one."""
    whole = int(amount.partition(".")[0])
    return str(whole // 100 * 100 if whole % 100 else whole - 1)


def _months_after(day: dt.date, count: int) -> dt.date:
    index = day.year * 12 + day.month - 1 + count
    return dt.date(index // 12, index % 12 + 1, 1)


def _at(day: dt.date, hour: int) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), dt.UTC)
