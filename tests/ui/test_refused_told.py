"""What a case says after a second person's no is true of what they said no to.

DE01 sells O-1 to Acme on 3 November 2026; billing issues INV-2, dated in more than a month.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions import approvals
from exceptions.models import Approval, Case
from exceptions.policies import POLICIES, SIGNS_ORDERS
from q2c import clock, states
from q2c.engine import desk
from q2c.reasons import APPROVALS, Reason
from q2c.ui import refused
from tests import flow_makers as make
from tests.ui.people import boss, read, signed_in, with_rights
from tests.ui.test_given_up_told import _noon, order

__all__ = ["_noon", "order"]
pytestmark = pytest.mark.django_db
OF_ORDERS = {reason for reason, row in POLICIES.items() if row.signed_with == SIGNS_ORDERS}


def test_of_an_invoice_it_names_what_billing_can_do(order: Any) -> None:
    make.bill(order, "INV-2", issued_on=dt.date(2026, 12, 10))
    make.run("record_invoice")
    asked = Approval.objects.get(action="invoice_approval_required")
    desk.refuse(with_rights("cleo", "view_case", "approve_case"), [asked.id], "dated wrongly")
    case, client = Case.objects.get(business_key="INV-2"), signed_in(boss())
    text = read(client, f"/cases/{case.id}")
    assert "Refused by Cleo" in text and "dated wrongly" in text
    assert "Have the invoice corrected in billing: its new version takes the place of this one." in text
    assert "deal" not in text and "the order is rejected" not in text
    # Stopped by something else since, it says what to do about that.
    Case.objects.filter(id=case.id).update(reason="period_closed")
    text = read(client, f"/cases/{case.id}")
    assert "Refused by Cleo" in text and "Have the invoice" not in text and "Reopen the period" in text


@pytest.mark.parametrize("reason", sorted(APPROVALS))
def test_each_kind_has_its_own_words(order: Any, reason: Reason) -> None:
    """Only what is asked of an order sends anybody to the deal."""
    make.bill(order, "INV-2", issued_on=dt.date(2026, 12, 10))
    make.run("record_invoice")
    case = Case.objects.get(business_key="INV-2")
    approvals.withdraw_for([case.id], "asked as another kind")
    Case.objects.filter(id=case.id).update(reason=str(reason))
    approvals.ask([case], str(reason), "please", None, clock.now())
    decided = {"decided_by_id": boss().pk, "decided_at": clock.now(), "decision": "no"}
    states.move(Approval, "refuse", [Approval.objects.get(state="requested").id], **decided)
    states.move(Case, "send_back", [case.id])
    told = refused.of(Case.objects.get(id=case.id))
    assert told is not None and told.title == "Refused" and told.next
    assert ("deal" in told.next, "order is rejected" in told.next) == (reason in OF_ORDERS, reason in OF_ORDERS)
