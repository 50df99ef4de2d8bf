"""The web's worker: a thread is given to a request that has come, not to one that is still coming.

gunicorn's gthread reads head and body on the thread that answers, for as long as the sender likes: as many senders that
say a byte now and then as there are threads, and nobody is answered any more. Here the loop that waits for all
connections gathers each request first, and cuts off what comes too slowly. What only a reader can tell the end of
(large, in chunks, waiting to be told to go on) is read on a thread as before, against the same clock, and holds at most
half of the threads. Answers that are not read are given up as well. TLS and HTTP/2 are the proxy's.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http import get_parser
from gunicorn.workers import gthread

# What is gathered at most before a thread reads on.
HELD_MAX = 256 * 1024
READ_AT_ONCE = 64 * 1024
# A slow sender or reader gets this much more than its seconds: a second for each so many bytes.
BYTES_A_SECOND = 16 * 1024
SEND_S = 30.0
# As long as gunicorn waits for a client to see the end of its answer.
LINGER_S = 2.0
LOOK_EVERY_S = 0.25
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class TimedSocket(socket.socket):
    """Reads a request within its time, and gives up on an answer that nobody reads. Raises TimeoutError."""

    request_s = 20.0
    _begun = 0.0
    _received = 0

    def begin(self) -> None:
        self._begun, self._received = time.monotonic(), 0

    def left_s(self) -> float:
        return self._begun + self.request_s + self._received / BYTES_A_SECOND - time.monotonic()

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        given = self.gettimeout()
        if given == 0:
            data = super().recv(bufsize, flags)
        else:
            left = self.left_s()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "the request comes too slowly")
            data = self._within(left if given is None else min(left, given), super().recv, bufsize, flags)
        self._received += len(data)
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        return self._within(SEND_S, super().send, data, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        return self._within(SEND_S + len(data) / BYTES_A_SECOND, super().sendall, data, flags)

    def _within(self, seconds: float, do: Any, *arguments: Any) -> Any:
        given = self.gettimeout()
        if given == 0:
            return do(*arguments)
        self.settimeout(seconds)
        try:
            return do(*arguments)
        finally:
            self.settimeout(given)


class Arriving(gthread.TConn):
    """A connection whose next request is being gathered."""

    parser: Any
    sock: Any

    def __init__(self, worker: GatheringWorker, *arguments: Any) -> None:
        super().__init__(worker.cfg, *arguments)
        self.worker = worker
        self.reads_on = self.leaving = False
        self.begin()

    def begin(self) -> None:
        """What the last request's reader took too much of is the beginning of this one."""
        self.arrived = bytearray(self.parser.unreader.take_buffered() if self.parser else b"")
        self._searched, self._whole = 0, -1
        self.sock.begin()
        self.sock.setblocking(False)

    def gather(self) -> str:
        """ "all" of a request has come, "some" that its reader must judge, or it is "gone"; else nothing to do yet."""
        while not (come := self._come()):
            try:
                data = self.sock.recv(READ_AT_ONCE)
            except BlockingIOError:
                return ""
            except OSError:
                return "gone"
            if not data:
                return "gone"
            self.arrived += data
        return come

    def _come(self) -> str:
        if self._whole < 0:
            head = self.arrived.find(b"\r\n\r\n", self._searched)
            self._searched = max(0, len(self.arrived) - 3)
            if head >= 0:
                length = _length_of(bytes(self.arrived[: head + 2]))
                if length is None:
                    return "some"
                self._whole = head + 4 + length
        if 0 <= self._whole <= len(self.arrived):
            return "all"
        return "some" if len(self.arrived) >= HELD_MAX else ""

    def hand_over(self) -> None:
        """gunicorn's own parser reads what was gathered, then on from the socket."""
        if self.parser is None:
            self.parser = get_parser(self.cfg, self.sock, self.client)
            self.initialized = True
        self.parser.unreader.unread(bytes(self.arrived))
        self.arrived = bytearray()

    def drained(self) -> bool:
        """Of a client that was answered: whether it is gone, or has said more than is listened to."""
        try:
            data = self.sock.recv(READ_AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not data or len(data) == READ_AT_ONCE

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.linger(self)
        else:
            super().close()


def _length_of(head: bytes) -> int | None:
    """Of the body; None where only a reader can tell."""
    found = _FRAMING.findall(head)
    if not found:
        return 0
    (name, value), *more = found
    value = value.rstrip(b" \t")
    return int(value) if not more and name.lower() == b"content-length" and re.fullmatch(rb"\d{1,18}", value) else None


class GatheringWorker(gthread.ThreadWorker):
    """gthread, but for how requests come in. All of it runs in the worker's one loop."""

    socket_class = TimedSocket

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        # Those that a thread must read on, and that have none yet; and how many have.
        self.queued: deque[Arriving] = deque()
        self.reading_on = 0
        self._looked_at = 0.0

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        timed = self.socket_class(fileno=client.detach())
        self._next(Arriving(self, timed, address, listener.getsockname()))

    def enqueue_req(self, conn: Arriving) -> None:
        """A connection that was kept has something to read again."""
        conn.begin()
        self._next(conn)

    def _next(self, conn: Arriving) -> None:
        if come := conn.gather():
            self._go_on(conn, come)
        else:
            self._watch(conn)

    def _watch(self, conn: Arriving) -> None:
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Arriving, client: Any) -> None:
        come = ("gone" if conn.drained() else "") if conn.leaving else conn.gather()
        if come:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._go_on(conn, come)

    def _go_on(self, conn: Arriving, come: str) -> None:
        if come == "gone":
            self.nr_conns -= 1
            conn.close()
        elif come == "all":
            self._answer(conn)
        elif self.reading_on < max(1, self.cfg.threads // 2):
            self._read_on(conn)
        else:
            self.queued.append(conn)

    def _answer(self, conn: Arriving) -> None:
        conn.hand_over()
        super().enqueue_req(conn)

    def _read_on(self, conn: Arriving) -> None:
        self.reading_on += 1
        conn.reads_on = True
        conn.sock.begin()
        self._answer(conn)

    def finish_request(self, conn: Arriving, fs: Future[Any]) -> None:
        if conn.reads_on:
            conn.reads_on = False
            self.reading_on -= 1
            if self.queued:
                self._read_on(self.queued.popleft())
        super().finish_request(conn, fs)

    def linger(self, conn: Arriving) -> None:
        """The end of an answer is heard before the connection is; gunicorn waits for it in this loop, for everybody."""
        self.nr_conns += 1
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            self._go_on(conn, "gone")
        else:
            conn.leaving, conn.timeout = True, time.monotonic() + LINGER_S
            self._watch(conn)

    def murder_pending(self) -> None:
        """Cut off what comes too slowly, and what has been answered for long enough."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        for conn in [conn for conn in self.pending_conns if (conn.timeout <= now if conn.leaving else _late(conn))]:
            self.pending_conns.remove(conn)
            self.poller.unregister(conn.sock)
            self._cut_off(conn)
        for conn in [conn for conn in self.queued if _late(conn)]:
            self.queued.remove(conn)
            self._cut_off(conn)

    def _cut_off(self, conn: Arriving) -> None:
        if conn.arrived and not conn.leaving:
            with suppress(OSError):
                conn.sock.send(_TOO_SLOW)
        self._go_on(conn, "gone")


def _late(conn: Arriving) -> bool:
    return bool(conn.sock.left_s() <= 0)
