"""Whoever decides on reopening a period sees what is open in it; what they saw stays with the decision."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod
from q2c.engine import decisions
from tests.engine.makers import issue, order, run_all
from tests.ui.people import of_role, read, signed_in

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
    text = read(client, "/approvals?view=decided").replace("\xa0", " ")
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
