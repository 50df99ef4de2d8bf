"""An invoice that two people gave up comes again: its money is told once, and its case says who gave it up before.

DE01 sells O-1 to Acme on 3 November 2026; billing issues INV-2 with a product that nobody sold, and ann and bea give it
up. Billing then dates it anew, or so that it is due before it is issued.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk
from q2c.models import Event, Order, Step
from q2c.reading import given_up
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, person, read, signed_in
from tests.ui.test_given_up_told import NOW, closing, unposted, unrecorded
from tests.ui.test_given_up_told import give_up as two_give_up
from tests.ui.test_unread_invoices import _noon, billing

__all__ = ["_noon"]
pytestmark = pytest.mark.django_db
LOST = "1 invoice posted in billing, not in the books, "


@pytest.fixture
def order() -> Order:
    return make.through("O-1", "INV-1")


def again(case: Case, **changes: Any) -> None:
    """Billing gives the same invoice with these changes, an hour later."""
    event = Step.objects.select_related("event").get(id=case.step_id).event
    if case.stage == "post_journal":
        event = Event.objects.get(id=event.causation_id)
    document = msgspec.structs.replace(stored.read(event.payload, InvoiceDocument), **changes)
    billing().take_fetched(document.billing_reference, document)


def close_again(case: Case, root_cause: str = "other") -> None:
    """Cleo asks, dora agrees."""
    rights = [f"exceptions.{right}" for right in ("view_case", "close_case", "approve_case", "work_case")]
    desk.close_without_fix(person("cleo", *rights), [case.id], "no", root_cause)
    desk.approve(person("dora", *rights), [Approval.objects.get(state="requested", case=case).id])


def told(name: str) -> list[str]:
    """Differences of the month by number."""
    sums = given_up.of_open_months(get_user_model().objects.filter(is_superuser=True).get())
    return [one.number for one in (sums[("DE01", name)].found.get("invoice", ()) if ("DE01", name) in sums else ())]


@pytest.mark.parametrize("stuck", [unrecorded, unposted])
def test_unreadable_its_money_stands_with_the_case_alone(order: Order, stuck: Any) -> None:
    case = two_give_up(stuck(order), "duplicate")
    client = signed_in(boss())
    assert f"{case.business_key} (given up, {case.shown})" in read(client, "/")
    with clock.at(NOW + dt.timedelta(hours=1)):
        again(case, due_on=dt.date(2026, 10, 1))
        unread = Case.objects.get(state="open")
        # The money stands with the open case, which names the one of those who gave it up, as that one does.
        assert (unread.period, unread.amount_minor) == ("2026-11", case.amount_minor)
        assert told("2026-11") == [] and "posted in billing, not in the books" not in closing(client)
        shown = read(client, f"/cases/{unread.id}")
        assert re.search(rf"Given up before by Ann and Bea, .+ \(duplicate\): {case.shown}", shown)
        assert f"so that it cannot be read ({unread.shown})" in read(client, f"/cases/{case.id}")
        assert given_up.of_order(get_user_model().objects.get(username="rosa"), order) == []
    # Given up as well it is told once, by the later of them; on its order, too.
    with clock.at(NOW + dt.timedelta(hours=2)):
        close_again(unread)
        assert told("2026-11") == [case.business_key]
        tower = read(client, "/")
        assert LOST in tower and f": {case.business_key} (given up, {unread.shown})" in tower
        on_order = read(client, f"/orders/{order.id}")
        assert f"came again since and cannot be read: {unread.shown}" in on_order


def test_who_may_see_no_cases_is_told_of_the_difference(order: Order) -> None:
    case = two_give_up(unrecorded(order))
    with clock.at(NOW + dt.timedelta(hours=1)):
        again(case, due_on=dt.date(2026, 10, 1))
        eve = person("eve", "q2c.view_step", "q2c.view_invoice")
        assert ("DE01", "2026-11") in given_up.of_open_months(eve)


def test_unreadable_without_an_amount_takes_no_money_away(order: Order) -> None:
    case = two_give_up(unrecorded(order))
    client = signed_in(boss())
    with clock.at(NOW + dt.timedelta(hours=1)):
        about = About(entity="DE01", issued_on=dt.date(2026, 11, 4))
        billing().take_fetched("8adINV-2", Rejected(reason=Reason.EVENT_MALFORMED, text="no total", about=about))
        assert Case.objects.get(state="open").period == "2026-11" and told("2026-11") == ["INV-2"]
        assert f"({Case.objects.get(state='open').shown})" in read(client, f"/cases/{case.id}")


def test_dated_anew_its_case_and_whoever_decides_read_who_gave_it_up(order: Order) -> None:
    case = two_give_up(unrecorded(order))
    with clock.at(NOW + dt.timedelta(hours=1)):
        again(case, issued_on=dt.date(2026, 11, 4))
        make.run("record_invoice")
        later = Case.objects.exclude(id=case.id).get()
        assert later.reason == case.reason
        said = rf"Given up before by Ann and Bea, .+ \(other\): {case.shown}"
        client = signed_in(boss())
        assert re.search(said, read(client, f"/cases/{later.id}"))
        assert "Given up before" not in read(client, f"/cases/{case.id}")
        rights = [f"exceptions.{right}" for right in ("view_case", "close_case")]
        desk.close_without_fix(person("cleo", *rights), [later.id], "no", "other")
        assert re.search(said, read(client, "/approvals"))
