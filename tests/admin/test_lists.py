"""What lists and histories of the admin say: which of several holds, where a list begins, who changed what and why."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod, FxRate
from q2c import clock
from q2c.admin import amounts
from q2c.engine import decisions, desk
from q2c.models import Customer, ItemMapping, Product
from tests.admin.forms import change, said

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)


def words(page):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).replace("\xa0", " ").split())


def test_of_several_items_the_list_says_which_holds(browser, company):
    product = Product.objects.get(code="PLATFORM")
    ItemMapping.objects.filter(product=product).delete()
    days = [("A", 1, None), ("B", 6, None), ("C", 9, dt.date(2026, 10, 1)), ("D", 12, None)]
    for item, month, ends in days:
        ItemMapping.objects.create(
            product=product, connection="erp-de", item=item, effective_from=dt.date(2026, month, 1), effective_to=ends
        )
    with clock.at(NOW):
        page = browser().get(f"{reverse('admin:q2c_itemmapping_changelist')}?q=PLATFORM")
        cells = re.findall(r'class="field-today[^"]*">(.*?)</td>', page.content.decode(), re.S)
    assert [re.sub(r"<[^>]+>", "", cell).replace("\xa0", " ") for cell in cells] == [
        "Replaced from Jun 1, 2026", "Holds", "Ended", "Not yet",
    ]  # fmt: skip


def test_the_list_of_periods_begins_with_the_month_that_runs(browser, company):
    with clock.at(NOW):
        listed = browser("Controller").get(reverse("admin:ledger_fiscalperiod_changelist"))
        names = [period.name for period in listed.context["cl"].result_list]
        ahead = browser("Auditor").get(f"{reverse('admin:ledger_fiscalperiod_changelist')}?p=2")
    assert names[0] == "2026-11" and names == sorted(names, reverse=True)
    assert FiscalPeriod.objects.filter(starts_on__gt="2026-11-30").exists() and ahead.status_code == 200


@pytest.mark.parametrize(
    ("asked", "shown"), [("subledger=general", "subledger__exact=general"), ("entity={}", "entity__id__exact={}")]
)
def test_a_filter_named_by_its_column_is_the_one_beside_the_list(browser, company, asked, shown):
    entity = FiscalPeriod.objects.first().entity_id
    client, address = browser("Controller"), reverse("admin:ledger_fiscalperiod_changelist")
    page = client.get(f"{address}?q=2026-10&{asked.format(entity)}", follow=True)
    assert page.redirect_chain == [(f"{address}?q=2026-10&{shown.format(entity)}", 302)]
    assert {p.subledger if "sub" in asked else p.entity_id for p in page.context["cl"].result_list} == {
        "general" if "sub" in asked else entity
    }


@pytest.mark.parametrize(
    ("verb", "state", "words_"),
    [("close", "closed", "There is nothing to close: DE01:receivables:2026-10 is closed"),
     ("soft-close", "closed", "There is nothing to soft-close: DE01:receivables:2026-10 is closed"),
     ("reopen", "open", "There is nothing to ask to reopen: DE01:receivables:2026-10 is open")],
)  # fmt: skip
def test_what_is_so_already_is_not_asked_for(browser, company, verb, state, words_):
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    if state == "closed":
        periods.close(october, by="cleo", why="October is done")
    client = browser("Controller")
    address = f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={october.pk}"
    for page in (client.get(address, follow=True), client.post(address, {"change_reason": "Again"}, follow=True)):
        assert said(page) == [words_]
        assert page.redirect_chain[-1][0] == reverse("admin:ledger_fiscalperiod_changelist")


def test_whoever_only_reads_a_period_leaves_it_by_a_name_that_closes_nothing(browser, company):
    page = browser("Auditor").get(reverse("admin:ledger_fiscalperiod_change", args=[FiscalPeriod.objects.first().pk]))
    assert "Back to the list" in page.content.decode()
    assert not re.search(r">\s*Close\s*<", page.content.decode())


def test_an_old_version_is_read_with_who_when_and_why(browser, company):
    client = browser("Billing ops")
    customer = Customer.objects.create(key="C-5", name="Acme")
    change(client, reverse("admin:q2c_customer_change", args=[customer.pk]), name="Acme Group", change_reason="Renamed")
    version = customer.history.first()
    page = client.get(reverse("admin:q2c_customer_simple_history", args=[customer.pk, version.pk]))
    text = words(page)
    for told in (f"Changed by {client.user.username} When ", " Why Renamed ", "Name: Acme → Acme Group"):
        assert told in text, text[text.index("Home") :]
    body = page.content.decode()
    assert 'name="change_reason"' not in body and "<textarea" not in body and 'name="name"' not in body
    times = [
        re.search(r"<time[^>]*>([^<]*)</time>", client.get(address).content.decode())[1]
        for address in (
            reverse("admin:q2c_customer_history", args=[customer.pk]),
            reverse("admin:q2c_customer_simple_history", args=[customer.pk, version.pk]),
        )
    ]
    assert times[0] == times[1] and times[0].endswith("UTC")


def test_a_refused_page_of_the_admin_names_the_right_and_who_gives_it(browser, company):
    client = browser("Auditor")
    for page, right in (
        ("add", "ledger.add_fxrate"), ("import", "ledger.add_fxrate"), ("process_import", "ledger.add_fxrate"),
    ):  # fmt: skip
        address = reverse(f"admin:ledger_fxrate_{page}")
        refused = client.post(address) if page == "process_import" else client.get(address)
        assert refused.status_code == 403
        text = words(refused)
        assert f"( {right} )" in text and "Comes with" in text and "Can be given by" in text, text
    FxRate.objects.create(from_currency="GBP", to_currency="EUR", on="2026-11-01", rate="1.1")
    for address, right in (
        (reverse("admin:ledger_fxrate_change", args=[FxRate.objects.first().pk]), "ledger.change_fxrate"),
        (reverse("admin:ledger_fiscalperiod_move", args=["close"]), "ledger.close_period"),
    ):
        refused = client.post(address, {"rate": "2"})
        assert refused.status_code == 403 and f"( {right} )" in words(refused)


def test_what_nobody_does_in_the_admin_says_so(browser, company):
    refused = browser().get(reverse("admin:q2c_event_add"))
    assert refused.status_code == 403 and "Nobody does this here" in words(refused)


@pytest.mark.parametrize(
    "address",
    [
        "ledger/account/export/?currency=EUR", "ledger/account/export/?entity=US01",
        "ledger/account/export/?entity__id__exact=abc", "q2c/customer/export/?page=2",
    ],
)  # fmt: skip
def test_an_export_of_what_no_list_has_says_so_at_the_list(browser, company, address):
    answer = browser().get(f"/admin/{address}", follow=True)
    assert answer.redirect_chain == [(f"/admin/{address.partition('export')[0]}", 302)]
    assert "Nothing was exported: the list has no such filter, value or page" in words(answer)


def test_a_choice_that_is_no_key_shows_the_form_again(browser, company):
    answer = browser().post("/admin/ledger/fiscalperiod/add/", {"entity": "-due"})
    assert answer.status_code == 200
    assert "not one of the available choices" in words(answer)


def test_the_list_of_approvals_says_what_each_is_about_and_how_much(browser, busy):
    client = browser()
    case = Case.objects.get(business_key="INV-2")
    ann = get_user_model().objects.create_superuser("ann", password="a long enough word")
    desk.close_without_fix(ann, [case.id], "booked by hand", "other")
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    decisions.ask_to_reopen(ann, period, "a late invoice")
    address = reverse("admin:exceptions_approval_changelist")
    with CaptureQueriesContext(connection) as asked:
        page = client.get(address)
    text, amount = words(page), amounts.said(case.amount_minor, case.currency)
    assert f"Close without fix INV-2, case {case.shown} , {case.customer} {amount} booked by hand" in text
    assert "Reopen period Receivables of DE01, October 2026 – a late invoice" in text
    assert f"/cases/{case.id}" in page.content.decode()
    assert sum('"exceptions_case"' in one["sql"] for one in asked) == 1
    assert "booked by hand" in words(client.get(f"{address}?q=INV-2"))


def test_a_filter_that_a_list_does_not_have_is_said_and_leads_back_to_the_list(browser, company):
    address = reverse("admin:q2c_listprice_changelist")
    answer = browser().get(f"{address}?product__tax_code=SW")
    assert answer.status_code == 400
    text = words(answer)
    assert "This filter is not known" in text and "pasting" not in text
    assert f'href="{address}">To the list' in answer.content.decode()


@pytest.mark.parametrize("asked", ["colour=red", "effective_from__gte=soon"])
def test_what_a_list_cannot_be_filtered_by_is_said_above_all_of_it(browser, company, asked):
    answer = browser().get(f"{reverse('admin:q2c_listprice_changelist')}?{asked}", follow=True)
    assert answer.redirect_chain and answer.status_code == 200
    assert "The list has no such filter, value or page: this is all of it" in words(answer)
