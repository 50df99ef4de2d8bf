"""Changing master data: the reason, what is refused and how it is said, what a change lets through."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from exceptions.models import Approval, Case, Offer, Policy
from ledger.models import Account, FiscalPeriod, JournalEntry, LegalEntity, PostingRule
from q2c.admin import books
from q2c.models import Customer, ItemMapping, Product, TaxNexus, Transition
from tests.admin.forms import change, errors, posted, said
from tests.engine import makers
from tests.past_guards import reopened

pytestmark = pytest.mark.django_db


def address(record, page="change"):
    meta = record._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[record.pk] if page != "add" else [])


def listed(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


# The reason


def test_a_change_needs_a_reason_and_its_history_keeps_it(browser, busy):
    client, customer = browser("Billing ops"), Customer.objects.get(key="C-1")
    page = client.post(address(customer), posted(client.get(address(customer)), name="Acme Holding"))
    assert "Say why" in errors(page)["change_reason"][0]
    assert Customer.objects.get(key="C-1").name == "Acme Group"
    change(client, address(customer), name="Acme Holding", change_reason="Renamed in the register")
    last = customer.history.first()
    assert (last.name, last.history_change_reason, last.history_user) == (
        "Acme Holding", "Renamed in the register", client.user,
    )  # fmt: skip
    assert "Renamed in the register" in client.get(address(customer, "history")).content.decode()


def test_a_new_record_may_go_without(browser, busy):
    client = browser("Billing ops")
    change(client, address(Customer, "add"), key="C-7", name="Seven")
    assert Customer.objects.get(key="C-7").history.get().history_change_reason == "Added"


def test_lines_of_a_rule_carry_the_reason_too(browser, busy):
    client, rule = browser("Finance systems"), PostingRule.objects.filter(used_at=None).first()
    line = rule.lines.first()
    index = list(rule.lines.values_list("pk", flat=True)).index(line.pk)
    page = change(
        client, address(rule), **{f"lines-{index}-account_role": "bank"}, change_reason="Straight to the bank"
    )
    assert len(said(page)) == 1, [inline.formset.errors for inline in page.context["inline_admin_formsets"]]
    line.refresh_from_db()
    assert (line.account_role, line.history.first().history_change_reason) == ("bank", "Straight to the bank")


def test_an_old_version_cannot_be_put_back_by_a_button(browser, busy):
    period = FiscalPeriod.objects.filter(state="closed").first()
    client = browser()
    old = reverse("admin:ledger_fiscalperiod_simple_history", args=[period.pk, period.history.last().pk])
    assert b'name="_save"' not in client.get(old).content
    assert client.post(old, {"change_reason": "back"}).status_code == 403
    assert FiscalPeriod.objects.get(pk=period.pk).state == "closed"


# Refusals


@pytest.mark.parametrize(
    ("find", "changes", "field", "words"),
    [
        (
            lambda: Customer.objects.get(key="C-1"),
            {"parent_key": "NOBODY"},
            "parent_key",
            "There is no customer NOBODY",
        ),
        (lambda: Customer.objects.get(key="C-1"), {"parent_key": "C-1"}, "parent_key", "above itself"),
        (TaxNexus.objects.first, {"country": "ger"}, "country", "at most 2"),
        (TaxNexus.objects.first, {"country": "G1"}, "country", "ISO 3166"),
        (TaxNexus.objects.first, {"effective_to": "2020-01-01"}, "effective_to", "before the beginning"),
        (TaxNexus.objects.first, {"entity": "XX99"}, "entity", "not one of the available choices"),
        (ItemMapping.objects.first, {"dimensions-cost_center": "5"}, "dimensions", "no value 5"),
        (lambda: LegalEntity.objects.get(code="DE01"), {"allowed_currencies": "EUR, XXQ"}, "allowed_currencies", "XXQ"),
        (lambda: LegalEntity.objects.get(code="DE01"), {"timezone": "Mars/Olympus"}, "timezone", "not a time zone"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(browser, busy, find, changes, field, words):
    record = find()
    page = change(browser(), address(record), **changes, change_reason="trying")
    assert words in " ".join(errors(page)[field])


def test_what_only_the_database_refuses_becomes_an_error_of_the_form(browser, busy):
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    reopened(period, by="cleo", why="late")
    page = change(browser(), address(period), ends_on="2026-10-31", change_reason="Short month")
    assert page.status_code == 200
    assert "holds entries: its entity, subledger and days stay" in errors(page)["__all__"][0]
    # What was typed is still there.
    assert page.context["adminform"].form["change_reason"].value() == "Short month"
    period.refresh_from_db()
    assert period.ends_on == dt.date(2026, 11, 1)


def test_overlapping_periods_are_refused_in_words(browser, busy):
    old = FiscalPeriod.objects.filter(entity__code="US01", subledger="general").first()
    fields = {"entity": old.entity_id, "subledger": "general", "name": "2026-XX", "fiscal_year": 2026}
    page = change(browser(), address(old, "add"), **fields, starts_on="2026-03-05", ends_on="2026-03-08")
    assert (
        f"{FiscalPeriod.objects.get(entity=old.entity, subledger='general', name='2026-03').key} (2026-03-01 to "
        in (errors(page)["starts_on"][0])
    )
    assert "open) holds on some of these days. Change that one" in errors(page)["starts_on"][0]


def test_an_account_that_was_booked_on_stays(browser, busy):
    account = Account.objects.filter(lines__isnull=False).first()
    answer = browser().post(address(account, "delete"), {"post": "yes"}, follow=True)
    assert Account.objects.filter(pk=account.pk).exists()
    assert "protected related objects" in answer.content.decode()


@pytest.mark.parametrize("fields", [{"code": "X999"}, {"type": "expense"}], ids=["code", "type"])
def test_an_account_that_was_booked_on_keeps_its_number_and_type(browser, busy, fields):
    account = Account.objects.filter(lines__isnull=False).exclude(type="expense").first()
    page = change(browser(), address(account), **fields, change_reason="Renumbered")
    assert f"account {account.code} has been booked on: its code, type and entity stay" in errors(page)["__all__"][0]
    kept = Account.objects.get(pk=account.pk)
    assert (kept.code, kept.type) == (account.code, account.type)


def test_an_account_nobody_booked_on_is_renumbered(browser, busy):
    account = Account.objects.filter(lines__isnull=True).first()
    change(browser(), address(account), code="X999", change_reason="Renumbered")
    assert Account.objects.get(pk=account.pk).code == "X999"


def test_nothing_is_deleted_in_bulk(browser, busy):
    page = browser().get(listed(Account)).content.decode()
    assert "delete_selected" not in page


# Rules that have booked


def test_a_rule_that_has_booked_is_frozen_and_gets_a_new_version(browser, busy):
    client, rule = browser("Finance systems"), PostingRule.objects.filter(used_at__isnull=False).first()
    page = client.get(address(rule))
    assert set(page.context["adminform"].form.fields) == {"effective_to", "change_reason", "seen_version"}
    answer = client.post(listed(PostingRule), {"action": "new_version", "_selected_action": [rule.pk]})
    assert "From which day" in answer.content.decode()
    client.post(
        listed(PostingRule),
        {"action": "new_version", "_selected_action": [rule.pk], "on": "2026-12-01", "change_reason": "New account"},
    )
    rule.refresh_from_db()
    made = PostingRule.objects.get(name=rule.name, rule_set=rule.rule_set, version=rule.version + 1)
    assert (rule.effective_to, made.effective_from, made.used_at) == (dt.date(2026, 12, 1), dt.date(2026, 12, 1), None)
    lines = ("position", "measure", "side", "account_role", "dimensions", "grouping")
    assert list(made.lines.values(*lines)) == list(rule.lines.values(*lines))
    assert made.history.get().history_change_reason == "New account"


@pytest.mark.parametrize("on", ["1999-01-01", "2000-01-01", "soon"])
def test_a_version_begins_inside_the_days_of_the_old_one(browser, busy, on):
    rule = PostingRule.objects.first()
    asked = {"action": "new_version", "_selected_action": [rule.pk], "on": on, "change_reason": "x"}
    page = browser().post(listed(PostingRule), asked)
    assert page.context["form"].errors["on"]
    assert PostingRule.objects.filter(name=rule.name).count() == 1


def test_a_copy_of_an_ended_rule_ends_with_it(busy):
    rule = PostingRule.objects.first()
    PostingRule.objects.filter(pk=rule.pk).update(effective_to="2027-01-01")
    rule.refresh_from_db()
    made = books.again(rule, dt.date(2026, 12, 1), "x")
    assert made.effective_to == dt.date(2027, 1, 1)


# Periods


def october():
    return FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")


def move(verb, *periods):
    ids = ",".join(str(period.pk) for period in periods)
    return f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={ids}"


def approve(client):
    """The one request that waits is signed by this person."""
    asked = Approval.objects.get(state="requested")
    return client.post(reverse("approval-decide", args=[asked.id]), {"verb": "approve", "reason": "seen"}, follow=True)


def test_a_period_is_reopened_once_a_second_person_has_approved_and_says_what_waits(browser, busy):
    client = browser("Controller")
    assert "Ask to reopen" in client.get(address(october())).content.decode()
    page = client.get(move("reopen", october())).content.decode()
    assert "DE01:receivables:2026-10: closed, 1 case waiting for it" in re.sub(r"<[^>]+>", "", page)
    assert "Nothing changes until a second person approves it" in page and "nothing is booked by itself" in page
    assert client.post(move("reopen", october()), {"change_reason": ""}).status_code == 200
    assert not Approval.objects.exists()
    page = client.post(move("reopen", october()), {"change_reason": "A late invoice"}, follow=True)
    assert "DE01:receivables:2026-10 stays closed until a second person approves" in said(page)[0]
    page = client.post(move("reopen", october()), {"change_reason": "Once more"}, follow=True)
    assert "is asked for already" in said(page)[0]
    # Nobody decides what they asked for, nor does somebody who could not ask for it.
    card = client.get(reverse("approvals")).content.decode()
    assert "Reopen receivables of DE01, October 2026" in card and "A late invoice" in card and "Take it back" in card
    assert "Waits for it1 case, worth" in re.sub(r"<[^>]+>", "", card)
    assert approve(client).status_code == 403
    assert october().state == "closed"
    user = get_user_model().objects.create_user("mia", password="a long enough word")
    user.user_permissions.set(Permission.objects.filter(codename__in=("approve_case", "view_case")))
    mia = Client()
    mia.force_login(user)
    refused = approve(mia)
    assert refused.status_code == 403 and "ledger.reopen_period" in refused.content.decode()
    assert october().state == "closed"
    second = browser("Controller", "Auditor")
    page = approve(second).content.decode()
    assert "The period is open." in page
    assert october().state == "open"
    moved = Transition.objects.filter(record_id=october().pk).latest("id")
    assert (moved.source, moved.target, moved.actor) == ("closed", "open", "controller-auditor")
    assert moved.why == "A late invoice (asked by controller)"
    assert october().history.first().history_change_reason == "A late invoice (asked by controller)"


def test_a_period_that_is_refused_stays_closed(browser, busy):
    browser("Controller").post(move("reopen", october()), {"change_reason": "A late invoice"})
    asked = Approval.objects.get()
    address_ = reverse("approval-decide", args=[asked.id])
    page = browser("Controller", "Auditor").post(address_, {"verb": "refuse", "reason": "Too late"}, follow=True)
    assert "The request has ended" in page.content.decode()
    assert (october().state, Approval.objects.get().state) == ("closed", "refused")


def test_several_are_closed_and_those_in_another_state_are_named(browser, busy):
    client = browser("Controller")
    general = FiscalPeriod.objects.get(entity__code="DE01", subledger="general", name="2026-10")
    answer = client.post(listed(FiscalPeriod), {"action": "close", "_selected_action": [general.pk, october().pk]})
    page = client.post(answer["Location"], {"change_reason": "October is done"}, follow=True)
    assert said(page) == ["DE01:receivables:2026-10 is closed: it was left alone", "1 period is closed"]
    general.refresh_from_db()
    assert general.state == "closed"


def test_the_right_is_asked_for_each_move(browser, busy):
    client = browser("Finance systems")
    for verb in ("soft-close", "close", "reopen"):
        assert client.get(move(verb, october())).status_code == 403
        assert client.post(move(verb, october()), {"change_reason": "x"}).status_code == 403
    page = client.get(listed(FiscalPeriod)).content.decode()
    assert "Reopen" not in page
    assert client.get(move("nonsense", october())).status_code == 404
    assert browser("Controller").get(reverse("admin:ledger_fiscalperiod_move", args=["close"])).status_code == 404


def test_a_state_is_never_typed(browser, busy):
    client = browser()
    assert client.post(address(october()), {"state": "open", "change_reason": "I want it open"}).status_code == 403
    assert october().state == "closed"
    november = FiscalPeriod.objects.get(entity=october().entity, subledger="receivables", name="2026-11")
    page = change(client, address(november), state="closed", change_reason="I want it closed")
    november.refresh_from_db()
    assert (page.status_code, november.state) == (200, "open")


def test_the_next_fiscal_year_is_made_at_once(browser, busy):
    client, entity = browser(), LegalEntity.objects.get(code="US01")
    for year in (2027, 2028):
        client.post(listed(LegalEntity), {"action": "make_year", "_selected_action": [entity.pk]})
        assert entity.periods.filter(fiscal_year=year, state="open").count() == 36


# What a change lets through


@pytest.mark.django_db(transaction=True)
def test_reopening_a_period_offers_what_waited_for_it(browser, busy):
    browser("Controller").post(move("reopen", october()), {"change_reason": "Late"})
    assert not Offer.objects.exists()
    second = browser("Controller", "Auditor")
    approve(second)
    (offer,) = Offer.objects.filter(state="open")
    assert offer.cases == 1
    assert offer.headline.rstrip(".") in second.get(reverse("offers")).content.decode()
    assert "1 case" in offer.title and "1,190.00" in offer.title


@pytest.mark.django_db(transaction=True)
def test_an_account_made_active_in_its_form_offers_what_waited_for_it(browser, busy):
    entry = JournalEntry.objects.filter(lines__isnull=False).first()
    account = entry.lines.first().account
    Account.objects.filter(pk=account.pk).update(is_active=False)
    makers.issue("INV-9", makers.order("ORD-9", entity="US01"))
    makers.run_all()
    assert Case.objects.get(business_key="INV-9").blocker[:3] == ("", "account", account.code)
    page = change(browser("Controller"), address(account), is_active="on", change_reason="In use again")
    (offer,) = Offer.objects.filter(state="open", blocker_type="account")
    assert any(offer.headline.rstrip(".") in text for text in said(page)), said(page)


@pytest.mark.django_db(transaction=True)
def test_a_change_that_frees_nothing_says_nothing(browser, busy):
    page = change(browser(), address(Product.objects.first()), name="Another name", change_reason="Nicer")
    assert len(said(page)) == 1


# Policies


def test_a_policy_is_changed_but_neither_made_nor_removed(browser, busy):
    client, policy = browser("Controller"), Policy.objects.first()
    assert client.get(address(Policy, "add")).status_code == 403
    change(client, address(policy), severity="urgent", change_reason="It hurts")
    policy.refresh_from_db()
    assert policy.severity == "urgent"
    assert browser().post(address(policy, "delete"), {"post": "yes"}).status_code == 403


def test_after_a_period_was_moved_the_list_is_as_it_was_searched(browser, busy):
    client, period = browser("Controller"), FiscalPeriod.objects.filter(state="open").first()
    found = f"{listed(FiscalPeriod)}?q=DE01&state__exact=open"
    begun = client.post(found, {"action": "close", "_selected_action": [period.pk]})
    page = client.get(begun["Location"])
    assert f'href="{found.replace("&", "&amp;")}">Cancel' in page.content.decode()
    done = client.post(begun["Location"], {"change_reason": "The month is done"})
    assert done["Location"] == found
    elsewhere = begun["Location"].partition("&list=")[0] + "&list=//evil.example"
    other = FiscalPeriod.objects.filter(state="open").first()
    elsewhere = elsewhere.replace(str(period.pk), str(other.pk))
    assert client.post(elsewhere, {"change_reason": "x"})["Location"].startswith(f"{listed(FiscalPeriod)}?")
