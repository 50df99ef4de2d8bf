"""What another system alone billed, billing never credits: a cancellation foretells what billing does, and names that.

SO-1 has a subscription in the US and one in Germany. Billing bills March; other-billing tells of OB-1, which bills the
US for April. Sofia cancels the order as of 20 March.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk
from q2c.models import ChargeSegment, Invoice, Subscription
from q2c.reading import cancellation, credits_due
from q2c.stages import cancellation_credits
from tests.past_guards import past_guards
from tests.scenarios.conftest import Story, order
from tests.stages.test_cancelled_in_part import ann, sofia, sold
from tests.stages.test_invoices_and_journals import arrives
from tests.stages.test_provisioning import cancel

__all__ = ["ann", "sofia", "sold"]
pytestmark = pytest.mark.django_db(transaction=True)
STAYS = (
    "Invoice OB-1 was billed by other-billing: about USD 400.00 net for days from the cancellation on stays until that "
    "system credits it"
)


def other_billing_tells(story: Story, number: str = "OB-1", sign: int = 1, source: str = "other-billing") -> None:
    document = stored.read(
        Invoice.objects.get(entity="US", source="zuora", number__startswith="INV", total_minor__gt=0).event.payload,
        InvoiceDocument,
    )
    days = {"service_starts_on": dt.date(2026, 4, 1), "service_ends_on": dt.date(2026, 5, 1)}
    line = replace(document.lines[0], net_minor=sign * 40_000, tax_minor=sign * 2_900, **days)
    named = {"invoice_number": number, "billing_reference": f"{source}:{number}", "total_minor": sign * 42_900}
    arrives("InvoiceIssued", replace(document, lines=(line,), **named), source=source)
    story.flow.work()


@pytest.fixture
def billed(sold: Story) -> Story:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
        other_billing_tells(sold)
    assert Invoice.objects.filter(number="OB-1").exists(), Case.objects.values_list("text")
    return sold


def credited(found: cancellation_credits.Credits) -> dict[str, int]:
    return {one.currency: one.minor for one in found.worth}


def page(client: Any) -> str:
    html = client.get(f"/orders/{order('SO-1').id}").content.decode()
    return " ".join(re.sub(r"<[^>]+>", "", html.partition("<main")[2]).split())


def comes_next(client: Any) -> str:
    """Without what was said and decided before."""
    return page(client).partition("What comes next")[2].partition("Controls")[0]


def test_who_signs_reads_what_billing_credits_and_beside_it_what_stays(billed: Story, sofia: Any) -> None:
    with billed.on("2026-03-20", "12:00"):
        due = cancellation_credits.of_what_goes_on(order("SO-1"), dt.date(2026, 3, 20))
        cancel(billed, on="2026-03-20")
        case = Case.objects.get(reason="cancellation_approval_required")
        assert "OB-1" not in case.text.partition(", which billing credits then")[0] and STAYS in case.text
        # 12 of 31 days of USD 480; of the 400 of April nothing.
        assert credited(due)["USD"] == 18_581 and due.elsewhere == STAYS
        assert {currency: minor for minor, currency in case.context["findings"][0]["worth"]} == credited(due)
        asked = credits_due.would_be([case.step_id])
        assert {currency: minor for *_, currency, minor in asked} == credited(due)
        shown = Approval.objects.get(state="requested")
        assert STAYS in shown.reason


def test_the_dialog_says_it_before_anybody_asks(billed: Story, sofia: Any, client: Any) -> None:
    client.force_login(sofia)
    with billed.on("2026-03-10", "12:00"):
        assert f"Cancelled as of Mar 10, 2026: {STAYS}." in page(client)
    with billed.on("2026-03-10", "13:00"):
        other_billing_tells(billed, source="zuora")
        assert "was billed by other-billing" not in page(client)
        assert credited(cancellation_credits.of_what_goes_on(order("SO-1"), dt.date(2026, 3, 20)))["USD"] == 58_581


def test_asked_for_a_later_day_and_once_it_is_cancelled_the_orders_page_says_so(
    billed: Story, sofia: Any, client: Any
) -> None:
    client.force_login(sofia)
    with billed.on("2026-03-10", "12:00"):
        cancel(billed, on="2026-03-20")
        assert f"when its day comes. {STAYS}." in comes_next(client)
    with billed.on("2026-03-20", "12:00"):
        billed.flow.work()
        desk.approve(sofia, [Approval.objects.get(state="requested").id], "agreed")
        billed.flow.work()
        assert order("SO-1").state == "cancelled" and credits_due.due(sofia).total.sums
        billed.bill()
        assert cancellation.not_credited(order("SO-1")).worth == [] and credits_due.due(sofia).total.sums == []
        assert "Billing is to credit that" not in comes_next(client) and f"{STAYS}." in comes_next(client)
    with billed.on("2026-03-21", "12:00"):
        other_billing_tells(billed, "OB-2", -1)
        assert "was billed by other-billing" not in comes_next(client)


def test_where_nothing_of_the_order_is_in_billing_who_bills_it_is_its_billing(billed: Story) -> None:
    with past_guards():
        ChargeSegment.objects.all().delete()
        Subscription.objects.all().delete()
    found = cancellation_credits.of_what_goes_on(order("SO-1"), dt.date(2026, 3, 20))
    assert credited(found)["USD"] == 58_581 and found.elsewhere == ""
