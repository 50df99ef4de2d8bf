"""From closed won to posted journals in two entities: a rollout over two years, to the last cent.

15 Dec 2025  Harbor Holdings buys for itself in San Francisco and for its daughter in Hamburg: implementation, seats
             that grow in the second year, and API calls over an allowance in the US.
1 Jan 2026   The first phase begins; both are billed, each by its own entity in its own currency.
31 Jan       260,000 API calls are counted, of which 100,000 are included.
1 Feb        The overage is billed.
1 Jan 2027   The second phase begins with more seats.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from ledger import fx
from ledger.models import JournalLine
from q2c import money
from q2c.demo.deals import Deal, Line
from q2c.models import Attempt, Event, Invoice, Step, Subscription
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, booked, entry, order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

NUMBER = "SO-1001"


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

    with story.on("2027-01-01"):
        numbers = story.bill()
    latest = {(i.entity, i.issued_on): i for i in Invoice.objects.filter(number__in=numbers)}
    # 150 × 48.00 × 12 = 86,400.00, and 60 × 44.00 × 3 = 7,920.00.
    assert latest["US", dt.date(2027, 1, 1)].net_minor == 8_640_000
    assert latest["DE", dt.date(2027, 1, 1)].net_minor == 792_000

    _every_journal_is_in_the_erp(story)
    _the_parent_sees_both(us, de)
    _one_trace_shows_all()


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
    totals: Counter[str] = Counter()
    for currency, amount in JournalLine.objects.values_list("entry__functional_currency", "functional_minor"):
        totals[currency] += amount
    assert totals == {"USD": 0, "EUR": 0}


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
