"""A contract of the 31st: its months end on the last day of shorter ones, and its phases are counted from its start.

31 Aug 2026   Leeds Railways buys seats for a year: 20 for half of it, 30 from 28 February until 31 August.
30 Sep …      Billing bills each month, as much for one of 28 days as for one of 31. Each bill is booked and posted.
"""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case
from q2c.demo.deals import Deal, Line
from q2c.models import ChargeSegment, Invoice
from q2c.stages.controls.calendar import add_months
from tests.scenarios.conftest import LEEDS, Story, entry, order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("starts_on", "months", "cut", "bills"),
    [("2026-08-31", (6, 6), "2027-02-28", 7), ("2026-01-31", (3, 9), "2026-04-30", 12)],
)
def test_a_contract_of_the_31st_goes_all_the_way(
    story: Story, starts_on: str, months: tuple[int, int], cut: str, bills: int
) -> None:
    begins = dt.date.fromisoformat(starts_on)
    seats = Line(
        product="PLATFORM", group="UK", quantity=20, frequency="monthly", phases=((months[0], 20), (months[1], 30)),
        discount_percent=10,
    )  # fmt: skip
    with story.on(starts_on):
        story.close(
            Deal(number="SO-3131", customer=LEEDS, closed_on=begins, starts_on=begins, months=12, contract_entity="UK",
                 currency="GBP", groups={"UK": LEEDS}, lines=[seats])
        )  # fmt: skip
    assert order("SO-3131").state == "active"
    segments = ChargeSegment.objects.order_by("phase")
    assert [(s.starts_on.isoformat(), s.ends_on.isoformat()) for s in segments] == [
        (starts_on, cut), (cut, add_months(begins, 12).isoformat()),
    ]  # fmt: skip
    numbers = []
    for month in range(bills):
        with story.on(add_months(begins, month).isoformat()):
            story.flow.work()
            numbers += story.bill()

    each = {segment.phase: segment.amount_minor // count for segment, count in zip(segments, months, strict=True)}
    nets = list(Invoice.objects.order_by("issued_on").values_list("net_minor", flat=True))
    assert nets == [each[1 if month < months[0] else 2] for month in range(bills)]
    assert [entry(number).state for number in numbers] == ["posted"] * bills
    assert not Case.objects.exists()
