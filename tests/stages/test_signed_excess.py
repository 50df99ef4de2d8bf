"""A signature covers how far something goes beyond its limit, as it was shown, and no other question."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Approval
from q2c.contracts.documents import PriceTier, UsageTerms
from q2c.engine import desk, run
from q2c.models import Invoice, Order
from tests.engine.makers import person
from tests.stages.test_days_billed import YEAR, bills, sell
from tests.stages.test_invoices_and_journals import record
from tests.stages.test_usage import sold, terms, usage

pytestmark = pytest.mark.django_db

__all__ = ["sold"]


def asked() -> dict[str, Any]:
    (finding,) = Approval.objects.get(state="requested").data["findings"]
    return dict(finding["measure"])


def sign(name: str) -> None:
    desk.approve(person(name), [Approval.objects.get(state="requested").id], "a favour")
    run.drain("record_invoice")


def test_a_credit_whose_share_shrank_since_it_was_shown_is_asked_again(company: Any) -> None:
    sell(YEAR)
    record(bills("INV-1", ("2026-10-01", "2027-01-01", 30_000)))
    record(bills("CR-1", ("2026-10-01", "2026-11-01", -12_000), charge="Credit"))
    shown = asked()
    record(bills("CR-2", ("2026-10-01", "2026-11-01", -10_000), charge="Credit"))
    sign("cleo")
    assert set(Invoice.objects.values_list("number", flat=True)) == {"INV-1", "CR-2"}
    again = asked()
    assert (again["value"], again["limit"] < shown["limit"]) == ("120.00", True)
    assert f"Signed so far: EUR 120.00 where the limit was EUR {shown['limit']}." in again["note"]
    sign("carla")
    assert Invoice.objects.filter(number="CR-1").exists()


def test_a_signature_on_proportion_is_none_on_the_terms(sold: Order) -> None:
    """To 100,000 calls each costs 0.02, beyond that all of them 0.005."""
    tiers = (PriceTier(up_to="100000", unit_price="0.02"), PriceTier(unit_price="0.005"))
    terms(sold, UsageTerms(meter="calls", model="volume", tiers=tiers))
    record(usage("INV-1", 1, 10, 190_000, "95000"))
    assert asked()["limit"] == "1200.00"
    record(usage("INV-2", 10, 20, 100_000, "50000"))
    sign("cleo")
    assert Invoice.objects.get().number == "INV-2"
    assert asked()["of"].endswith("by its terms")
    sign("carla")
    assert Invoice.objects.filter(number="INV-1").exists()
