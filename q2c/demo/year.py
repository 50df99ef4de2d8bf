"""A year of quote-to-cash, lived day by day: deals close, phases begin, bills run, books close, people repair.

The agenda holds what happens; the flow does what it always does; nothing is written into its tables by hand.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from exceptions.models import Case
from q2c import clock
from q2c.demo import catalogue, company, connections, customers, people
from q2c.demo.agenda import Agenda
from q2c.demo.deals import DEALS_A_YEAR, Deal, Salesroom
from q2c.demo.flow import Flow
from q2c.demo.mishaps import Mishaps
from q2c.demo.office import Office
from q2c.demo.platforms import Platforms
from q2c.demo.repairs import Repairs
from q2c.demo.sales_desk import SalesDesk
from q2c.models import ChargeSegment, Invoice, Order

DAYS = 365
# Bills run on Mondays; sales operations release what was won on Tuesdays. Large batches make a year quick.
BILLING_DAYS, SALES_DAYS = (0,), (1,)
# The books of a month are closed on this day of the next one.
CLOSING_DAY = 9


@dataclass(frozen=True, slots=True)
class Summary:
    """What a year came to."""

    orders: int
    invoices: int
    posted: int
    cases: int
    open_cases: int
    steps: int


class Year:
    """`say` gets a line now and then, for whoever waits. `scale` makes so many times the customers and deals."""

    def __init__(self, ends_at: dt.datetime, scale: int = 1, say: Callable[[str], None] = print) -> None:
        self.ends_at, self.scale, self.say = ends_at, scale, say
        self.first_day = ends_at.date() - dt.timedelta(days=DAYS)
        self.platforms = Platforms()
        self.flow = Flow(self.platforms)
        self.agenda = Agenda(ends_at)
        self.chance = random.Random(f"year {scale}")  # noqa: S311
        self.people: list[dict[str, str]] = []
        self._said = ""

    def found(self) -> None:
        """The company, its people and its systems, as they stand before the first day."""
        began = dt.datetime.combine(self.first_day, dt.time(5), dt.UTC)
        with clock.at(began):
            # Master data hold from before the year, so that whatever is dated back a little finds them.
            since = self.first_day - dt.timedelta(days=400)
            company.found(self.first_day - dt.timedelta(days=31), self.ends_at.date())
            catalogue.list_goods(since)
            self.people = people.hire()
            self.say("company: 4 entities, chart of accounts, rates, products, people")
            accounts = customers.accounts(self.scale)
            systems = connections.connect(self.platforms, accounts, self.first_day, self.ends_at.date())
            self.sales = SalesDesk(self.platforms, systems["salesforce"])
            self.deals = Salesroom(accounts, self.first_day).year(DEALS_A_YEAR * self.scale, DAYS)
            mishaps = Mishaps(self.flow, self.agenda, self.deals, self.first_day, self.chance)
            mishaps.spoil_deals()
            mishaps.break_platforms()
            self.office = Office(self.flow, self.agenda, self.chance)
            mishaps.leave_open(self.office)
            self.platforms.seed("credit", {"customers": mishaps.credit_limits(accounts)})
            parked = [{"AccountNumber": account.key, "Active__c": False} for account in mishaps.parked_accounts()]
            self.platforms.seed("salesforce", {"accounts": parked})
            self.say(f"systems: 5 sandboxes, {len(accounts)} accounts, {len(self.deals)} deals to close")
        by_number = {deal.number: deal for deal in self.deals}
        self.repairs = Repairs(self.office, self.platforms, self.sales, self.agenda, by_number)

    def live(self) -> Summary:
        """From the first day to the last. Afterwards every clock is the machine's again."""
        self._plan_days()
        try:
            for instant, act in self.agenda:
                with self.flow.at(instant):
                    act()
                    self.office.look()
                self._tell(instant)
        finally:
            self.platforms.move_clocks(None)
        self.platforms.seed("zuora", {"job_s": connections.JOB_S})
        return self._summary()

    def _plan_days(self) -> None:
        waiting: list[Deal] = []
        by_day = {day: list(deals) for day, deals in groupby(self.deals, key=lambda deal: deal.closed_on)}
        for number in range(DAYS + 1):
            day = self.first_day + dt.timedelta(days=number)
            if day.weekday() in BILLING_DAYS:
                self.agenda.plan(self._at(day, 6, 10), self._morning)
            waiting += by_day.get(day, [])
            if waiting and day.weekday() in SALES_DAYS:
                moment = self._at(day, 16, self.chance.randint(0, 55))
                self.agenda.plan(moment, partial(self._close, waiting))
                waiting = []
            if day.day == CLOSING_DAY:
                month = (day.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
                self.agenda.plan(self._at(day, 17, 30), partial(self.repairs.close_month, month))
            if (day + dt.timedelta(days=1)).day == 1:
                self.agenda.plan(self._at(day, 21), self._report_usage)
        # Whoever opens the queue finds something of this morning in it.
        self.agenda.plan(self.ends_at - dt.timedelta(minutes=95), self._morning)
        if waiting:
            self.agenda.plan(self.ends_at - dt.timedelta(minutes=40), partial(self._close, waiting))

    @staticmethod
    def _at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, minute), dt.UTC)

    def _close(self, deals: list[Deal]) -> None:
        self.sales.close(deals)
        self.flow.poll("salesforce")
        self.flow.work()

    def _morning(self) -> None:
        """What begins today is activated, what is due is billed, and what is billed is booked and posted."""
        self.flow.work()
        run = self.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
        if run["invoices"]:
            self.flow.poll("zuora")
            self.flow.work()

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
                self.say(f"{self._said}: {self._counts()}")
            self._said = month

    def _counts(self) -> str:
        found = self._summary()
        return (
            f"{found.orders} orders, {found.invoices} invoices, {found.posted} posted, "
            f"{found.cases} cases of which {found.open_cases} open"
        )

    def _summary(self) -> Summary:
        unresolved = Case.objects.exclude(state__in=("resolved", "closed_without_fix"))
        return Summary(
            orders=Order.objects.count(), invoices=Invoice.objects.count(),
            posted=Invoice.objects.filter(state="posted").count(), cases=Case.objects.count(),
            open_cases=unresolved.count(), steps=self.flow.steps_run,
        )  # fmt: skip
