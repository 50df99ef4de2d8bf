"""The group: four legal entities with their calendars, books, dimensions and exchange rates."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from simple_history.utils import bulk_create_with_history

from ledger import chart
from ledger.models import Dimension, DimensionRule, DimensionValue, FxRate, LegalEntity
from q2c import clock, states
from q2c.models import CommercialPolicy

# The one ledger holds all four as subsidiaries.
ERP = "netsuite"


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    code: str
    number_code: str
    name: str
    currency: str
    country: str
    zone: str
    year_starts: int
    regions: tuple[str, ...]
    currencies: tuple[str, ...]


COMPANIES = (
    Company(
        code="US", number_code="US01", name="Tern Systems, Inc.", currency="USD", country="US",
        zone="America/New_York", year_starts=1, regions=("US", "AMER"), currencies=("USD", "CAD"),
    ),
    Company(
        code="DE", number_code="DE01", name="Tern Systems GmbH", currency="EUR", country="DE",
        zone="Europe/Berlin", year_starts=1, regions=("DE", "EMEA"), currencies=("EUR",),
    ),
    Company(
        code="UK", number_code="UK01", name="Tern Systems Ltd", currency="GBP", country="GB",
        zone="Europe/London", year_starts=4, regions=("UK",), currencies=("GBP", "EUR"),
    ),
    Company(
        code="JP", number_code="JP01", name="Tern Systems KK", currency="JPY", country="JP",
        zone="Asia/Tokyo", year_starts=4, regions=("JP", "APAC"), currencies=("JPY",),
    ),
)  # fmt: skip
BY_CODE = {company.code: company for company in COMPANIES}
PARENT = COMPANIES[0]

COST_CENTRES = {
    "CC-100": "Platform", "CC-200": "Analytics", "CC-300": "Customer services", "CC-410": "Devices",
}  # fmt: skip
# Beside those of the ledger's own chart.
PRODUCT_LINES = {"support": "Support", "devices": "Devices"}

# Dollars for one unit when the year begins.
DOLLARS = {"USD": "1", "EUR": "1.0850", "GBP": "1.2680", "CAD": "0.7350", "JPY": "0.006720"}


@transaction.atomic
def found(since: dt.date, until: dt.date) -> dict[str, LegalEntity]:
    """The entities by code, with books for every fiscal year that touches the span, and rates for each week of it."""
    states.say("q2c", "founded")
    entities = _entities()
    for entity in entities.values():
        first, last = entity.fiscal_year(since), entity.fiscal_year(until)
        chart.install(entity, years=tuple(range(first, last + 2)))
    _dimensions()
    bulk_create_with_history(
        list(_rates(since, until)), FxRate, default_change_reason="treasury feed", default_date=clock.now()
    )
    CommercialPolicy.objects.create(entity="", discount_limit_percent=Decimal(20))
    CommercialPolicy.objects.create(entity="JP", discount_limit_percent=Decimal(15))
    return entities


def _entities() -> dict[str, LegalEntity]:
    made: dict[str, LegalEntity] = {}
    for company in COMPANIES:
        entity = LegalEntity(
            code=company.code, number_code=company.number_code, name=company.name,
            parent=made.get(PARENT.code), functional_currency=company.currency, country=company.country,
            timezone=company.zone, fiscal_year_start_month=company.year_starts, erp_connection=ERP,
            erp_subsidiary=company.code, allowed_currencies=list(company.currencies), regions=list(company.regions),
        )  # fmt: skip
        entity.full_clean(exclude=["number_code"])
        entity.save()
        made[company.code] = entity
    return made


def _dimensions() -> None:
    # Tern wants each line to name its cost centre: nothing falls to one of its own.
    DimensionRule.objects.filter(dimension__code="cost_center", default_value="CC-100").update(default_value="")
    for code, name in COST_CENTRES.items():
        DimensionValue.objects.filter(dimension__code="cost_center", code=code).update(name=name)
    lines = Dimension.objects.get(code="product_line")
    for code, name in PRODUCT_LINES.items():
        DimensionValue.objects.create(dimension=lines, code=code, name=name)


def pairs() -> list[tuple[str, str]]:
    """Every currency that an entity invoices in, to its own and to the group's; and its own to the group's."""
    wanted: set[tuple[str, str]] = set()
    for company in COMPANIES:
        for currency in (*company.currencies, "USD"):
            wanted |= {(currency, company.currency), (currency, PARENT.currency)}
        wanted.add((company.currency, PARENT.currency))
    return sorted(pair for pair in wanted if pair[0] != pair[1])


def sold_pairs() -> list[tuple[str, str]]:
    """Every currency that a deal may be sold or invoiced in, to every other: an order's total needs them."""
    sold = sorted({currency for company in COMPANIES for currency in (company.currency, *company.currencies)})
    return [(source, target) for source in sold for target in sold if source != target]


def _rates(since: dt.date, until: dt.date) -> Iterator[FxRate]:
    """Spot rates each Monday, from a week before the span on; closing and average rates of each month for the books."""
    walk = random.Random(f"rates {since}")  # noqa: S311
    dollars = {code: Decimal(rate) for code, rate in DOLLARS.items()}
    day = since - dt.timedelta(days=since.weekday() + 7)
    booked, month = set(pairs()), dict[tuple[str, str], list[Decimal]]()
    while day <= until + dt.timedelta(days=7):
        for source, target in sorted({*pairs(), *sold_pairs()}):
            rate = (dollars[source] / dollars[target]).quantize(Decimal("0.00000001"))
            yield FxRate(from_currency=source, to_currency=target, kind="spot", on=day, rate=rate)
            if (source, target) in booked:
                month.setdefault((source, target), []).append(rate)
        after = day + dt.timedelta(days=7)
        if after.month != day.month:
            end = after.replace(day=1) - dt.timedelta(days=1)
            for (source, target), seen in month.items():
                average = (sum(seen, Decimal(0)) / len(seen)).quantize(Decimal("0.00000001"))
                for kind, rate in (("closing", seen[-1]), ("average", average)):
                    yield FxRate(from_currency=source, to_currency=target, kind=kind, on=end, rate=rate)
            month.clear()
        for code in sorted(dollars.keys() - {PARENT.currency}):
            dollars[code] *= 1 + Decimal(walk.randint(-120, 120)) / 10_000
        day = after
