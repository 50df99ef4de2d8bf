"""A signature covers how far something goes beyond its limit, as it was shown, and no other question."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval
from ledger.models import JournalEntry
from q2c import clock
from q2c.contracts.documents import PriceTier, UsageTerms
from q2c.engine import desk, run
from q2c.models import CommercialPolicy, Invoice, Order
from tests.engine.makers import NOW, person
from tests.stages.test_days_billed import YEAR, bills, sell
from tests.stages.test_invoices_and_journals import arrives, record
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


def questions() -> dict[str, tuple[str, str]]:
    """What is asked just now: the last word of each question, with its value and limit."""
    found = Approval.objects.get(state="requested").data["findings"]
    return {
        one["measure"]["of"].rpartition(", ")[2]: (one["measure"]["value"], one["measure"]["limit"]) for one in found
    }


def test_three_cents_beyond_its_terms_sign_no_ten_millions_beside_them(sold: Order) -> None:
    """1,200.00 need no approval. October bills 1,200.03 of what costs 1,200.00, November ten millions, as metered."""
    october = usage("INV-1", 1, 10, 120_003, "600000").lines[0]
    november = replace(
        october, line=2, charge="Calls of November", net_minor=1_000_000_000, quantity="99999999999",
        service_starts_on=dt.date(2026, 11, 1), service_ends_on=dt.date(2026, 11, 10),
    )  # fmt: skip
    record(replace(usage("INV-1", 1, 10, 1_000_120_003), lines=(october, november)))
    asked_for = {"by its terms": ("1200.03", "1200.00"), "in proportion": ("10001200.03", "1200.00")}
    assert questions() == asked_for and not JournalEntry.objects.exists()
    texts = [one["text"] for one in Approval.objects.get().data["findings"]]
    assert [("EUR 10,001,200.03" in text, "EUR 1,200.03" in text) for text in texts] == [(False, True), (True, False)]
    sign("cleo")
    assert Invoice.objects.get().total_minor == 1_000_120_003


def test_each_line_beyond_its_terms_is_asked_with_its_own_amount(sold: Order) -> None:
    """Three months, two of them 10.00 too dear, and all of them within proportion."""
    lines = [
        replace(usage("INV-1", 1, 10, net, "5000").lines[0], line=month - 9, service_starts_on=dt.date(2026, month, 1),
                service_ends_on=dt.date(2026, month, 10))
        for month, net in ((10, 2_000), (11, 1_000), (12, 3_000))
    ]  # fmt: skip
    record(replace(usage("INV-1", 1, 10, 6_000), lines=tuple(lines)))
    told = Approval.objects.get().data["findings"]
    assert [(one["pointer"], one["measure"]["value"], one["measure"]["limit"]) for one in told] == [
        ("/lines/0/net_minor", "20.00", "10.00"), ("/lines/2/net_minor", "30.00", "10.00"),
    ]  # fmt: skip


def test_refused_proportion_stays_asked_in_a_version_that_is_beyond_its_terms_too(sold: Order) -> None:
    """1,300.00 for 650,000 calls is refused, the limit raised; five minutes later it says 649,985 calls."""
    record(usage("INV-1", 1, 10, 130_000, "650000"))
    assert questions() == {"in proportion": ("1300.00", "1200.00")}
    desk.refuse(person("cleo"), [Approval.objects.get().id], "metered twice")
    CommercialPolicy.objects.update_or_create(entity="", defaults={"usage_limit_percent": 10_000})
    with clock.at(NOW + dt.timedelta(minutes=5)):
        arrives("InvoiceIssued", usage("INV-1", 1, 10, 130_000, "649985"), "again")
        run.drain("record_invoice")
        assert questions() == {"by its terms": ("1300.00", "1299.97"), "in proportion": ("1300.00", "1200.00")}
        sign("carla")
    assert Invoice.objects.get().total_minor == 130_000


def test_days_billed_twice_and_out_of_proportion_are_two_questions(company: Any) -> None:
    """INV-1 bills 30.00 of early October; INV-2 an uplift of 9,000.00 for four days of it."""
    sell(YEAR)
    record(bills("INV-1", ("2026-10-01", "2026-10-11", 3_000)))
    record(bills("INV-2", ("2026-10-05", "2026-10-09", 900_000), charge="Uplift"))
    asked_for = questions()
    assert asked_for["billed again"] == ("9012.00", "12.00")
    assert asked_for["PLATFORM"][0] == "9012.00" and Invoice.objects.get().number == "INV-1"
    assert "EUR 9,000.00 of PLATFORM" in Approval.objects.get().reason
    sign("cleo")
    assert Invoice.objects.filter(number="INV-2").exists()


def test_a_signature_beside_one_bill_is_none_beside_two(company: Any) -> None:
    """INV-2 and INV-3 bill days of INV-1 once more; by the time INV-3 is signed, INV-2 is in the books."""
    sell(YEAR)
    record(bills("INV-1", ("2026-10-01", "2026-11-01", 1_000)))
    record(bills("INV-3", ("2026-10-01", "2026-11-01", 500), charge="Uplift"))
    shown = Approval.objects.get(state="requested")
    record(bills("INV-2", ("2026-10-01", "2026-11-01", 500), charge="Surcharge"))
    other = Approval.objects.get(state="requested", case__business_key="INV-2")
    cleo = person("cleo")
    for one in (other, shown):
        desk.approve(cleo, [one.id], "agreed")
        run.drain("record_invoice")
    assert set(Invoice.objects.values_list("number", flat=True)) == {"INV-1", "INV-2"}
    assert questions() == {"billed again": ("20.00", "15.00")}
