"""Senders that take their time keep nobody else waiting: a real gunicorn with fewer threads than they are."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from q2c.local import places

THREADS, SENDERS = 4, 24
SIGN_IN = (
    b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken=abcdefghijklmnopqrstuvwxyzABCDEF\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
LIMIT_S = 1.5


@contextmanager
def _gunicorn(application: str) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        command = [
            sys.executable, "-m", "gunicorn", "-c", "python:q2c.serving", application, "--workers", "1",
            "--threads", str(THREADS), "--worker-class", "tests.ops.hasty.HastyWorker", "--no-control-socket",
            "--bind", f"fd://{listening.fileno()}", "--graceful-timeout", "1",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=places.ROOT, env=dict(os.environ), pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = listening.getsockname()[1]
            # The socket listens already: the first answer comes when the application is there.
            assert _get(port, "/healthz", timeout=60)[0] in (200, 404)
            yield port
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with _gunicorn("q2c.wsgi:application") as port:
        yield port


def _get(port: int, path: str, timeout: float) -> tuple[int, float]:
    begun = time.monotonic()
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    asked.request("GET", path)
    answer = asked.getresponse()
    answer.read()
    asked.close()
    return answer.status, time.monotonic() - begun


def _senders(stack: ExitStack, port: int, begun: bytes) -> list[socket.socket]:
    senders = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(SENDERS)]
    for sender in senders:
        sender.sendall(begun)
    time.sleep(0.2)
    return senders


def _till_closed(sender: socket.socket) -> bytes:
    heard = b""
    try:
        while data := sender.recv(65536):
            heard += data
    except ConnectionResetError:
        pass
    return heard


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /sign-in HTTP/1.1\r\nHost: 127.0",
        SIGN_IN + b"Content-Length: 100\r\n\r\nusername=a",
        SIGN_IN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nusern",
        SIGN_IN + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        SIGN_IN + b"Content-Length: 1000000\r\n\r\nusername=" + b"a" * 300_000,
    ],
    ids=["nothing", "half a head", "half a body", "chunks", "continue", "large"],
)
def test_slow_senders_are_cut_off_and_keep_nobody_waiting(port: int, begun: bytes) -> None:
    with ExitStack() as stack:
        senders = _senders(stack, port, begun)
        for _ in range(5):
            status, took_s = _get(port, "/healthz", timeout=5)
            assert (status, took_s < 1) == (200, True), f"{status} after {took_s:.1f} s"
        first = time.monotonic()
        _till_closed(senders[0])
        assert time.monotonic() - first < LIMIT_S + 2
        if begun and b"Expect" not in begun and len(begun) < 300 and b"chunked" not in begun:
            assert all(_till_closed(sender).startswith(b"HTTP/1.1 408 ") for sender in senders[1:])
    assert _get(port, "/healthz", timeout=5)[0] == 200


def test_a_drip_does_not_move_the_limit(port: int) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 5) as sender:
        sender.sendall(SIGN_IN + b"Content-Length: 1000\r\n\r\n")
        sender.settimeout(0.2)
        while time.monotonic() - begun < 6:
            try:
                if sender.recv(100):
                    break
            except TimeoutError:
                sender.sendall(b"a")
    assert LIMIT_S <= time.monotonic() - begun < LIMIT_S + 2


def test_what_comes_in_pieces_and_one_behind_the_other_is_answered(port: int) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as sender:
        for piece in (get[:9], get[9:] + b"\r", b"\n" + get + b"\r\n" + get, b"Connection: close\r\n\r\n"):
            sender.sendall(piece)
            time.sleep(0.05)
        assert _till_closed(sender).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("size", [0, 10, 300_000, 3_000_000])
def test_whole_bodies_arrive_whole(echo: int, size: int, chunked: bool) -> None:
    body = os.urandom(size)
    asked = http.client.HTTPConnection("127.0.0.1", echo, timeout=20)
    for _ in range(2):
        sent = iter([body[:7], body[7:]] if size else []) if chunked else body
        asked.request(
            "POST", "/", body=sent, encode_chunked=chunked, headers={"Transfer-Encoding": "chunked"} if chunked else {}
        )
        answer = asked.getresponse()
        assert (answer.status, answer.read()) == (200, body)
    asked.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with _gunicorn("tests.ops.hasty:echo") as port:
        yield port
