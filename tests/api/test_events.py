"""POST /api/v1/events: four ways to send, one result an item."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client

from exceptions.models import Case, RawBody
from q2c.models import ApiKey, Event, IdempotencyRecord, Step
from tests.api.conftest import Caller
from tests.intake.documents import event, line, order

EVENTS = "/api/v1/events"
NDJSON = "application/x-ndjson"
BATCH = "application/cloudevents-batch+json"
pytestmark = pytest.mark.django_db


def test_one_structured_event_is_stored_and_its_step_waits(caller: Caller) -> None:
    answer = caller.post(EVENTS, event())
    assert answer.status_code == 202
    body = answer.json()
    stored = Event.objects.get()
    assert body["event_id"] == str(stored.id)
    assert body["correlation_id"] == str(stored.correlation_id) == answer["X-Correlation-Id"]
    assert body["status"] == "stored"
    assert answer["Location"] == f"/api/v1/events/{stored.id}"
    assert Step.objects.get().stage == "accept_order"


def test_binary_mode_keeps_the_body_as_the_payload(caller: Caller) -> None:
    written = b'{ "order_number" : "SO-9", ' + json.dumps(order()).encode()[1:].replace(
        b'"order_number": "SO-1001", ', b""
    )
    headers = {"ce-specversion": "1.0", "ce-id": "b%2D1", "ce-source": "webshop", "ce-type": "OrderReceived.v1"}
    answer = caller.post(EVENTS, written, "application/json", **headers)
    assert answer.status_code == 202, answer.content
    stored = Event.objects.get()
    assert (stored.source_id, stored.payload.encode(), stored.as_sent.encode()) == ("b-1", written, written)


def test_an_id_that_is_no_text_is_refused_and_not_folded_into_another(caller: Caller) -> None:
    for given in ("b%FE", "b%FF"):
        headers = {"ce-specversion": "1.0", "ce-id": given, "ce-source": "webshop", "ce-type": "OrderReceived.v1"}
        answer = caller.post(EVENTS, json.dumps(order()).encode(), "application/json", **headers)
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"][0]["pointer"] == "/id", answer.content
        assert Case.objects.filter(id=answer.json()["case"]).exists()
    assert not Event.objects.exists()


def test_lines_are_kept_byte_for_byte(caller: Caller) -> None:
    odd = (
        line("évt-2")
        .replace(b'"data": {', b'"comment": "caf\\u00e9",   "data": {  ')
        .replace(b'"term_months": 12', b'"term_months":  12')
    )
    lines = [line("evt-1"), odd + b"\r", b"", line("evt-3")]
    answer = caller.post(EVENTS, b"\n".join(lines), NDJSON)
    assert answer.status_code == 202
    assert [each["status"] for each in answer.json()["results"]] == ["stored"] * 3
    kept = {each.source_id: each.as_sent.encode() for each in Event.objects.all()}
    assert kept == {"evt-1": lines[0], "évt-2": lines[1], "evt-3": lines[3]}
    assert '"term_months":  12' in Event.objects.get(source_id="évt-2").payload


def test_a_bad_item_never_spoils_its_batch(caller: Caller) -> None:
    bad = event("evt-2")
    del bad["data"]["lines"][1]["product"]
    answer = caller.post(EVENTS, [event("evt-1"), bad, event("evt-3")], BATCH)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["stored"], body["refused"]) == (2, 1)
    refused = body["results"][1]
    assert refused["errors"][0]["pointer"] == "/data/lines/1/product"
    assert refused["errors"][0]["remedy"] == "Send product"
    case = Case.objects.get(id=refused["case"])
    assert (case.reason, case.source, case.business_key) == ("event_malformed", "webshop", "evt-2")
    assert json.loads(bytes(RawBody.objects.get(case=case).body)) == bad
    assert Event.objects.count() == 2


def test_sent_again_right_it_ends_its_case(caller: Caller) -> None:
    assert caller.post(EVENTS, event("evt-1", currency=1, data=order(currency="XXX"))).status_code == 422
    assert Case.objects.get().state == "open"
    assert caller.post(EVENTS, event("evt-1")).status_code == 202
    assert Case.objects.get().state == "resolved"


@pytest.mark.parametrize(
    ("bad", "good", "ends"),
    [
        pytest.param({"source": "webshop/eu"}, {"source": "webshop/us"}, False, id="another shop's"),
        pytest.param({"source": "webshop/eu"}, {"source": "webshop/eu"}, True, id="the same shop's"),
        pytest.param({"source": "webshop"}, {"source": "webshop/eu"}, False, id="one below it"),
        pytest.param({"source": "mail"}, {"source": "webshop"}, True, id="not its source, then its own"),
        pytest.param({"id": "x" * 80 + "-1"}, {"id": "x" * 80 + "-2"}, False, id="long ids that begin alike"),
        pytest.param({"id": "x" * 80 + "-1"}, {"id": "x" * 80 + "-1"}, True, id="a long id again"),
    ],
)
def test_a_good_event_ends_no_case_of_another(
    caller: Caller, bad: dict[str, str], good: dict[str, str], ends: bool
) -> None:
    """An event is its source and its id: two shops of one sender count their orders each from 1001."""
    document = order()
    del document["lines"][1]["product"]
    assert caller.post(EVENTS, event("1001", document) | bad).status_code in (403, 422)
    case = Case.objects.get()
    assert caller.post(EVENTS, event("1001") | good).status_code == 202
    case.refresh_from_db()
    assert (case.state == "resolved") is ends
    assert not ends or case.proof["event"] == str(Event.objects.get().id)


def test_the_same_again_is_a_duplicate_and_other_content_a_conflict(caller: Caller) -> None:
    first = caller.post(EVENTS, event()).json()
    again = caller.post(EVENTS, event())
    assert (again.status_code, again.json()["status"], again.json()["event_id"]) == (
        202,
        "duplicate",
        first["event_id"],
    )
    rewritten = caller.post(EVENTS, json.dumps(event(), indent=1, sort_keys=True).encode())
    assert rewritten.json()["status"] == "duplicate", "blanks and the order of members make no other fact"
    for _ in range(2):
        other = caller.post(EVENTS, event(data=order(term_months=24)))
        assert other.status_code == 409
        assert other["Content-Type"] == "application/problem+json"
        assert other.json()["event_id"] == first["event_id"]
    case = Case.objects.get()
    assert (case.reason, case.attempts, str(case.event_id)) == ("event_conflict", 2, first["event_id"])
    assert Event.objects.count() == 1
    assert Step.objects.count() == 1


def test_conflicts_and_repeats_inside_one_batch(caller: Caller) -> None:
    answer = caller.post(EVENTS, [event("a"), event("a"), event("a", data=order(term_months=3))], BATCH).json()
    assert [each["status"] for each in answer["results"]] == ["stored", "duplicate", "conflict"]


def test_idempotency_key_gives_the_same_answer_and_does_nothing_again(caller: Caller) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    bad = event("evt-2", type="Nonsense")
    first = caller.post(EVENTS, [event("evt-1"), bad], BATCH, **key)
    again = caller.post(EVENTS, [event("evt-1"), bad], BATCH, **key)
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert Case.objects.get().attempts == 1
    other = caller.post(EVENTS, [event("evt-1")], BATCH, **key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:q2c:problem:idempotency-key-reused")
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer q2c_wrong"}, 401), ({"Authorization": "Basic eDp5"}, 401)],
)
def test_without_a_good_key(headers: dict[str, str], status: int, db: None) -> None:
    answer = Client().generic("POST", EVENTS, line(), content_type="application/cloudevents+json", headers=headers)
    assert answer.status_code == status
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"
    assert not Event.objects.exists()


def test_keys_end(caller: Caller) -> None:
    key = ApiKey.objects.get()
    assert caller.post(EVENTS, event()).status_code == 202
    key.refresh_from_db()
    assert key.last_used_at is not None
    key.scopes = ["q2c.view_event"]
    key.save()
    assert caller.post(EVENTS, event()).status_code == 403
    key.revoke()
    answer = caller.post(EVENTS, event())
    assert (answer.status_code, answer.json()["detail"]) == (401, "This API key was revoked")


def test_a_source_belongs_to_its_key(caller: Caller) -> None:
    assert caller.post(EVENTS, event("evt-1", source="webshop/eu")).status_code == 202
    answer = caller.post(EVENTS, event("evt-2", source="salesforce"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/source")
    assert caller.post(EVENTS, event("evt-2", source="webshopper")).status_code == 403


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("text/plain", b"{}", 415, "content-type"),
        ("application/json", b"{}", 415, "content-type"),
        ("application/cloudevents+json; charset=latin-1", b"{}", 415, "charset"),
        ("application/cloudevents+json", b"x" * (1024 * 1024 + 1), 413, "too-large"),
        (BATCH, b"[" + b" " * 20_000_000 + b"]", 413, "too-large"),
        (BATCH, json.dumps([{}] * 1001).encode(), 413, "too-many"),
        (NDJSON, b"{}\n" * 10_001, 413, "too-many"),
    ],
)
def test_what_is_not_even_looked_at(caller: Caller, kind: str, body: bytes, status: int, code: str) -> None:
    answer = caller.post(EVENTS, body, kind)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:q2c:problem:{code}")
    assert answer.json()["remedy"]
    assert not Case.objects.exists()


@pytest.mark.parametrize("body", [b'[{"id": 1},', b'[{"id": "1]', b"[{]", b'{"id": 1}, {"id": 2}', b"[]]"])
def test_a_batch_that_is_no_array_is_kept_raw(caller: Caller, body: bytes) -> None:
    answer = caller.post(EVENTS, body, BATCH)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:q2c:problem:not-json")
    assert bytes(RawBody.objects.get().body) == body
    assert str(Case.objects.get().id) == answer.json()["case"]


def test_a_journey_of_another_system_is_not_joined(caller: Caller) -> None:
    mine = caller.post("/api/v1/events", event("mine-1")).json()["correlation_id"]
    # One's own goes on, below the source of the key, too.
    further = event("mine-2", order(order_number="SO-2"), correlationid=mine, source="webshop/eu")
    assert caller.post("/api/v1/events", further).json()["correlation_id"] == mine
    rogue = Caller(ApiKey.make("rogue", ["q2c.add_event", "q2c.add_order"])[1])
    theirs = [
        event(f"r-{i}", order(order_number=f"SO-R{i}"), source="rogue") | ({"correlationid": mine} if i < 2 else {})
        for i in range(3)
    ]
    single = rogue.post("/api/v1/events", theirs[0]).json()["correlation_id"]
    by_header = rogue.post("/api/v1/events", theirs[2], **{"X-Correlation-Id": mine}).json()["correlation_id"]
    among = rogue.post("/api/v1/events", [theirs[1]], "application/cloudevents-batch+json").json()
    placed = rogue.post("/api/v1/orders", order(order_number="SO-R9"), "application/json", **{"X-Correlation-Id": mine})
    ids = [single, by_header, among["results"][0]["correlation_id"], placed.json()["correlation_id"]]
    assert mine not in ids and len(set(ids)) == 4
    # What cannot be read neither.
    rogue.post("/api/v1/events", event("r-bad", {"x": 1}, source="rogue"), **{"X-Correlation-Id": mine})
    assert not Case.objects.filter(correlation_id=mine, source="rogue").exists()
    assert Case.objects.filter(source="rogue", business_key="r-bad").exists()
    of_mine = Event.objects.filter(correlation_id=mine).exclude(source="q2c")
    assert set(of_mine.values_list("source", flat=True)) == {"webshop", "webshop/eu"}
    # What they called it is kept as it came.
    assert json.loads(Event.objects.get(source_id="r-0").as_sent)["correlationid"] == mine
