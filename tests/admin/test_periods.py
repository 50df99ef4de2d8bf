"""Closing periods in the admin: what the close leaves behind, and what the history keeps of it."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from exceptions.models import Case
from ledger.models import FiscalPeriod, JournalEntry
from tests.engine import makers

pytestmark = pytest.mark.django_db


def period(entity="DE01", subledger="receivables", name="2026-10"):
    return FiscalPeriod.objects.get(entity__code=entity, subledger=subledger, name=name)


def asked(client, verb, *periods):
    ids = ",".join(str(one.pk) for one in periods)
    page = client.get(f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={ids}").content.decode()
    return html.unescape(page)


def text(page):
    """The words of a page's table, without its tags."""
    table = re.search(r'<table class="standing">.*?</table>', page, re.S)
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
    assert "1 open case USD 1,190 .00 Dimension inactive 1 1 not posted USD 1,190 .00 1 blocked" in text(page)


def test_each_count_leads_to_exactly_its_records(browser, unfinished):
    makers.issue("INV-9", makers.order("ORD-9", entity="DE01"))
    makers.run_all()
    client = browser()
    page = asked(client, "close", period("US01"))
    queue = re.search(r'href="([^"]*)">1 open case<', page)[1]
    assert queue == f"{reverse('queue')}?q=entity%3AUS01+period%3A2026-10"
    shown = client.get(queue).content.decode()
    assert Case.objects.get(business_key="INV-8").entity == "US01" and "INV-8" in shown and "INV-7" not in shown
    journals = client.get(re.search(r'href="([^"]*)">1 not posted<', page)[1])
    assert [entry.state for entry in journals.context["cl"].queryset] == ["blocked"]


def test_a_period_in_which_all_is_done_says_so(browser, unfinished):
    page = asked(browser("Controller"), "close", period("DE01"), period("US01", "general"))
    assert text(page).count("None") == 3  # Cases are counted by entity and month: those of US01 stand here too.
    assert "Not all is done" in page
    assert "Not all is done" not in asked(browser(), "close", period("DE01"))


def test_what_is_left_does_not_forbid_the_close(browser, unfinished):
    client, october = browser("Controller"), period("US01")
    address = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={october.pk}"
    assert "Not all is done" in html.unescape(client.post(address, {"change_reason": ""}).content.decode())
    assert period("US01").state == "open"
    client.post(address, {"change_reason": "The rest goes to November"})
    assert period("US01").state == "closed"
    assert JournalEntry.objects.filter(period=october, state="blocked").count() == 1
