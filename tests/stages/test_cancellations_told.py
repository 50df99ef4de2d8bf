"""What a cancellation would have credited, by legal entity and month: in two currencies, and of what goes on alone.

SO-1 has a subscription in the US and one in Germany, both billed for March. Sofia asks to cancel it as of the 20th.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger.models import FiscalPeriod
from q2c.engine import desk
from q2c.reading import approvals, asked_for, left_open
from tests.scenarios.conftest import Story
from tests.stages.test_cancelled_in_part import ann, refuses, signed, sofia, sold
from tests.stages.test_provisioning import cancel

__all__ = ["ann", "sofia", "sold"]
pytestmark = pytest.mark.django_db(transaction=True)


def credits(user: Any) -> dict[tuple[str, str], list[tuple[int, str]]]:
    return {month: found.each("cancellation") for month, found in asked_for.by_month(user).items()}


def signed_for() -> set[tuple[int, str]]:
    """What whoever signs reads, as a credit."""
    return {(-minor, currency) for minor, currency in approvals.worth_of(Approval.objects.get(state="requested"))}


def test_in_two_currencies_each_legal_entity_has_its_own(sold: Story, sofia: Any, client: Any) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        cancel(sold, on="2026-03-20")
        case, found = Case.objects.get(), credits(sofia)
        assert set(found) == {("US", "2026-03"), ("DE", "2026-03")}
        assert {pair for pairs in found.values() for pair in pairs} == signed_for()
        assert [currency for _, currency in found["US", "2026-03"]] == ["USD"] and found["US", "2026-03"][0][0] < 0
        # Two currencies are no one amount: case and approval tell each.
        assert (case.amount_minor, case.currency) == (None, "")
        client.force_login(sofia)
        for address in ("/queue?tab=all", f"/cases/{case.id}"):
            shown = client.get(address).content.decode()
            assert all(f'value="{minor / 100:.2f}"' in shown for minor, _ in signed_for()), address
        listed = client.get("/api/v1/cases").json()["results"][0]
        alone = client.get(f"/api/v1/cases/{case.id}").json()
        found = client.get("/api/v1/trace", {"q": "SO-1"}).json()["cases"][0]
        for told in (listed, alone, found):
            assert (told["amount_minor"], told["currency"]) == (None, "")
            assert {(one["amount_minor"], one["currency"]) for one in told["amounts"]} == signed_for()
        germany = FiscalPeriod.objects.get(entity__code="DE", subledger="receivables", name="2026-03")
        (line,) = [told for told in left_open.of(sofia, germany).splitlines() if told.startswith("Asked for")]
        assert "1 cancellation, about EUR -" in line and "USD" not in line and line.endswith(f"({case.shown} of SO-1)")


def test_what_billing_has_cancelled_already_is_asked_for_no_more(
    sold: Story, sofia: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        signed(sold, sofia)
        assert credits(sofia) == {}
        desk.close_without_fix(ann, [Case.objects.get().id], "Germany stays", "other")
        desk.approve(sofia, [Approval.objects.get(state="requested").id], "so be it")
        cancel(sold, on="2026-03-19")
        found = credits(sofia)
        assert list(found) == [("DE", "2026-03")] and set(found["DE", "2026-03"]) == signed_for()
        assert Case.objects.get(state="awaiting_approval").amount_minor == found["DE", "2026-03"][0][0]


def file(client: Any) -> list[dict[str, str]]:
    answer = client.get("/queue?tab=all&format=csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def in_the_file(worth: set[tuple[int, str]]) -> str:
    return "; ".join(f"{currency} {minor / 100:.2f}" for minor, currency in sorted(worth, key=lambda one: one[1]))


def test_refused_by_billing_it_is_worth_its_credits_as_before(sold: Story, sofia: Any, client: Any) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        cancel(sold, on="2026-03-20")
        worth = signed_for()
        client.force_login(sofia)
        (row,) = file(client)
        # A controller adds up what the page tells, by currency.
        assert len(worth) == 2 and (row["amount"], row["currency"], row["amounts"]) == ("", "", in_the_file(worth))
        sold.platforms.fault("zuora", "business_failure", "create_order")
        desk.approve(sofia, [Approval.objects.get().id], "agreed")
        sold.flow.work()
        case = Case.objects.get()
        assert (case.state, case.reason) == ("open", "subscription_refused")
        assert (case.amount_minor, case.currency) == (None, "")
        assert {(-minor, currency) for minor, currency in case.context["findings"][0]["worth"]} == worth
        (row,) = file(client)
        assert row["amounts"] == in_the_file(worth)
        for address in ("/queue?tab=all", f"/cases/{case.id}"):
            shown = client.get(address).content.decode()
            assert all(f'value="{minor / 100:.2f}"' in shown for minor, _ in worth), address


def test_cancelled_in_part_its_case_is_worth_the_credits_of_the_rest(
    sold: Story, sofia: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    with sold.on("2026-03-20", "12:00"):
        refuses(sold, monkeypatch)
        cancel(sold, on="2026-03-20")
        (euros,) = (minor for minor, currency in signed_for() if currency == "EUR")
        desk.approve(sofia, [Approval.objects.get().id], "agreed")
        sold.flow.work()
        case = Case.objects.get()
        assert (case.state, case.amount_minor, case.currency) == ("open", euros, "EUR")
        client.force_login(sofia)
        (row,) = file(client)
        assert (row["amount"], row["currency"]) == (f"{euros / 100:.2f}", "EUR")
        assert row["amounts"] == f"EUR {euros / 100:.2f}"
