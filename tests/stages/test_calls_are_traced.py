"""What leaves for a platform says whose journey it belongs to, so that its own logs can be laid beside ours."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator

import pytest

from q2c.connectors.http import Http, calling
from q2c.connectors.ports import ConnectionConfig
from q2c.models import Connection, Event
from tests.connectors.slow_server import read_request, serving
from tests.stages.conftest import Desk

Headers = dict[str, str]


@pytest.fixture
def platform() -> Iterator[tuple[str, list[Headers]]]:
    """(its address, the headers of each request that arrived there); it allows none."""
    arrived: list[Headers] = []

    def serve(connection: socket.socket, _: int) -> None:
        while request := read_request(connection):
            told, _, body = request.partition(b"\r\n\r\n")
            lines = (line.partition(": ") for line in told.decode().split("\r\n")[1:])
            arrived.append(headers := {name.lower(): value for name, _, value in lines})
            while len(body) < int(headers.get("content-length", 0)):
                body += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    with serving(serve) as port:
        yield f"http://127.0.0.1:{port}", arrived


def parent_of(headers: Headers) -> tuple[str, str]:
    """(trace id, id of the call) of a W3C traceparent, sampled."""
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", headers["traceparent"])
    assert found, headers
    assert set(found[1]) != {"0"} and set(found[2]) != {"0"}, "W3C knows no trace and no call of zeros"
    return found[1], found[2]


@pytest.mark.django_db(transaction=True)
def test_the_call_of_a_step_carries_the_journey_of_its_order(desk: Desk, platform: tuple[str, list[Headers]]) -> None:
    address, arrived = platform
    Connection.objects.filter(name="credit").update(base_url=address)
    desk.comes()
    desk.works()
    journey = Event.objects.get(type="OrderReceived").correlation_id
    assert desk.step.correlation_id == journey
    assert {headers["x-correlation-id"] for headers in arrived} == {str(journey)}
    assert {parent_of(headers)[0] for headers in arrived} == {journey.hex}


def test_calls_of_one_journey_share_its_trace_and_each_is_a_call_of_its_own(
    platform: tuple[str, list[Headers]],
) -> None:
    address, arrived = platform
    way, journey = Http(ConnectionConfig(name="p", vendor="credit", base_url=address)), uuid.uuid4()
    with calling(journey):
        way.send("GET", "/a")
        way.send("POST", "/b", body=b"{}", headers={"Idempotency-Key": "k"})
    # Nobody's journey: what is asked all the same can be told apart from what else is.
    way.send("GET", "/c")
    first, second, alone = arrived
    assert first["x-correlation-id"] == second["x-correlation-id"] == str(journey)
    assert parent_of(first)[0] == parent_of(second)[0] == journey.hex
    assert parent_of(first)[1] != parent_of(second)[1]
    assert second["idempotency-key"] == "k"
    assert uuid.UUID(alone["x-correlation-id"]).hex == parent_of(alone)[0] != journey.hex
