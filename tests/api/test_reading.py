"""Records are read by people and keys alike: visible ones only, filtered by what is known, paged by key."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from exceptions import search, tallies
from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.api.authentication import KeyHolder
from q2c.engine import intake, run
from q2c.engine.intake import Item, Sender
from q2c.management.commands.make_api_key import DEFAULT_SCOPES
from q2c.models import ApiKey, Event, Invoice, Order, OrderGroup, OrderLine
from q2c.models.api_key import READ_EVERY_SYSTEM
from tests.api.conftest import Caller
from tests.engine.records import made
from tests.intake.documents import event, order

pytestmark = pytest.mark.django_db
NOBODY = "12345678-1234-1234-1234-123456789012"
READ = [
    "q2c.view_event", "q2c.view_step", "q2c.view_order", "q2c.view_invoice", "q2c.view_subscription",
    "ledger.view_journalentry", "exceptions.view_case", "q2c.view_crossreference", "q2c.view_attempt",
    READ_EVERY_SYSTEM,
]  # fmt: skip


@pytest.fixture
def reader(db: None) -> Caller:
    return Caller(ApiKey.make("dashboard", READ)[1])


def taken(count: int = 1) -> list[Event]:
    items = [
        Item(body=json.dumps(event(f"evt-{n}", order(order_number=f"SO-{n}"))).encode()) for n in range(1, count + 1)
    ]
    results = intake.take(items, Sender(system="webshop", actor="test"))
    return [Event.objects.get(id=result.event_id) for result in results]


def test_a_key_reads_what_its_own_system_sent_unless_everybodys_was_chosen() -> None:
    """The web shop's own key, as the command makes it, and what another system has sold."""
    shop, other = (Sender(system=system, actor="test") for system in ("webshop", "webshop2"))
    bad = json.dumps(event("bad", {"x": 1}, source="webshop2")).encode()
    theirs = [Item(body=json.dumps(event("t-1", order(order_number="SO-T"), source="webshop2")).encode())]
    intake.take([*theirs, Item(body=bad)], other)
    mine = [event("m-1", order(order_number="SO-M")), event("m-2", order(order_number="SO-N"), source="webshop/eu")]
    intake.take([Item(body=json.dumps(one).encode()) for one in mine], shop)
    run.drain("accept_order")
    for row in Order.objects.all():
        made(Invoice, number=f"INV-{row.number}", source="billing", order=row)
    key = Caller(ApiKey.make("webshop", [*DEFAULT_SCOPES, "q2c.view_step", "exceptions.view_case"])[1])
    every = Caller(ApiKey.make("board", [*DEFAULT_SCOPES, "exceptions.view_case", READ_EVERY_SYSTEM])[1])

    def listed(caller: Caller, noun: str, column: str) -> set[str]:
        return {one[column] for one in caller.get(f"/api/v1/{noun}").json()["results"]}

    assert listed(key, "events", "source_id") == {"m-1", "m-2"}
    assert listed(key, "orders", "number") == {"SO-M", "SO-N"}
    assert listed(key, "invoices", "number") == {"INV-SO-M", "INV-SO-N"}
    assert {case["source"] for case in key.get("/api/v1/cases").json()["results"]} == {"webshop", "webshop/eu"}
    assert listed(every, "events", "source_id") >= {"m-1", "m-2", "t-1"}
    assert listed(every, "orders", "number") == {"SO-M", "SO-N", "SO-T"}
    assert listed(every, "invoices", "number") == {"INV-SO-M", "INV-SO-N", "INV-SO-T"}
    assert {case["source"] for case in every.get("/api/v1/cases").json()["results"]} >= {"webshop", "webshop2"}
    strange, own = Event.objects.get(source_id="t-1"), Event.objects.get(source_id="m-1")
    for path, status in ((f"events/{strange.id}", 404), (f"events/{strange.id}/sent", 404), (f"events/{own.id}", 200),
                         (f"orders/{Order.objects.get(number='SO-T').id}", 404)):  # fmt: skip
        assert key.get(f"/api/v1/{path}").status_code == status, path
        assert every.get(f"/api/v1/{path}").status_code == 200, path
    trace = key.get("/api/v1/trace", q="SO-T").json()
    assert not any(trace[part] for part in ("found_as", "correlation_ids", "events", "orders", "invoices", "cases"))
    assert key.get("/api/v1/trace", q="SO-M").json()["orders"][0]["number"] == "SO-M"
    assert every.get("/api/v1/trace", q="SO-T").json()["orders"][0]["number"] == "SO-T"


def _of_two_systems() -> None:
    for system, amounts in (("webshop", ("DE", "2026-10", "EUR")), ("webshop2", ("JP", "2026-09", "JPY"))):
        for row in ("in the books", "by itself"):
            entity, period, currency = amounts
            made(Case, source=system, reason="period_closed", entity=entity, period=period, currency=currency,
                 amount_minor=700, business_key=f"{system} {row}", connection=f"erp-{entity}",
                 document=f"D-{entity}")  # fmt: skip


def test_a_wrong_filter_tells_a_key_nothing_of_another_system() -> None:
    _of_two_systems()
    scopes = ["exceptions.view_case"]
    key, secret = ApiKey.make("webshop", scopes)
    caller = Caller(secret)
    for asked in search.KEYS:
        for wrong in ("nope", "JP", "JPY"):
            answer = caller.get("/api/v1/cases", q=f"{asked}:{wrong}").json()
            told = json.dumps(answer).replace(f"{asked}:{wrong}", "")
            assert not answer.get("results"), asked
            assert not any(theirs in told for theirs in ("webshop2", "erp-JP", "2026-09", "D-JP", '"JP"')), told
    holder, board = KeyHolder(key), KeyHolder(ApiKey.make("board", [*scopes, READ_EVERY_SYSTEM])[0])
    for dimension, own, other in (("entity", "DE", "JP"), ("period", "2026-10", "2026-09"), ("currency", "EUR", "JPY")):
        offered = [one.insert for one in search.complete(f"{dimension}:", len(dimension) + 1, holder)]
        assert offered == [own]
        assert tallies.counts(holder, dimension) == {own: 2}
        assert tallies.counts(board, dimension) == {own: 2, other: 2}
    stopped = [(row["entity"], row["cases"], row["amount_minor"]) for row in tallies.blocking(holder)]
    assert stopped == [("DE", 2, 1400)]
    assert {row["entity"] for row in tallies.blocking(board)} == {"DE", "JP"}


def test_what_became_of_an_event(reader: Caller) -> None:
    (stored,) = taken()
    run.drain("accept_order")
    body = reader.get(f"/api/v1/events/{stored.id}").json()
    assert body["payload"]["order_number"] == "SO-1"
    assert [(step["stage"], step["state"]) for step in body["steps"]] == [("accept_order", "failed")]
    sent = reader.get(f"/api/v1/events/{stored.id}/sent")
    assert sent.content == json.dumps(event("evt-1", order(order_number="SO-1"))).encode()


@pytest.mark.parametrize("path", ["events", "cases", f"events/{NOBODY}", f"journals/{NOBODY}/explain"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_what_no_address_does_is_told_as_such(reader: Caller, path: str, method: str) -> None:
    """Not as a right that is missing: nobody has it."""
    answer = reader.client.generic(method, f"/api/v1/{path}", headers=reader.headers)
    assert answer.status_code == 405 and answer["Content-Type"] == "application/problem+json"
    assert "GET" in answer["Allow"]


def test_lists_page_by_key_in_both_directions(reader: Caller) -> None:
    taken(7)
    first = reader.get("/api/v1/events", limit=3).json()
    assert [each["source_id"] for each in first["results"]] == ["evt-7", "evt-6", "evt-5"]
    second = reader.client.get(first["next"], headers=reader.headers).json()
    third = reader.client.get(second["next"], headers=reader.headers).json()
    assert [each["source_id"] for each in third["results"]] == ["evt-1"]
    assert third["next"] is None
    back = reader.client.get(third["previous"], headers=reader.headers).json()
    assert back["results"] == second["results"]
    assert "payload" not in first["results"][0]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/events?cursor=nonsense", 400, "cursor"),
        *((f"/api/v1/events?limit={given}", 400, "limit") for given in ("abc", "-1", "0", "1.5", "٣")),
        *((f'/api/v1/cases?q={key}:""', 400, "query") for key in ("amount", "opened", "due", "attempts")),
        ("/api/v1/events?sorce=x", 400, "unknown-filter"),
        ("/api/v1/events?correlation_id=x", 400, "invalid"),
        ("/api/v1/events?received_from=yesterday", 400, "invalid"),
        ("/api/v1/events?received_from=9999-12-31T23:59:59-23:59", 400, "invalid"),
        ("/api/v1/cases?opened_from=9999-12-31T23:59:59-23:59", 400, "invalid"),
        ("/api/v1/cases?opened_before=0001-01-01T00:00:00%2B12:00", 400, "invalid"),
        ("/api/v1/events?source=a%00b", 400, "nul-character"),
        ("/api/v1/cases?q=entty:DE", 400, "query"),
        ("/api/v1/cases?q=is:mine", 400, "needs-a-person"),
        ("/api/v1/cases?tab=team", 400, "needs-a-person"),
        ("/api/v1/cases?tab=nothing", 400, "query"),
        ("/api/v1/trace", 400, "query"),
        ("/api/v1/orders/12345678-1234-1234-1234-123456789012", 404, "not-found"),
        ("/api/v1/orders/1", 404, "no-such-address"),
        ("/api/v1/nothing", 404, "no-such-address"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered(reader: Caller, path: str, status: int, code: str) -> None:
    answer = reader.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"urn:q2c:problem:{code}"


BROKEN = {
    "no Base64": "nonsense",
    "other letters": "%C3%A9",
    "empty position": b"p=",
    "a NUL": b"p=%00",
    "a NUL, and backwards": b"r=1&p=%00",
    "letters": b"p=abc",
    "a number": b"o=99999999999999999999&p=1",
    "a day": b"p=2026-01-01",
    "nearly an id": b"p=12345678-1234-1234-1234-12345678901g",
    "a statement": b"p=%27%20OR%201%3D1",
    "no offset": b"o=x",
    "less than nothing": b"o=-1",
    "no direction": b"r=x",
    "too many digits": b"r=" + b"9" * 5000,
    "bytes": b"\xff\xfe",
}


@pytest.mark.parametrize("path", ["events", "orders", "invoices", "journals", "cases"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_cursor_that_is_none_of_ours(reader: Caller, path: str, what: str) -> None:
    broken = BROKEN[what]
    given = base64.urlsafe_b64encode(broken).decode() if isinstance(broken, bytes) else broken
    answer = reader.client.get(f"/api/v1/{path}?cursor={given}", headers=reader.headers)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (400, "urn:q2c:problem:cursor"), problem
    assert "cursor" in problem["detail"]
    assert "Follow `next`" in problem["remedy"]


def test_orders_invoices_and_journals(reader: Caller) -> None:
    (stored,) = taken()
    row = made(Order, number="SO-1", event=stored, document=json.dumps(order()), customer_key="C-1", currency="USD")
    made(OrderGroup, order=row)
    made(OrderLine, order=row)
    made(Order, number="SO-2", event=stored, customer_key="C-2")
    bill = made(Invoice, order=row, number="INV-1", event=stored)
    entry = made(JournalEntry, event_id=stored.id, memo="x")
    assert [each["number"] for each in reader.get("/api/v1/orders", customer="C-1").json()["results"]] == ["SO-1"]
    found = reader.get(f"/api/v1/orders/{row.id}").json()
    assert (len(found["lines"]), len(found["groups"]), found["document"]["order_number"]) == (1, 1, "SO-1001")
    assert [each["id"] for each in reader.get("/api/v1/invoices", order_number="SO-1").json()["results"]] == [
        str(bill.id)
    ]
    assert reader.get(f"/api/v1/invoices/{bill.id}").json()["lines"] == []
    assert [each["id"] for each in reader.get("/api/v1/journals").json()["results"]] == [str(entry.id)]
    journal = reader.get(f"/api/v1/journals/{entry.id}").json()
    assert (journal["entity"], journal["lines"]) == (entry.entity.code, [])
    assert reader.get(f"/api/v1/journals/{entry.id}/explain").status_code == 409
    whole = reader.get("/api/v1/trace", q="SO-1").json()
    assert [each["number"] for each in whole["orders"]] == ["SO-1"]
    assert [each["number"] for each in whole["invoices"]] == ["INV-1"]


def test_a_case_carries_what_was_sent(reader: Caller) -> None:
    intake.take([Item(body=b"\xff{")], Sender(system="webshop", actor="test"))
    case = reader.get("/api/v1/cases", q="is:raw").json()["results"][0]
    assert case["reason"] == "event_malformed"
    body = reader.get(f"/api/v1/cases/{case['id']}").json()
    assert base64.b64decode(body["raw_base64"]) == b"\xff{"
    assert [each["kind"] for each in body["events"]] == ["opened"]


def person(*names: str) -> Any:
    user = get_user_model().objects.create_user("ann", password="a long enough word")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def acting(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_people_work_cases_with_their_own_rights() -> None:
    taken()
    run.drain("accept_order")
    case = Case.objects.get()
    client = acting(person("view_case", "work_case", "replay_case"))
    assert client.post(f"/api/v1/cases/{case.id}/claim").json()["assignee"] == "ann"
    path = f"/api/v1/cases/{case.id}/comment"
    assert client.post(path, {"text": "I ask sales"}, content_type="application/json").status_code == 200
    assert client.post(path, {}, content_type="application/json").json()["errors"][0]["pointer"] == "/text"
    answer = client.post(f"/api/v1/cases/{case.id}/replay", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["case"]["state"]) == (202, "replaying")
    again = client.post(f"/api/v1/cases/{case.id}/replay", {}, content_type="application/json")
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(get_user_model().objects.get())
    assert strict.post(f"/api/v1/cases/{case.id}/claim").status_code == 403


def test_a_case_is_snoozed_and_woken_and_never_into_the_past() -> None:
    taken()
    run.drain("accept_order")
    case = Case.objects.get()
    client = acting(person("view_case", "work_case"))
    path = f"/api/v1/cases/{case.id}"
    now = clock.now()
    for given, detail in (
        ({"until": (now - dt.timedelta(minutes=1)).isoformat()}, "That time has passed; choose a later one"),
        ({}, "Say until when, or until the blocker is gone"),
    ):
        refused = client.post(f"{path}/snooze", given, content_type="application/json")
        (fault,) = refused.json()["errors"]
        assert (refused.status_code, fault["pointer"], fault["detail"]) == (422, "/until", detail)
        assert fault["remedy"]
    for wrong in ("soon", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+12:00", 7):
        refused = client.post(f"{path}/snooze", {"until": wrong}, content_type="application/json")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/until"), wrong
    assert Case.objects.get().state == "open"
    later = {"until": (now + dt.timedelta(days=1)).isoformat(), "why": "sales is on holiday"}
    assert client.post(f"{path}/snooze", later, content_type="application/json").json()["state"] == "snoozed"
    assert Case.objects.get().snoozed_until == now + dt.timedelta(days=1)
    assert "sales is on holiday" in Case.objects.get().events.get(kind="snoozed").text
    again = client.post(f"{path}/snooze", later, content_type="application/json")
    assert (again.status_code, again.json()["detail"]) == (409, f"{case.shown} is snoozed")
    assert client.post(f"{path}/wake").json()["state"] == "open"
    assert client.post(f"{path}/wake").status_code == 409


def test_a_key_works_cases_only_for_the_person_who_made_it(reader: Caller) -> None:
    taken()
    run.drain("accept_order")
    case = Case.objects.get()
    path = f"/api/v1/cases/{case.id}/replay"
    assert reader.post(path, {}, "application/json").status_code == 403
    scopes = ["exceptions.view_case", "exceptions.replay_case", READ_EVERY_SYSTEM]
    nobodys = Caller(ApiKey.make("script", scopes)[1])
    assert nobodys.post(path, {}, "application/json").json()["type"] == "urn:q2c:problem:needs-a-person"
    user = person("view_case")
    anns = Caller(ApiKey.make("anns-script", scopes, created_by=user)[1])
    assert anns.post(path, {}, "application/json").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="replay_case"))
    assert anns.post(path, {}, "application/json").status_code == 202
