"""Whoever sends a journal of an invoice that billing has otherwise by now reads that first; it stops nothing.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. The journals of INV-1, EUR 1,390.00, and of INV-2, EUR
1,190.00, met an inactive cost centre and were never sent.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Case, Offer
from ledger.models import JournalEntry
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import after_all, desk, offered, watch
from q2c.stages import billing_since
from tests.engine.makers import issue, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_given_up_unread import send
from tests.stages.test_invoices_and_journals import SOUND, arrives, record
from tests.ui.people import read, signed_in
from tests.ui.test_differences_told import boss_of

pytestmark = pytest.mark.django_db
FIRST, *REST = SOUND.lines
DEARER = replace(
    SOUND, lines=(replace(FIRST, net_minor=FIRST.net_minor + 10_000), *REST), total_minor=SOUND.total_minor + 10_000
)
MOVED = replace(SOUND, issued_on=SOUND.issued_on + dt.timedelta(days=30))
AS_BOOKED = f"Sent, its journal is posted as it is booked, at EUR 1,390.00, dated {SOUND.issued_on}"


@pytest.fixture
def stuck(company: Any) -> tuple[Case, Case]:
    order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    record(SOUND)
    issue("INV-2", order("ORD-2"))
    run_all()
    first, second = Case.objects.order_by("number")
    assert (first.business_key, second.business_key) == ("INV-1", "INV-2")
    return first, second


def changed(now: InvoiceDocument) -> Case:
    record(now)
    return Case.objects.get(reason="invoice_changed")


def said(address: str) -> str:
    return " ".join(read(signed_in(boss_of()), address).split())


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (DEARER, "its total was EUR 1,390.00 and is EUR 1,490.00"),
        (MOVED, "its issue date was 2026-10-"),
    ],
    ids=["dearer", "moved"],
)
def test_the_case_its_dry_run_and_its_replay_say_what_billing_has_by_now(
    stuck: tuple[Case, Case], now: InvoiceDocument, what: str
) -> None:
    first, second = stuck
    rosa, about = boss_of(), changed(now)
    told = desk.dry_run(rosa, first.id)
    assert told is not None and what in told["beside"] and AS_BOOKED in told["beside"]
    assert told["beside"].endswith(f"; {about.shown} is open about that")
    other = desk.dry_run(rosa, second.id)
    assert other is not None and other["beside"] == ""
    tail = f"{about.shown} is open about that."
    page = said(f"/cases/{first.id}")
    assert tail in page.split("Accounting impact")[1].split("More about it")[0]
    assert tail in page.split("Replay this case")[1], "in the dialog, before it is sent"
    assert tail in said(f"/cases/{first.id}?dry_run=1") and tail in said(f"/cases/{first.id}/dry-run")
    assert "is open about that" not in said(f"/cases/{second.id}?dry_run=1")


def test_an_offer_and_a_replay_of_many_count_them_and_stop_none(company: Any, stuck: tuple[Case, Case]) -> None:
    about = changed(DEARER)
    company["erp-de"].inactive.clear()
    watch.watch_blockers()
    offered.look_at_offers()
    offer = Offer.objects.get(state="open")
    assert (offer.looked["passes"], offer.looked["otherwise"]) == (2, 1)
    counted = "1 billing has otherwise by now: sent, its journal is posted as booked"
    for address in ("/queue", "/offers", f"/offers/{offer.id}"):
        assert counted in said(address), address
    rosa = boss_of()
    batch = desk.take_offer(rosa, offer.id)
    page = said(f"/replays/{batch.id}")
    assert counted in page and "2 would go through" in page and f"{about.shown} is open about that." in page
    which = said(f"/replays/{batch.id}?outcome=otherwise_in_billing")
    assert "INV-1" in which and "INV-2" not in which
    desk.send(rosa, batch.id)
    run_all()
    assert set(JournalEntry.objects.values_list("state", flat=True)) == {"posted"}
    assert Case.objects.get(id=about.id).state == "open"
    assert "posted as booked" not in said(f"/replays/{batch.id}")


def test_who_posts_it_after_all_asks_and_signs_knowing_it(stuck: tuple[Case, Case]) -> None:
    first, _ = stuck
    about = changed(DEARER)
    give_up(first, "other")
    tail = f"{about.shown} is open about that."
    assert tail in said(f"/cases/{first.id}").split("Two people gave the journal of INV-1 up")[1]
    after_all.ask(person("cleo"), first.id, "the ledger wants it", "t-1")
    # On the card and in the dialog.
    assert said("/approvals").count(tail) == 2


def test_it_names_the_day_that_a_decision_gave_the_journal(stuck: tuple[Case, Case]) -> None:
    changed(DEARER)
    entry = JournalEntry.objects.get(business_document="invoice:INV-1")
    entry.effective_on = dt.date(2026, 11, 2)
    (told,) = billing_since.of_entries({entry.id: entry}).values()
    assert "as it is booked, at EUR 1,390.00, dated 2026-11-02; " in told


def test_put_back_in_billing_nothing_is_said_of_it(stuck: tuple[Case, Case]) -> None:
    first, _ = stuck
    changed(DEARER)
    record(SOUND)
    told = desk.dry_run(boss_of(), first.id)
    assert told is not None and told["beside"] == ""


def test_what_came_and_cannot_be_read_is_said_too(company: Any) -> None:
    order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    arrives("InvoiceIssued", SOUND, source="back-office")
    run_all()
    first = Case.objects.get()
    send("e-2", currency="XXQ")
    unread = Case.objects.exclude(id=first.id).get()
    told = desk.dry_run(boss_of(), first.id)
    assert told is not None and told["beside"] == (
        f"back-office has another version of INV-1, which cannot be read. {AS_BOOKED}; {unread.shown} is open about that"
    )
    give_up(unread, "other")
    told = desk.dry_run(boss_of(), first.id)
    assert told is not None and told["beside"] == "", "it is told as a difference by then"
