"""An invoice comes late: its period is closed, here or in the ERP, and it is booked in the first open one.

DE01 sold ORD-1 to Acme; INV-1 is dated 5 October 2026, it is 3 November, and October is closed. Ann asks for another
date, Cleo approves it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, transaction

from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case
from ledger import periods, redating
from ledger.models import FiscalPeriod, FxRate, JournalEntry, Redating
from q2c.engine import decisions, desk
from q2c.models import Invoice
from q2c.stages import booking
from tests.engine.makers import OCTOBER, case, issue, order, person, run_all
from tests.ui.people import page, signed_in

pytestmark = pytest.mark.django_db
FIRST = dt.date(2026, 11, 1)


def may(name: str) -> Any:
    user = person(name)
    wanted = ("redate_journalentry", "view_journalentry", "view_step", "view_invoice", "view_order")
    user.user_permissions.add(*Permission.objects.filter(codename__in=wanted))
    return user


def shut(name: str = "2026-10") -> FiscalPeriod:
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name=name)
    return periods.close(period, by="carla", why=f"{name} is done")


@pytest.fixture
def late(company: Any) -> Case:
    shut()
    issue("INV-1", order())
    run_all()
    return case("INV-1")


def approve(user: Any) -> Any:
    return desk.approve(user, [Approval.objects.get(state="requested").id], "as the auditors want it")


def test_a_late_invoice_is_booked_in_the_first_open_period_and_keeps_its_own_date(company: Any, late: Case) -> None:
    ann, cleo = may("ann"), may("cleo")
    found = decisions.redatable(late)
    assert found is not None
    assert (found.source_on, found.period.name, found.first_day, found.last_day) == (
        OCTOBER, "2026-11", FIRST, dt.date(2026, 11, 30),
    )  # fmt: skip
    decisions.ask_to_redate(ann, late.id, FIRST, "billed late, October is audited")
    late = Case.objects.get(id=late.id)
    asked = Approval.objects.get()
    assert (late.state, asked.action, asked.requested_by, asked.data["effective_on"]) == (
        "awaiting_approval", "redate", ann, "2026-11-01",
    )  # fmt: skip
    assert not JournalEntry.objects.exists() and not Redating.objects.exists()
    with pytest.raises(Refused, match="own request"):
        desk.approve(ann, [asked.id])
    approve(cleo)
    run_all()
    entry, invoice = JournalEntry.objects.get(), Invoice.objects.get()
    assert (entry.effective_on, entry.period.name, entry.state) == (FIRST, "2026-11", "posted")
    assert (invoice.issued_on, invoice.state) == (OCTOBER, "posted")
    (document,) = company["erp-de"].documents.values()
    assert document.effective_on == FIRST and "(dated 2026-10-05)" in document.memo
    one = Redating.objects.get()
    assert (one.source_on, one.asked_by, one.approved_by, one.reason) == (
        OCTOBER, "ann", "cleo", "billed late, October is audited",
    )  # fmt: skip
    kinds = list(late.events.order_by("id").values_list("kind", "actor"))
    assert ("approval_requested", "ann") in kinds and ("approved", "cleo") in kinds
    text = page(signed_in(cleo), f"/journals/{entry.id}")
    assert "Document dated" in text and "asked by ann, approved by cleo" in text


def test_a_journal_that_the_erp_s_closed_period_blocked_is_derived_anew_on_the_day(company: Any) -> None:
    company["erp-de"].closed.add("2026-10")
    issue("INV-1", order())
    run_all()
    old, stuck = JournalEntry.objects.get(), case("INV-1")
    assert (old.state, stuck.stage, stuck.reason) == ("blocked", "post_journal", "period_closed")
    decisions.ask_to_redate(may("ann"), stuck.id, dt.date(2026, 11, 3), "closed there for good")
    approve(may("cleo"))
    run_all()
    new = JournalEntry.objects.exclude(id=old.id).get()
    old.refresh_from_db(fields=["superseded_by"])
    assert (old.superseded_by_id, new.effective_on, new.period.name) == (new.id, dt.date(2026, 11, 3), "2026-11")
    assert JournalEntry.objects.get(id=new.id).state == "posted" and company["erp-de"].writes == 1
    # The day stands: whatever derives it again sees it.
    assert redating.applied(list(booking.facts_of_events([new.event_id]).values()))[0].effective_on == new.effective_on


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (dt.date(2026, 10, 31), "2026-10-31 is not in the first open period, 2026-11"),
        (dt.date(2026, 12, 1), "choose a day from 2026-11-01 to 2026-11-30"),
    ],
)
def test_only_into_the_first_open_period(company: Any, late: Case, day: dt.date, said: str) -> None:
    with pytest.raises(NotPossible, match=said):
        decisions.ask_to_redate(may("ann"), late.id, day, "late")
    assert not Approval.objects.exists() and Case.objects.get(id=late.id).state == "open"


def test_a_period_that_closed_before_the_decision_is_told_and_nothing_is_decided(company: Any, late: Case) -> None:
    ann, cleo = may("ann"), may("cleo")
    decisions.ask_to_redate(ann, late.id, FIRST, "late")
    shut("2026-11")
    assert "first open period, 2026-12" in approve(cleo).left[Approval.objects.get().id]
    assert Approval.objects.get().state == "requested" and not Redating.objects.exists()
    desk.refuse(cleo, [Approval.objects.get().id], "November is done too")
    assert Case.objects.get(id=late.id).state == "open"
    text = page(signed_in(ann), f"/cases/{late.id}")
    assert "Another date was refused by cleo" in text and "November is done too" in text
    assert "Have the deal changed" not in text
    decisions.ask_to_redate(ann, late.id, dt.date(2026, 12, 1), "late")
    approve(cleo)
    run_all()
    assert JournalEntry.objects.get().period.name == "2026-12"


def test_it_needs_the_right_a_reason_and_something_that_was_never_posted(company: Any, late: Case) -> None:
    with pytest.raises(Refused, match=r"ledger\.redate_journalentry"):
        decisions.ask_to_redate(person("mia"), late.id, FIRST, "late")
    ann = may("ann")
    with pytest.raises(NotPossible, match="Say why"):
        decisions.ask_to_redate(ann, late.id, FIRST, " ")
    decisions.ask_to_redate(ann, late.id, FIRST, "late")
    with pytest.raises(Refused, match="redate_journalentry is missing"):
        desk.approve(person("bob"), [Approval.objects.get().id])
    approve(may("cleo"))
    run_all()
    fact = booking.facts_of_events([JournalEntry.objects.get().event_id]).popitem()[1]
    with pytest.raises(redating.NotRedatable, match="is posted"):
        redating.decide(fact, dt.date(2026, 12, 1), reason="x", asked_by="a", approved_by="b")
    with pytest.raises(DatabaseError), transaction.atomic():
        Redating.objects.update(effective_on=OCTOBER)
    with pytest.raises(DatabaseError), transaction.atomic():
        Redating.objects.create(
            event_id=fact.event_id, entity=JournalEntry.objects.get().entity, source_on=OCTOBER, effective_on=FIRST,
            reason="x", asked_by="ann", approved_by="ann", at="2026-11-03T10:00:00Z",
        )  # fmt: skip


def test_the_rate_stays_that_of_the_document_s_own_day(company: Any, late: Case) -> None:
    FxRate.objects.filter(from_currency="EUR").delete()
    for day, rate in ((dt.date(2026, 10, 1), "1.10"), (dt.date(2026, 11, 1), "1.20")):
        FxRate.objects.create(from_currency="EUR", to_currency="USD", on=day, rate=rate)
    decisions.ask_to_redate(may("ann"), late.id, FIRST, "late")
    approve(may("cleo"))
    run_all()
    assert f"{JournalEntry.objects.get().group_rate.normalize()}" == "1.1"


def test_the_case_offers_it_and_warns_of_the_cut_off(company: Any, late: Case) -> None:
    ann, cleo = may("ann"), may("cleo")
    client = signed_in(ann)
    text = page(client, f"/cases/{late.id}")
    assert "Re-date it" in text and "Cut-off" in text and 'value="2026-11-01"' in text
    form = {"verb": "redate", "effective_on": "2026-11-01", "reason": "late"}
    answer = client.post(f"/cases/{late.id}/act", form, follow=True).content.decode()
    assert "Another date is asked for." in answer and 'data-dialog="redate"' not in answer
    text = page(signed_in(cleo), "/approvals")
    for said in (
        "Re-date",
        "INV-1",
        "late",
        "It is booked on Nov 1, 2026 instead of Oct 5, 2026",
        "Accounts receivable",
    ):
        assert said in text, said
    assert "The journal on that day" in text and "DE01 · Nov" in text.replace("\u00a0", " ")


def test_its_case_tells_how_it_ended_and_both_periods(company: Any, late: Case) -> None:
    ann, cleo = may("ann"), may("cleo")
    client = signed_in(ann)
    shut("2026-11")
    text = page(client, f"/cases/{late.id}")
    assert "A day that is still to come:" in text, "December begins after 3 November"
    decisions.ask_to_redate(ann, late.id, dt.date(2026, 12, 1), "billed late, both months are audited")
    approve(cleo)
    run_all()
    late.refresh_from_db(fields=["document"])
    text = page(client, f"/cases/{late.id}").replace("\u00a0", " ")
    assert "Oct 2026, re-dated to Dec 2026" in text
    lead = text.split('<p class="sentence">')[1]
    assert lead.startswith("Resolved by") and f"What had failed: {late.text}" in lead


def test_a_case_closed_without_a_fix_names_both_people(company: Any, late: Case) -> None:
    ann, cleo = may("ann"), may("cleo")
    desk.close_without_fix(ann, [late.id], "Billed twice", "duplicate")
    approve(cleo)
    text = page(signed_in(ann), f"/cases/{late.id}")
    assert "Closed without a fix: asked for by ann, approved by cleo. Billed twice" in text
