"""What is asked for and undecided is told where its decision would change the books: close, its record, tower, queue.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 of EUR 62,120.00 is booked and posted in November.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import JournalEntry
from q2c import bulk, keys
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import decisions, desk, requests
from q2c.models import Order, Step
from q2c.reading import approvals, asked_for, close, credits_due, left_open
from tests import flow_makers as make
from tests.ui.people import read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_told import again, booked, boss_of
from tests.ui.test_given_up_told import _noon, closing
from tests.ui.test_redated_told import month, people

__all__ = ["_noon", "people"]
pytestmark = pytest.mark.django_db
NOVEMBER, DECEMBER = dt.date(2026, 11, 3), dt.date(2026, 12, 1)
TOTAL = 6_212_000


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Order:
    """Of billing's own: what another system billed it would not credit."""
    monkeypatch.setattr(make, "BILLING", "zuora")
    make.company()
    return make.through("O-1", "INV-1")


def cancelling(order: Order, ann: Any) -> Case:
    """Ann asks for it as of today; it is worth what is billed for days from then on."""
    requests.cancel_order(ann, order, NOVEMBER, "they leave", str(keys.new_id()))
    make.run("cancel_order")
    return Case.objects.get(reason="cancellation_approval_required")


def reversing(on: dt.date = NOVEMBER) -> Case:
    asked = JournalReversalRequested(journal_id=str(booked().id), effective_on=on, reason="billed in error")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    return Case.objects.get(reason="reversal_approval_required")


def redating(order: Order, ann: Any) -> Case:
    """INV-2 of EUR 4,760.00 comes for the closed November; Ann asks that it be booked in December."""
    periods.close(month("2026-11"), by="carla", why="November is done")
    make.bill(order, "INV-2", net_minor=400_000)
    make.run("record_invoice")
    case = Case.objects.get(business_key="INV-2")
    decisions.ask_to_redate(ann, case.id, DECEMBER, "billed late")
    return case


def approve(cleo: Any) -> None:
    assert desk.approve(cleo, [Approval.objects.get(state="requested").id], "agreed").done


def told(name: str) -> Any:
    """What the close page says of a month, beginning with what is asked for; empty where it says nothing of that."""
    page = said(closing(signed_in(boss_of()), name=name))
    assert ("Decisions are asked for that would change these periods" in page) == ("Asked for, not decided" in page)
    return page.partition("Asked for, not decided")[2].partition("Cases, differences, and what is still")[0]


def kept(name: str) -> list[str]:
    return left_open.of(boss_of(), month(name)).splitlines()


def euro(minor: int) -> str:
    return f"EUR {minor / 100:,.2f}"


@pytest.fixture
def both(order: Order, people: tuple[Any, Any], django_user_model: Any) -> tuple[Any, Any]:
    """Two people who may ask for all of it, and decide on it."""
    return tuple(django_user_model.objects.create_superuser(name) for name in ("asks", "signs"))  # type: ignore[return-value]


def test_a_cancellation_stands_in_the_month_that_its_credits_would_fall_into(order: Order, both: Any) -> None:
    case = cancelling(order, both[0])
    (asked,) = Approval.objects.all()
    ((minor, _),) = approvals.worth_of(asked)
    assert 0 < minor < order.total_minor and (case.entity, case.period) == ("US01", ""), (
        "DE01 bills it, for a contract of US01"
    )
    line = f"1 cancellation, about {euro(-minor)} of credits net"
    assert f"{line}: {case.shown} of O-1" in told("2026-11")
    assert kept("2026-11") == [f"Asked for, not decided: {line} ({case.shown} of O-1)"]
    assert told("2026-12") == "" and kept("2026-12") == [left_open.NOTHING]
    tower = said(read(signed_in(boss_of()), "/"))
    assert f"DE01 Nov 2026, asked for and not decided: {line}: {case.shown} of O-1." in tower
    # What the decision to close keeps is this.
    address = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={month('2026-11').pk}"
    signed_in(boss_of()).post(address, {"change_reason": "November is done"})
    assert month("2026-11").left_open == f"Asked for, not decided: {line} ({case.shown} of O-1)"
    # Signed, the same is still to be credited, and nothing is asked for any more.
    approve(both[1])
    make.run("cancel_order")
    assert Order.objects.get().state == "cancelled"
    assert credits_due.due(boss_of()).months["DE01", "2026-11"].sums == [(minor, "EUR")]
    assert "asked for and not decided" not in said(read(signed_in(boss_of()), "/"))


def test_the_case_of_a_cancellation_is_worth_what_its_approval_says(order: Order, both: Any) -> None:
    case = cancelling(order, both[0])
    ((minor, _),) = approvals.worth_of(Approval.objects.get())
    assert (case.amount_minor, case.currency) == (-minor, "EUR")
    client, whole = signed_in(boss_of()), euro(order.total_minor)
    for address in ("/queue?tab=all", f"/problems/{case.problem_id}"):
        shown = said(read(client, address))
        assert f"{euro(-minor)} credits, net" in " ".join(shown.split()) and whole not in shown, address
    shown = " ".join(said(read(client, f"/cases/{case.id}")).split())
    assert f"Accounting impact{euro(-minor)} of credits, net" in shown
    assert f"Credits, net{euro(-minor)} The whole order{whole}" in shown and shown.count(whole) == 1
    assert client.get(f"/api/v1/cases/{case.id}").json()["amount_minor"] == -minor


def test_a_re_dating_stands_in_the_month_that_it_would_go_into(order: Order, both: Any) -> None:
    case = redating(order, both[0])
    assert case.period == "2026-11"
    line = "1 re-dating, EUR 4,760.00 into the month"
    assert f"{line}: {case.shown} of INV-2" in told("2026-12")
    assert kept("2026-12") == [f"Asked for, not decided: {line} ({case.shown} of INV-2)"]
    assert f"Open cases: 1 case, EUR 4,760.00 ({case.shown} of INV-2)" in kept("2026-11")
    assert not any("Asked for" in each for each in kept("2026-11"))
    approve(both[1])
    make.run("record_invoice")
    make.run("post_journal")
    assert told("2026-12") == "" and "1 re-dating" not in said(read(signed_in(boss_of()), "/"))


def test_a_reversal_stands_in_the_month_of_its_mirror(order: Order, both: Any) -> None:
    """The books of December would change by it, and those of November, which hold the journal, would not."""
    case = reversing(DECEMBER)
    assert (case.entity, case.period, Step.objects.get(stage="reverse_journal").period) == (
        "DE01",
        "2026-12",
        "2026-12",
    )
    line = f"1 reversal, {euro(-TOTAL)} of credits"
    page = told("2026-12")
    assert f"{line}: {case.shown} of INV-1" in page and "among the differences" not in page
    assert kept("2026-12")[-1] == f"Asked for, not decided: {line} ({case.shown} of INV-1)"
    assert kept("2026-11") == [left_open.NOTHING] and told("2026-11") == ""
    # It is an open case of the month as well: its amount is told once.
    (one,) = close.standing(boss_of(), [month("2026-12")])
    assert (one.cases, one.cases_asked, one.case_sums, one.case_credits) == (1, 1, [], [])
    whole = said(closing(signed_in(boss_of()), name="2026-12"))
    assert "1 open case\N{EN DASH}" not in whole, "no dash for an amount that is told below"
    assert "Of them 1 asked for, not decided" in whole and whole.count(euro(TOTAL).replace("EUR ", "")) == 1
    (blocked,) = close.blocked(boss_of())
    assert (blocked.cases, blocked.asked, blocked.differing, blocked.sums) == (1, 1, 0, [])
    assert "1 asked for, below" in said(read(signed_in(boss_of()), "/"))


def test_a_reversal_of_what_billing_changed_is_told_beside_the_difference(order: Order, both: Any) -> None:
    """As C-1182: the difference comes to nothing, and the reversal would still take all of it out of the books."""
    again(order.invoices.get(), "2", 1, due_on=dt.date(2027, 1, 31))
    changed = Case.objects.get(reason="invoice_changed")
    case = reversing()
    page = told("2026-11")
    assert f"1 reversal, {euro(-TOTAL)} of credits: {case.shown} of INV-1 (among the differences, too)" in page
    (one,) = [line for line in kept("2026-11") if line.startswith("Asked for")]
    assert one.endswith(f"of credits ({case.shown} of INV-1, among the differences)")
    assert any(line.startswith("Differences: 1 invoice, EUR 0.00") for line in kept("2026-11"))
    (standing,) = close.standing(boss_of(), [month("2026-11")])
    assert (standing.cases, standing.cases_differing, standing.cases_asked) == (2, 1, 1)
    assert changed.amount_minor == 0


def test_the_reversal_of_a_mirror_would_bring_its_charge_back(order: Order, both: Any) -> None:
    reversing()
    approve(both[1])
    for stage in ("reverse_journal", "post_journal"):
        make.run(stage)
    mirror = JournalEntry.objects.get(reverses=booked())
    asked = JournalReversalRequested(journal_id=str(mirror.id), effective_on=NOVEMBER, reason="it was right")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    assert f"1 reversal, {euro(TOTAL)}: C-" in told("2026-11")


def test_who_sees_no_cases_is_told_of_none_and_many_ask_no_more_statements(
    order: Order, both: Any, people: tuple[Any, Any], django_assert_num_queries: Any, monkeypatch: Any
) -> None:
    cancelling(order, both[0])
    reversing(DECEMBER)
    raw: list[str] = []
    execute = bulk.execute
    monkeypatch.setattr(bulk, "execute", lambda sql, given: [raw.append(sql), execute(sql, given)][1])
    with django_assert_num_queries(1):
        assert [(key, found.kinds) for key, found in asked_for.by_month(both[1]).items()] == [
            (("DE01", "2026-12"), ["reversal"]),
            (("DE01", "2026-11"), ["cancellation"]),
        ]
    assert len(raw) == 3
    other = make.through("O-2", "INV-9")
    requests.cancel_order(both[0], other, NOVEMBER, "they leave", str(keys.new_id()))
    make.run("cancel_order")
    raw.clear()
    with django_assert_num_queries(1):
        found = asked_for.by_month(both[1], [("DE01", "2026-11")])
    assert len(raw) == 3 and [len(one.found["cancellation"]) for one in found.values()] == [2]
    people[0].user_permissions.clear()
    assert asked_for.by_month(type(people[0]).objects.get(pk=people[0].pk)) == {}


def test_what_was_asked_for_before_is_told_so_too(order: Order, both: Any) -> None:
    credit, mirror = cancelling(order, both[0]), reversing(DECEMBER)
    names = ("amount_minor", "currency", "period")
    now = list(Case.objects.order_by("number").values(*names))
    Case.objects.filter(id=credit.id).update(amount_minor=order.total_minor)
    Case.objects.filter(id=mirror.id).update(period="2026-11")
    Step.objects.filter(id=mirror.step_id).update(period="2026-11")
    made = import_module("q2c.migrations.0054_what_is_asked_for")
    with connection.cursor() as cursor:
        cursor.execute(made.CREDITS)
        cursor.execute(made.MIRRORS)
    assert list(Case.objects.order_by("number").values(*names)) == now
    assert Step.objects.get(id=mirror.step_id).period == "2026-12"
