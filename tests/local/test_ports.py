"""Two starts at once on one machine: each has a port of its own long before anything listens there."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from q2c.local import ports
from q2c.local.sandboxes import status
from q2c.local.stop import Stop

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that die with their holder")
DEFAULT = ports.any_free()


@contextlib.contextmanager
def chosen(wanted: int | None = None, remembered: int | None = None) -> Iterator[int]:
    held = ports.web_port(wanted, remembered, DEFAULT)
    try:
        yield held.port
    finally:
        held.release()


@linux
def test_two_that_have_chosen_and_do_not_listen_yet() -> None:
    with chosen() as first, chosen() as second, chosen(remembered=first) as third:
        assert len({first, second, third}) == 3
        with pytest.raises(Stop, match=f"Port {first} is taken"), chosen(wanted=first):
            pass
    with chosen() as again:
        assert again == first


@linux
def test_another_process_holds_it_until_it_dies() -> None:
    code = (
        f"import sys; from q2c.local import ports; held = ports.web_port(None, None, {DEFAULT}); "
        "print(held.port, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        with chosen() as ours:
            assert ours != theirs
    finally:
        other.kill()
        other.communicate()
    with chosen() as ours:
        assert ours == theirs


def test_what_is_held_can_be_listened_on_by_its_server() -> None:
    with chosen() as port, socket.create_server((ports.HOST, port)):
        assert ports.answers(ports.HOST, port)
        assert ports.hold(port) is None


class Somebody(BaseHTTPRequestHandler):
    """Another program, well in its own way."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Q2C-Instance", "theirs")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_answer_of_another_program_is_not_taken_for_ours() -> None:
    with HTTPServer((ports.HOST, 0), Somebody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://{ports.HOST}:{server.server_port}/healthz"
        assert (status(url), status(url, "theirs"), status(url, "ours")) == (200, 200, 0)
        server.shutdown()
