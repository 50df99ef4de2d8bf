"""A month ties out to billing as it was last read: where that was a while ago, whoever closes the month reads so.

DE01 sells O-1 to Acme on 3 November 2026, and INV-1 is booked and posted. It is 10:00 UTC, and Zuora does not answer
since 9:30, or called out what could not be fetched.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from ledger.models import FiscalPeriod
from q2c import keys
from q2c.models import Callout, Connection, Invoice, PollCursor, Subscription
from q2c.reading import left_open
from tests.past_guards import past_guards
from tests.ui.people import of_role, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_page import NOVEMBER, _noon
from tests.ui.test_differences_told import boss_of, invoice
from tests.ui.test_given_up_told import NOW, closing

__all__ = ["_noon", "invoice"]
pytestmark = pytest.mark.django_db
EARLIER = NOW - dt.timedelta(minutes=30)
SILENT = "Zuora was last read 9:30 (down for maintenance); what it issued or changed since is not counted."
NEVER = "Zuora was never read; what it issued or changed since is not counted."


def last_read(at: dt.datetime | None, text: str = "") -> None:
    PollCursor.objects.filter(connection="zuora").update(read_at=at, text=text)


def called_out(number: int, ago_s: int, tries: int, text: str = "") -> None:
    at = NOW - dt.timedelta(seconds=ago_s)
    for at_ in range(number):
        Callout.objects.create(
            connection="zuora", reference=f"b-{at_}", correlation_id=keys.new_id(), called_at=at, next_at=NOW,
            tries=tries, text=text,
        )  # fmt: skip


def shown(client: Any) -> list[str]:
    """On the month's page, on the tower, and where the month is closed."""
    return [said(read(client, NOVEMBER)), said(read(client, "/")), said(closing(client))]


def kept() -> str:
    months = FiscalPeriod.objects.select_related("entity")
    return left_open.of(boss_of(), months.get(entity__code="DE01", subledger="receivables", name="2026-11"))


def test_nothing_is_said_while_it_is_read(invoice: Invoice) -> None:
    last_read(NOW - dt.timedelta(seconds=119))
    called_out(1, ago_s=30, tries=0)
    client = signed_in(boss_of())
    assert not any("is not counted" in page for page in shown(client))
    assert "Nothing differs" in read(client, NOVEMBER) and "as far as billing was read" not in read(client, NOVEMBER)
    assert kept() == left_open.NOTHING


def test_when_it_was_last_read_and_why_is_said_everywhere(invoice: Invoice) -> None:
    last_read(EARLIER, "down for maintenance.")
    client = signed_in(boss_of())
    for page in shown(client):
        at = page.find("Zuora was last")
        assert SILENT in re.sub(r"Nov.3, 0?9:30(.AM)?", "9:30", page), page[at : at + 300]
    page = read(client, NOVEMBER)
    assert "Nothing differs" not in page and "It ties out, as far as billing was read" in page
    assert kept() == (
        f"{left_open.NOTHING}\nNot read: Zuora was last read 2026-11-03 09:30 UTC (down for maintenance); what it issued "
        "or changed since is not counted"
    )


def test_one_poll_that_failed_is_enough(invoice: Invoice) -> None:
    last_read(NOW - dt.timedelta(seconds=40), "no answer")
    assert kept() == left_open.NOTHING
    PollCursor.objects.filter(connection="zuora").update(failing_at=NOW - dt.timedelta(seconds=20))
    assert "Not read: Zuora was last read 2026-11-03 09:59 UTC (no answer)" in kept()


def test_so_is_one_that_was_never_read(invoice: Invoice) -> None:
    PollCursor.objects.all().delete()
    client = signed_in(boss_of())
    assert all(NEVER in page for page in shown(client))
    assert "Not read: Zuora was never read; what it issued" in kept()


@pytest.mark.parametrize(("ago_s", "tries"), [(121, 0), (30, 1)], ids=["for a while", "tried in vain"])
def test_what_it_called_out_and_is_not_fetched_is_counted(invoice: Invoice, ago_s: int, tries: int) -> None:
    called_out(2, ago_s, tries, "Service Unavailable")
    client = signed_in(boss_of())
    told = "2 documents that Zuora called out since "
    assert all(told in page and "Service Unavailable" in page for page in shown(client)), shown(client)
    assert "Not read: 2 documents that Zuora called out since 2026-11-03 09:5" in kept()


def test_once_some_wait_all_that_is_not_fetched_is_counted(invoice: Invoice) -> None:
    called_out(2, ago_s=30, tries=1, text="Service Unavailable")
    Callout.objects.create(
        connection="zuora", reference="b-9", correlation_id=keys.new_id(), called_at=NOW, next_at=NOW, tries=0
    )
    assert "Not read: 3 documents that Zuora called out since 2026-11-03 09:59 UTC are not fetched" in kept()


@pytest.mark.parametrize("role", ["Controller", "Auditor", "Billing ops"])
def test_whoever_reads_the_month_reads_it(invoice: Invoice, role: str) -> None:
    """It is no secret of those who may see callouts or connections."""
    last_read(EARLIER, "down for maintenance")
    called_out(2, 600, 4, "Service Unavailable")
    client = signed_in(of_role("rita", role))
    for address in (NOVEMBER, "/"):
        page = said(read(client, address))
        assert "Zuora was last read" in page and "2 documents that Zuora called out since" in page, address
    if role == "Controller":
        client = signed_in(of_role("carl", role, is_staff=True))
        assert "2 documents that Zuora called out since" in said(closing(client))


def test_what_was_fetched_and_what_another_system_called_out_is_not(invoice: Invoice) -> None:
    called_out(1, ago_s=600, tries=3)
    Callout.objects.update(done_at=NOW)
    Connection.objects.filter(name="salesforce").update(active=True)
    Callout.objects.create(
        connection="salesforce", reference="d-1", correlation_id=keys.new_id(), called_at=EARLIER, next_at=NOW, tries=4
    )
    assert kept() == left_open.NOTHING


def test_a_platform_that_is_switched_off_goes_on_to_bill_what_it_has(invoice: Invoice) -> None:
    last_read(EARLIER)
    Connection.objects.filter(name="zuora").update(active=False)
    assert "Not read: Zuora was last read 2026-11-03 09:30 UTC (it is switched off); what it issued" in kept()
    with past_guards():
        Subscription.objects.update(state="cancelled")
    assert kept() == left_open.NOTHING, "it bills nothing more"
