"""Closing periods in the admin: what the close leaves behind, and what the history keeps of it."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from django.urls import reverse

from exceptions.models import Approval, Case, Policy
from ledger import periods
from ledger.models import Account, FiscalPeriod, JournalEntry, LegalEntity, PostingRule
from q2c import clock
from q2c.models import Connection, Order, Transition
from tests.admin.forms import change, errors
from tests.admin.test_imports import preview
from tests.engine import makers
from tests.past_guards import past_guards, reopened

pytestmark = pytest.mark.django_db
# After all that tests were given to begin with.
LATER = dt.datetime(2027, 6, 1, 9, tzinfo=dt.UTC)


def period(entity="DE01", subledger="receivables", name="2026-10"):
    return FiscalPeriod.objects.get(entity__code=entity, subledger=subledger, name=name)


def asked(client, verb, *periods):
    ids = ",".join(str(one.pk) for one in periods)
    page = client.get(f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={ids}").content.decode()
    return html.unescape(page)


def text(page):
    """The words of a page's table, without its tags."""
    table = re.search(r'<table class="standing cards">.*?</table>', page, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", table[0]).replace("\xa0", " ").split())


@pytest.fixture
def unfinished(company):
    """October of US01: one journal posted, one blocked by a dead cost centre as a case worth 1,190.00 USD."""
    sold = makers.order("ORD-7", entity="US01")
    makers.issue("INV-7", sold)
    makers.run_all()
    company["erp-us"].inactive.add(("cost_center", "CC-410"))
    makers.issue("INV-8", sold)
    makers.run_all()
    assert Case.objects.get().state == "open"
    return company


@pytest.mark.parametrize("verb", ["close", "soft-close"])
def test_whoever_closes_sees_the_cases_their_money_and_the_journals_not_posted(browser, unfinished, verb):
    client, october = browser("Controller"), period("US01")
    page = asked(client, verb, october)
    assert "US01:receivables:2026-10: open" in page and "Not all is done in these periods" in page
    assert "1 open case" in text(page) and "1 not posted" in text(page)
    assert (
        "1 open case USD 1,190 .00 Dimension inactive 1 Of them 1 about journals not posted"
        " None 1 not posted USD 1,190 .00 1 blocked"
    ) in text(page)


def test_what_is_still_to_be_booked_into_it_is_told_too(browser, company):
    """It has no case: nothing is wrong with it, it has only not had its turn."""
    makers.issue("INV-7", makers.order("ORD-7", entity="US01"))
    page = asked(browser("Controller"), "close", period("US01"))
    assert "None 1 under way None" in text(page) and "Not all is done in these periods" in page


def test_what_came_and_is_not_recorded_is_still_to_be_booked(browser, unfinished):
    """More is billed than was sold. The case of the journal and that of the invoice are told apart."""
    makers.issue("INV-9", Order.objects.get(number="ORD-7"), net=200_000_000, tax=38_000_000)
    makers.run_all()
    assert Case.objects.get(stage="record_invoice").entity == "US01"
    page = asked(browser("Controller"), "close", period("US01"), period("US01", "general"))
    told = text(page)
    assert "2 open cases" in told and "1 invoice received but not recorded USD 2,380,000 .00" in told
    assert "Of them 1 about what is still to be booked and 1 about journals not posted" in told
    assert told.count("open case") == told.count("received but not recorded") == 1, "under receivables alone"


@pytest.mark.parametrize(("verb", "state"), [("close", "closed"), ("reopen", "open")])
def test_a_move_counts_and_lists_those_that_it_moves_and_names_the_others(browser, company, verb, state):
    """Chosen are October in three subledgers; one is in the state already that the others are to come to."""
    rows = [period(subledger=subledger) for subledger in ("receivables", "revenue", "general")]
    for one in rows if verb == "reopen" else rows[:1]:
        periods.close(one, by="ann", why="done")
    if verb == "reopen":
        reopened(rows[0], by="bea", why="late invoices")
    page = asked(browser("Controller"), verb, *rows)
    title = "Close" if verb == "close" else "Ask to reopen"
    assert f"{title} 2 periods" in page
    assert page.count("DE01:receivables:2026-10") == 1 and f"Left alone: DE01:receivables:2026-10 is {state}." in page
    assert page.count("DE01:revenue:2026-10") == page.count("DE01:general:2026-10") == 1


def test_each_count_leads_to_exactly_its_records(browser, unfinished):
    makers.issue("INV-9", makers.order("ORD-9", entity="DE01"))
    makers.run_all()
    client = browser()
    page = asked(client, "close", period("US01"))
    queue = re.search(r'href="([^"]*)">1 open case<', page)[1]
    assert queue == f"{reverse('queue')}?tab=all&q=entity%3AUS01+period%3A2026-10"
    shown = client.get(queue).content.decode()
    assert Case.objects.get(business_key="INV-8").entity == "US01" and "INV-8" in shown and "INV-7" not in shown
    journals = client.get(re.search(r'href="([^"]*)">1 not posted<', page)[1])
    assert [entry.state for entry in journals.context["cl"].queryset] == ["blocked"]
    shown = chosen(journals)
    assert shown["period"] == [str(period("US01", "receivables"))] and shown["state"] == ["blocked"]


def chosen(page):
    """What each filter beside a list shows as chosen."""
    found = page.context["cl"]
    return {
        spec.title: [one["display"] for one in spec.choices(found) if one["selected"]] for spec in found.filter_specs
    }


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ledger_journalentry_changelist", ("state__in=posted,blocked", "state", ["blocked", "posted"])),
        ("ledger_journalentry_changelist", ("state=posted&state=blocked", "state", ["blocked", "posted"])),
        ("ledger_journalentry_changelist", ("", "state", ["All"])),
        ("q2c_step_changelist", ("state__in=failed", "state", ["failed"])),
        ("ledger_fiscalperiod_changelist", ("state__in=open,closed&subledger=general", "state", ["open"])),
        ("ledger_account_changelist", ("is_active=1&type__in=asset", "type", ["asset"])),
    ],
)
def test_a_list_that_an_address_filters_shows_by_what(browser, unfinished, address, shown):
    query, name, values = shown
    page = browser().get(f"{reverse(f'admin:{address}')}?{query}", follow=True)
    assert chosen(page)[name] == values
    assert page.context["cl"].queryset.exists()


def test_of_a_period_that_is_none_the_list_says_so(browser, unfinished):
    address = reverse("admin:ledger_journalentry_changelist")
    page = browser().get(f"{address}?period__id__exact=nonsense", follow=True)
    assert page.status_code == 200 and page.redirect_chain[-1][0].endswith("?e=1")
    assert "period" not in chosen(page)


def test_a_period_in_which_all_is_done_says_so(browser, unfinished):
    page = asked(browser("Controller"), "close", period("DE01"), period("US01", "general"))
    assert text(page).count("None") == 8, "the case of US01 is about its receivables, not about its general ledger"
    assert "Not all is done" not in page
    assert "Not all is done" not in asked(browser(), "close", period("DE01"))


def test_what_is_left_does_not_forbid_the_close(browser, unfinished):
    client, october = browser("Controller"), period("US01")
    address = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={october.pk}"
    assert "Not all is done" in html.unescape(client.post(address, {"change_reason": ""}).content.decode())
    assert period("US01").state == "open"
    client.post(address, {"change_reason": "The rest goes to November"})
    assert period("US01").state == "closed"
    assert JournalEntry.objects.filter(period=october, state="blocked").count() == 1


def test_the_list_shows_the_last_day_that_counts_and_the_form_says_which_day_it_takes(browser, company):
    client, october = browser("Controller"), period()
    page = client.get(f"{reverse('admin:ledger_fiscalperiod_changelist')}?q=DE01+2026-10").content.decode()
    assert "Last day" in page and "Oct 31, 2026" in page and "Nov 1, 2026" not in page
    form = client.get(reverse("admin:ledger_fiscalperiod_change", args=[october.pk])).content.decode()
    assert "First day after it" in form and "no longer counts: 2026-12-01 for a period" in form
    Account.objects.filter(code="4000").update(effective_to="2027-01-01")
    page = client.get(f"{reverse('admin:ledger_account_changelist')}?q=4000").content.decode()
    assert "Dec 31, 2026" in page


# One person alone opens nothing


def test_a_closed_month_without_entries_is_not_renamed_away_and_added_anew_open(browser, company):
    client, october = browser("Controller"), period(subledger="general")
    periods.close(october, by="cleo", why="October is done")
    assert not JournalEntry.objects.filter(period=october).exists()
    url = reverse("admin:ledger_fiscalperiod_change", args=[october.pk])
    page = client.get(url).content.decode()
    assert "until two people have reopened it" in page and 'name="name"' not in page and "Ask to reopen" in page
    fields = {
        "entity": october.entity_id, "subledger": "general", "name": "1999-01", "fiscal_year": 1999,
        "starts_on": "1999-01-01", "ends_on": "1999-02-01", "change_reason": "out of the way",
    }  # fmt: skip
    assert client.post(url, fields).status_code == 403
    again = fields | {"name": "2026-10", "fiscal_year": 2026, "starts_on": "2026-10-01", "ends_on": "2026-11-01"}
    added = client.post(reverse("admin:ledger_fiscalperiod_add"), again)
    told = "DE01:general:2026-10 (2026-10-01 to 2026-10-31, closed)"
    remedy = "Ask to reopen that one: a second person approves it"
    assert errors(added) == {
        "name": [f"There is {told} already. {remedy}"],
        "starts_on": [f"{told} holds on some of these days. {remedy}"],
    }
    added = client.post(reverse("admin:ledger_fiscalperiod_add"), again | {"name": "2026-10b"})
    assert list(errors(added)) == ["starts_on"]
    assert (
        client.post(reverse("admin:ledger_fiscalperiod_delete", args=[october.pk]), {"post": "yes"}).status_code == 403
    )
    assert list(FiscalPeriod.objects.filter(name__in=("2026-10", "1999-01"), subledger="general", entity=october.entity)
                .values_list("pk", "state")) == [(october.pk, "closed")]  # fmt: skip


def test_nor_are_its_days_moved_by_a_file(browser, company):
    client, october = browser("Controller"), period(subledger="general")
    periods.soft_close(october, by="cleo", why="October is nearly done")
    head = "entity,subledger,name,fiscal_year,starts_on,ends_on"
    page = preview(client, FiscalPeriod, f"{head}\nDE01,general,2026-10,2026,2026-10-01,2026-10-02\n")
    (invalid,) = page.context["result"].invalid_rows
    assert "is soft closed, so its days stay: ask to reopen" in " ".join(invalid.field_specific_errors["ends_on"])
    page = preview(client, FiscalPeriod, f"{head}\nDE01,general,2026-10b,2026,2026-10-02,2026-11-01\n")
    (invalid,) = page.context["result"].invalid_rows
    assert "holds on some of these days" in " ".join(invalid.field_specific_errors["starts_on"])
    same = preview(client, FiscalPeriod, f"{head}\nDE01,general,2026-10,2026,2026-10-01,2026-11-01\n")
    assert not same.context["result"].invalid_rows


# History


def history(client, record):
    """The rows of a record's history page, newest first, as [what, changes, by, why]."""
    meta = record._meta
    page = client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_history", args=[record.pk]))
    body = re.search(r"<tbody>(.*?)</tbody>", page.content.decode(), re.S)[1]
    rows = [re.findall(r"<td.*?>(.*?)</td>", row, re.S) for row in body.split("</tr>")[:-1]]
    return [[" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in row] for row in rows]


def test_the_history_of_a_period_has_one_row_per_move_with_who_and_why(browser, company):
    client, october = browser("Controller"), period()
    for verb, why in (("soft-close", "Bills are in"), ("close", "October is done")):
        client.post(
            f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={october.pk}", {"change_reason": why}
        )
    reopened(october := period(), by="cleo", why="A late invoice")
    periods.close(october, by="controller", why="Now it is")
    assert history(client, october) == [
        ["Changed", "State: open → closed", "controller", "Now it is"],
        # Who is no user of ours is named with the reason.
        ["Changed", "State: closed → open", "q2c no person", "A late invoice (by cleo)"],
        ["Changed", "State: soft closed → closed Left open: Nothing is open", "controller", "October is done"],
        ["Changed", "State: open → soft closed Left open: Nothing is open", "controller", "Bills are in"],
        ["Added", "As it was made", "q2c no person", "Periods of fiscal year 2026"],
    ]
    moves = Transition.objects.filter(record_id=october.pk).order_by("id").values_list("source", "target")
    assert list(moves)[-2:] == [("open", "soft_closed"), ("soft_closed", "closed")]


def test_a_period_made_before_its_making_was_kept_tells_its_first_move(browser, company):
    october = period()
    with past_guards():
        FiscalPeriod.history.all().delete()
    periods.close(october, by="cleo", why="Done")
    assert history(browser(), october) == [["Changed", "State: open → closed", "q2c no person", "Done (by cleo)"]]


def test_a_person_is_not_taken_for_who_changes_the_same_object_later(browser, company):
    browser("Controller")
    october = periods.close(period(), by="controller", why="Done")
    october.save()
    assert october.history.first().history_user is None


def test_years_are_made_once_with_one_version_each(company):
    entity = LegalEntity.objects.get(code="DE01")
    for _ in range(2):
        assert len(periods.ensure_year(entity, 2026)) == 36
    assert FiscalPeriod.history.filter(entity=entity, fiscal_year=2026).count() == 36


def test_the_history_of_a_rule_tells_what_became_of_its_lines(browser, busy):
    client, rule = browser("Finance systems"), PostingRule.objects.filter(used_at=None).first()
    line, was = rule.lines.first(), str(rule.lines.first())
    index = list(rule.lines.values_list("pk", flat=True)).index(line.pk)
    url = reverse("admin:ledger_postingrule_change", args=[rule.pk])
    with clock.at(LATER):
        change(client, url, **{f"lines-{index}-account_role": "bank"}, change_reason="Straight to the bank")
    (what, changes, by, why), *_ = history(client, rule)
    assert (what, by, why) == ("Changed", "finance-systems", "Straight to the bank")
    assert changes.startswith(f"Line {line.position}: {was}") and "→" in changes and " bank" in changes


def test_the_history_of_a_policy_and_of_a_connection(browser, busy):
    client, policy, connection = browser(), Policy.objects.first(), Connection.objects.first()
    before = policy.service_level_h
    url = reverse("admin:exceptions_policy_change", args=[policy.pk])
    with clock.at(LATER):
        change(client, url, service_level_h=str(before + 1), change_reason="Slower")
    changed = f"Service level h: {before} → {before + 1}"
    assert history(client, policy)[0] == ["Changed", changed, "root", "Slower"]
    Connection.objects.filter(pk=connection.pk).update(vendor="netsuite", base_url="https://1.suitetalk.example")
    url = reverse("admin:q2c_connection_change", args=[connection.pk])
    change(client, url, title="New name", change_reason="Renamed")
    change(client, url, new_credentials='{"token_secret": "n3w-s3cret"}', change_reason="New secret")
    (secret, renamed, *_) = history(client, connection)
    assert secret == ["Changed", "Nothing that is kept here (not kept: credentials)", "root", "New secret"]
    assert "Title: erp-de → New name" in renamed[1] or "Title: erp-us → New name" in renamed[1]


def test_a_period_tells_that_its_reopening_is_asked_for(browser, company):
    client, october = browser("Controller"), period(subledger="general")
    periods.close(october, by="cleo", why="October is done")
    url = reverse("admin:ledger_fiscalperiod_change", args=[october.pk])
    move = f"{reverse('admin:ledger_fiscalperiod_move', args=['reopen'])}?ids={october.pk}"
    assert "It waits for a second person" not in client.get(url).content.decode()
    client.post(move, {"change_reason": "A late invoice"})
    page = client.get(url).content.decode()
    assert "asked to reopen it" in page and "A late invoice" in page and "It waits for a second person" in page
    assert move not in html.unescape(page)


def test_the_history_keeps_what_a_close_left_open(browser, unfinished):
    client, october = browser("Controller"), period("US01")
    move = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={october.pk}"
    client.post(move, {"change_reason": "October is done"})
    case, entry = Case.objects.get(entity="US01"), JournalEntry.objects.get(entity__code="US01", state="blocked")
    left = (
        f"Left open: Open cases: 1 case, USD 1,190.00 ({case.shown} of {case.business_key}); "
        f"Journals not posted: 1 journal, USD 1,190.00 ({entry})"
    )
    (closing, *_) = history(client, period("US01"))
    assert closing[1].replace("\xa0", " ") == f"State: open → closed {left}" and closing[3] == "October is done"
    # What is open later changes nothing of what the closer saw; open again, nothing is left.
    reopened(period("US01"), by="cleo", why="A late invoice")
    rows = history(client, period("US01"))
    assert rows[0][1] == "State: closed → open" and rows[1] == closing


def test_a_close_that_left_nothing_says_so(browser, company):
    client, november = browser("Controller"), period(subledger="general", name="2026-11")
    move = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={november.pk}"
    client.post(move, {"change_reason": "Done"})
    assert history(client, period(subledger="general", name="2026-11"))[0][1].endswith("Left open: Nothing is open")


def test_the_history_tells_requests_to_reopen_it_whatever_became_of_them(browser, company):
    client, november = browser("Controller"), period(subledger="general", name="2026-11")
    periods.close(november, by="controller", why="Done")
    client.post(f"{reverse('admin:ledger_fiscalperiod_move', args=['reopen'])}?ids={november.pk}",
                {"change_reason": "A late bill"})  # fmt: skip
    asked, url = Approval.objects.get(), reverse("admin:ledger_fiscalperiod_history", args=[november.pk])
    assert "Waits for a second person" in client.get(url).content.decode()
    second = browser("Controller", "Auditor")
    second.post(reverse("approval-decide", args=[asked.id]), {"verb": "refuse", "reason": "It goes into December"})
    text = " ".join(re.sub(r"<[^>]+>", " ", client.get(url).content.decode()).split())
    told = text.split("Requests to reopen it")[1]
    assert "A late bill" in told and "Refused" in told and "It goes into December" in told
    # A period of which nobody asked says nothing of it; one that is not there is not there.
    other = reverse("admin:ledger_fiscalperiod_history", args=[period(subledger="general").pk])
    assert "Requests to reopen it" not in client.get(other).content.decode()
    assert client.get(url.replace(str(november.pk), "987654321")).status_code == 404
