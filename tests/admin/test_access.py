"""Credentials, keys and people: what goes in and never comes out, and who may give what."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.urls import reverse

from q2c import keys
from q2c.models import ApiKey, Connection
from tests.admin.conftest import SECRET
from tests.admin.forms import change, errors, posted, said
from tests.admin.test_imports import preview
from tests.connectors.control import Control, sandbox_url
from tests.connectors.salesforce import orgs

pytestmark = pytest.mark.django_db


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def crm(db):
    return Connection.objects.create(
        name="crm", title="Sales", vendor="salesforce", service="crm", base_url=sandbox_url("salesforce"),
        credentials={"consumer_key": "key-secret", "consumer_secret": SECRET},
    )  # fmt: skip


# Connections


def test_credentials_are_laid_over_what_is_stored(browser, crm):
    url = address(Connection, "change", crm.pk)
    given = json.dumps({"consumer_secret": "another", "webhook_secret": "whsec_x", "consumer_key": None})
    page = change(browser("Platform engineer"), url, new_credentials=given, change_reason="Rotated")
    assert len(said(page)) == 1
    crm.refresh_from_db()
    assert crm.credentials == {"consumer_secret": "another", "webhook_secret": "whsec_x"}
    assert crm.history.first().history_change_reason == "Rotated"
    assert "another" not in json.dumps(list(crm.history.values()), default=str)


def test_white_space_that_was_copied_along_is_no_part_of_a_secret(browser, crm):
    """A line break at its end would go into a header, which takes none."""
    given = json.dumps({"consumer_secret": " another one\n", "webhook_secret": "\twhsec_x"})
    change(browser(), address(Connection, "change", crm.pk), new_credentials=given, change_reason="Rotated")
    crm.refresh_from_db()
    assert crm.credentials == {
        "consumer_key": "key-secret", "consumer_secret": "another one", "webhook_secret": "whsec_x",
    }  # fmt: skip


def test_left_empty_they_stay(browser, crm):
    change(browser(), address(Connection, "change", crm.pk), title="Sales platform", change_reason="Better name")
    crm.refresh_from_db()
    assert (crm.title, crm.credentials["consumer_secret"]) == ("Sales platform", SECRET)


@pytest.mark.parametrize(
    "typed", [f'{{"consumer_secret": "{SECRET}-new"', f'["{SECRET}-new"]', f'{{"a": {{"b": "{SECRET}-new"}}}}']
)
def test_what_was_typed_wrongly_is_not_shown_back(browser, crm, typed):
    page = change(browser(), address(Connection, "change", crm.pk), new_credentials=typed, change_reason="Rotated")
    assert errors(page)["new_credentials"]
    assert SECRET not in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"service": "journals"}, "service", "Salesforce serves crm"),
        ({"base_url": "http://crm.example"}, "base_url", "https://"),
        ({"base_url": "ftp://crm.example"}, "base_url", "https://"),
        ({"options": "[1]"}, "options", "JSON object"),
        ({"vendor": "acme"}, "vendor", "valid choice"),
    ],
)
def test_what_cannot_work_is_refused(browser, crm, changes, field, words):
    page = change(browser(), address(Connection, "change", crm.pk), **changes, change_reason="x")
    assert words in " ".join(errors(page)[field])


@pytest.mark.parametrize(
    ("address_", "words"),
    [
        ("http://127.0.0.1.attacker.example", "https://"),
        ("http://localhost.attacker.example:80", "https://"),
        ("http://127.0.0.1@attacker.example", "no name and no password"),
        ("https://127.0.0.1:x@attacker.example", "no name and no password"),
        ("http://127.0.0.1\\.attacker.example", "no address"),
        ("http://127.0.0.1:99999", "no address"),
        ("https://", "no address"),
        ("https:///path", "no address"),
        ("javascript://x", "https://"),
    ],
)
def test_an_address_is_read_by_its_parts(browser, crm, address_, words):
    page = change(browser(), address(Connection, "change", crm.pk), base_url=address_, change_reason="x")
    assert words in " ".join(errors(page)["base_url"])
    page = change(browser("Platform engineer"), address(Connection, "change", crm.pk),
                  options=json.dumps({"login_url": address_}), change_reason="x")  # fmt: skip
    assert words in " ".join(errors(page)["options"])


class Listener(http.server.BaseHTTPRequestHandler):
    """Whatever is sent to it is kept."""

    heard: list[str] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.heard.append(f"{self.headers} {body}")
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def listener():
    Listener.heard.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_stored_is_never_sent_to_a_new_address(browser, crm, listener):
    mei, engineer = browser("Finance systems"), browser("Platform engineer")
    url = address(Connection, "change", crm.pk)
    probe = {"action": "probe", "_selected_action": [crm.pk]}
    for moved in ({"base_url": listener}, {"options": json.dumps({"login_url": listener})}):
        page = change(mei, url, **moved, change_reason="Moved")
        (told,) = errors(page)["base_url"]
        assert "Give the credentials anew in the same save" in told and "consumer_key, consumer_secret;" in told
        # Some of them are not all of them.
        page = change(mei, url, **moved, new_credentials='{"consumer_key": "mine"}', change_reason="Moved")
        assert "on the form: consumer_secret;" in errors(page)["base_url"][0]
        mei.post(address(Connection, "changelist"), probe)
        text = f"name,title,vendor,service,base_url,options\ncrm,Sales,salesforce,crm,{moved.get('base_url', crm.base_url)},"
        text += '"' + moved.get("options", "{}").replace('"', '""') + '"\n'
        (invalid,) = preview(engineer, Connection, text).context["result"].invalid_rows
        assert "Give the credentials anew" in " ".join(invalid.field_specific_errors["base_url"])
    crm.refresh_from_db()
    crm.base_url = listener
    with pytest.raises(ValidationError, match="Give the credentials anew"):
        crm.save()
    assert Listener.heard == []
    anew = json.dumps({"consumer_key": "another-key", "consumer_secret": None})
    page = change(mei, url, base_url=listener, new_credentials=anew, change_reason="Moved")
    assert len(said(page)) == 1
    mei.post(address(Connection, "changelist"), probe)
    heard = " ".join(Listener.heard)
    assert "another-key" in heard and SECRET not in heard and "key-secret" not in heard
    crm.refresh_from_db()
    assert crm.credentials == {"consumer_key": "another-key"}


def test_the_same_given_anew_go_along_and_another_path_is_no_other_address(browser, crm):
    mei, url = browser("Finance systems"), address(Connection, "change", crm.pk)
    assert len(said(change(mei, url, base_url=f"{crm.base_url}/eu", change_reason="Another path"))) == 1
    same = json.dumps({"consumer_key": "key-secret", "consumer_secret": SECRET})
    page = change(mei, url, base_url="https://sales.example", new_credentials=same, change_reason="Moved")
    assert len(said(page)) == 1
    crm.refresh_from_db()
    assert (crm.base_url, crm.credentials["consumer_secret"]) == ("https://sales.example", SECRET)


def test_a_connection_keeps_its_name(browser, crm):
    page = change(browser(), address(Connection, "change", crm.pk), name="other", change_reason="x")
    assert page.status_code == 200
    crm.refresh_from_db()
    assert crm.name == "crm"


def test_trying_a_connection_says_what_the_platform_says(browser, crm):
    org = Control("salesforce")
    org.reset()
    org.seed(apps=[orgs.SECRET_APP])
    try:
        client, asked = browser(), {"action": "probe", "_selected_action": [crm.pk]}
        (refused,) = said(client.post(address(Connection, "changelist"), asked, follow=True))
        assert "crm: Salesforce refuses a token: invalid client credentials" in refused
        crm.credentials = {"consumer_key": "key-secret", "consumer_secret": "a secret"}
        crm.save()
        assert said(client.post(address(Connection, "changelist"), asked, follow=True)) == ["crm answers"]
    finally:
        org.reset()


def test_whoever_only_reads_sees_no_field_for_credentials(browser, crm):
    page = browser("Auditor").get(address(Connection, "change", crm.pk)).content.decode()
    assert "new_credentials" not in page
    assert SECRET not in page


# Keys


def made(client, **changes):
    url = address(ApiKey, "add")
    return client.post(url, {"system": "web-shop", "scopes": ["q2c.add_event"], **changes})


def test_a_key_is_shown_once(browser):
    client = browser("Platform engineer")
    page = made(client)
    secret = page.context["secret"]
    assert secret in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    key = ApiKey.objects.get()
    assert (key.hash, key.created_by, key.scopes) == (keys.secret_hash(secret), client.user, ["q2c.add_event"])
    for url in (address(ApiKey, "changelist"), address(ApiKey, "change", key.pk), address(ApiKey, "history", key.pk)):
        later = client.get(url).content.decode()
        assert secret not in later
        assert key.hash not in later
    assert secret not in str(client.cookies)
    assert secret not in str(dict(client.session))


def test_a_key_may_do_no_more_than_its_maker(browser):
    client = browser("Platform engineer")
    page = made(client, scopes=["ledger.close_period"])
    assert "valid choice" in " ".join(errors(page)["scopes"])
    page = made(client, scopes=[])
    assert errors(page)["scopes"]
    page = made(client, system="q2c")
    assert "name of our own" in " ".join(errors(page)["system"])
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_for_good_with_a_reason(browser):
    client = browser("Platform engineer")
    made(client)
    key = ApiKey.objects.get()
    asked = {"action": "revoke", "_selected_action": [key.pk]}
    page = client.post(address(ApiKey, "changelist"), asked)
    assert "refused from now on" in page.content.decode()
    assert ApiKey.objects.get().is_usable
    client.post(address(ApiKey, "changelist"), {**asked, "change_reason": "Laptop lost"})
    key.refresh_from_db()
    assert not key.is_usable
    assert key.history.first().history_change_reason == "Laptop lost"
    assert client.get(address(ApiKey, "delete", key.pk)).status_code == 403


def test_scopes_of_a_key_stay(browser):
    client = browser()
    made(client)
    key = ApiKey.objects.get()
    change(client, address(ApiKey, "change", key.pk), scopes=["ledger.close_period"], change_reason="More")
    key.refresh_from_db()
    assert key.scopes == ["q2c.add_event"]


# People


def test_nobody_raises_themselves_or_touches_an_administrator(browser, django_user_model):
    client = browser("Platform engineer")
    boss = django_user_model.objects.create_superuser("boss", password="a long enough word")
    own = address(get_user_model(), "change", client.user.pk)
    page = client.get(own)
    assert {"is_superuser", "user_permissions", "groups"} & set(page.context["adminform"].form.fields) == set()
    everything = list(Group.objects.values_list("pk", flat=True))
    client.post(own, posted(page, is_superuser="on", groups=everything, **_joined(client.user)))
    client.user.refresh_from_db()
    assert (client.user.is_superuser, client.user.groups.count()) == (False, 1)
    assert client.post(address(get_user_model(), "change", boss.pk), {"username": "mine"}).status_code == 403
    assert client.get(address(get_user_model(), "password_change", boss.pk)).status_code in (403, 404)
    assert client.get(address(get_user_model(), "delete", boss.pk)).status_code == 403


def _joined(user):
    return {"date_joined_0": "2026-01-01", "date_joined_1": "10:00:00", "username": user.username}


def test_a_person_is_given_a_role(browser, django_user_model):
    mia = django_user_model.objects.create_user("mia", password="a long enough word")
    url, role = address(get_user_model(), "change", mia.pk), Group.objects.get(name="Controller")
    change(browser(), url, groups=[role.pk], is_staff="on")
    assert list(mia.groups.all()) == [role]


def test_roles_are_given_and_taken_within_one_s_own_rights(browser, django_user_model):
    """A platform engineer makes auditors, and no controller: neither of a new person nor of an old one."""
    client = browser("Platform engineer")
    controller, auditor = (Group.objects.get(name=name) for name in ("Controller", "Auditor"))
    mia = django_user_model.objects.create_user("mia", password="a long enough word")
    url = address(get_user_model(), "change", mia.pk)
    page = change(client, url, groups=[controller.pk])
    (told,) = errors(page)["groups"]
    assert "Controller holds rights that you do not have (" in told and "Ask an administrator" in told
    assert not mia.groups.exists()
    change(client, url, groups=[auditor.pk])
    assert list(mia.groups.all()) == [auditor]
    cleo = django_user_model.objects.create_user("cleo", password="a long enough word")
    cleo.groups.set([controller])
    page = change(client, address(get_user_model(), "change", cleo.pk), groups=[])
    assert errors(page)["groups"] and list(cleo.groups.all()) == [controller]


@pytest.mark.parametrize("active", [True, False])
def test_nobody_sets_the_password_of_somebody_with_more_rights(browser, django_user_model, active):
    """Nor names them anew. Whoever is not active has their rights again tomorrow."""
    client = browser("Platform engineer")
    cleo = django_user_model.objects.create_user("cleo", password="a long enough word", is_active=active)
    cleo.groups.set([Group.objects.get(name="Controller")])
    url, given = address(get_user_model(), "password_change", cleo.pk), "a word of my own choice"
    page = client.post(url, {"password1": given, "password2": given, "usable_password": "true"})
    assert page.status_code == 403
    assert "Ask an administrator" in page.content.decode()
    change(client, address(get_user_model(), "change", cleo.pk), username="mine", first_name="Cleo")
    cleo.refresh_from_db()
    assert (cleo.username, cleo.first_name, cleo.check_password(given)) == ("cleo", "Cleo", False)
    mia = django_user_model.objects.create_user("mia", password="a long enough word")
    client.post(address(get_user_model(), "password_change", mia.pk),
                {"password1": given, "password2": given, "usable_password": "true"})  # fmt: skip
    mia.refresh_from_db()
    assert mia.check_password(given), "who has no more rights than oneself"


def test_only_an_administrator_changes_what_a_role_may(browser, django_user_model):
    client = browser("Platform engineer")
    client.user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    role = client.user.groups.get()
    before = role.permissions.count()
    page = client.post(address(Group, "change", role.pk), {"name": role.name, "permissions": []})
    assert (page.status_code, role.permissions.count()) == (403, before)
