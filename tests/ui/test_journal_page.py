"""One journal whole: three amounts, rules, proof, what it replaced, and its reversal."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Approval
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock, keys
from q2c.connectors.outcomes import NotFound, Posted, Rejected, Unknown
from q2c.engine import desk
from q2c.models import Event, Invoice, ItemMapping, Order, Step
from q2c.money import converted
from q2c.reading import why
from q2c.reasons import Reason
from q2c.ui import formats
from tests import flow_makers as make
from tests.told_once import anew, told_once
from tests.ui.people import boss, page, person, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def tell_entry():
    make.company()
    make.through("O-1", "INV-1")
    return JournalEntry.objects.get()


_entry = told_once(tell_entry, at=NOW)


@pytest.fixture
def entry(_entry):
    return anew(_entry)


def test_every_line_has_its_amounts_its_rule_and_its_dimensions(client, entry):
    client.force_login(boss())
    text = read(client, f"/journals/{entry.id}")
    for said in (
        "Journal DE01-26-S0000001", "Invoice INV-1", "Acme GmbH", "Deferred revenue, subscriptions", "48,000.00",
        "52,800.00", "rule invoice deferred, ratable_monthly v1", "CC-410", "Balanced",
        "The functional amounts are the same.", "Rate EUR to USD", "1.1", "Marked as being sent", entry.key, entry.document_number,
    ):  # fmt: skip
        assert said in text, said
    proof = text.split("Proof that it is there once")[1].split("</section>")[0]
    assert f"Marked as being sent, under the key {entry.key}" in proof and f"document {entry.document_number}" in proof


def test_why_its_lines_are_what_they_are(client, entry):
    user = boss()
    explanation = why.explain(user, entry.id)
    assert {choice.leg for choice in explanation.choices} == {"receivable", "revenue", "tax"}
    client.force_login(user)
    text = page(client, f"/journals/{entry.id}/explain")
    assert (
        "invoice deferred, ratable_monthly v1" in text
        and "the most specific that fitted as this was booked" in text
        and "Changed since" not in text
    )
    assert "wants revenue treatment point_in_time" in text
    assert why.explain(person("mia"), entry.id) is None


def test_a_lost_answer_shows_when_it_was_searched_for(client):
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Unknown(text="connection reset"))
    lost = JournalEntry.objects.get(business_document="invoice:INV-2")
    client.force_login(boss())
    assert "outcome unknown, being verified" in page(client, f"/journals/{lost.id}")
    with clock.at(NOW + dt.timedelta(minutes=2)):
        make.run("post_journal", lambda work: NotFound(searched_at=clock.now()))
    with clock.at(NOW + dt.timedelta(minutes=5)):
        make.run(
            "post_journal",
            lambda work: Posted(reference="9", document="4711", proof={"posted_at": "2026-11-03T10:05:00+00:00"}),
        )
    text = page(client, f"/journals/{lost.id}")
    assert text.count("none found") == 1 and "document 4711" in text


@pytest.mark.parametrize(("lost", "said"), [(True, "it had been taken"), (False, "before anything was sent")])
def test_what_was_found_there_says_whether_it_had_been_taken(client, lost, said):
    make.company()
    make.bill(make.through("O-1", "INV-1"), "INV-2")
    make.run("record_invoice")
    if lost:
        make.run("post_journal", lambda work: Unknown(text="connection reset"))
    with clock.at(NOW + dt.timedelta(minutes=5)):
        there = {"found_at": "2026-11-03T10:05:00+00:00"}
        make.run("post_journal", lambda work: Posted(reference="9", document="4711", found=True, proof=there))
    client.force_login(boss())
    entry = JournalEntry.objects.get(business_document="invoice:INV-2")
    proof = read(client, f"/journals/{entry.id}").split("Proof that it is there once")[1]
    assert f"Found there by its key: {'it was there ' if not lost else ''}{said}" in proof
    assert ("Marked as being sent, under the key" in proof) == lost


def test_what_was_derived_anew_shows_the_difference(client):
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.DIMENSION_INACTIVE, text="CC-410 is inactive"))
    old = JournalEntry.objects.get(business_document="invoice:INV-2")
    ItemMapping.objects.update(dimensions={"cost_center": "CC-300"})
    from q2c.engine import replay

    replay.replay(list(Step.objects.filter(state="failed").values_list("id", flat=True)), "ann")
    make.run("post_journal")
    new = JournalEntry.objects.get(business_document="invoice:INV-2", state="posted")
    client.force_login(boss())
    text = page(client, f"/journals/{old.id}")
    assert "Replaced by" in text and new.number in text and "CC-300" in text and "Superseded" in text
    assert "Replaces" in page(client, f"/journals/{new.id}")


def signed(name: str = "cleo") -> None:
    """Somebody else who may signs what is asked for."""
    make.run("reverse_journal")
    asked = Approval.objects.get(state="requested")
    people = get_user_model().objects.filter(username=name)
    cleo = people.first() or person(name, "exceptions.approve_case", "ledger.reverse_journalentry")
    assert desk.approve(cleo, [asked.id], "seen").done == [asked.id]
    make.run("reverse_journal")


def form(text: str, **more: str) -> dict[str, str]:
    token = re.search(r'name="token" value="([^"]+)"', text)
    assert token
    return {"token": token[1], "effective_on": "2026-11-20", "reason": "Billed twice"} | more


def test_a_reversal_goes_through_the_engine_and_both_entries_tell_of_each_other(client, entry):
    client.force_login(boss())
    text = page(client, f"/journals/{entry.id}")
    assert 'value="2026-11-03"' in text
    answer = client.post(f"/journals/{entry.id}/reverse", form(text), follow=True)
    assert f"Reversal of {entry.number} is asked for." in answer.content.decode()
    assert (
        "under way"
        in client.post(
            f"/journals/{entry.id}/reverse", form(text, token=str(keys.new_id())), follow=True
        ).content.decode()
    )
    make.run("reverse_journal")
    assert "waits for a second person" in page(client, f"/journals/{entry.id}")
    assert not JournalEntry.objects.filter(reverses=entry).exists()
    signed()
    make.run("post_journal")
    mirror = JournalEntry.objects.get(reverses=entry)
    text = page(client, f"/journals/{entry.id}")
    assert "Reversed by" in text and f'href="/journals/{mirror.id}"' in text and "Reversed" in text
    assert 'data-dialog="reverse"' not in text
    text = page(client, f"/journals/{mirror.id}")
    assert f"<h1>Reversal {mirror.number}" in text.replace("\n", "")
    assert (
        "Reversal of" in text
        and f'href="/journals/{entry.id}"' in text
        and "Why these lines" not in text
        and "Billed twice" in text
    )
    assert "No rule derives this entry" in page(client, f"/journals/{mirror.id}/explain")
    again = client.post(f"/journals/{entry.id}/reverse", form(page(client, f"/journals/{mirror.id}")), follow=True)
    assert "only a posted one is reversed" in again.content.decode()
    assert Event.objects.filter(type="JournalReversalRequested").count() == 1


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("2026-10-05", "Period Oct 2026 of DE01 (receivables) is closed"),
        ("2026-10-25", "would come before entry DE01-26-S0000001 itself"),
        ("2031-01-05", "DE01 has no receivables period for"),
    ],
)
def test_a_day_that_takes_no_reversal_is_refused_in_the_dialog_and_nothing_is_kept(client, entry, on, said):
    if on == "2026-10-05":
        october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
        periods.close(october, by="carla", why="October is done")
    client.force_login(boss())
    sent = form(page(client, f"/journals/{entry.id}"), effective_on=on)
    answer = client.post(f"/journals/{entry.id}/reverse", sent, headers={"HX-Request": "true"})
    text = answer.content.decode().replace("\u00a0", " ")
    assert answer.status_code == 422 and said in text and "These months take corrections: " in text
    assert "Nov 2026" in text and "<html" not in text
    followed = client.post(f"/journals/{entry.id}/reverse", sent, follow=True).content.decode()
    assert "Nothing was asked for." in followed and "These months take corrections" in followed
    assert not Event.objects.filter(type="JournalReversalRequested").exists()
    # The same form with a day that takes corrections goes through, and the browser goes to the journal itself.
    answer = client.post(
        f"/journals/{entry.id}/reverse", sent | {"effective_on": "2026-11-20"}, headers={"HX-Request": "true"}
    )
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/journals/{entry.id}")
    assert Event.objects.filter(type="JournalReversalRequested").count() == 1


def test_without_the_right_nothing_is_reversed(client, entry):
    client.force_login(person("mia", "ledger.view_journalentry"))
    assert "ledger.reverse_journalentry" in page(client, f"/journals/{entry.id}")
    answer = client.post(f"/journals/{entry.id}/reverse", {"effective_on": "2026-11-20", "reason": "no"})
    assert answer.status_code == 403 and "ledger.reverse_journalentry" in answer.content.decode()
    client.force_login(person("ann", "q2c.view_order"))
    assert "ledger.view_journalentry" in page(client, f"/journals/{entry.id}", 403)
    page(client, f"/journals/{entry.id}/explain", 403)


def test_an_unknown_journal_is_not_found(client):
    client.force_login(boss())
    for address in ("", "/explain", "/reverse"):
        page(client, f"/journals/{keys.new_id()}{address}", 404)


def test_a_reversal_is_told_on_both_lists_and_adds_up_to_nothing(client, entry):
    """INV-1 is booked and reversed; INV-2 stands. What all journals are worth is INV-2."""
    order = Order.objects.get()
    make.bill(order, "INV-2", net_minor=123_456, tax_minor=0)
    make.run("record_invoice")
    make.run("post_journal")
    client.force_login(boss())
    assert "63,354.56" in sums(read(client, "/journals")) and "Journal reversed" not in page(client, "/invoices")
    client.post(f"/journals/{entry.id}/reverse", form(page(client, f"/journals/{entry.id}")))
    signed()
    mirror = JournalEntry.objects.get(reverses=entry)
    invoice = Invoice.objects.get(number="INV-1")

    # Its mirror is made and not posted yet: the journal stands.
    text = page(client, "/journals")
    assert "Being reversed by" in text and "63,354.56" in sums(read(client, "/journals"))
    assert "Journal being reversed" in page(client, "/invoices")
    assert "Its journal is being reversed" in page(client, f"/invoices/{invoice.id}")
    make.run("post_journal")

    text = page(client, "/journals")
    assert f'Reversed by <a href="/journals/{mirror.id}"' in text
    assert f'Reversal of <a href="/journals/{entry.id}"' in text
    worth = sums(read(client, "/journals"))
    assert "1,234.56" in worth and "without what was reversed" in worth
    assert "1,234.56" in sums(read(client, "/journals?state=posted"))
    assert "62,120.00" in sums(read(client, "/journals?state=reversed"))
    lists = page(client, "/invoices")
    assert lists.count("Journal reversed") == 1
    text = read(client, f"/invoices/{invoice.id}")
    assert "Its journal was reversed" in text and "Billed twice" in text and mirror.number in text
    assert "Payment is due" not in text and "nothing is due by them" in text
    assert f"Reversal {mirror.number}" in text
    assert "Its journal was reversed" not in page(client, f"/invoices/{Invoice.objects.get(number='INV-2').id}")
    rows = [line.split(",") for line in page(client, "/journals?format=csv").splitlines()]
    at = rows[0].index("reverses")
    assert sorted(row[at] for row in rows[1:]) == ["", "", entry.number]


def test_a_reversal_that_is_reversed_leaves_the_invoice_in_the_books(client, entry):
    client.force_login(boss())
    for journals in (JournalEntry.objects.filter(id=entry.id), JournalEntry.objects.filter(reverses=entry)):
        journal = journals.get()
        client.post(f"/journals/{journal.id}/reverse", form(page(client, f"/journals/{journal.id}")))
        signed()
        make.run("post_journal")
    assert JournalEntry.objects.count() == 3
    assert "62,120.00" in sums(read(client, "/journals"))
    assert "Journal reversed" not in page(client, "/invoices")


def sums(text: str) -> str:
    """What the list says that its records are worth."""
    return text.split("Worth")[1][:400]


@pytest.mark.parametrize(
    ("rate", "said"),
    [("1.1", "1.10"), ("0.006712345", "0.006712345"), ("149", "149.00"), ("0.8200", "0.82"), ("1234.5", "1,234.50")],
)
def test_a_rate_is_shown_as_it_was_used(rate, said):
    assert formats.rate(Decimal(rate).quantize(Decimal("0.000000001"))) == said


def test_what_rounding_leaves_over_is_explained(client):
    """EUR 0.14 and 0.04 of tax at 1.10: 0.154 and 0.044 are rounded down, their sum 0.198 up."""
    make.company()
    make.bill(make.through("O-1", "INV-1"), "INV-2", net_minor=14, tax_minor=4)
    make.run("record_invoice")
    entry = JournalEntry.objects.get(business_document="invoice:INV-2")
    line = entry.lines.order_by("line").first()
    off = rounded_off(entry)
    client.force_login(boss())
    text = read(client, f"/journals/{entry.id}/explain")
    assert bool(off) == ("goes onto the largest line" in text)
    assert off, f"the story needs a rounding; {line.amount_minor} at {entry.group_rate}"
    assert "beside what the rate 1.10 alone gives" in text and line.account.code in text


def rounded_off(entry) -> int:
    """What the lines of the group amount would be off, each rounded by itself."""
    return sum(
        converted(line.amount_minor, entry.currency, entry.group_currency, entry.group_rate)
        for line in entry.lines.all()
    )


def test_a_reversal_that_was_only_asked_for_waits_for_the_second_person(client, entry):
    """Also in the moment before the engine has looked at it."""
    client.force_login(boss())
    client.post(f"/journals/{entry.id}/reverse", form(page(client, f"/journals/{entry.id}")))
    coming = page(client, f"/journals/{entry.id}").split("What comes next")[1].split("</section>")[0]
    assert "waits for a second person" in coming and "under way" not in coming
    make.run("reverse_journal")
    coming = page(client, f"/journals/{entry.id}").split("What comes next")[1].split("</section>")[0]
    assert "waits for a second person" in coming and "under way" not in coming
