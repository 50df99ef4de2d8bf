"""Every page of the admin opens: empty and with data, for an administrator and for each role."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.admin import site
from django.urls import reverse

from exceptions.models import Case
from q2c import roles
from q2c.admin.amounts import priced
from q2c.admin.flow import TABLES
from q2c.models import ApiKey, Connection, Order, OrderLine, Transition
from q2c.ui.admin_site import GROUPS
from tests.admin.conftest import SECRET
from tests.past_guards import past_guards

pytestmark = pytest.mark.django_db
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OURS = [model for model in MODELS if model not in TABLES]
IDS = [model._meta.label for model in MODELS]


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_lists_and_forms_open_without_data(browser, model):
    client = browser()
    assert client.get(address(model, "changelist")).status_code == 200
    assert client.get(address(model, "changelist") + "?q=nothing").status_code == 200
    if admin.site._registry[model].has_add_permission(_request(client)):
        assert client.get(address(model, "add")).status_code == 200


def _request(client):
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = client.user
    return request


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_an_id_that_is_none_is_not_found(browser, model):
    """As Django's own pages have it: not there, or back to where one was, with a word about it."""
    client = browser()
    old = [f"{address(model, 'history', 'zz')}{version}/" for version in ("zz", "1")]
    for url in (address(model, "change", "zz"), address(model, "history", "zz"), *old):
        assert client.get(url).status_code in (302, 404), url


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_key_by_a_field_without_a_name_is_refused(browser, model):
    client = browser()
    for url in (address(model, "change", "zz"), address(model, "delete", "zz"), address(model, "changelist")):
        assert client.get(f"{url}?_to_field=").status_code == 400, url
        assert client.post(url, {"_to_field": ""}).status_code == 400, url


def test_every_page_opens_with_data(browser, busy):
    client = browser()
    opened = set()
    for model in MODELS:
        assert client.get(address(model, "changelist")).status_code == 200, model
        for record in model.objects.order_by("-pk")[:2]:
            opened.add(model._meta.label)
            for page in ("change", "history"):
                answer = client.get(address(model, page, record.pk))
                assert answer.status_code == 200, (model, page)
    without = {"exceptions.Approval", "exceptions.Offer", "exceptions.ReplayBatch", "q2c.Breaker",
               "q2c.ChargeSegment", "q2c.Subscription", "ledger.DimensionRule", "q2c.Attempt"}  # fmt: skip
    assert {label for label in IDS if not label.startswith("axes.")} - opened <= without


@pytest.mark.parametrize("role", roles.ROLES)
def test_each_role_opens_what_it_may_and_nothing_else(browser, busy, role):
    client = browser(role)
    assert client.get(reverse("admin:index")).status_code == 200
    for model in MODELS:
        verb = f"view_{model._meta.model_name}"
        right = (
            f"{model._meta.app_label}.{verb}" if "view" in model._meta.default_permissions else "exceptions.view_case"
        )
        may = client.user.has_perm(right) or client.user.has_perm(right.replace("view_", "change_"))
        answer = client.get(address(model, "changelist"))
        assert answer.status_code == (200 if may else 403), model
        record = model.objects.first()
        if record is not None:
            assert client.get(address(model, "change", record.pk)).status_code == (200 if may else 403), model


def test_an_auditor_changes_nothing(browser, busy):
    client = browser("Auditor")
    for model in OURS:
        record = model.objects.first()
        if record is None or client.get(address(model, "changelist")).status_code == 403:
            continue
        assert client.get(address(model, "add")).status_code == 403, model
        assert client.post(address(model, "change", record.pk), {"change_reason": "x"}).status_code == 403, model


@pytest.mark.parametrize("model", TABLES, ids=[model._meta.label for model in TABLES])
def test_what_the_flow_owns_is_read_only_even_for_an_administrator(browser, busy, model):
    client = browser()
    assert client.get(address(model, "add")).status_code == 403
    record = model.objects.first()
    if record is None:
        return
    page = client.get(address(model, "change", record.pk))
    assert b'name="_save"' not in page.content
    assert client.post(address(model, "change", record.pk), {"state": "x"}).status_code == 403
    assert client.post(address(model, "delete", record.pk), {"post": "yes"}).status_code == 403


def test_a_record_with_a_state_shows_its_moves(browser, busy):
    order = Order.objects.first()
    page = browser().get(address(Order, "change", order.pk)).content.decode()
    first = Transition.objects.filter(record_id=order.pk).first()
    assert f"made → {first.target} by {first.actor}" in page, page[page.index("Moves") :][:900]


def test_a_case_leads_to_its_page(browser, busy):
    page = browser().get(address(Case, "change", Case.objects.first().pk)).content.decode()
    assert "Its page" in page


def test_the_index_is_in_the_order_of_the_work(browser):
    page = browser().get(reverse("admin:index"))
    titles = [group["name"] for group in page.context["app_list"]]
    assert titles[: len(GROUPS)] == list(GROUPS)
    shown = {model["model"]._meta.label for group in page.context["app_list"] for model in group["models"]}
    assert shown == set(IDS)


def test_whoever_is_not_staff_is_told_so_and_strangers_sign_in(client, django_user_model):
    answer = client.get(reverse("admin:index"), follow=False)
    assert answer.status_code == 302
    assert client.get(answer["Location"])["Location"].startswith("/sign-in?next=")
    client.force_login(django_user_model.objects.create_user("mia", password="a long enough word"))
    page = client.get(reverse("admin:index"), follow=True)
    assert page.status_code == 403
    assert "for staff" in page.content.decode()


def test_no_secret_is_on_any_page(browser, busy):
    connection = Connection.objects.first()
    connection.credentials = {"token": SECRET}
    connection.save()
    client = browser()
    key = ApiKey.objects.first()
    urls = [address(Connection, page, connection.pk) for page in ("change", "history")]
    urls += [address(ApiKey, page, key.pk) for page in ("change", "history")]
    urls += [address(Connection, "changelist"), address(ApiKey, "changelist")]
    for entry in connection.history.all():
        urls.append(reverse("admin:q2c_connection_simple_history", args=[connection.pk, entry.pk]))
    for url in urls:
        page = client.get(url).content.decode()
        assert SECRET not in page, url
        assert key.hash not in page, url
    assert "token" in client.get(urls[0]).content.decode()


def test_the_admin_loads_nothing_from_elsewhere(browser, busy):
    import re

    client = browser()
    for url in (reverse("admin:index"), address(Order, "changelist"), address(Connection, "add")):
        page = client.get(url).content.decode()
        found = re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', page)
        assert found == [], url
        assert "css/admin.css" in page


def test_the_palette_is_that_of_the_pages():
    import re
    from pathlib import Path

    def palette(name):
        return dict(re.findall(r"--([a-z0-9-]+): (light-dark\([^;]+\));", Path(f"static/css/{name}.css").read_text()))

    pages, ours = palette("base"), palette("admin")
    assert len(ours) > 15
    assert {name: value for name, value in ours.items() if pages.get(name.removeprefix("q2c-")) != value} == {}


def test_everything_is_called_as_people_call_it():
    plurals = {str(model._meta.verbose_name_plural) for model in site._registry}
    assert {"replays", "API keys", "policies", "journal series", "tax nexus", "legal entities"} <= plurals
    odd = [name for name in plurals if re.search(r"(ch|sh|x|[^aeiou]y|ss)s$", name) or name.startswith("api ")]
    assert odd == []


@pytest.mark.parametrize(
    ("price", "currency", "words"),
    [("12.00000000", "EUR", "EUR 12.00"), ("1250", "USD", "USD 1,250.00"), ("0.00250000", "USD", "USD 0.0025"),
     ("167200.00000000", "JPY", "JPY 167,200"), ("0.5", "JPY", "JPY 0.5"), ("100", "KWD", "KWD 100.000"),
     ("0", "EUR", "EUR 0.00"), ("1", "", "–"), (None, "EUR", "–")],
)  # fmt: skip
def test_unit_prices_have_the_decimals_of_their_currency(price, currency, words):
    assert priced(None if price is None else Decimal(price), currency) == words


def test_an_order_shows_its_unit_prices_with_their_currency(browser, busy):
    line = OrderLine.objects.first()
    page = browser().get(address(Order, "change", line.order.pk)).content.decode()
    assert priced(line.unit_price, line.order.groups.get(key=line.group).currency) in page
    assert f">{line.unit_price}<" not in page


@pytest.mark.parametrize("role", ["Finance systems", "Platform engineer", "Auditor"])
def test_no_link_of_the_admin_leads_to_a_refusal(browser, busy, role):
    """People stand on records as who works on them, asked or sent; who may open people has a link to them."""
    client, owner = browser(role), browser()
    with past_guards():
        Case.objects.update(assignee=owner.user)
    pages = [address(model, page, *args) for model in MODELS for page, *args in _pages(model)]
    linked, by = set(), {}
    for url in pages:
        answer = client.get(url)
        if answer.status_code == 200:
            found = set(re.findall(r'href="(/admin/[^"#]*)"', answer.content.decode()))
            by |= dict.fromkeys(found - linked, url)
            linked |= found
    person = address(owner.user._meta.model, "change", owner.user.pk)
    assert len(linked) > 60 and (person in linked) == client.user.has_perm("auth.view_user")
    # What a list is filtered by decides no right: one address for each path and its parameters.
    unlike = {re.sub(r"=[^&]*", "", url): url for url in sorted(linked)}.values()
    refused = {url: by[url] for url in unlike if client.get(url.replace("&amp;", "&")).status_code == 403}
    assert not refused, refused


def _pages(model):
    yield ("changelist",)
    record = model._default_manager.order_by("pk").last()
    if record is not None:
        yield "change", record.pk
        yield "history", record.pk
