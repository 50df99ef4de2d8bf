"""The year's deals: what is sold to whom, when, on which terms; as opportunities of the Salesforce sandbox.

A deal is drawn from a few shapes that a software company knows: seats, seats in two phases, a rollout with
implementation, an all-in contract for several regions, devices and training. Amounts are exact, discounts too.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from q2c import money
from q2c.demo import catalogue
from q2c.demo.company import BY_CODE as COMPANIES
from q2c.demo.company import COMPANIES as ALL_COMPANIES
from q2c.demo.customers import Account
from q2c.stages.controls.calendar import add_months

DEALS_A_YEAR = 300
# region → currency that its invoices are in
CURRENCIES = {"US": "USD", "AMER": "CAD", "DE": "EUR", "EMEA": "EUR", "UK": "GBP", "JP": "JPY", "APAC": "JPY"}
SERVED_BY = {region: company.code for company in ALL_COMPANIES for region in company.regions}
_FREQUENCIES = (*["monthly"] * 13, "quarterly", "annual")


@dataclass(kw_only=True, slots=True)
class Line:
    """One line of a deal; `phases` are (months, quantity), one after the other."""

    product: str
    group: str
    quantity: int = 1
    frequency: str = "once"
    alignment: str = "term_start"
    phases: tuple[tuple[int, int], ...] = ()
    discount_percent: int = 0
    included: int = 0


@dataclass(kw_only=True, slots=True)
class Deal:
    """A deal before it is closed. `groups` maps an invoice group to the account billed and shipped to.

    `slips` are wrong values that somebody typed: line number → field → value.
    """

    number: str
    customer: Account
    closed_on: dt.date
    starts_on: dt.date
    months: int
    contract_entity: str
    currency: str
    groups: dict[str, Account]
    lines: list[Line] = field(default_factory=list)
    payment_days: int = 30
    slips: dict[int, dict[str, Any]] = field(default_factory=dict)

    def seed(self) -> dict[str, Any]:
        """The opportunity, closed won, as the Salesforce sandbox takes it."""
        return {
            "Order_Number__c": self.number, "Name": f"{self.customer.name}: {self._title()}",
            "Account": self.customer.key, "CloseDate": self.closed_on.isoformat(),
            "Contract_Start__c": self.starts_on.isoformat(), "Term_Months__c": self.months,
            "Contract_Entity__c": self.contract_entity, "Payment_Term_Days__c": self.payment_days,
            "CurrencyIsoCode": self.currency,
            "lines": [self.line(number) | self.slips.get(number, {}) for number in range(1, len(self.lines) + 1)],
        }  # fmt: skip

    def _title(self) -> str:
        seats = next((line for line in self.lines if catalogue.BY_CODE[line.product].kind == "recurring"), None)
        what = catalogue.BY_CODE[(seats or self.lines[0]).product].name.partition(",")[0]
        return f"{what}, {self.months} months" if seats else what

    def currency_of(self, group: str) -> str:
        return CURRENCIES[self.groups[group].region]

    def line(self, number: int) -> dict[str, Any]:
        """One line as it should be."""
        line = self.lines[number - 1]
        good, account = catalogue.BY_CODE[line.product], self.groups[line.group]
        currency = self.currency_of(line.group)
        price = good.prices[currency]
        street, city, state, postal_code = account.address
        found = {
            "ProductCode": line.product, "Quantity": line.quantity, "Line_Kind__c": good.kind,
            "Invoice_Group__c": line.group, "Region__c": account.region,
            "Legal_Entity__c": SERVED_BY[account.region], "Bill_To": account.key, "Group_Currency__c": currency,
            "Ship_To_Country__c": account.country, "Ship_To_Region__c": state, "Ship_To_City__c": city,
            "Ship_To_Postal_Code__c": postal_code, "Ship_To_Street__c": street,
            "Price_Period__c": "month" if good.kind == "recurring" else "once",
            "Billing_Frequency__c": line.frequency, "Billing_Alignment__c": line.alignment,
            "Billing_Timing__c": "in_arrears" if good.kind == "usage" else "in_advance",
            "Revenue_Treatment__c": good.treatment, "Description": good.name,
        }  # fmt: skip
        if good.kind == "usage":
            return found | {"UnitPrice": "0", "Usage_Terms__c": json.dumps(self._usage(line, good, price))}
        gross = self._gross(line, Decimal(price)).scaleb(money.exponent(currency))
        discount = money.round_half_up(gross * line.discount_percent / 100)
        found |= {
            "UnitPrice": price,
            "ListPrice": price,
            "Discount_Amount__c": str(money.Money(discount, currency).decimal()),
            "Contract_Amount__c": str(money.Money(int(gross) - discount, currency).decimal()),
        }
        if line.phases:
            found["Phases__c"] = json.dumps(self._phases(line, price))
        return found

    def _gross(self, line: Line, price: Decimal) -> Decimal:
        if catalogue.BY_CODE[line.product].kind == "one_time":
            return price * line.quantity
        spans = line.phases or ((self.months, line.quantity),)
        return sum((price * quantity * months for months, quantity in spans), Decimal(0))

    def _phases(self, line: Line, price: str) -> list[dict[str, str]]:
        found, before = [], 0
        for months, quantity in line.phases:
            # Counted from the contract's start, so that one of the 31st comes back to it.
            begins, ends = (add_months(self.starts_on, count) for count in (before, before + months))
            found.append(
                {"starts_on": begins.isoformat(), "ends_on": ends.isoformat(), "quantity": str(quantity),
                 "unit_price": price}
            )  # fmt: skip
            before += months
        return found

    @staticmethod
    def _usage(line: Line, good: catalogue.Good, price: str) -> dict[str, Any]:
        """A second tier at nine tenths of the price, so that heavy users pay less."""
        first = {"up_to": str(line.included), "unit_price": price}
        second = {"unit_price": f"{(Decimal(price) * 9 / 10).normalize():f}"}
        return {
            "meter": good.meter, "included_quantity": str(line.included), "model": "graduated",
            "tiers": [first, second],
        }  # fmt: skip


Shape = Callable[[Deal, str], Iterator[Line]]


class Salesroom:
    """Draws deals. The same seed, first day and accounts give the same deals."""

    def __init__(self, accounts: list[Account], first_day: dt.date, seed: str = "deals") -> None:
        self.chance = random.Random(f"{seed} {first_day}")  # noqa: S311
        self.accounts, self.first_day = accounts, first_day
        self.drawn = 0

    def year(self, count: int, days: int) -> list[Deal]:
        """`count` deals closed on working days of the span, in order of time; more of them at quarters' ends."""
        closings = sorted(self._closing(days) for _ in range(count))
        return [self.deal(day) for day in closings]

    def _closing(self, days: int) -> dt.date:
        while True:
            day = self.first_day + dt.timedelta(days=self.chance.randrange(days))
            end_of_quarter = day.month % 3 == 0 and day.day > 15
            if day.weekday() < 5 and (end_of_quarter or self.chance.random() < 0.6):
                return day

    def deal(self, closed_on: dt.date) -> Deal:
        """One deal of a random shape."""
        mothers = [account for account in self.accounts if account.below]
        several = self.chance.random() < 0.36
        customer = self.chance.choice(mothers if several else self.accounts)
        shape = self.chance.choices(
            (self._seats, self._growing, self._rollout, self._devices), weights=(38, 22, 28, 12), k=1
        )[0]
        return self._drawn(closed_on, customer, shape, several=several)

    def of_seats(self, closed_on: dt.date, fits: Callable[[Account], bool] = bool, *, growing: bool = False) -> Deal:
        """One deal about seats, in two phases where they are `growing`, with a single customer that fits."""
        single = [account for account in self.accounts if not account.below and not account.parent and fits(account)]
        shape = self._growing if growing else self._seats
        return self._drawn(closed_on, self.chance.choice(single), shape, several=False)

    def _drawn(self, closed_on: dt.date, customer: Account, shape: Shape, *, several: bool) -> Deal:
        self.drawn += 1
        deal = Deal(
            number=f"SO-{closed_on:%y}{self.drawn:05d}", customer=customer, closed_on=closed_on,
            starts_on=self._start(closed_on), months=self._months(shape),
            contract_entity=SERVED_BY[customer.region], currency=CURRENCIES[customer.region],
            groups=self._groups(customer, several), payment_days=self.chance.choice((14, 30, 30, 30, 45)),
        )  # fmt: skip
        for group in deal.groups:
            deal.lines += shape(deal, group)
        self._discount(deal)
        return deal

    def _months(self, shape: Shape) -> int:
        terms = (24, 36) if shape in (self._growing, self._rollout) else (12, 12, 12, 24, 36)
        return self.chance.choice(terms)

    def _start(self, closed_on: dt.date) -> dt.date:
        if self.chance.random() < 0.6:
            return add_months(closed_on.replace(day=1), 1)
        day = closed_on + dt.timedelta(days=self.chance.randint(1, 12))
        return day if day.day <= 28 else add_months(day.replace(day=1), 1)

    def _groups(self, customer: Account, several: bool) -> dict[str, Account]:
        """One invoice group per region; a mother buys for her daughters abroad."""
        found = {customer.region: customer}
        for daughter in customer.below if several else ():
            if daughter.pays_for_itself:
                found.setdefault(daughter.region, daughter)
        return found

    def _discount(self, deal: Deal) -> None:
        percent = self.chance.choices((0, 5, 10, 15), weights=(55, 20, 17, 8), k=1)[0]
        for line in deal.lines:
            if percent and catalogue.BY_CODE[line.product].kind == "recurring":
                line.discount_percent = percent

    def _terms(self) -> dict[str, Any]:
        frequency = self.chance.choice(_FREQUENCIES)
        aligned = frequency == "monthly" and self.chance.random() < 0.3
        return {"frequency": frequency, "alignment": "calendar_month" if aligned else "term_start"}

    def _seats(self, deal: Deal, group: str) -> Iterator[Line]:
        terms, seats = self._terms(), self.chance.randrange(15, 260, 5)
        yield Line(product="PLATFORM", group=group, quantity=seats, **terms)
        if self.chance.random() < 0.6:
            yield Line(product="ANALYTICS", group=group, quantity=max(seats // 2, 5), **terms)
        if self.chance.random() < 0.25:
            yield Line(product="SUPPORT-PLUS", group=group, **terms)

    def _growing(self, deal: Deal, group: str) -> Iterator[Line]:
        """Two phases: the second with more seats."""
        terms, seats = self._terms(), self.chance.randrange(20, 200, 10)
        first = 12 if terms["frequency"] == "annual" else 6
        phases = ((first, seats), (deal.months - first, seats + self.chance.randrange(10, 120, 10)))
        yield Line(product="PLATFORM", group=group, quantity=seats, phases=phases, **terms)
        if self.chance.random() < 0.3:
            yield Line(product="ANALYTICS", group=group, quantity=seats, **terms)
        yield from self._metered(group)

    def _rollout(self, deal: Deal, group: str) -> Iterator[Line]:
        """A multi-year contract with its implementation fee."""
        yield Line(product="IMPLEMENTATION", group=group)
        yield from self._growing(deal, group)
        if self.chance.random() < 0.4:
            yield Line(product="TRAINING", group=group, quantity=self.chance.randint(1, 6))

    def _devices(self, deal: Deal, group: str) -> Iterator[Line]:
        yield Line(product="EDGE-BOX", group=group, quantity=self.chance.randrange(4, 60, 2))
        if self.chance.random() < 0.5:
            yield Line(product="TRAINING", group=group, quantity=self.chance.randint(1, 3))

    def _metered(self, group: str) -> Iterator[Line]:
        if self.chance.random() < 0.75:
            included = self.chance.choice((100_000, 250_000, 500_000))
            yield Line(product="API-CALLS", group=group, frequency="monthly", included=included)
        elif self.chance.random() < 0.4:
            yield Line(product="STORAGE", group=group, frequency="monthly", included=self.chance.choice((500, 2_000)))


def zone_of(deal: Deal) -> str:
    """Where the deal was closed."""
    return COMPANIES[deal.contract_entity].zone
