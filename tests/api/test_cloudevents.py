"""The CloudEvents SDK as referee: what it writes, in each mode, is taken and kept."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from q2c.models import Event
from tests.api.conftest import Caller
from tests.intake.documents import order

pytestmark = [pytest.mark.django_db, pytest.mark.referee]


def made(id_: str = "ce-1", **more: Any) -> CloudEvent:
    attributes = {
        "id": id_,
        "source": "webshop/süd €",
        "type": "OrderReceived",
        "specversion": "1.0",
        "time": dt.datetime(2026, 1, 5, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "datacontenttype": "application/json",
        "dataschema": "https://q2c.example/api/v1/schemas/OrderReceived.v1.json",
        "subject": "SO-1001",
        "correlationid": "11111111-1111-4111-8111-111111111111",
        **more,
    }
    return CloudEvent(attributes=attributes, data=order())


@pytest.mark.parametrize("mode", [http.to_structured_event, http.to_binary_event])
def test_single(caller: Caller, mode: Any) -> None:
    message = mode(made())
    headers = {str(name): value for name, value in message.headers.items()}
    kind = next(value for name, value in headers.items() if name.lower() == "content-type")
    others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    answer = caller.post("/api/v1/events", bytes(message.body), kind, **others)
    assert answer.status_code == 202, answer.content
    event = Event.objects.get()
    assert (event.source, event.source_id, event.type) == ("webshop/süd €", "ce-1", "OrderReceived")
    assert event.occurred_at == dt.datetime(2026, 1, 5, 10, 30, 15, 123456, tzinfo=dt.UTC)
    assert str(event.correlation_id) == "11111111-1111-4111-8111-111111111111"
    assert json.loads(event.payload) == order()
    assert event.as_sent.encode() == bytes(message.body)


def test_batch(caller: Caller) -> None:
    written = [bytes(JSONFormat().write(made(f"ce-{n}"))) for n in range(5)]
    body = b"[" + b" , ".join(written) + b"]"
    answer = caller.post("/api/v1/events", body, "application/cloudevents-batch+json")
    assert [each["status"] for each in answer.json()["results"]] == ["stored"] * 5
    assert {event.as_sent.encode() for event in Event.objects.all()} == set(written)


def test_what_we_kept_is_read_by_the_sdk(caller: Caller) -> None:
    message = http.to_structured_event(made())
    stored = caller.post("/api/v1/events", bytes(message.body)).json()["event_id"]
    back = caller.get(f"/api/v1/events/{stored}/sent")
    read = JSONFormat().read(None, back.content) if _takes_factory() else JSONFormat().read(CloudEvent, back.content)
    assert (read.get_id(), read.get_source(), read.get_data()) == ("ce-1", "webshop/süd €", order())


def _takes_factory() -> bool:
    return "event_factory" in JSONFormat.read.__code__.co_varnames


def test_data_in_base64(caller: Caller) -> None:
    event = CloudEvent(
        attributes={"id": "b", "source": "webshop", "type": "OrderReceived", "specversion": "1.0"},
        data=json.dumps(order()).encode(),
    )
    message = http.to_structured_event(event)
    assert b"data_base64" in bytes(message.body)
    assert caller.post("/api/v1/events", bytes(message.body)).status_code == 202
    assert json.loads(Event.objects.get().payload) == order()
    assert Event.objects.get().as_sent.encode().startswith(bytes(message.body)[:20])
