"""Whoever decides on reopening a period sees what is open in it; what they saw stays with the decision."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, FxRate
from q2c.engine import decisions, offered
from tests.engine.makers import case, issue, order, run_all
from tests.ui.people import of_role, page, person, read, signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_the_card_shows_what_is_open_in_the_month_and_keeps_it(company: Any, verb: str) -> None:
    """Its journal met a dead cost centre: no case names the period as its cause, and one is open in its month."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    assert Case.objects.get().blocker_type != "fiscal_period"
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    carla = of_role("carla", "Controller", first_name="Carla", last_name="Weiss")
    decisions.ask_to_reopen(carla, october, "INV-1 has to be booked")
    client = signed_in(of_role("dmitri", "Controller", first_name="Dmitri", last_name="Hale"))
    text = read(client, "/approvals").replace("\xa0", " ")
    assert "No case names it as its cause" in text and "Nothing here" not in text
    assert "Open cases: 1 case, EUR 1,190.00" in text and "Journals not posted: 1 journal, EUR 1,190.00" in text
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": verb, "reason": "so be it"})
    # What becomes of the case afterwards changes nothing of what was read.
    Case.objects.update(amount_minor=1)
    with CaptureQueriesContext(connection) as queries:
        text = read(client, "/approvals?view=decided").replace("\xa0", " ")
    # What is open today is not asked for.
    assert len(queries) <= 14, len(queries)
    assert "Shown to whoever decided" in text and "Open cases: 1 case, EUR 1,190.00" in text
    assert "Journals not posted: 1 journal, EUR 1,190.00" in text


def test_what_waits_for_it_is_kept_too(company: Any) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    issue("INV-1", order())
    run_all()
    carla = of_role("carla", "Controller", first_name="Carla", last_name="Weiss")
    decisions.ask_to_reopen(carla, october, "INV-1 came late")
    client = signed_in(of_role("dmitri", "Controller", first_name="Dmitri", last_name="Hale"))
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": "approve", "reason": ""})
    text = read(client, "/approvals?view=decided").replace("\xa0", " ")
    assert "Waits for it: 1 case, EUR 1,190.00" in text
    assert "Still to be booked: 1 invoice, EUR 1,190.00 not recorded" in text


@pytest.fixture
def closed_behind(company: Any, django_capture_on_commit_callbacks: Callable[..., Any]) -> FiscalPeriod:
    """INV-1 misses a rate; October is closed meanwhile; the rate comes, and the dry run finds October closed."""
    FxRate.objects.all().delete()
    issue("INV-1", order(), on=dt.date(2026, 10, 6))
    run_all()
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    with django_capture_on_commit_callbacks(execute=True):
        FxRate.objects.create(
            from_currency="EUR", to_currency="USD", kind="spot", on=dt.date(2026, 10, 5), rate=Decimal("1.1")
        )
    offered.look_at_offers()
    assert case("INV-1").blocker_type == "fx_rate" and case("INV-1").next_cause["reason"] == "period_closed"
    return october


def ways(shown: str) -> dict[str, str]:
    """What is linked, and where to."""
    found = re.findall(r'<a href="([^"]+)">([^<]+)</a>', shown)
    return {" ".join(text.replace("\xa0", " ").split()): html.unescape(href) for href, text in found}


def test_a_case_that_would_meet_the_period_next_counts_and_is_told_apart(closed_behind: FiscalPeriod) -> None:
    carla = of_role("carla", "Controller", first_name="Carla", last_name="Weiss", is_staff=True)
    asking = f"{reverse('admin:ledger_fiscalperiod_move', args=['reopen'])}?ids={closed_behind.pk}"
    asked = page(signed_in(carla), asking)
    assert "closed, 1 case that would meet it next" in re.sub(r"<[^>]+>", "", asked)
    decisions.ask_to_reopen(carla, closed_behind, "INV-1 came late")
    client = signed_in(of_role("dmitri", "Controller", first_name="Dmitri", last_name="Hale", is_staff=True))
    text = read(client, "/approvals").replace("\xa0", " ")
    assert "Waits for it1 case would meet it next, worth EUR 1,190.00" in " ".join(text.split())
    assert "No case names it" not in text
    # Each leads to what it counts.
    linked = ways(page(client, "/approvals"))
    for shown in (ways(asked)["1 case that would meet it next"], linked["1 case"], linked["Cases of its month"]):
        assert "INV-1" in read(client, shown), shown
    assert "State: open → closed" in " ".join(read(client, linked["Its history"]).split())
    client.post(f"/approvals/{Approval.objects.get().id}/decide", {"verb": "refuse", "reason": "book it later"})
    text = read(client, "/approvals?view=decided").replace("\xa0", " ")
    assert "Would meet it next: 1 case, EUR 1,190.00" in text


def test_the_way_to_the_history_is_for_whom_it_is_open_to(closed_behind: FiscalPeriod) -> None:
    carla = of_role("carla", "Controller", first_name="Carla", last_name="Weiss")
    decisions.ask_to_reopen(carla, closed_behind, "INV-1 came late")
    reader = signed_in(person("rita", "exceptions.view_case"))
    linked = ways(page(reader, "/approvals"))
    assert "Cases of its month" in linked and "Its history" not in linked


def test_what_waits_for_it_already_leads_to_its_cases(company: Any) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    issue("INV-1", order())
    run_all()
    decisions.ask_to_reopen(of_role("carla", "Controller"), october, "INV-1 came late")
    client = signed_in(of_role("dmitri", "Controller"))
    shown = page(client, "/approvals")
    assert "would meet it next" not in shown and "INV-1" in read(client, ways(shown)["1 case"])
