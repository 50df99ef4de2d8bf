"""What a case says of itself: its key there, whose reason each move has, both versions of a conflict, its dialogs."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions import casework
from exceptions.models import Case, ReplayItem
from ledger.models import JournalEntry
from q2c import clock
from q2c.engine import intake, run
from q2c.engine.intake import Item, Sender
from q2c.models import Invoice, Order, Step
from tests.engine.makers import OCTOBER, run_all
from tests.engine.makers import case as case_of
from tests.engine.makers import order as sold
from tests.intake.documents import event
from tests.intake.documents import order as order_document
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import SOUND, record
from tests.ui.people import of_role, read, signed_in
from tests.ui.test_case import act, page, refused, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia(company: Any) -> Any:
    return of_role("mia", "Controller", "Finance systems", team="controllers", first_name="Mia", last_name="Ochoa")


def test_the_key_that_is_shown_is_the_one_that_the_ledger_holds(company: Any, mia: Any) -> None:
    """Case, journal and trace, before and after it is posted, and the proof over the API; also of steps whose proof
    was kept before it named the key."""
    case = refused(company)
    entry, step = JournalEntry.objects.get(), Step.objects.get(stage="post_journal")
    assert step.key != entry.key
    text = page(mia, f"/cases/{case.id}")
    assert text.count(entry.key) >= 2 and step.key not in text
    with past_guards():
        Step.objects.filter(id=step.id).update(proof={})
    assert entry.key in page(mia, f"/cases/{case.id}")
    company["erp-de"].inactive.clear()
    act(mia, case, verb="replay")
    run_all()
    (held,) = company["erp-de"].documents
    assert held == entry.key
    for address in (f"/cases/{case.id}", f"/journals/{entry.id}", replay_of(case)):
        text = page(mia, address)
        assert held in text and step.key not in text, address
    assert f"Under the key {held}" in page(mia, "/trace?q=INV-1")
    assert Case.objects.get(id=case.id).proof["key"] == held
    assert entry.key in page(mia, f"/trace?q={step.key}"), "found by either"


def replay_of(case: Case) -> str:
    return f"/replays/{ReplayItem.objects.get(case=case).batch_id}"


def test_each_move_has_its_own_reason(company: Any, mia: Any) -> None:
    """It fails, is claimed, sent again in vain, and again once its cost centre is back."""
    case = refused(company)
    failed = case.text
    act(mia, case, verb="claim")
    act(mia, case, verb="replay", reason="Rosa says it is active")
    run_all()
    company["erp-de"].inactive.clear()
    act(mia, case_of("INV-1"), verb="replay", reason="Now it is")
    run_all()
    rows = [words(row) for row in page(mia, f"/cases/{case.id}?view=history").split("<tr>")[2:]]
    moved = {target: [row for row in rows if f"→ {target}" in row] for target in ("Replaying", "Waiting", "Resolved")}
    assert [("Now it is" in row, "Rosa says" in row) for row in moved["Replaying"]] == [(True, False), (False, True)]
    assert [("Now it is" in row, "Rosa says" in row) for row in moved["Waiting"]][:2] == [(True, False), (False, True)]
    assert "Document JE-1" in moved["Resolved"][0] and all(mia.get_full_name() in row for row in moved["Replaying"])
    for row in rows:
        fell = re.search(r"→ (Failed|Open) ", row) or re.search(r"Case Open [^→]*$", row)
        assert (failed in row) == bool(fell), row
    assert sum(failed in row for row in rows) == 4, "twice it failed: the step and the case"


def test_both_versions_of_one_id_stand_side_by_side_and_lead_to_what_is_here(mia: Any) -> None:
    shop = Sender(system="webshop", actor="test")
    intake.take([Item(body=json.dumps(event()).encode())], shop)
    run.drain("accept_order")
    intake.take([Item(body=json.dumps(event(data=order_document(term_months=25))).encode())], shop)
    case = Case.objects.get(reason="event_conflict")
    whole = page(mia, f"/cases/{case.id}")
    text = words(whole)
    assert "What is here under the same id" in text and "What differs" in text
    row = words(whole.split("table diff")[1].split("</table>")[0])
    assert "25" in row and str(event()["data"]["term_months"]) in row
    assert row.lower().count("data/") == 1, "nothing else differs"
    made = Order.objects.filter(number=event()["data"]["order_number"]).first()
    assert made is not None and f'href="/orders/{made.id}"' in whole


def test_a_pattern_that_is_not_met_is_told_in_words(mia: Any) -> None:
    shop = Sender(system="webshop", actor="test")
    intake.take([Item(body=json.dumps(event(data=order_document(order_number=" x"))).encode())], shop)
    case = Case.objects.get()
    assert (
        "is not of the form that is asked for: 1 to 64 characters, all of them visible, accents composed" in case.text
    )
    assert "\\x00" not in case.text


def test_closing_wants_a_root_cause_that_a_person_chose(company: Any, mia: Any) -> None:
    case = refused(company)
    choice = page(mia, f"/cases/{case.id}").split('name="root_cause"')[1].split("</select>")[0]
    assert choice.startswith(" required") and '<option value="">' in choice and "selected" not in choice
    answer = signed_in(mia).post(
        f"/cases/{case.id}/act", {"verb": "close", "root_cause": "", "reason": "x"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 422 and "Choose what the root cause was." in answer.content.decode()
    assert case_of("INV-1").state == "open"


def test_a_snooze_in_the_past_is_refused_in_its_dialog(company: Any, mia: Any) -> None:
    case = refused(company)
    assert f'min="{clock.now():%Y-%m-%d}T' in page(mia, f"/cases/{case.id}")
    past = {"verb": "snooze", "until": "2020-01-01T09:00"}
    answer = signed_in(mia).post(f"/cases/{case.id}/act", past, headers={"HX-Request": "true"})
    assert answer.status_code == 422 and "That time has passed; choose a later one." in answer.content.decode()
    later = {"verb": "snooze", "hours": "4"}
    answer = signed_in(mia).post(f"/cases/{case.id}/act", later, headers={"HX-Request": "true"})
    assert answer.status_code == 204 and answer["HX-Redirect"]
    assert case_of("INV-1").state == "snoozed"


def test_of_a_selection_too(company: Any, mia: Any) -> None:
    """The dialogs of a selection share its form; each answers inside itself, and the button asks."""
    case = refused(company)
    text = page(mia, "/queue")
    for name in ("bulk-assign", "bulk-snooze", "bulk-comment", "bulk-close"):
        dialog = text.split(f'id="{name}"')[1].split("</dialog>")[0]
        assert f'id="{name}-refusal" role="alert"' in dialog and f'hx-target="#{name}-refusal"' in dialog
        assert 'hx-post="/queue/act" hx-trigger="send"' in dialog
    given = {"verb": "snooze", "scope": "chosen", "id": [str(case.id)], "back": "/queue?q=INV-1"}
    answer = signed_in(mia).post("/queue/act", given | {"until": "2020-01-01T09:00"}, headers={"HX-Request": "true"})
    assert answer.status_code == 422 and "That time has passed; choose a later one." in answer.content.decode()
    answer = signed_in(mia).post("/queue/act", given | {"hours": "4"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/queue?q=INV-1")
    assert case_of("INV-1").state == "snoozed"


def test_who_had_begun_goes_on_when_it_wakes(company: Any, mia: Any) -> None:
    case = refused(company)
    casework.claim(mia, [case.id])
    casework.snooze(mia, [case.id], until=clock.now() + dt.timedelta(hours=1))
    act(mia, case, verb="wake")
    woken = case_of("INV-1")
    assert (woken.state, woken.assignee) == ("in_progress", mia)
    casework.release(mia, [case.id])
    casework.snooze(mia, [case.id], until=clock.now() + dt.timedelta(hours=1))
    act(mia, case, verb="wake")
    assert case_of("INV-1").state == "open"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("entity:XX", "entity:XX is not known; there are DE01"),
        ("entity:DE01,XX", "entity:XX is not known"),
        ("period:Nov", "period:Nov is not known; write it like 2026-"),
        ("entity:de01", ""),
        ("period:2026-10", ""),
        ("amount:>10000", "amount, each in its own currency"),
        ("amount:>10000EUR", ""),
    ],
)
def test_a_filter_says_what_it_does_not_know(company: Any, mia: Any, query: str, said: str) -> None:
    refused(company)
    text = words(page(mia, f"/queue?q={query}"))
    assert said in text and ("is not known" in text) == ("is not known" in said)
    assert ("each in its own currency" in text) == ("each in" in said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"due_on": OCTOBER + dt.timedelta(days=60)},
            "The first INV-1 is booked: invoice INV-1, recorded; journal DE01-26-S0000001, ready.",
        ),
        (
            {"invoice_number": "INV-9"},
            "The same document of zuora is booked: invoice INV-1, recorded; journal DE01-26-S0000001, ready.",
        ),
    ],
)
def test_an_invoice_that_comes_again_leads_to_the_first(
    company: Any, mia: Any, changes: dict[str, Any], said: str
) -> None:
    sold()
    record(SOUND)
    record(replace(SOUND, **changes))
    case = Case.objects.get(reason="invoice_changed")
    text = page(mia, f"/cases/{case.id}")
    assert f'href="/invoices/{Invoice.objects.get().id}"' in text
    assert f'href="/journals/{JournalEntry.objects.get().id}"' in text
    seen = read(signed_in(mia), f"/cases/{case.id}")
    assert said in seen, seen[seen.find("Accounting impact") :][:600]
    assert "Nothing is booked for the one that came again." in seen
    assert "Nothing is booked for it yet" not in text
    row = words(text.split("table diff")[1].split("</table>")[0])
    assert (
        "What is booked here" in text
        and "Came now" in row
        and {"due_on": "Due date", "invoice_number": "Invoice number"}[next(iter(changes))] in row
    )


def test_a_case_without_a_blocker_is_not_put_to_sleep_until_that_is_gone(company: Any, mia: Any) -> None:
    with_one = refused(company)
    sold("ORD-2")
    record(replace(SOUND, order_number="ORD-2", invoice_number="INV-9", billing_reference="b-9", account="OTHER"))
    without = Case.objects.get(business_key="INV-9")
    assert with_one.blocker_type and not without.blocker_type
    assert "until_blocker" in page(mia, f"/cases/{with_one.id}")
    assert "until_blocker" not in page(mia, f"/cases/{without.id}")
