"""What sales does wrong in a year: types wrong, sells before it can be sold, sells where or to whom it may not.

A slip is done to a deal that is not closed yet, one to each; what follows from it is the flow's.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from q2c.demo import catalogue, connections
from q2c.demo.catalogue import NOT_LISTED
from q2c.demo.credit_limits import DECLINE, REFER, CreditLimits
from q2c.demo.deals import Deal, Line

OHIO = ("410 Long Street", "Columbus", "OH", "43215")
PENNSYLVANIA = ("77 Smallman Street", "Pittsburgh", "PA", "15222")
# Launched on this day of the year, and sold with this share of the deals from then on.
LAUNCHES = {"INSIGHTS-AI": (70, 0.2), "EDGE-BOX-2": (190, 0.12)}
# Before Ohio is registered, deals go there.
OHIO_DAYS = range(95, 131)
# The last days are told apart, in `lately`.
LAST_DAYS = 15


def first_recurring(deal: Deal) -> int:
    """The number of the first recurring line; 0 where there is none."""
    kinds = [catalogue.BY_CODE[line.product].kind for line in deal.lines]
    return kinds.index("recurring") + 1 if "recurring" in kinds else 0


# One deal ---------------------------------------------------------------------------------------------------------


def wrong_zip_code(deal: Deal) -> None:
    wrong = {"Ship_To_Postal_Code__c": connections.NO_ZIP_CODE}
    deal.slips = {n: wrong for n, line in enumerate(deal.lines, 1) if deal.groups[line.group].country == "US"}


def rounded_amount(deal: Deal) -> None:
    """To the next hundred, or just off by one."""
    number = first_recurring(deal)
    whole = int(str(deal.line(number)["Contract_Amount__c"]).partition(".")[0])
    deal.slips = {number: {"Contract_Amount__c": str(whole // 100 * 100 if whole % 100 else whole - 1)}}


def other_treatment(deal: Deal) -> None:
    deal.slips = {first_recurring(deal): {"Revenue_Treatment__c": "point_in_time"}}


def gap_between_phases(deal: Deal) -> None:
    number = next(n for n, line in enumerate(deal.lines, 1) if line.phases)
    phases = json.loads(deal.line(number)["Phases__c"])
    phases[1]["starts_on"] = phases[1]["starts_on"][:8] + "15"
    deal.slips = {number: {"Phases__c": json.dumps(phases)}}


def two_regions_in_a_group(deal: Deal) -> None:
    """The sales platform takes it; as an order it cannot be read."""
    deal.slips = {
        len(deal.lines): {"Region__c": "APAC" if deal.groups[deal.lines[-1].group].region != "APAC" else "US"}
    }


def much_discount(deal: Deal, percent: int) -> None:
    for line in deal.lines:
        if catalogue.BY_CODE[line.product].kind == "recurring":
            line.discount_percent = percent


def ship_to(deal: Deal, place: tuple[str, str, str, str]) -> None:
    deal.groups = {
        group: replace(account, address=place) if account.country == "US" else account
        for group, account in deal.groups.items()
    }


def add_seats(deal: Deal, product: str) -> None:
    model = deal.lines[first_recurring(deal) - 1]
    deal.lines.append(
        Line(
            product=product, group=model.group, quantity=max(model.quantity // 2, 5), frequency=model.frequency,
            alignment=model.alignment,
        )
    )  # fmt: skip


# A year -----------------------------------------------------------------------------------------------------------


def ships_to_us(deal: Deal) -> bool:
    return any(account.country == "US" for account in deal.groups.values())


def is_single(deal: Deal) -> bool:
    return not deal.customer.below and not deal.customer.parent


class Slips:
    """Done to the deals of a year, a few in a hundred of each kind."""

    def __init__(self, deals: list[Deal], first_day: dt.date, days: int, chance: random.Random) -> None:
        self.deals, self.first_day, self.chance = deals, first_day, chance
        self._sound = [deal for deal in deals if self._day(deal) < days - LAST_DAYS]
        # Customers that a clean-up of the sales platform sets inactive shortly before they buy.
        self.parked: list[Deal] = []

    def _day(self, deal: Deal) -> int:
        return (deal.closed_on - self.first_day).days

    def do(self) -> None:
        self._launch()
        self._each(0.020, ships_to_us, wrong_zip_code)
        self._each(0.022, first_recurring, rounded_amount)
        self._each(0.040, first_recurring, lambda deal: much_discount(deal, self.chance.choice((22, 25, 30, 35))))
        self._each(0.012, lambda d: ships_to_us(d) and self._day(d) in OHIO_DAYS, lambda d: ship_to(d, OHIO))
        self._each(0.008, lambda deal: any(line.phases for line in deal.lines), gap_between_phases)
        self._each(0.010, first_recurring, other_treatment)
        self._each(0.005, first_recurring, partial(add_seats, product=NOT_LISTED[0]))
        self._each(0.007, lambda deal: len(deal.lines) > 1 and len(deal.groups) == 1, two_regions_in_a_group)
        self._each(0.014, is_single, self.parked.append)

    def meet_limits(self, limits: CreditLimits) -> None:
        """Once nothing is added to any deal any more."""
        for verdict, share in ((REFER, 0.045), (DECLINE, 0.012)):
            self._pick(share, partial(limits.meets, verdict=verdict))

    def _each(self, share: float, fits: Callable[[Deal], Any], slip: Callable[[Deal], None]) -> None:
        for deal in self._pick(share, fits):
            slip(deal)

    def _pick(self, share: float, fits: Callable[[Deal], Any]) -> list[Deal]:
        """So many of all deals, among the sound ones that fit."""
        wanted, found = max(1, round(share * len(self.deals))), list[Deal]()
        for deal in self.chance.sample(self._sound, len(self._sound)):
            if len(found) < wanted and fits(deal):
                found.append(deal)
        self._sound = [deal for deal in self._sound if deal not in found]
        return found

    def _launch(self) -> None:
        for product, (day, share) in LAUNCHES.items():
            for deal in self.deals:
                if self._day(deal) < day or self.chance.random() >= share:
                    continue
                if catalogue.BY_CODE[product].kind == "one_time":
                    group = next(iter(deal.groups))
                    deal.lines.append(Line(product=product, group=group, quantity=self.chance.randrange(2, 30, 2)))
                elif first_recurring(deal):
                    add_seats(deal, product)
