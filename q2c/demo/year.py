"""A year of quote-to-cash, lived day by day: deals close, phases begin, bills run, books close, people repair.

The agenda holds what happens; the flow does what it always does; nothing is written into its tables by hand. What is
long past comes in large batches, twice a month, which is what makes a year quick; the last weeks come day by day.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from exceptions.models import Case
from exceptions.models.case import TO_DO, UNRESOLVED
from q2c import clock
from q2c.demo import catalogue, company, connections, customers, lately, people, real_ledger
from q2c.demo.agenda import Agenda
from q2c.demo.credit_limits import CreditLimits
from q2c.demo.deals import DEALS_A_YEAR, Deal, Salesroom
from q2c.demo.flow import Flow
from q2c.demo.hours import Hours
from q2c.demo.lately import Lately
from q2c.demo.market import Market
from q2c.demo.mishaps import Mishaps
from q2c.demo.office import Office
from q2c.demo.platforms import Platforms
from q2c.demo.repairs import Repairs
from q2c.demo.sales_desk import SalesDesk
from q2c.demo.shop import Shop
from q2c.demo.slips import Slips
from q2c.models import ChargeSegment, Invoice, Order

DAYS = 365
# Bills run in the morning after these days of the month; in the last weeks every Monday and Thursday.
BILLING_DAYS = (1, 15)
BILLED_WEEKLY_DAYS = 24
# What sales has won is released on every second Tuesday, then every Tuesday, at last on each day.
RELEASED_WEEKLY_DAYS, RELEASED_DAILY_DAYS = 60, 12
# The books of a month are closed on this day of the next one.
CLOSING_DAY = 9


@dataclass(frozen=True, slots=True)
class Summary:
    """What a year came to."""

    orders: int
    invoices: int
    posted: int
    cases: int
    # Those that need a person, as the tower counts them; and those that are snoozed, asked about or on their way.
    open_cases: int
    waiting_cases: int
    steps: int


class Year:
    """`say` gets a line now and then, for whoever waits. `scale` makes so many times the customers and deals.

    `days`: another length than a year's, with its share of the deals.
    """

    def __init__(
        self, ends_at: dt.datetime, scale: int = 1, say: Callable[[str], None] = print, days: int = DAYS
    ) -> None:
        self.ends_at, self.scale, self.say, self.days = ends_at, scale, say, days
        self.first_day = ends_at.date() - dt.timedelta(days=days)
        self.platforms = Platforms()
        self.flow = Flow(self.platforms)
        self.agenda = Agenda(ends_at)
        self.chance = random.Random(f"year {scale}")  # noqa: S311
        self.people: list[dict[str, str]] = []
        self._said = ""

    def found(self) -> None:
        """The company, its people and its systems, as they stand before the first day."""
        with clock.at(dt.datetime.combine(self.first_day, dt.time(5), dt.UTC)):
            # Master data hold from before the year, so that whatever is dated back a little finds them.
            since = self.first_day - dt.timedelta(days=400)
            company.found(self.first_day - dt.timedelta(days=31), self.ends_at.date())
            catalogue.list_goods(since)
            self.people = people.hire()
            self.say("company: 4 entities, chart of accounts, rates, products, people")
            accounts = customers.accounts(self.scale)
            systems = connections.connect(self.platforms, accounts, self.first_day, self.ends_at.date())
            if erp := real_ledger.connect(self.platforms, since):
                self.say(f"books: the German company's in a real {erp.capitalize()}")
            self.hours = Hours()
            self._sell(accounts, SalesDesk(self.platforms, systems["salesforce"]))
            self.office = Office(self.flow, self.agenda, self.chance, self.hours)
            self.repairs = Repairs(self.office, self.platforms, self.agenda, self.market)
            self.say(f"systems: 5 sandboxes, {len(accounts)} accounts, {len(self.market.deals)} deals to close")

    def _sell(self, accounts: list[customers.Account], desk: SalesDesk) -> None:
        """Draw the deals of the year and of its end, and what is wrong with some of them."""
        room = Salesroom(accounts, self.first_day)
        self.lately = Lately(room, self.ends_at, self.hours)
        planned = DEALS_A_YEAR * self.scale * self.days // DAYS - len(lately.DEALS) - len(lately.DURING_THE_OUTAGE)
        self.deals = room.year(planned, self.days)
        slips = Slips(self.deals, self.first_day, self.days, self.chance)
        slips.do()
        every = [*self.deals, *self.lately.draw(self.deals)]
        limits = CreditLimits(accounts, every)
        self.lately.meet_limits(limits)
        slips.meet_limits(limits)
        self.platforms.seed("credit", {"customers": limits.rows()})
        parked = [deal.customer.key for deal in (*slips.parked, *self.lately.parked)]
        self.platforms.seed("salesforce", {"accounts": [{"AccountNumber": k, "Active__c": False} for k in parked]})
        self.market = Market(desk, Shop(accounts, self.chance), limits, {deal.number: deal for deal in every})

    def live(self) -> Summary:
        """From the first day to the last. Afterwards every clock is the machine's again."""
        self._plan()
        try:
            for instant, acts in self.agenda:
                with self.flow.at(instant):
                    for act in acts:
                        act()
                    self.flow.work()
                    self.office.look()
                self._tell(instant)
        finally:
            self.platforms.move_clocks(None)
        self.platforms.seed("zuora", {"job_s": connections.JOB_S})
        return self._summary()

    # What happens when ---------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        runs = list(self._runs())
        for run in runs:
            self.agenda.plan(run, self.bill)
        for number in range(self.days + 1):
            self._plan_day(self.first_day + dt.timedelta(days=number))
        self._plan_releases()
        mishaps = Mishaps(self.flow, self.agenda, runs, self.first_day, self.chance)
        mishaps.plan(self.market.shop)
        self.lately.plan(self, mishaps)

    def _runs(self) -> Iterator[dt.datetime]:
        """The bill runs that are not of the story's end."""
        for number in range(self.days - lately.NO_RUNS_DAYS):
            day, left = self.first_day + dt.timedelta(days=number), self.days - number
            weekly = left <= BILLED_WEEKLY_DAYS and day.weekday() in (0, 3)
            if weekly or (left > BILLED_WEEKLY_DAYS and (day - dt.timedelta(days=1)).day in BILLING_DAYS):
                yield self._at(day, 6, 10)

    def _plan_day(self, day: dt.date) -> None:
        month = (day.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        # The month before the story began has no books in the ERP.
        if day.day == CLOSING_DAY and month >= self.first_day.replace(day=1):
            self.agenda.plan(self._at(day, 17, 30), partial(self.repairs.close_month, month))
        if (day + dt.timedelta(days=1)).day == 1:
            self.agenda.plan(self._at(day, 21), self._report_usage)

    def _plan_releases(self) -> None:
        by_day = {day: list(deals) for day, deals in groupby(self.deals, key=lambda deal: deal.closed_on)}
        waiting: list[Deal] = []
        for number in range(self.days):
            day, left = self.first_day + dt.timedelta(days=number), self.days - number
            waiting += by_day.get(day, [])
            tuesday = day.weekday() == 1 and (left <= RELEASED_WEEKLY_DAYS or day.isocalendar().week % 2 == 0)
            if waiting and (tuesday or left <= RELEASED_DAILY_DAYS or number == self.days - 1):
                self.agenda.plan(self._at(day, 15, self.chance.randint(0, 55)), partial(self.close, waiting))
                waiting = []

    @staticmethod
    def _at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, minute), dt.UTC)

    # What happens --------------------------------------------------------------------------------------------------

    def close(self, deals: Sequence[Deal]) -> None:
        self.market.sales.close(deals)
        self.flow.poll("salesforce")

    def bill(self) -> None:
        """What begins by today is activated, what is due is billed; booked and posted it is by the flow."""
        self.flow.work()
        run = self.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
        if run["invoices"]:
            self.flow.poll("zuora")

    def _report_usage(self) -> None:
        """What the meters counted this month."""
        today = clock.today()
        metered = ChargeSegment.objects.filter(
            kind="usage", starts_on__lte=today, ends_on__gt=today, subscription__state="active"
        ).select_related("subscription")
        rows = []
        for segment in metered.order_by("id"):
            good = catalogue.BY_CODE[segment.product]
            about = 260_000 if good.meter == "api_calls" else 1_200
            rows.append(
                {"AccountNumber": segment.subscription.account, "UOM": good.meter,
                 "Quantity": self.chance.randrange(about // 4, about * 3),
                 "StartDateTime": f"{today - dt.timedelta(days=self.chance.randint(0, 20))}T08:00:00.000+00:00",
                 "SubscriptionNumber": segment.subscription.number}
            )  # fmt: skip
        if rows:
            self.platforms.control("zuora", "usage", {"usage": rows})

    def _tell(self, instant: dt.datetime) -> None:
        month = f"{instant:%B %Y}"
        if month != self._said:
            if self._said:
                self.say(f"to {self._said}: {self._counts()}")
            self._said = month

    def _counts(self) -> str:
        found = self._summary()
        return (
            f"{found.orders:,} orders, {found.invoices:,} invoices, {found.posted:,} posted, "
            f"{found.cases:,} cases of which {found.open_cases:,} open"
        )

    def _summary(self) -> Summary:
        unresolved = Case.objects.filter(state__in=UNRESOLVED)
        return Summary(
            orders=Order.objects.count(), invoices=Invoice.objects.count(),
            posted=Invoice.objects.filter(state="posted").count(), cases=Case.objects.count(),
            open_cases=unresolved.filter(state__in=TO_DO).count(),
            waiting_cases=unresolved.exclude(state__in=TO_DO).count(), steps=self.flow.steps_run,
        )  # fmt: skip
