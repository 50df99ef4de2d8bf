"""The last two weeks: what is still open, or just came in, when the story stops.

Everything is told in working hours before the end, so that on whatever day and hour somebody looks, the queue has
something of this morning, most of it is in time, and a few are late.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exceptions.policies import SYSTEMS
from q2c.demo import catalogue, slips
from q2c.demo.credit_limits import DECLINE, REFER, CreditLimits
from q2c.demo.customers import Account
from q2c.demo.deals import Deal, Salesroom
from q2c.demo.hours import Hours
from q2c.demo.items import move_item
from q2c.demo.mishaps import Mishaps
from q2c.demo.office import CLAIM, SNOOZE

if TYPE_CHECKING:
    from q2c.demo.year import Year

# The hours are those of this team.
TEAM = SYSTEMS


@dataclass(frozen=True, slots=True)
class Late:
    """A deal that goes wrong `hours` before the end.

    `then`: what a person does about it until the end, at most; SOLVE: puts it right, as at any time of the year.
    """

    hours: float
    slip: str
    then: str = ""


SOLVE = "solve"
DEALS = (
    Late(88, "nexus", SNOOZE),
    Late(57, "declined", SNOOZE),
    Late(38, "phases", CLAIM),
    Late(31, "zip_code", SOLVE),
    Late(24, "vault", CLAIM),
    Late(16, "discount", SOLVE),
    Late(13, "treatment", CLAIM),
    Late(11, "inactive"),
    Late(9, "amount", SOLVE),
    Late(7.2, "unknown_product"),
    Late(5.5, "amount", CLAIM),
    Late(4.6, "vault"),
    Late(3.4, "referred"),
    Late(2.8, "zip_code", CLAIM),
    Late(2.2, "discount"),
    Late(1.7, "vault"),
    Late(1.3, "phases"),
    Late(0.9, "discount"),
    Late(0.6, "amount"),
)
# Nothing is wrong with these: the credit service is down when they come.
DURING_THE_OUTAGE = (0.35, 0.3)
OUTAGE_BEGINS = 0.4
ITEMS_MOVED = ("SUPPORT-PLUS", "TRAINING", "STORAGE")
_LIMITS = {"declined": DECLINE, "referred": REFER}
# From then on what fails is looked at, and not put right before the end.
QUIET = 7.0
# Bill runs; the ones before them end so many days earlier, so that there is something to bill.
RUNS = (5.8, 1.5)
NO_RUNS_DAYS = 6


class Lately:
    """Draws the deals; the year closes them and plans the rest."""

    def __init__(self, room: Salesroom, ends_at: dt.datetime, hours: Hours) -> None:
        self.room, self.ends_at, self.hours = room, ends_at, hours
        self.told: list[tuple[Late, Deal]] = []
        self.parked: list[Deal] = []
        # Each buys once: what is wrong with one deal says nothing about another.
        self._buyers: set[str] = set()

    def at(self, hours: float) -> dt.datetime:
        return self.hours.before(TEAM, self.ends_at, hours)

    def draw(self, deals: list[Deal]) -> list[Deal]:
        """The deals of the story's end, in order of time. `deals` are those that were drawn before."""
        bought = {account.key for deal in deals for account in deal.groups.values()}
        outage = [Late(hours, "") for hours in DURING_THE_OUTAGE]
        self.told = [(late, self._of(late, bought)) for late in (*DEALS, *outage)]
        return [deal for _, deal in self.told]

    def _of(self, late: Late, bought: set[str]) -> Deal:
        def fits(account: Account) -> bool:
            if account.key in self._buyers or (late.slip in ("nexus", "zip_code") and account.country != "US"):
                return False
            # Who buys for the first time has no earlier deal that must go well.
            return late.slip not in (*_LIMITS, "inactive") or account.key not in bought

        deal = self.room.of_seats(self.at(late.hours).date(), fits, growing=late.slip == "phases")
        self._buyers.add(deal.customer.key)
        done: dict[str, Callable[[Deal], None]] = {
            "nexus": partial(slips.ship_to, place=slips.PENNSYLVANIA),
            "vault": partial(slips.add_seats, product="VAULT"),
            "treatment": slips.other_treatment,
            "inactive": self.parked.append,
            "unknown_product": partial(slips.add_seats, product=catalogue.NOT_LISTED[1]),
            "amount": slips.rounded_amount,
            "zip_code": slips.wrong_zip_code,
            "discount": partial(slips.much_discount, percent=25),
            "phases": slips.gap_between_phases,
        }
        if late.slip in done:
            done[late.slip](deal)
        return deal

    def meet_limits(self, limits: CreditLimits) -> None:
        for late, deal in self.told:
            if late.slip in _LIMITS:
                limits.meets(deal, _LIMITS[late.slip])

    def plan(self, story: Year, mishaps: Mishaps) -> None:
        """Close the deals, each at its hour, and cause the rest; what comes from it nobody gets to any more."""
        story.office.quiet_from = self.at(QUIET)
        for late, deal in self.told:
            story.office.left[deal.number] = late.then
            story.agenda.plan(self.at(late.hours), partial(story.close, [deal]))
        for hours in RUNS:
            story.agenda.plan(self.at(hours), story.bill)
        for hours, act in self._accidents(story, mishaps):
            story.agenda.plan(self.at(hours), act)

    def _accidents(self, story: Year, mishaps: Mishaps) -> list[tuple[float, Callable[[], None]]]:
        shop = story.market.shop
        return [
            (6.6, partial(mishaps.switch_off, "department", "CC-200")),
            (6.4, partial(mishaps.close_here, "JP")),
            *((6.3, partial(move_item, story.platforms, product)) for product in ITEMS_MOVED),
            (6.2, shop.mistake),
            (5.0, mishaps.copy_invoice),
            (4.0, shop.stranger),
            (3.0, mishaps.redate_invoice),
            (2.5, shop.sell),
            (1.9, shop.contradict),
            (OUTAGE_BEGINS, partial(story.platforms.fault, "credit", "unavailable")),
        ]
