"""Every address of the API has a right, and is closed without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from exceptions.models import Case
from q2c.api import parsing, urls
from q2c.contracts import schema
from q2c.contracts.events import EVENTS
from q2c.management.commands.make_api_key import DEFAULT_SCOPES
from q2c.models import ApiKey, Event
from q2c.models.api_key import READ_EVERY_SYSTEM
from tests.api.conftest import Caller
from tests.intake.documents import event, invoice, line

pytestmark = pytest.mark.django_db
ID = "12345678-1234-1234-1234-123456789012"
OPEN = {"public", "signature"}


def addresses() -> list[tuple[str, str, Any, str]]:
    """(method, path, view, right) of every address."""
    found = []
    for entry in urls.urlpatterns:
        path = "/api/v1/" + (str(entry.pattern) if entry.name != "api-not-found" else "nothing")
        for part, value in (("<uuid:pk>", ID), ("<str:name>", "OrderReceived.v1.json"), ("<slug:name>", "crm")):
            path = path.replace(part, value)
        for method, view in getattr(entry.callback, "by_method", {"": entry.callback}).items():
            actions = getattr(view, "actions", None) or {}
            methods = [method] if method else [*actions] or [m.lower() for m in getattr(view, "methods", ("get",))]
            for each in methods:
                found.append((each, path, view, right_of(view, actions.get(each))))
    return found


def right_of(view: Any, action: str | None) -> str:
    cls = getattr(view, "cls", None)
    if cls is None:
        return str(getattr(view, "right", ""))
    return str(getattr(cls, "rights", {}).get(action) or getattr(cls, "right", ""))


ADDRESSES = addresses()
NAMES = [f"{method} {path}" for method, path, _, _ in ADDRESSES]


def call(client: Any, method: str, path: str, **headers: Any) -> Any:
    return client.generic(method.upper(), path, b"", content_type="application/json", **headers)


def test_there_are_addresses() -> None:
    assert len(ADDRESSES) > 20


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_each_has_a_right_that_exists(method: str, path: str, view: Any, right: str) -> None:
    assert right
    if "." in right:
        label, _, codename = right.partition(".")
        assert Permission.objects.filter(content_type__app_label=label, codename=codename).exists(), right


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_none_that_writes_rests_on_a_right_to_view(method: str, path: str, view: Any, right: str) -> None:
    if method not in ("get", "head"):
        assert not right.partition(".")[2].startswith("view_"), f"{method} {path} asks for {right}"


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_a_key_that_may_see_everything_writes_nothing(method: str, path: str, view: Any, right: str) -> None:
    if method in ("get", "head") or "." not in right:
        pytest.skip("reads, or is signed")
    views = Permission.objects.filter(codename__startswith="view_")
    scopes = [f"{label}.{name}" for label, name in views.values_list("content_type__app_label", "codename")]
    maker = get_user_model().objects.create_superuser("root")
    caller = Caller(ApiKey.make("reader", scopes, created_by=maker)[1])
    answer = call(caller.client, method, path, headers=caller.headers)
    assert (answer.status_code, answer.json()["right"]) == (403, right)


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_closed_to_strangers(method: str, path: str, view: Any, right: str) -> None:
    answer = call(Client(), method, path)
    if right == "public":
        assert answer.status_code == 404
    elif right == "signature":
        assert answer.status_code in (401, 403, 404, 411)
    elif path.endswith("/docs"):
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in")
    else:
        assert answer.status_code == 401, answer.content
        assert answer["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_closed_without_the_right(method: str, path: str, view: Any, right: str) -> None:
    if "." not in right:
        pytest.skip("no right of its own")
    caller = Caller(ApiKey.make("nobody", [])[1])
    answer = call(caller.client, method, path, headers=caller.headers)
    assert (answer.status_code, answer.json()["right"]) == (403, right)
    person = Client()
    person.force_login(get_user_model().objects.create_user("eve"))
    answer = call(person, method, path)
    # What only upstream systems do wants a key, whoever is signed in.
    assert answer.status_code == (401 if getattr(view, "cls", None) is None else 403)


@pytest.mark.parametrize(("method", "path", "view", "right"), ADDRESSES, ids=NAMES)
def test_open_with_the_right(method: str, path: str, view: Any, right: str) -> None:
    if "." not in right:
        pytest.skip("no right of its own")
    caller = Caller(ApiKey.make("somebody", [right, "exceptions.view_case"])[1])
    answer = call(caller.client, method, path, headers=caller.headers)
    # Whatever it is about the request, it is not the right.
    assert answer.status_code not in (401, 500)
    assert answer.status_code != 403 or "right" not in answer.json()


def test_a_view_without_a_right_is_closed_to_everybody() -> None:
    from q2c.api.rights import HasRight

    class Forgotten:
        pass

    request = type("Request", (), {"user": get_user_model().objects.create_superuser("root")})()
    assert HasRight().has_permission(request, Forgotten()) is False


def test_a_view_that_writes_by_a_right_to_view_is_closed_to_everybody() -> None:
    from q2c.api.rights import HasRight

    class Careless:
        right = "exceptions.view_case"

    root = get_user_model().objects.create_superuser("root")
    asked = {verb: type("Request", (), {"user": root, "method": verb})() for verb in ("GET", "POST", "DELETE")}
    assert [HasRight().has_permission(request, Careless()) for request in asked.values()] == [True, False, False]


ASKS = {
    "JournalReversalRequested": (
        "ledger.reverse_journalentry", {"journal_id": "x", "effective_on": "2026-01-05", "reason": "billed in error"}
    ),
    "OrderCancelRequested": ("q2c.cancel_order", {"order_number": "SO-1", "effective_on": "2026-01-05"}),
    "InvoiceIssued": ("q2c.add_invoice", invoice()),
}  # fmt: skip


@pytest.mark.parametrize("type_", ASKS)
def test_what_undoes_or_books_something_needs_a_right_of_its_own(type_: str) -> None:
    right, data = ASKS[type_]
    asked = event("undo-1", data, type=type_)
    feed = Caller(ApiKey.make("webshop", ["q2c.add_event"])[1])
    alone = feed.post("/api/v1/events", asked)
    assert (alone.status_code, alone.json()["type"]) == (403, "urn:q2c:problem:forbidden")
    assert right in alone.json()["remedy"]
    in_headers = {f"Ce-{name}": value for name, value in asked.items() if name not in ("data", "datacontenttype")}
    assert feed.post("/api/v1/events", asked["data"], "application/json", **in_headers).status_code == 403
    lines = b"\n".join([line("good-1"), json.dumps(asked).encode(), line("good-2")])
    for body, kind in (
        ([event("good-3"), asked, event("good-4")], "application/cloudevents-batch+json"),
        (lines, parsing.NDJSON),
    ):
        among = feed.post("/api/v1/events", body, kind).json()
        assert [each["status"] for each in among["results"]] == ["stored", "refused", "stored"], among
        (fault,) = among["results"][1]["errors"]
        assert (fault["code"], fault["pointer"]) == ("forbidden", "/type")
        assert right in fault["remedy"]
    assert not Event.objects.filter(type=type_).exists()
    back_office = Caller(ApiKey.make("webshop", ["q2c.add_event", right])[1])
    assert back_office.post("/api/v1/events", asked).status_code == 202
    assert Event.objects.get(type=type_).source_id == "undo-1"
    assert not Case.objects.exclude(state="resolved").exists(), "it came again, with the right"


def test_each_right_that_an_event_names_is_one() -> None:
    known = {f"{label}.{name}" for label, name in Permission.objects.values_list("content_type__app_label", "codename")}
    named = {row.name: row.right for row in EVENTS.values() if row.right}
    assert named == {type_: right for type_, (right, _) in ASKS.items()}
    assert set(named.values()) <= known
    assert READ_EVERY_SYSTEM not in DEFAULT_SCOPES and READ_EVERY_SYSTEM in known
    assert not set(named.values()) & set(DEFAULT_SCOPES), "a key made without a word about scopes can do none of it"
    assert {type_ for type_ in schema.inbound() if not EVENTS[type_].right} == {"OrderReceived"}, "checked by controls"
