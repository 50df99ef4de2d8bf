"""The wire under http.py: sessions whose connections note the moment from which on a platform may see a request, and
wait for nothing longer than the call may still take.

A socket's limit is that of one wait, so whoever sends a byte now and then could hold a call for ever. Here it is set
anew before each wait, to what is left of the call. Only the system's resolver of names cannot be cut short; what it
takes counts.
"""

from __future__ import annotations

import contextvars
import http.client
import io
import os
import socket
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.connection import allowed_gai_family, create_connection

from q2c import points
from q2c.connectors import calls

# Of a connection to one address, and of its TLS handshake.
CONNECT_S_MAX = 5.0


class TransportError(Exception):
    """No answer, or not a whole one. The text is for people."""


class NotSent(TransportError):
    """No byte of the request left: name not resolved, refused, no connection in time, TLS failed, no free place."""


class Lost(TransportError):
    """The request left and no whole answer came: it may have been done."""


@dataclass(slots=True)
class Wire:
    """The current request: when its time is over (`time.monotonic()`), and whether a byte of it may have left.
    `changes`: it is a step's, and no mere reading.
    """

    until: float
    changes: bool = False
    sent: bool = False

    def left_s(self) -> float:
        """More than none, since a socket takes 0 for "do not wait". Raises TimeoutError."""
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the time limit is over")
        return left_s


current: contextvars.ContextVar[Wire] = contextvars.ContextVar("q2c_wire")


class _Received(io.RawIOBase):
    """What comes out of a socket."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(current.get().left_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_Received(sock, self.fp.detach()))


class _Limited:
    """Of a urllib3 connection."""

    response_class: Any = _Response

    def _new_conn(self) -> socket.socket:
        """The addresses of a name share what is left, so that one that is silent leaves time for the next."""
        wire, failed = current.get(), OSError("the name has no address")
        found = _addresses(self._dns_host, self.port)  # type: ignore[attr-defined]
        for untried, address in zip(range(len(found), 0, -1), found, strict=True):
            limit_s = min(CONNECT_S_MAX, wire.left_s() / untried)
            try:
                sock = create_connection(address, limit_s, socket_options=self.socket_options)  # type: ignore[attr-defined]
            except OSError as error:
                failed = error
            else:
                self.sock = sock
                # For the handshake of TLS, all of whose waits have one limit.
                sock.settimeout(min(CONNECT_S_MAX, wire.left_s()))
                return sock
        raise failed

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[has-type,attr-defined]
            self.connect()  # type: ignore[attr-defined]
        wire = current.get()
        if not wire.sent:
            if wire.changes:
                points.reach("before_send")
            if not calls.may_leave():
                raise NotSent("whoever makes this call must not make it any more")
        # All that one call of it sends has one limit, over TLS too: a write ends once all of its records have left.
        self.sock.settimeout(wire.left_s())  # type: ignore[has-type,attr-defined]
        wire.sent = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        if current.get().changes:
            points.reach("after_send")
        return super().getresponse()  # type: ignore[misc]


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Each numeric, so that no name is asked for again. Raises OSError."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name of a host") from error
    return [(str(address[0]), port) for *_, address in found]


class _Connection(_Limited, urllib3.connection.HTTPConnection):
    sock: Any


class _TlsConnection(_Limited, urllib3.connection.HTTPSConnection):
    sock: Any


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection  # type: ignore[assignment]


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        """None: asked for also where none is followed, and then the whole body is read and the address taken apart."""


def session(places: int) -> requests.Session:
    """No proxies, cookies, redirects or retries; as many kept connections as places."""
    made = _Session()
    made.trust_env = False
    made.verify = os.environ.get("Q2C_CA_BUNDLE") or True
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=4, pool_maxsize=places, max_retries=0)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    made.headers.clear()
    made.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "q2c"})
    return made
