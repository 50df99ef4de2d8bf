"""The time limit of a call is one of the whole call, however the platform spreads what it says, over TLS too."""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from q2c.connectors import http, wire
from q2c.connectors.http import Http, Lost, NotSent, calling
from q2c.connectors.ports import ConnectionConfig
from tests.connectors.slow_server import Serve, certificate, read_request, serving, silent, trickle

LIMIT_S = 0.6
# What a busy machine may take beside it, and for what does not wait.
LATE_S = 1.2
AMPLE_S = 10.0
EVERY_S = 0.05
# Nothing that trickles ends before this by itself.
PIECES = 60
# The most bytes of a record of TLS.
RECORD = 2**14
Platform = Callable[..., Any]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    context, trusted = certificate(tmp_path_factory.mktemp("tls"))
    return context, str(trusted)


@pytest.fixture(params=["http", "https"])
def platform(
    request: pytest.FixtureRequest, tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """platform(serve) → the way to it, as a context."""
    monkeypatch.setenv("Q2C_CA_BUNDLE", tls[1])
    secure = request.param == "https"

    @contextmanager
    def made(serve: Serve, **how: Any) -> Iterator[Http]:
        with serving(serve, tls[0] if secure else None, **how) as port:
            yield to(f"{request.param}://127.0.0.1:{port}")

    return made


def to(address: str) -> Http:
    return Http(ConnectionConfig(name="slow", vendor="credit", base_url=address, time_limit_s=LIMIT_S))


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - began < LIMIT_S + LATE_S


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "body": [OK + b"Content-Length: 1000\r\n\r\n", *[b" "] * PIECES],
    "body until the connection ends": [OK + b"\r\n", *[b" "] * PIECES],
    "chunks": [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * PIECES],
    "size of a chunk": [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"0"] * PIECES],
    "status": [b"HTTP/1.1 200 O", *[b"K"] * PIECES],
    "headers": [OK, *[b"X-A: b\r\n"] * PIECES],
    "100 Continue": [b"HTTP/1.1 100 Continue\r\n\r\n"] * PIECES,
    "body of a redirect": [b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 1000\r\n\r\n", *[b" "] * PIECES],
}


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_trickles_is_lost_when_the_time_is_over(platform: Platform, pieces: list[bytes]) -> None:
    def serve(connection: socket.socket, _: int) -> None:
        read_request(connection)
        trickle(connection, pieces, EVERY_S)

    with platform(serve) as way, pytest.raises(Lost), in_time():
        way.send("GET", "/a")


def test_an_answer_in_pieces_is_whole_when_it_comes_in_time(platform: Platform) -> None:
    def serve(connection: socket.socket, _: int) -> None:
        read_request(connection)
        trickle(connection, [b"HTTP/1.1 100 Continue\r\n\r\n", OK, b"Content-Length: 3\r\n\r\n", b"a", b"bc"], EVERY_S)

    with platform(serve) as way:
        assert way.send("GET", "/a", time_limit_s=AMPLE_S).body == b"abc"


def test_a_request_that_is_read_slowly_takes_of_the_time_of_its_answer(platform: Platform) -> None:
    body = b" " * 8_000_000

    def serve(connection: socket.socket, _: int) -> None:
        time.sleep(0.7 * LIMIT_S)
        left = len(body)
        while left > 0 and (more := connection.recv(1 << 20)):
            left -= len(more)
        time.sleep(0.7 * LIMIT_S)
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    with platform(serve) as way, pytest.raises(Lost), in_time():
        way.send("POST", "/a", body=body)


def test_a_request_that_is_never_read_is_lost_when_the_time_is_over(platform: Platform) -> None:
    def serve(connection: socket.socket, _: int) -> None:
        for _ in range(PIECES):
            connection.recv(1000)
            time.sleep(EVERY_S)

    with platform(serve) as way, pytest.raises(Lost), in_time():
        way.send("POST", "/a", body=b" " * 8_000_000)


def test_a_request_of_which_a_record_is_read_now_and_then_is_lost_when_the_time_is_over(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wait for one of them comes near the limit, since the systems keep little of what is sent."""
    connect = wire.create_connection

    def little(address: tuple[str, int], limit_s: float, socket_options: Any) -> socket.socket:
        options = [*socket_options, (socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)]
        return connect(address, limit_s, socket_options=options)

    monkeypatch.setattr(wire, "create_connection", little)

    def serve(connection: socket.socket, _: int) -> None:
        for _ in range(PIECES):
            connection.recv(RECORD)
            time.sleep(2 * EVERY_S)

    with platform(serve) as way, pytest.raises(Lost), in_time():
        way.send("POST", "/a", body=b" " * 8_000_000)


def test_a_slow_handshake_takes_of_the_time_of_the_answer(tls: tuple[ssl.SSLContext, str], monkeypatch: Any) -> None:
    monkeypatch.setenv("Q2C_CA_BUNDLE", tls[1])

    def serve(connection: socket.socket, _: int) -> None:
        read_request(connection)
        time.sleep(0.7 * LIMIT_S)
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    with serving(serve, tls[0], handshake_after_s=0.7 * LIMIT_S) as port, pytest.raises(Lost), in_time():
        to(f"https://127.0.0.1:{port}").send("GET", "/a")


def test_a_handshake_that_trickles_sends_nothing() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        trickle(connection, [b"\x16\x03\x03\x3f\xff", *[b"\x02"] * PIECES], EVERY_S)

    with serving(serve) as port, pytest.raises(NotSent), in_time():
        to(f"https://127.0.0.1:{port}").send("GET", "/a")


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """named(*addresses): platform.example has these."""
    real = socket.getaddrinfo

    def name(*addresses: str) -> None:
        def found(host: str, *args: Any) -> list[Any]:
            hosts = addresses if host == "platform.example" else (host,)
            return list(itertools.chain.from_iterable(real(each, *args) for each in hosts))

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return name


def test_all_addresses_of_a_name_share_the_limit(named: Callable[..., None]) -> None:
    def serve(connection: socket.socket, _: int) -> None:
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    named("127.0.0.2", "127.0.0.3", "127.0.0.2")
    with serving(serve) as port, silent("127.0.0.2", port), silent("127.0.0.3", port):
        with pytest.raises(NotSent), in_time():
            to(f"http://platform.example:{port}").send("GET", "/a")
        named("127.0.0.2", "127.0.0.1")
        assert to(f"http://platform.example:{port}").send("GET", "/a", time_limit_s=2 * LATE_S).ok


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'a' * 64}.example"])
def test_a_name_that_has_no_address_sends_nothing(host: str) -> None:
    with pytest.raises(NotSent):
        to(f"http://{host}").send("GET", "/a")


def test_whose_time_was_over_before_a_byte_left_sends_nothing(platform: Platform) -> None:
    received = []

    def serve(connection: socket.socket, _: int) -> None:
        received.append(read_request(connection))

    def slow_to_allow() -> bool:
        time.sleep(LIMIT_S)
        return True

    with platform(serve) as way, calling("", while_=slow_to_allow), pytest.raises(NotSent):
        way.send("POST", "/a", body=b"{}")
    assert not any(received)


def test_a_connection_is_kept_and_one_whose_time_was_over_is_not(platform: Platform) -> None:
    """What comes late on the old one is not taken for the answer of the next request."""
    asked: list[tuple[int, str]] = []

    def serve(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            path = request.split()[1].decode()
            asked.append((number, path))
            if path == "/slow":
                trickle(connection, [OK + b"Content-Length: 20\r\n\r\n", *[b"x"] * 20], EVERY_S)
            else:
                connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(path), path.encode()))

    with platform(serve) as way:
        for path in ("/1", "/2"):
            assert way.send("GET", path, time_limit_s=AMPLE_S).text == path
        with pytest.raises(Lost):
            way.send("GET", "/slow")
        for path in ("/3", "/4"):
            assert way.send("GET", path, time_limit_s=AMPLE_S).text == path
    assert asked == [(1, "/1"), (1, "/2"), (1, "/slow"), (2, "/3"), (2, "/4")]


def _moved(location: bytes) -> Serve:
    def serve(connection: socket.socket, _: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 5\r\n\r\nthere" % location)

    return serve


@pytest.mark.parametrize("location", [b"/b", b"https://[", b"//", b""])
def test_a_redirect_is_an_answer_like_others(location: bytes) -> None:
    """It is not followed, so where it leads to need not be an address."""
    with serving(_moved(location)) as port:
        answer = to(f"http://127.0.0.1:{port}").send("GET", "/a", time_limit_s=AMPLE_S)
    assert (answer.status, answer.body, answer.headers["location"]) == (302, b"there", location.decode())


def test_a_redirect_has_no_more_bytes_than_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_MAX", 4)
    with serving(_moved(b"/b")) as port, pytest.raises(Lost, match="more than 4 bytes"):
        to(f"http://127.0.0.1:{port}").send("GET", "/a", time_limit_s=AMPLE_S)
