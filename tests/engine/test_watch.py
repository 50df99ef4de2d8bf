"""Fix once: what waited for an object is offered when the object changes, here or in a platform; and breakers."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from exceptions import casework
from exceptions.models import Offer, Problem
from ledger import periods
from ledger.models import FiscalPeriod, FxRate
from q2c import clock, tasks
from q2c.engine import breaker, desk, watch
from q2c.models import Breaker
from tests.engine.makers import NOW, OCTOBER, case, issue, order, person, run_all
from tests.past_guards import reopened

pytestmark = pytest.mark.django_db
OURS = "DE01:receivables:2026-10"
Capture = Callable[..., Any]


def closed_here() -> FiscalPeriod:
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    return periods.close(period, by="cleo", why="October is done")


def test_a_period_opened_here_offers_its_cases_at_once(
    company: Any, django_capture_on_commit_callbacks: Capture
) -> None:
    period = closed_here()
    sold = order()
    for number in ("INV-1", "INV-2"):
        issue(number, sold)
    run_all()
    assert case("INV-1").blocker == ("", "fiscal_period", OURS, "period_closed")
    with django_capture_on_commit_callbacks(execute=True):
        reopened(period, by="cleo", why="Two late invoices")
    [offer] = Offer.objects.all()
    assert (offer.state, offer.cases) == ("open", 2)
    assert offer.totals == [
        {"currency": "EUR", "entity": "DE01", "period": "2026-10", "cases": 2, "amount_minor": 238_000,
         "credit_minor": 0}
    ]  # fmt: skip
    ann = person("ann")
    batch = desk.take_offer(ann, offer.id)
    assert (batch.state, batch.size) == ("dry_run", 2)
    assert [item.preview["passes"] for item in batch.items.all()] == [True, True]
    desk.send(ann, batch.id)
    run_all()
    assert {case(n).state for n in ("INV-1", "INV-2")} == {"resolved"}
    assert company["erp-de"].writes == 2


def test_another_period_opened_offers_nothing(company: Any, django_capture_on_commit_callbacks: Capture) -> None:
    closed_here()
    issue("INV-1", order())
    run_all()
    other = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-09")
    periods.close(other, by="cleo", why="done")
    with django_capture_on_commit_callbacks(execute=True):
        reopened(other, by="cleo", why="late")
    assert not Offer.objects.exists()


def test_saved_without_a_fix_nothing_is_offered(company: Any, django_capture_on_commit_callbacks: Capture) -> None:
    period = closed_here()
    issue("INV-1", order())
    run_all()
    with django_capture_on_commit_callbacks(execute=True):
        FiscalPeriod.objects.get(pk=period.pk).save()
    assert not Offer.objects.exists()


def test_rolled_back_nothing_is_offered_and_the_next_change_is_heard(
    company: Any, django_capture_on_commit_callbacks: Capture
) -> None:
    period = closed_here()
    issue("INV-1", order())
    run_all()
    with django_capture_on_commit_callbacks(execute=False):
        FiscalPeriod.objects.get(pk=period.pk).save()
    with django_capture_on_commit_callbacks(execute=True):
        reopened(period, by="cleo", why="late")
    assert Offer.objects.filter(state="open").count() == 1


def test_a_cost_centre_reactivated_in_the_erp_is_found_by_asking(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    sold = order()
    for number in ("INV-1", "INV-2", "INV-3"):
        issue(number, sold)
    run_all()
    assert watch.watch_blockers() == {"looked": 1, "offers": 0}
    # One question, however many cases wait.
    assert len(company["erp-de"].asked) == 1
    company["erp-de"].inactive.clear()
    assert tasks.watch_blockers() == {"looked": 1, "offers": 1}
    [offer] = Offer.objects.all()
    assert offer.title == "3 cases, EUR 3,570.00, can be replayed: cost centre CC-410 in erp-de is active again"
    # Inactive again before anybody took it: taken back.
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    assert watch.watch_blockers() == {"looked": 1, "offers": 0}
    assert Offer.objects.get().state == "withdrawn"


def test_what_slept_until_then_wakes(company: Any) -> None:
    company["erp-de"].closed.add("2026-10")
    issue("INV-1", order())
    run_all()
    casework.snooze(person("ann"), [case("INV-1").id], until_blocker=True, why="Controller reopens on Friday")
    assert case("INV-1").state == "snoozed"
    company["erp-de"].closed.clear()
    watch.watch_blockers()
    assert case("INV-1").state == "open"
    assert Offer.objects.get().cases == 1


def test_a_platform_that_does_not_say_changes_nothing(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    company["erp-de"].inactive.clear()
    monkeypatch.setattr("tests.engine.paper.PaperLedger.still_blocked", lambda self, blocker: None)
    assert watch.watch_blockers() == {"looked": 1, "offers": 0}
    monkeypatch.setattr("tests.engine.paper.PaperLedger.still_blocked", lambda self, blocker: 1 / 0)
    assert watch.watch_blockers() == {"looked": 1, "offers": 0}
    assert not Offer.objects.exists()


def test_a_long_list_is_worked_off_in_turns() -> None:
    named = [("", "product", str(n), "unknown") for n in range(50)]
    seen: set[watch.Named] = set()
    for turn in range(3):
        with clock.at(NOW + dt.timedelta(seconds=watch.ROUND_S * turn)):
            seen |= set(watch._turn(named, 20))
    assert seen == set(named)


def test_a_ledger_goes_down_one_problem_says_so_and_ends_when_it_answers(company: Any) -> None:
    company["erp-us"].down = True
    sold = order("ORD-US", "US01")
    for number in range(6):
        issue(f"US-{number}", sold, on=OCTOBER)
    run_all()
    row = Breaker.objects.get(connection="erp-us")
    assert row.is_open
    [problem] = Problem.objects.filter(kind="connection")
    assert problem.id == row.problem_id
    assert problem.title == "erp-us is down since 2026-11-03 10:00 UTC, 6 journals wait"
    assert problem.waiting == {"noun": "journal", "count": 6, "amounts": {"USD": 714_000}, "text": "no answer"}
    issue("US-6", sold)
    run_all()
    with clock.at(NOW + dt.timedelta(minutes=1)):
        assert breaker.probe_due() == []
        assert (
            Problem.objects.get(kind="connection").title == "erp-us is down since 2026-11-03 10:00 UTC, 7 journals wait"
        )
    company["erp-us"].down = False
    with clock.at(NOW + dt.timedelta(minutes=10)):
        assert breaker.probe_due() == ["erp-us"]
        problem = Problem.objects.get(kind="connection")
        assert (problem.state, problem.resolved_at) == ("resolved", NOW + dt.timedelta(minutes=10))
        run_all()
    assert company["erp-us"].writes == 7
    assert not Breaker.objects.get(connection="erp-us").is_open


@pytest.mark.django_db(transaction=True)
def test_two_transactions_that_save_one_object_are_both_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that ends first has not seen what the other saved."""
    heard: list[str] = []
    monkeypatch.setattr(watch, "changed", lambda _, kind, key: heard.append(f"{threading.current_thread().name} {key}"))
    rate = FxRate(from_currency="EUR", to_currency="USD")

    def save_twice() -> None:
        with transaction.atomic():
            watch._saved(FxRate, rate)
            watch._saved(FxRate, rate)
        connection.close()

    with transaction.atomic():
        watch._saved(FxRate, rate)
        other = threading.Thread(target=save_twice, name="other")
        other.start()
        other.join()
        assert heard == ["other EUR:USD"]
    assert heard == ["other EUR:USD", f"{threading.current_thread().name} EUR:USD"]
