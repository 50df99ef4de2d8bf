"""What was sold keeps its terms: the product changes, the invoices of its orders are booked as they were.

9 Mar 2026   Leeds Railways buys seats for a year, ratable by day; the first month is billed and deferred.
1 Apr        Sales ops makes the product usage as billed, in another product line.
10 Apr       The second month is billed: deferred as the first, and its page says why, and what has changed since.
20 Apr       Its journal is reversed, and the reversal reversed: that restores what was booked. Reversed once more, and
             issued anew by billing under another number, it is booked by its order.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c.demo.deals import Deal, Line
from q2c.demo.people import user
from q2c.models import Event, Invoice, Product
from q2c.reading import why
from tests.scenarios.conftest import LEEDS, Story, booked, entry
from tests.scenarios.test_undoing import sign, tell

pytestmark = pytest.mark.django_db(transaction=True)


def _revenue(number: str) -> set[tuple[str, str]]:
    """Account and product line of what an invoice earned or deferred."""
    lines = entry(number).lines.select_related("account").filter(account__code__regex="^(24|4)")
    return {(line.account.code, line.dimensions.get("product_line", "")) for line in lines}


def _reverse(story: Story, one: JournalEntry) -> JournalEntry:
    asked: dict[str, Any] = {"journal_id": str(one.id), "effective_on": "2026-04-20", "reason": "to be looked at"}
    assert tell("JournalReversalRequested", f"r-{one.number}", **asked) == "stored"
    story.flow.work()
    sign(1)
    story.flow.work()
    return JournalEntry.objects.get(reverses=one)


def test_a_product_changes_and_what_was_sold_is_booked_as_it_was_sold(story: Story) -> None:
    with story.on("2026-03-09"):
        seats = Line(product="PLATFORM", group="UK", quantity=20, frequency="monthly")
        story.close(
            Deal(
                number="SO-3010", customer=LEEDS, closed_on=dt.date(2026, 3, 9), starts_on=dt.date(2026, 3, 9),
                months=12, contract_entity="UK", currency="GBP", groups={"UK": LEEDS}, lines=[seats],
            )
        )  # fmt: skip
        (first,) = story.bill()
    terms = _revenue(first)
    assert terms == {("2410", "subscription")}
    product = Product.objects.get(code="PLATFORM")
    with story.on("2026-04-01"):
        product.revenue_treatment, product.product_line = "usage_as_billed", "usage"
        product.save()
    with story.on("2026-04-10"):
        (second,) = story.bill()
    assert (_revenue(second), entry(second).state) == (terms, "posted")
    told = why.explain(user("dmitri"), entry(second).id)
    assert told is not None and told.kept and [one.today for one in told.choices if one.today] == []
    used = set(entry(second).rules_used.splitlines())
    assert {one.winner for one in told.choices if one.leg == "revenue"} <= used
    assert [said.startswith("Product PLATFORM has") for said in told.since] == [True, True]

    with story.on("2026-04-20"):
        original, before = entry(second), booked(second)
        mirror = _reverse(story, original)
        restored = _reverse(story, mirror)
        assert {line.account.code: line.amount_minor for line in restored.lines.select_related("account")} == before
        _reverse(story, restored)
        event = Event.objects.get(id=Invoice.objects.get(number=second).event_id)
        anew = msgspec.json.decode(event.payload) | {"invoice_number": "INV-ANEW", "billing_reference": "anew-1"}
        assert tell("InvoiceIssued", "anew-1", **anew) == "stored"
        story.flow.work()
    assert (_revenue("INV-ANEW"), entry("INV-ANEW").state) == (terms, "posted")
    # Nothing else was asked of anybody.
    assert set(Case.objects.values_list("reason", "state")) == {("reversal_approval_required", "resolved")}
