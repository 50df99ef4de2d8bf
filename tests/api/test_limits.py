"""The exact edges of what is taken, and nul characters wherever a request can carry one."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from exceptions.models import Case, RawBody
from q2c.api import parsing
from q2c.api.problems import Problem
from q2c.models import ApiKey, Event, Order, Step
from tests.api.conftest import Caller
from tests.api.test_bad_input import EVENTS, ORDERS
from tests.intake.documents import event, line, order

pytestmark = pytest.mark.django_db


def numbered(count: int) -> list[dict[str, Any]]:
    """Deals of their own, as small as they can be."""
    data = order()
    del data["lines"][1]
    return [event(f"e-{i}", data={**data, "order_number": f"SO-{i}"}) for i in range(count)]


def test_a_thousand_events_at_once_and_not_one_more(caller: Caller) -> None:
    events = numbered(parsing.BATCH_ITEMS_MAX + 1)
    over = caller.post(EVENTS, events, parsing.BATCH)
    assert (over.status_code, over.json()["type"], over.json()["most"]) == (413, "urn:q2c:problem:too-many", 1000)
    assert over.json()["detail"] == "1,001 events are too many"
    assert over.json()["remedy"] == "Send at most 1,000 at once; nothing was taken"
    assert not Event.objects.exists()
    taken = caller.post(EVENTS, events[:-1], parsing.BATCH)
    assert (taken.status_code, taken.json()["stored"], len(taken.json()["results"])) == (202, 1000, 1000)
    assert (Event.objects.count(), Step.objects.count()) == (1000, 1000)


def test_ten_thousand_lines_at_once_and_not_one_more(caller: Caller) -> None:
    lines = [json.dumps(one).encode() for one in numbered(parsing.LINE_ITEMS_MAX + 1)]
    over = caller.post(EVENTS, b"\n".join(lines), parsing.NDJSON)
    assert (over.status_code, over.json()["type"], over.json()["most"]) == (413, "urn:q2c:problem:too-many", 10_000)
    assert over.json()["detail"] == "10,001 lines are too many"
    assert not Event.objects.exists()
    # Blank lines and the end of the last one count for nothing.
    body = b"\n\n".join(lines[:-1]) + b"\n"
    taken = caller.post(EVENTS, body, parsing.NDJSON)
    assert (taken.status_code, taken.json()["stored"]) == (202, 10_000)
    assert Event.objects.get(source_id="e-9999").as_sent.encode() == lines[9999]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'["' + b"a" * (parsing.BATCH_MAX - 10) + b'"', 1), (b'["' + b"\\n" * (parsing.BATCH_MAX // 2 - 5) + b"x]", 1),
        (b"[" + b"," * (parsing.BATCH_MAX - 10) + b"]", 0),
    ],
    ids=["one text without an end", "one text of escapes", "commas"],
)  # fmt: skip
def test_a_batch_of_megabytes_that_is_none_costs_no_more_than_its_size(body: bytes, kept: int) -> None:
    """Two of them at once took every web process 2 GB and 12 s."""
    tracemalloc.start()
    try:
        if kept:
            items, _ = parsing._batch(body)
            assert [len(item.body) for item in items] == [len(body)]
        else:
            with pytest.raises(Problem, match="too many"):
                parsing._batch(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(body)


@pytest.mark.parametrize("over", [0, 1])
def test_an_event_of_a_mebibyte_and_not_one_byte_more(caller: Caller, over: int) -> None:
    body = line("big")
    body += b" " * (parsing.EVENT_MAX - len(body) + over)
    answer = caller.post(EVENTS, body)
    assert answer.status_code == (413 if over else 202), answer.content


@pytest.mark.parametrize("over", [0, 1])
def test_a_line_of_a_mebibyte_is_taken_and_a_longer_one_is_kept_whole(caller: Caller, over: int) -> None:
    body = line("big")
    body += b" " * (parsing.EVENT_MAX - len(body) + over)
    answer = caller.post(EVENTS, line("small") + b"\n" + body, parsing.NDJSON).json()
    assert [each["status"] for each in answer["results"]] == ["stored", "refused" if over else "stored"]
    if over:
        (fault,) = answer["results"][1]["errors"]
        assert (fault["code"], fault["detail"]) == ("too_large", "It has 1,048,577 bytes")
        case = Case.objects.get(id=answer["results"][1]["case"])
        assert (case.reason, bytes(RawBody.objects.get(case=case).body)) == ("event_malformed", body)


READING = ["q2c.view_event", "q2c.view_order", "q2c.view_invoice", "ledger.view_journalentry", "exceptions.view_case"]


@pytest.mark.parametrize(
    "query",
    [f"{noun}?{name}=a%00b" for noun in ("events", "orders", "invoices", "journals", "cases") for name in ("cursor", "limit", "correlation_id")]
    + ["cases?q=reason:a%00b", "orders?number=%00", "journals?state=%00", "events?received_from=%00", "trace?q=%00", "trace?q=SO-1%00"],
)  # fmt: skip
def test_a_nul_character_in_a_query_is_named(query: str) -> None:
    reader = Caller(ApiKey.make("reader", READING)[1])
    answer = reader.client.get(f"/api/v1/{query}", headers=reader.headers)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["type"] in ("urn:q2c:problem:nul-character", "urn:q2c:problem:unknown-filter")


@pytest.mark.parametrize(
    "path", ["events/%00", "orders/a%00b", "events/%00/sent", "journals/%00/explain", "schemas/%00"]
)
def test_a_nul_character_in_an_address_finds_nothing(path: str) -> None:
    reader = Caller(ApiKey.make("reader", [*READING, "q2c.add_event"])[1])
    assert reader.client.get(f"/api/v1/{path}", headers=reader.headers).status_code == 404


def test_a_nul_character_in_the_name_of_a_member(caller: Caller) -> None:
    odd = line("1")[:-1] + b', "re\\u0000mark": 1}'
    answer = caller.post(EVENTS, odd)
    assert answer.status_code == 400, answer.content
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["code"], fault["pointer"]) == (400, "nul_character", "")
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"ce-id": "a%00b"}, {"ce-source": "webshop%00"}, {"ce-type": "OrderReceived%00"}, {"ce-time": "%00"},
        {"ce-dataschema": "%00"}, {"ce-specversion": "%00"},
    ],
    ids=lambda given: next(iter(given)),
)  # fmt: skip
def test_a_nul_character_in_binary_mode(caller: Caller, headers: dict[str, str]) -> None:
    usual = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "webshop", "ce-type": "OrderReceived"}
    answer = caller.post(EVENTS, order(), parsing.JSON, **(usual | headers))
    assert answer.status_code in (403, 422), answer.content
    assert (answer.json()["errors"][0]["pointer"], Event.objects.count()) == (f"/{next(iter(headers))[3:]}", 0)


def test_a_nul_character_in_an_idempotency_key(caller: Caller) -> None:
    answer = caller.post(EVENTS, line(), **{"Idempotency-Key": "a\0b"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:q2c:problem:idempotency-key")


SCOPES = ["q2c.add_order", "exceptions.view_case", "exceptions.work_case", "q2c.read_every_system"]


def test_a_nul_character_in_an_order_and_in_a_comment(caller: Caller) -> None:
    shop = Caller(ApiKey.make("shop", SCOPES)[1])
    body = json.dumps(order(order_number="SO-\0")).encode()
    answer = shop.post(ORDERS, body, "application/json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/order_number")
    assert not Order.objects.exists()
    caller.post(EVENTS, b"not JSON")
    case = Case.objects.get()
    answer = shop.post(f"/api/v1/cases/{case.id}/comment", {"text": "a\0b"}, "application/json")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:q2c:problem:nul-character"), answer.content
