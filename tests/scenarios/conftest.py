"""What the stories share: Tern Systems with its five systems, a calendar to turn, and words for what people look at."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exceptions.models import Case
from ledger.models import JournalEntry, JournalLine, LegalEntity
from q2c import clock
from q2c.connectors import registry
from q2c.demo import catalogue, company, connections, people
from q2c.demo.company import ERP
from q2c.demo.customers import Account
from q2c.demo.deals import Deal
from q2c.demo.flow import Flow
from q2c.demo.platforms import Platforms
from q2c.demo.sales_desk import SalesDesk
from q2c.engine import wake
from q2c.models import Order
from tests.kept_rows import kept_rows
from tests.scenarios.workers import WorkedFlow, working

SINCE, UNTIL = dt.date(2025, 12, 1), dt.date(2027, 2, 28)

HARBOR = Account(
    key="A-1", name="Harbor Holdings Inc.", region="US", country="US",
    address=("1 Pier Street", "San Francisco", "CA", "94105"),
)  # fmt: skip
HARBOR_DE = Account(
    key="A-2", name="Harbor Logistik GmbH", region="DE", country="DE", parent="A-1", pays_for_itself=True,
    address=("Speicherstraße 7", "Hamburg", "", "20095"),
)  # fmt: skip
LEEDS = Account(
    key="A-3", name="Leeds Railways plc", region="UK", country="GB", address=("2 Mill Lane", "Leeds", "", "LS1 4DY")
)


@kept_rows
def _found(since: dt.date, until: dt.date) -> dict[str, LegalEntity]:
    entities = company.found(since, until)
    catalogue.list_goods(since - dt.timedelta(days=365))
    return entities


class Story:
    """One company, its platforms, and the day on which the story stands."""

    def __init__(self, platforms: Platforms, since: dt.date, until: dt.date, flow: Flow | None = None) -> None:
        self.platforms, self.flow = platforms, flow or Flow(platforms)
        _found(since, until)
        people.hire(sign_in=False)
        self.systems = connections.connect(platforms, [HARBOR, HARBOR_DE, LEEDS], since, until)
        self.sales = SalesDesk(platforms, self.systems["salesforce"])

    @contextmanager
    def on(self, day: str, time: str = "09:00") -> Iterator[None]:
        """`with story.on("2026-01-01"):` everywhere it is nine o'clock UTC on that day."""
        with self.flow.at(dt.datetime.fromisoformat(f"{day}T{time}:00+00:00")):
            yield

    def close(self, *deals: Deal) -> None:
        """Won in the sales platform, noticed, and worked on until all is quiet."""
        self.sales.close(deals)
        self.flow.poll("salesforce")
        self.flow.work()

    def bill(self) -> list[str]:
        """Billing runs for today; the numbers of its invoices, which are taken in and worked on."""
        self.flow.work()
        run = self.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
        self.flow.poll("zuora")
        self.flow.work()
        return sorted(run["invoiceNumbers"])

    def use(self, subscription: str, account: str, meter: str, quantity: int, on: str) -> None:
        """A meter reported."""
        row = {
            "AccountNumber": account, "UOM": meter, "Quantity": quantity, "StartDateTime": f"{on}T12:00:00.000+00:00",
            "SubscriptionNumber": subscription,
        }  # fmt: skip
        self.platforms.control("zuora", "usage", {"usage": [row]})

    def documents(self) -> list[dict[str, Any]]:
        """The journals that the ERP holds."""
        return self.platforms.records(ERP, "journalEntry")


def the_case(**chosen: Any) -> Case:
    """The one case that fits."""
    return Case.objects.get(**chosen)


def order(number: str) -> Order:
    return Order.objects.get(number=number)


def booked(invoice: str, measure: str = "amount_minor") -> dict[str, int]:
    """account → minor units of the living journal of an invoice."""
    found: Counter[str] = Counter()
    lines = JournalLine.objects.filter(entry__business_document=f"invoice:{invoice}", entry__reverses=None)
    for code, minor in lines.exclude(entry__state="superseded").values_list("account__code", measure):
        found[code] += minor
    return dict(found)


def entry(invoice: str) -> JournalEntry:
    """The living journal of an invoice."""
    found = JournalEntry.objects.exclude(state="superseded").filter(reverses=None)
    return found.select_related("entity", "period").get(business_document=f"invoice:{invoice}")


@pytest.fixture
def story(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Founded on 1 December 2025, when nothing has been sold yet. Nobody is woken: the story runs what is due."""
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    platforms = Platforms()
    with clock.at(dt.datetime(2025, 12, 1, 6, tzinfo=dt.UTC)):
        made = Story(platforms, SINCE, UNTIL)
    yield made
    platforms.control("", "clock", {"now": None})
    platforms.control("", "faults", method="DELETE")
    registry.close_all()


@pytest.fixture
def worked(transactional_db: None, tmp_path: Path) -> Iterator[Story]:
    """The same, and what is due is run by a Celery worker as in production, its clock set by the story's."""
    registry.close_all()
    platforms = Platforms()
    flow = WorkedFlow(platforms, tmp_path / "clock")
    with clock.at(dt.datetime(2025, 12, 1, 6, tzinfo=dt.UTC)):
        made = Story(platforms, SINCE, UNTIL, flow)
    with working(flow, tmp_path / "workers.log"):
        yield made
    platforms.control("", "clock", {"now": None})
    platforms.control("", "faults", method="DELETE")
    registry.close_all()


@pytest.fixture
def today(transactional_db: None) -> Iterator[Story]:
    """The same company on the machine's own clock, for stories in which real workers run."""
    registry.close_all()
    story = founded_today()
    yield story
    story.platforms.control("", "faults", method="DELETE")
    registry.close_all()


def founded_today() -> Story:
    """The company on the machine's own clock, with books for two months on either side."""
    platforms = Platforms()
    platforms.control("", "clock", {"now": None})
    day = clock.today()
    return Story(platforms, day - dt.timedelta(days=62), day + dt.timedelta(days=62))
