"""The frame: who sees which page, what a refusal says, and how preferences are kept."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import get_resolver

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ui.pages")]
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/queue?q=entity:DE"}


@pytest.fixture
def mia(client):
    person = User.objects.create_user("mia", password="mia-mia-mia-1", first_name="Mia", last_name="Ochoa")
    client.force_login(person)
    return person


@pytest.fixture
def boss():
    return User.objects.create_superuser("rosa", password="rosa-rosa-1", first_name="Rosa", last_name="Admin")


def give(person: User, name: str) -> None:
    app, codename = name.split(".")
    person.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


def test_the_anonymous_are_sent_to_sign_in_and_back(client):
    answer = client.get("/queue?q=entity:DE")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in?next=%2Fqueue%3Fq%3Dentity%3ADE"


def test_a_part_of_a_page_takes_the_whole_page_to_sign_in(client):
    answer = client.get("/queue", headers=HTMX)
    assert answer["HX-Redirect"] == "/sign-in?next=%2Fqueue%3Fq%3Dentity%3ADE"


def test_sign_in_says_no_more_than_it_must_then_opens_the_page_asked_for(client, boss):
    wrong = client.post("/sign-in", {"username": "rosa", "password": "no"})
    nobody = client.post("/sign-in", {"username": "nobody", "password": "no"})
    assert "do not go together" in wrong.content.decode() and "do not go together" in nobody.content.decode()
    answer = client.post("/sign-in", {"username": "rosa", "password": "rosa-rosa-1", "next": "/queue"})
    assert answer["Location"] == "/queue"


def test_sign_in_does_not_send_to_other_hosts(client, boss):
    answer = client.post("/sign-in", {"username": "rosa", "password": "rosa-rosa-1", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_a_refusal_names_the_right_the_role_that_has_it_and_who_can_give_it(client, mia, boss):
    controllers = Group.objects.create(name="Controllers")
    controllers.permissions.add(Permission.objects.get(codename="view_case", content_type__app_label="exceptions"))
    answer = client.get("/queue")
    text = answer.content.decode()
    assert answer.status_code == 403
    for said in ("exceptions.view_case", "Can view case", "Controllers", "Rosa Admin", "Mia Ochoa"):
        assert said in text


def test_a_refused_part_is_said_in_the_messages(client, mia, boss):
    answer = client.get("/queue", headers=HTMX)
    assert answer.status_code == 403
    assert answer["HX-Retarget"] == "#messages"
    assert "exceptions.view_case" in answer.content.decode() and "<html" not in answer.content.decode()


def test_a_right_that_depends_on_the_record_is_named_too(client, mia, boss):
    give(mia, "q2c.view_step")
    answer = client.get("/large")
    assert answer.status_code == 403
    assert "Can replay a case" in answer.content.decode()


def test_a_refusal_without_a_right_says_why(client, mia):
    assert "Nobody approves their own request." in client.get("/refuses").content.decode()


def test_the_navigation_has_what_one_may_open_and_nothing_else(client, mia):
    give(mia, "exceptions.view_case")
    text = client.get("/preferences").content.decode()
    assert 'href="/queue"' in text
    assert "Control tower" not in text.split('id="side"')[1].split("</nav>")[0] and 'href="/admin/"' not in text
    here = client.get("/queue/one").content.decode()
    assert 'href="/queue" aria-current="page"' in here


def test_every_address_of_the_frame_says_who_may_open_it():
    frame = list(get_resolver("q2c.ui.urls").url_patterns)
    assert frame and all(getattr(p.callback, "right", "") for p in frame)


def test_the_gallery_shows_every_part_to_staff_only(client, mia, boss):
    assert client.get("/gallery").status_code == 404
    client.force_login(boss)
    answer = client.get("/gallery")
    assert answer.status_code == 200
    assert " style=" not in answer.content.decode()
    assert client.get("/gallery?token=reason:p").json() == {
        "choices": [{"value": "reason:period_closed", "label": "Period closed"}]
    }


def test_preferences_are_kept_and_followed(client, mia):
    answer = client.post("/preferences", {"language": "de", "zone": "Europe/Berlin", "theme": "dark"})
    assert answer["Location"] == "/preferences"
    text = client.get("/preferences").content.decode()
    assert 'data-theme="dark"' in text and "1.234.567" in text and ("CET" in text or "CEST" in text)
    assert '<html lang="en"' in text and "Saved." in text


def test_the_browsers_language_gives_the_format_not_the_texts(client):
    text = client.get("/preferences", headers={"accept-language": "de-AT,de;q=0.9"}).content.decode()
    assert "1.234.567" in text and "Save</button>" in text


@pytest.mark.parametrize(
    ("cookie", "value"), [("q2c_zone", "../../etc/passwd"), ("q2c_zone", "Mars/Base"), ("q2c_theme", '"><script>')]
)
def test_a_cookie_nobody_offered_is_ignored(client, cookie, value):
    client.cookies[cookie] = value
    answer = client.get("/preferences")
    assert answer.status_code == 200 and "<script>" not in answer.content.decode()


@pytest.mark.parametrize("bad", [{"zone": "Mars/Base"}, {"theme": "pink"}, {"language": "xx"}])
def test_a_preference_nobody_offered_is_refused(client, bad):
    assert client.post("/preferences", bad).status_code == 422


@pytest.mark.parametrize(
    ("back", "goes"),
    [("/queue?q=a", "/queue?q=a"), ("https://evil.example/", "/preferences"), ("//evil.example", "/preferences")],
)
def test_the_theme_switch_comes_back_to_the_page_and_nowhere_else(client, back, goes):
    assert client.post("/preferences", {"theme": "light", "next": back})["Location"] == goes


def test_the_password_is_changed_with_the_old_one(client, mia):
    fields = {"old_password": "mia-mia-mia-1", "new_password1": "seven-Herons-42", "new_password2": "seven-Herons-42"}
    assert client.post("/password", {**fields, "old_password": "no"}).status_code == 200
    assert client.post("/password", fields)["Location"] == "/preferences"
    mia.refresh_from_db()
    assert mia.check_password("seven-Herons-42")


def test_what_happened_is_said_with_what_comes_next_and_escaped(client, mia):
    text = client.get("/told").content.decode()
    assert "tone-busy" in text and "The canary goes first." in text and 'href="/queue"' in text
    assert "Queued &lt;b&gt;." in text


def test_sign_out_is_a_post(client, mia):
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_nothing_at_an_address(client, mia):
    answer = client.get("/nowhere")
    assert answer.status_code == 404 and "Nothing is at this address" in answer.content.decode()


def test_a_failure_names_the_entry_in_the_log(client):
    client.raise_request_exception = False
    answer = client.get("/boom")
    assert answer.status_code == 500
    assert answer["X-Correlation-Id"] in answer.content.decode()


def test_too_many_wrong_passwords_end_in_a_page(rf):
    from q2c.ui.preferences import Preferences
    from q2c.ui.sign_in import locked_out

    request = rf.get("/sign-in")
    request.preferences = Preferences()
    answer = locked_out(request)
    assert answer.status_code == 429 and answer["Retry-After"] == "900"
    assert "15 minutes" in answer.content.decode()


def test_every_page_has_the_strict_policy(client):
    policy = client.get("/sign-in")["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
