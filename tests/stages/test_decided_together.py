"""Many requests are decided at once: what cannot be done any more keeps none of the others.

DE01 sold ORD-1 to Acme; it is 3 November 2026.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from exceptions.models import Approval
from ledger.models import JournalEntry, Redating
from q2c.engine import decisions, desk, requests, run
from q2c.models import Order
from tests.engine.makers import case, issue, order, person, run_all
from tests.stages.test_closed_meanwhile import month
from tests.stages.test_late_documents import shut

pytestmark = pytest.mark.django_db
RIGHTS = ("reverse_journalentry", "redate_journalentry", "reopen_period")


def controller(name: str) -> Any:
    user = person(name)
    user.user_permissions.add(*Permission.objects.filter(codename__in=RIGHTS))
    return type(user).objects.get(pk=user.pk)


def reversal_of(number: str, of: Order, user: Any, day: dt.date, token: str) -> None:
    issue(number, of)
    run_all()
    entry = JournalEntry.objects.get(business_document=f"invoice:{number}")
    requests.reverse_journal(user, entry, day, "billed twice", f"00000000-0000-7000-8000-{token:0>12}")
    run.drain("reverse_journal")


def test_one_that_cannot_be_done_any_more_keeps_none_of_the_others(company: Any) -> None:
    """INV-1 and INV-2 are to be reversed, in November and in December; INV-3 is dated in December; INV-4 came after
    October was closed and is to go into November; October is to be reopened. Then November is closed.
    """
    carla, cleo, of = controller("carla"), controller("cleo"), order()
    reversal_of("INV-1", of, carla, dt.date(2026, 11, 3), "1")
    reversal_of("INV-2", of, carla, dt.date(2026, 12, 1), "2")
    issue("INV-3", of, on=dt.date(2026, 12, 10))
    shut("2026-10")
    issue("INV-4", of)
    run_all()
    decisions.ask_to_redate(carla, case("INV-4").id, dt.date(2026, 11, 2), "billed late")
    decisions.ask_to_reopen(carla, month("2026-10"), "one more invoice")
    asked = {(one.action, one.case.business_key if one.case else ""): one.id
             for one in Approval.objects.filter(state="requested")}  # fmt: skip
    reversals = [asked["reversal_approval_required", number] for number in ("INV-1", "INV-2")]
    invoice, redated = asked["invoice_approval_required", "INV-3"], asked["redate", "INV-4"]
    reopening = asked["reopen_period", ""]
    shut("2026-11")

    decision = desk.approve(cleo, list(asked.values()), "agreed")

    assert set(decision.done) == {reversals[1], invoice, reopening} and set(decision.left) == {reversals[0], redated}
    assert "Period 2026-11 of DE01 (receivables) is closed: nothing is signed" in decision.left[reversals[0]]
    assert "first open period" in decision.left[redated]
    left = Approval.objects.filter(id__in=decision.left)
    assert set(left.values_list("state", "decided_by", "decision")) == {("requested", None, "")}
    assert not Redating.objects.exists() and case("INV-4").state == "awaiting_approval"
    run_all()
    run.drain("reverse_journal")
    assert JournalEntry.objects.get(reverses__business_document="invoice:INV-2").effective_on == dt.date(2026, 12, 1)
    assert JournalEntry.objects.filter(business_document="invoice:INV-3").exists()
    assert month("2026-10").state == "open" and case("INV-1").state == "awaiting_approval"
    assert not case("INV-1").events.filter(kind="approved").exists()
    assert desk.approve(cleo, [reversals[0]]).left == {reversals[0]: decision.left[reversals[0]]}
