"""A reversal has one sign on every page, in every sum and file: that of its mirror entry.

DE01 sells O-1 to Acme on 3 November 2026. INV-1, a charge, and INV-2, a credit, are booked; INV-1 is reversed, and the
ledger refuses the mirror entry.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.contracts.documents import InvoiceLine
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, page, person, read
from tests.ui.test_given_up_told import ALL, NOW, closing

pytestmark = pytest.mark.django_db
CHARGE, CREDIT = 6_212_000, -10_000
TAKEN = "EUR −62,120.00"


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def refused(work: Any) -> Rejected:
    blocker = Blocker(connection="erp-de01", object_type="fiscal_period", object_key="2026-11", condition="closed")
    return Rejected(reason=Reason.PERIOD_CLOSED, text="November is closed there", blocker=blocker)


@pytest.fixture
def mirror(client: Any) -> JournalEntry:
    """The one that the ledger refused; somebody is signed in who may do everything."""
    make.company()
    credit = InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=CREDIT)
    make.bill(make.through("O-1", "INV-1"), "INV-2", lines=[credit])
    make.run("record_invoice")
    make.run("post_journal")
    charge = booked("INV-1")
    asked = JournalReversalRequested(journal_id=str(charge.id), effective_on=clock.today(), reason="booked wrongly")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked, charge.correlation_id)
    make.run("reverse_journal")
    signer = person("sig", *(f"exceptions.{right}" for right in ALL), "ledger.reverse_journalentry")
    desk.approve(signer, [Approval.objects.get(state="requested").id])
    make.run("reverse_journal")
    make.run("post_journal", refused)
    client.force_login(boss())
    found = JournalEntry.objects.get(reverses=charge)
    assert (found.state, found.worth_minor, found.total_minor) == ("blocked", -CHARGE, CHARGE)
    return found


def booked(number: str) -> JournalEntry:
    return JournalEntry.objects.get(business_document=f"invoice:{number}", reverses=None)


def stuck() -> Case:
    return Case.objects.get(stage="post_journal")


def test_the_close_says_of_a_journal_and_of_its_case_the_same(client: Any, mirror: JournalEntry) -> None:
    text = re.sub(r"\s+", " ", closing(client))
    assert text.count(f"{TAKEN} of credits") == 2, "the open case, and the journal not posted"
    assert "EUR 62,120.00" not in text


def test_the_tower_counts_what_a_mirror_entry_under_way_takes_back(client: Any, mirror: JournalEntry) -> None:
    """The tile says what the list says behind it; the cause, and the month that it blocks, what the case does."""
    tower, text = page(client, "/"), read(client, "/")
    tile = re.sub(r"<[^>]+>", "", tower.split('<span class="stage-name">Journals</span>')[1].split("</a>")[0])
    assert "Blocked 1" in tile and "not through yetEUR −62.1k half reversed" in tile
    assert f"{TAKEN} half reversed" in read(client, "/journals?state=blocked")
    assert "1 case EUR −62.1k of credits" in re.sub(r"\s+", " ", text) and f"{TAKEN} of credits" in text
    assert "EUR 62,120.00" not in text and "EUR 62.1k" not in text


def test_queue_problem_case_file_and_api_say_the_same(client: Any, mirror: JournalEntry) -> None:
    case = stuck()
    for address in ("/queue", "/problems", f"/problems/{case.problem_id}", f"/cases/{case.id}"):
        text = read(client, address)
        # Debits and credits of the entry are what they are.
        assert TAKEN in text and "EUR 62,120.00" not in text.split("The journal as it stands")[0], address
    rows = csv.DictReader(io.StringIO(b"".join(client.get("/queue?format=csv").streaming_content).decode("utf-8-sig")))
    assert [row["amount"] for row in rows] == ["-62120.00"]
    told = client.get(f"/api/v1/cases/{case.id}").json()
    assert (told["amount_minor"], told["currency"]) == (-CHARGE, "EUR")


def test_metrics_tell_what_of_the_open_cases_is_below_zero(client: Any, mirror: JournalEntry) -> None:
    make.bill(booked_order(), "INV-3", net_minor=10_000, tax_minor=0)
    make.run("record_invoice")
    make.run("post_journal", refused)
    lines = page(client, "/metrics").splitlines()
    figures = {line.split("{")[0]: float(line.split()[-1]) for line in lines if line.startswith("q2c_cases_open")}
    assert figures == {
        "q2c_cases_open": 2, "q2c_cases_open_amount_minor": 10_000 - CHARGE, "q2c_cases_open_credit_minor": -CHARGE,
    }  # fmt: skip


def booked_order() -> Any:
    return make.Order.objects.get(number="O-1")


def test_trace_and_the_page_of_a_journal_keep_the_minus(client: Any, mirror: JournalEntry) -> None:
    """Of a credit and of a reversal; the debits and credits of its lines are what they are."""
    records = page(client, "/trace?q=O-1").split("Records of the journey</caption>")[1].split("</table>")[0]
    rows = [re.sub(r"<[^>]+>", "", row) for row in records.split("<tr data-row")[1:]]
    amounts = {
        entry: re.search(r"EUR\s+(−?[\d,.]+)", next(row for row in rows if entry.number in row))[1]  # type: ignore[index]
        for entry in (booked("INV-1"), booked("INV-2"), mirror)
    }
    assert list(amounts.values()) == ["62,120.00", "−100.00", "−62,120.00"]
    for entry, amount in amounts.items():
        text = read(client, f"/journals/{entry.id}")
        assert f": EUR {amount} in DE01" in text and "−" not in text.split("Lines")[1].split("Steps")[0]
    found = {row["id"]: row for row in client.get("/api/v1/trace?q=O-1").json()["journals"]}
    assert {e.number: found[str(e.id)]["worth_minor"] for e in amounts} == {e.number: e.worth_minor for e in amounts}


def test_the_admin_lists_journals_with_their_sign(client: Any, mirror: JournalEntry) -> None:
    text = read(client, "/admin/ledger/journalentry/")
    assert text.count("-62,120.00") + text.count("−62,120.00") == 1
