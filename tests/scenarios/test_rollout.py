"""From closed won to posted journals in two entities: a rollout over two years, to the last cent.

15 Dec 2025  Harbor Holdings buys for itself in San Francisco and for its daughter in Hamburg: implementation, seats
             that grow in the second year, and API calls over an allowance in the US.
1 Jan 2026   The first phase begins; both are billed, each by its own entity in its own currency.
31 Jan       260,000 API calls are counted, of which 100,000 are included.
1 Feb        The overage is billed.
1 Apr, Jul,  Hamburg pays by the quarter; nobody beyond the allowance in San Francisco.
  Oct
1 Jan 2027   The second phase begins with more seats.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from ledger import fx
from ledger.models import JournalLine
from q2c import money
from q2c.demo.deals import Deal, Line
from q2c.models import Attempt, Event, Invoice, Step, Subscription, Transition
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, booked, entry, order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

NUMBER = "SO-1001"

# What is billed from April on, worked out from the contract by hand; no API call is counted beyond the allowance.
#   40 × 44.00 × 3 = 5,280.00, and 19 % of it is 1,003.20.
_QUARTER = {"1100": 628_320, "2410": -528_000, "2200": -100_320}
LATER = {
    ("2026-04-01", "DE"): _QUARTER,
    ("2026-07-01", "DE"): _QUARTER,
    ("2026-10-01", "DE"): _QUARTER,
    # 150 × 48.00 × 12 = 86,400.00, and 7.25 % of it is 6,264.00.
    ("2027-01-01", "US"): {"1100": 9_266_400, "2410": -8_640_000, "2200": -626_400},
    # 60 × 44.00 × 3 = 7,920.00, and 19 % of it is 1,504.80.
    ("2027-01-01", "DE"): {"1100": 942_480, "2410": -792_000, "2200": -150_480},
}
# The books of each entity after all of it, in its own currency.
BALANCES = {
    "US": {"1100": 16_817_658, "2420": -1_250_000, "2410": -14_400_000, "4030": -30_800, "2200": -1_136_858},
    "DE": {"1100": 4_824_260, "2420": -1_150_000, "2410": -2_904_000, "2200": -770_260},
}


@pytest.fixture
def story(worked: Story) -> Story:
    """What is due is run by a Celery worker."""
    return worked


@pytest.fixture
def rollout() -> Deal:
    return Deal(
        number=NUMBER, customer=HARBOR, closed_on=dt.date(2025, 12, 15), starts_on=dt.date(2026, 1, 1), months=24,
        contract_entity="US", currency="USD", groups={"US": HARBOR, "DE": HARBOR_DE},
        lines=[
            Line(product="IMPLEMENTATION", group="US"),
            Line(product="PLATFORM", group="US", quantity=100, frequency="annual", phases=((12, 100), (12, 150))),
            Line(product="API-CALLS", group="US", frequency="monthly", included=100_000),
            Line(product="IMPLEMENTATION", group="DE"),
            Line(product="PLATFORM", group="DE", quantity=40, frequency="quarterly", phases=((12, 40), (12, 60))),
        ],
    )  # fmt: skip


def test_a_rollout_from_closed_won_to_posted_journals(story: Story, rollout: Deal) -> None:
    with story.on("2025-12-15"):
        story.close(rollout)
        assert order(NUMBER).state == "provisioning"
        # 12,500.00 + (100 + 150) × 48.00 × 12 in dollars; 11,500.00 + (40 + 60) × 44.00 × 12 in euros at that day's rate.
        rate = fx.rate("EUR", "USD", dt.date(2025, 12, 15))
        assert isinstance(rate, Decimal)
        worth = 15_650_000 + money.converted(6_430_000, "EUR", "USD", rate)
        # Tax on what is billed for sure: 7.25 % there, 19 % here.
        tax = 1_134_625 + money.converted(1_221_700, "EUR", "USD", rate)
        assert (order(NUMBER).total_minor, order(NUMBER).tax_estimate_minor) == (worth, tax)
        assert {s.group: (s.entity, s.currency, s.state) for s in Subscription.objects.all()} == {
            "US": ("US", "USD", "provisioned"),
            "DE": ("DE", "EUR", "provisioned"),
        }

    with story.on("2026-01-01"):
        numbers = story.bill()
        assert order(NUMBER).state == "active"
    by_entity = {invoice.entity: invoice for invoice in Invoice.objects.filter(number__in=numbers)}
    us, de = by_entity["US"], by_entity["DE"]
    # 12,500.00 + 100 × 48.00 × 12 = 70,100.00; California takes 7.25 % of each line.
    assert (us.currency, us.net_minor, us.tax_minor, us.total_minor) == ("USD", 7_010_000, 508_225, 7_518_225)
    # 11,500.00 + 40 × 44.00 × 3 = 16,780.00; 19 %.
    assert (de.currency, de.net_minor, de.tax_minor, de.total_minor) == ("EUR", 1_678_000, 318_820, 1_996_820)
    assert booked(us.number) == {"1100": 7_518_225, "2420": -1_250_000, "2410": -5_760_000, "2200": -508_225}
    assert [entry(invoice.number).customer for invoice in (us, de)] == ["A-1", "A-2"]
    assert booked(de.number) == {"1100": 1_996_820, "2420": -1_150_000, "2410": -528_000, "2200": -318_820}

    with story.on("2026-01-31", "20:00"):
        story.use(f"S-{NUMBER}-US", "A-1-USD", "api_calls", 260_000, "2026-01-31")
    with story.on("2026-02-01"):
        (number,) = story.bill()
    # 160,000 over: 100,000 × 0.0020 + 60,000 × 0.0018 = 308.00; 7.25 % = 22.33.
    assert booked(number) == {"1100": 33_033, "4030": -30_800, "2200": -2_233}

    for day in sorted({day for day, _ in LATER}):
        with story.on(day):
            _billed_later(day, story.bill())
    _every_journal_is_in_the_erp(story)
    _the_parent_sees_both(us, de)
    _one_trace_shows_all()
    _the_journey_is_as_told(de)


def _billed_later(day: str, numbers: list[str]) -> None:
    """To the last cent: the invoices of that day, their tax and their journals."""
    invoices = {invoice.entity: invoice for invoice in Invoice.objects.filter(number__in=numbers)}
    expected = {entity: lines for (on, entity), lines in LATER.items() if on == day}
    assert len(numbers) == len(expected)
    assert {entity: booked(invoice.number) for entity, invoice in invoices.items()} == expected
    for entity, invoice in invoices.items():
        lines = expected[entity]
        assert (invoice.issued_on.isoformat(), invoice.net_minor) == (day, -lines["2410"])
        assert (invoice.tax_minor, invoice.total_minor) == (-lines["2200"], lines["1100"])


def _every_journal_is_in_the_erp(story: Story) -> None:
    """One document each, with our key, in the subsidiary of its entity, and its number came home."""
    invoices = list(Invoice.objects.all())
    assert {invoice.state for invoice in invoices} == {"posted"}
    documents = {document["external_id"]: document for document in story.documents()}
    assert len(documents) == len(invoices)
    for invoice in invoices:
        booking = entry(invoice.number)
        document = documents[booking.key]
        assert (booking.state, booking.document_number) == ("posted", document["number"])
        assert document["body"]["tranDate"] == invoice.issued_on.isoformat()


def _the_parent_sees_both(us: Invoice, de: Invoice) -> None:
    """In the parent's currency each entry balances, and the receivable of the group is the sum of both."""
    in_group = {invoice.entity: booked(invoice.number, "group_minor") for invoice in (us, de)}
    assert all(sum(lines.values()) == 0 for lines in in_group.values())
    rate = fx.rate("EUR", "USD", de.issued_on)
    assert in_group["US"]["1100"] + in_group["DE"]["1100"] == 7_518_225 + money.converted(1_996_820, "EUR", "USD", rate)
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for line in JournalLine.objects.select_related("account", "entry__entity"):
        assert line.entry.functional_currency == {"US": "USD", "DE": "EUR"}[line.entry.entity.code]
        totals[line.entry.entity.code][line.account.code] += line.functional_minor
    assert totals == BALANCES
    assert [sum(balances.values()) for balances in BALANCES.values()] == [0, 0]


def _one_trace_shows_all() -> None:
    """Deal, customers, subscriptions, invoices, journals and calls carry one correlation id."""
    trace = order(NUMBER).correlation_id
    for record in (Event, Step, Invoice, Subscription):
        assert set(record.objects.values_list("correlation_id", flat=True)) == {trace}, record
    assert set(Attempt.objects.exclude(step=None).values_list("correlation_id", flat=True)) == {trace}
    stages = {step.stage for step in Step.objects.filter(state="done")}
    assert stages >= {
        "accept_order", "sync_customer", "provision_billing", "activate_subscription", "record_invoice", "post_journal",
    }  # fmt: skip


def _the_journey_is_as_told(invoice: Invoice) -> None:
    """docs/architecture.md follows this invoice: its entry's number, order keys, events and moves."""
    booking = entry(invoice.number)
    assert (invoice.total_minor, booking.number) == (1_996_820, "DE01-26-S0000001")
    events = [Event.objects.get(id=invoice.event_id)]
    for event in events:
        events += Event.objects.filter(causation_id=event.id)
    told = ["InvoiceIssued", "PaymentDue", "RevenueScheduled", "JournalReady", "JournalPosted"]
    assert sorted(event.type for event in events) == sorted(told)
    steps = Step.objects.filter(event__in=events)
    assert {step.stage: step.order_key for step in steps} == {
        "record_invoice": f"invoice:zuora:{invoice.billing_reference}",
        "post_journal": f"posting:DE:invoice:{invoice.number}",
    }
    moves = Transition.objects.order_by("id")
    for record, states in (
        (invoice.id, ["issued", "recorded", "posted"]),
        (booking.id, ["drafted", "ready", "posting", "posted"]),
        *((step.id, ["waiting", "running", "done"]) for step in steps),
    ):
        assert list(moves.filter(record_id=record).values_list("target", flat=True)) == states
