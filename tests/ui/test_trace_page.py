"""Trace: whatever identifier, the same journey on one page."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions.models import Approval, Case
from exceptions.raw import RawItem, open_raw
from ledger.models import JournalEntry
from q2c import clock, money, trace
from q2c.connectors.outcomes import Posted, Rejected
from q2c.engine import desk
from q2c.models import Customer, Invoice, Order, Step, Subscription
from q2c.reading import accounts, customers
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.past_guards import past_guards
from tests.told_once import anew, told_once
from tests.ui.people import boss, of_role, page, person

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def tell_journey():
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.PERIOD_CLOSED, text="November is closed"))
    make.through("O-2", "INV-3", customer="Other Ltd")
    return order


_journey = told_once(tell_journey, at=NOW)


@pytest.fixture
def journey(_journey):
    return anew(_journey)


def test_any_identifier_leads_to_the_whole_journey(client, journey):
    client.force_login(boss())
    posted = JournalEntry.objects.get(business_document="invoice:INV-1")
    names = [
        "O-1", "006O-1", "INV-1", "INV-2", "8adINV-2", "S-O-1-emea", Subscription.objects.get(order=journey).reference,
        posted.number, posted.document_number, posted.key, Case.objects.get().shown, str(journey.id),
        str(journey.correlation_id), Step.objects.filter(business_key="O-1", sent_at__isnull=False)[0].key,
    ]  # fmt: skip
    for name in names:
        text = page(client, f"/trace?q={name}")
        assert "Order O-1" in text and "Invoice INV-2" in text and "O-2" not in text, name
        assert posted.document_number in text and "November is closed" in text, name
        assert f"/orders/{journey.id}" in text and f"/invoices/{Invoice.objects.get(number='INV-2').id}" in text


def test_what_was_kept_raw_is_found_by_its_case_and_by_its_id_at_its_source(client):
    """It has no step and no event, so nothing else leads to it."""
    item = RawItem(body=b"{", source="shop", text="is no JSON", business_key="shop-WEB-20017")
    (case_id,) = open_raw([item], "test")
    case = Case.objects.get(id=case_id)
    client.force_login(boss())
    for name in (case.shown, case.shown.lower(), "shop-WEB-20017"):
        text = page(client, f"/trace?q={name}")
        assert f"Case {case.shown}" in text and "is no JSON" in text and f"/cases/{case.id}" in text, name
    client.force_login(person("eve", "q2c.view_event"))
    assert case.shown not in page(client, "/trace?q=shop-WEB-20017").split("</h1>")[1].split("Nothing has")[1]


def test_what_was_searched_for_is_marked_among_what_came_along_with_it(client, journey):
    """The first mark is brought into view (frame.js); nothing else of the journey has one."""
    client.force_login(boss())
    posted = JournalEntry.objects.get(business_document="invoice:INV-1")
    step = Step.objects.filter(business_key="O-1", sent_at__isnull=False)[0]
    names = [  # identifier, the records marked in the table, the chapters, the entries of timelines
        ("O-1", ["Order O-1"], 1, 0), ("INV-2", ["Invoice INV-2"], 1, 0), ("8adINV-2", ["Invoice INV-2"], 1, 1),
        (posted.document_number, [f"Journal {posted}"], 0, 1), (posted.number.lower(), [f"Journal {posted}"], 0, 1),
        (Case.objects.get().shown, [], 0, 1), (step.key, [], 0, 1), (str(journey.correlation_id), [], 0, 0),
    ]  # fmt: skip
    for name, rows, chapters, entries in names:
        text = page(client, f"/trace?q={name}")
        table = re.findall(r'<tr data-row class="is-sought" data-sought>(.*?)</th>', text, re.DOTALL)
        plain = [" ".join(re.sub(r"<[^>]+>", "", row).replace("searched for", "").split()) for row in table]
        assert plain == rows, name
        assert text.count('chapter is-sought" data-sought') == chapters, name
        assert len(re.findall(r'<li class="tone-\w+ is-sought" data-sought>', text)) == entries, name


def test_approvals_stand_where_they_were_asked_for_and_given(client, journey):
    case = Case.objects.get()
    people = {name: of_role(name, "Controller", first_name=name.title()) for name in ("mia", "cleo")}
    with clock.at(NOW + dt.timedelta(hours=1)):
        desk.close_without_fix(people["mia"], [case.id], "nobody needs it", "other")
        approval = Approval.objects.get()
    with clock.at(NOW + dt.timedelta(hours=2)):
        desk.refuse(people["cleo"], [approval.id], "it is needed")
        client.force_login(boss())
        text = page(client, "/trace?q=INV-2")
    chapter = text.split("Invoice INV-2</a>")[-1]
    assert "Approval asked for: close without fix" in chapter and "nobody needs it" in chapter
    assert "Refused: close without fix" in chapter and "it is needed" in chapter and "Cleo" in chapter


def test_a_day_that_is_still_to_come_is_told_as_such(client, journey):
    """The second phase begins in a year: nothing of the journey has happened then."""
    client.force_login(boss())
    text = page(client, "/trace?q=O-1")
    assert "Still to come: phase 2 is activated for group emea" in text and "Waits: " not in text
    assert "2027" not in text.split('class="sentence"')[1].split("</p>")[0]


def test_what_waits_for_a_second_person_has_not_failed(client):
    make.company()
    make.deal("O-5", discount_minor=9_000_000)
    make.run("accept_order")
    client.force_login(boss())
    text = page(client, "/trace?q=O-5")
    assert "Waits for a second person: checking every control" in text and "Failed: " not in text


def test_small_letters_find_what_is_written_in_capitals(client, journey):
    client.force_login(boss())
    posted = JournalEntry.objects.get(business_document="invoice:INV-1")
    for name in ("o-1", "inv-1", posted.number.lower(), posted.document_number.lower()):
        assert "Order O-1" in page(client, f"/trace?q={name}"), name
    assert trace.spellings("je3000") == ["je3000", "JE3000"] and trace.spellings("JE3000") == ["JE3000"]
    # Two ids of Salesforce may differ by nothing but the case of a letter, which the last three of 18 tell.
    for name in ("006ab00000cdefgAAA", "001D000000IqhSLIAZ"):
        assert trace.spellings(name) == [name] and trace.spellings(name[:15]) == [name[:15], name]


def test_each_document_is_a_chapter_in_the_order_of_time(client, journey):
    client.force_login(boss())
    text = page(client, "/trace?q=O-1")
    first = text.split('class="card chapter')[1]
    said = [
        "Order received",
        "every control is checked",
        "the subscription is made for group emea",
        "phase 1 is activated",
    ]
    places = [first.index(one) for one in said]
    assert places == sorted(places)
    billed = text.split('class="card chapter')[2]
    assert billed.index("Invoice issued") < billed.index("booked") < billed.index("the journal is posted")
    assert "16 events" in text or "events," in text


@pytest.mark.parametrize("q", ["Other%20Ltd", "other", "HER%20L", "K-O-2"])
def test_part_of_a_customers_name_finds_it_with_its_orders(client, journey, q):
    Customer.objects.create(key="K-O-2", name="Other Ltd")
    with past_guards():
        Order.objects.filter(number="O-2").update(customer_key="K-O-2")
    client.force_login(boss())
    text = page(client, f"/trace?q={q}")
    assert "Other Ltd" in text and "/trace?q=O-2" in text and "/trace?q=O-1" not in text
    assert "/orders?q=K-O-2" in text and "/invoices?q=K-O-2" in text
    client.force_login(person("ann", "q2c.view_event", "q2c.view_order"))
    text = page(client, f"/trace?q={q}")
    assert "/trace?q=O-2" in text and "/invoices?q=K-O-2" not in text, "customers are seen with their own right"


def test_many_customers_are_cut_and_that_is_said(client):
    Customer.objects.bulk_create(Customer(key=f"K-{n}", name=f"Alike {n:02}") for n in range(25))
    client.force_login(boss())
    text = page(client, "/trace?q=alike")
    assert "Alike 19" in text and "Alike 20" not in text and "write more of the name" in text


def test_an_amount_without_a_sign_finds_a_credit_too(client, journey):
    with past_guards():
        Invoice.objects.filter(number="INV-3").update(total_minor=-123_450)
    client.force_login(boss())
    for written in ("1,234.50", "-1234.50"):
        assert ">INV-3<" in page(client, "/trace?" + urlencode({"q": written}))


@pytest.mark.parametrize(
    "written", ["1234.50", "1,234.50", "1.234,50 EUR", "EUR 1,234.50", "€1 234.5", "1'234.50", "eur1234,50"]
)
def test_an_exact_amount_finds_the_order_and_the_invoice(client, journey, written):
    with past_guards():
        Order.objects.filter(number="O-2").update(total_minor=123_450)
        Invoice.objects.filter(number="INV-3").update(total_minor=123_450)
    client.force_login(boss())
    text = page(client, "/trace?" + urlencode({"q": written}))
    assert "Orders of this amount" in text and ">O-2<" in text and ">O-1<" not in text
    assert "Invoices of this amount" in text and ">INV-3<" in text
    assert "amount%3A1234.5" in text
    client.force_login(person("ann", "q2c.view_event", "q2c.view_order"))
    text = page(client, "/trace?" + urlencode({"q": written}))
    assert ">O-2<" in text and "INV-3" not in text and "Open cases" not in text


def test_an_amount_counts_in_the_decimals_of_each_currency(client, journey):
    with past_guards():
        Order.objects.filter(number="O-1").update(total_minor=1234, currency="JPY")
        Order.objects.filter(number="O-2").update(total_minor=123_400)
    client.force_login(boss())
    for written, there, not_there in (("1234", ("O-1", "O-2"), ()), ("1234 JPY", ("O-1",), ("O-2",)),
                                      ("¥1,234", ("O-1",), ("O-2",)), ("1234.5 JPY", (), ("O-1", "O-2"))):  # fmt: skip
        text = page(client, "/trace?" + urlencode({"q": written}))
        assert all(f">{number}<" in text for number in there), written
        assert not any(f">{number}<" in text for number in not_there), written


def test_numbers_of_replays_and_problems_lead_to_their_pages(client, journey):
    rosa = boss()
    client.force_login(rosa)
    case = Case.objects.select_related("problem").get()
    batch = desk.plan(rosa, [case.id])
    for number, address in ((f"R-{batch.number}", f"/replays/{batch.id}"), (f"r-{batch.number}", f"/replays/{batch.id}"),
                            (f"P-{case.problem.number}", f"/problems/{case.problem_id}")):  # fmt: skip
        assert client.get(f"/trace?q={number}")["Location"] == address
    assert "Nothing has this identifier" in page(client, "/trace?q=R-999999")
    client.force_login(person("ann", "q2c.view_event"))
    assert "Nothing has this identifier" in page(client, f"/trace?q=R-{batch.number}")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1,234.50 EUR", ("1234.50", "EUR")), ("1.234,50", ("1234.50", "")), ("1,234", ("1234", "")),
        ("1.234", ("1234", "")), ("1,5", ("1.5", "")), ("1,234,567", ("1234567", "")), ("-12.5 usd", ("-12.5", "USD")),
        ("1 234,5", ("1234.5", "")), ("£3", ("3", "GBP")), ("12.3456", ("12.3456", "")), ("5.", ("5", "")),
        ("O-1", None), ("INV 12", None), ("12 ABC", None), ("", None), ("1e9", None), ("9" * 20, None), ("٣", None),
    ],
)  # fmt: skip
def test_what_is_read_as_an_amount(written, read):
    assert money.typed(written) == (read and (Decimal(read[0]), read[1]))


def test_the_name_and_the_amount_are_looked_up_by_an_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for rows, index in (
            (Customer.objects.filter(customers.called("acme")), "customer_name"),
            (Invoice.objects.filter(total_minor=5), "invoice_amount"),
            (Order.objects.filter(total_minor=5), "order_amount"),
        ):
            assert index in rows.explain(), index


@pytest.mark.parametrize("q", ["zzz", "%27%3B--", "C-99999999999999", "x" * 3000, "%F0%9F%92%B8", "%25"])
def test_what_nothing_has_is_said_calmly(client, journey, q):
    client.force_login(boss())
    assert "Nothing has this identifier" in page(client, f"/trace?q={q}")


def test_without_a_question_it_asks_for_one(client):
    client.force_login(boss())
    assert 'id="trace-q"' in page(client, "/trace") and 'id="trace-q"' in page(client, "/trace?q=%20")


def test_it_shows_what_one_may_see_and_nothing_else(client, journey):
    client.force_login(person("mia", "q2c.view_order"))
    assert "q2c.view_event" in page(client, "/trace?q=O-1", 403)
    client.force_login(person("ann", "q2c.view_event", "q2c.view_order"))
    text = page(client, "/trace?q=INV-1")
    assert "Order O-1" in text and "Invoice INV-1" not in text and "November is closed" not in text


def test_it_asks_as_often_for_a_long_journey_as_for_a_short_one(client, journey):
    client.force_login(boss())
    with CaptureQueriesContext(connection) as few:
        page(client, "/trace?q=O-2")
    for number in range(10, 16):
        make.bill(journey, f"INV-{number}")
    make.run("record_invoice")
    make.run("post_journal")
    with CaptureQueriesContext(connection) as more:
        page(client, "/trace?q=O-1")
    assert len(more) <= len(few) + 1 <= 26


def test_an_account_leads_to_all_that_is_bought_by_it_billed_to_it_and_stuck_on_it(client):
    """A child buys, its parent is billed in yen; another order of the parent is stuck before anything was settled."""
    make.company()
    address = make.Address(country="JP")
    top = make.Party(key="A-10093", name="Marui Holding", pays_for_itself=True, billing_address=address)
    child = make.Party(key="A-10094", name="Marui Tokyo", parent="A-10093", billing_address=address)
    make.deal("O-1", region="APAC", customer_key="A-10094", parties=(top, child), customer="A-10094")
    for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
        make.run(stage)
    make.bill(Order.objects.get(), "INV-1")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.PERIOD_CLOSED, text="November is closed"))
    Customer.objects.filter(key="A-10093").update(active=False)
    make.deal("O-2", region="APAC", customer_key="A-10094", parties=(), customer="A-10094")
    make.run("accept_order")
    make.through("O-3", "INV-3", customer="Other Ltd")
    blocked = Case.objects.get(business_key="O-2")
    assert (blocked.blocker_type, blocked.blocker_key) == ("customer", "A-10093")
    client.force_login(boss())
    entry = JournalEntry.objects.get(business_document="invoice:INV-1")
    for name in ("A-10093", "A-10093-JPY", "a-10093-jpy", "marui", "marui hold"):
        text = page(client, f"/trace?q={name}")
        said = text.split("<h2>Customers")[1]
        assert "Marui Holding" in said and "/trace?q=O-1" in said and "/trace?q=O-2" in said, name
        assert ">INV-1<" in said and f">{blocked.shown}<" in said and "November is closed" in said, name
        assert f">{entry}</a>" in said and f"/journals/{entry.id}" in said and "/journals?q=A-10093" in said, name
        assert "O-3" not in said and "INV-3" not in said, name
    client.force_login(person("ann", "q2c.view_event", "q2c.view_order"))
    text = page(client, "/trace?q=A-10093")
    assert "/trace?q=O-1" in text and "INV-1" not in text and blocked.shown not in text


def test_accounts_are_looked_up_by_their_indexes(journey):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        with CaptureQueriesContext(connection) as asked:
            accounts.records(boss(), [accounts.Account("A-Acme GmbH"), accounts.Account("A-Acme GmbH", "EUR")])
        for query in asked.captured_queries:
            if query["sql"].startswith("SELECT") and ("q2c_order" in query["sql"] or "exceptions_case" in query["sql"]):
                cursor.execute("EXPLAIN " + query["sql"])
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert "Seq Scan on q2c_" not in plan and "Seq Scan on exceptions_case" not in plan, plan


def test_what_pages_print_is_found(client, journey):
    """What a platform calls what a step made, and the second number that a ledger gives a journal."""

    def posted(work):
        return Posted(reference="id-9", document="JE9", also="JOURNAL8")

    make.bill(journey, "INV-9")
    make.run("record_invoice")
    make.run("post_journal", posted)
    client.force_login(boss())
    made = Step.objects.get(stage="provision_billing", business_key="O-1").document
    for name in (made, made.lower(), "JOURNAL8", "journal8"):
        text = page(client, f"/trace?q={name}")
        assert "Order O-1" in text and "JE9, JOURNAL8" in text and "O-2" not in text, name
    assert trace.find(boss_again := of_role("ned", "Controller"), made).found_as == ["document in zuora"]
    assert trace.find(boss_again, "JOURNAL8").found_as == ["journal in erp-de01"]
    # Every key that a page prints leads somewhere; what went to no platform prints none.
    invoice = Invoice.objects.get(number="INV-9")
    for address in (f"/invoices/{invoice.id}", f"/orders/{journey.id}"):
        rows = page(client, address).split('<caption class="hidden">Steps</caption>')[1].split("</table>")[0]
        for key in re.findall(r'<span class="id">([^<]+)</span>', rows):
            assert trace.find(boss_again, key), key
        for step in Step.objects.filter(sent_at=None):
            assert step.key not in rows
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + trace._SEEDS, {"q": made, "versions": "x:%", "document": '$.**.document == "x"'})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "step_document" in plan and "Seq Scan on q2c_step" not in plan
