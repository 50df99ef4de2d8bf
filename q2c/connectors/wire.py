"""The wire under http.py: sessions whose connections note the moment from which on a platform may see a request."""

from __future__ import annotations

import contextvars
import os
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from q2c import points
from q2c.connectors import calls


class TransportError(Exception):
    """No answer, or not a whole one. The text is for people."""


class NotSent(TransportError):
    """No byte of the request left: name not resolved, refused, no connection in time, TLS failed, no free place."""


class Lost(TransportError):
    """The request left and no whole answer came: it may have been done."""


@dataclass(slots=True)
class Wire:
    """Whether a byte of the current request may have left. `changes`: it is a step's, and no mere reading."""

    changes: bool = False
    sent: bool = False


current: contextvars.ContextVar[Wire | None] = contextvars.ContextVar("q2c_wire", default=None)


class _Marks:
    """Of a urllib3 connection."""

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[has-type,attr-defined]
            self.connect()  # type: ignore[attr-defined]
        wire = current.get()
        if wire is not None and not wire.sent:
            if wire.changes:
                points.reach("before_send")
            if not calls.may_leave():
                raise NotSent("whoever makes this call must not make it any more")
            wire.sent = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        wire = current.get()
        if wire is not None and wire.changes:
            points.reach("after_send")
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Marks, urllib3.connection.HTTPConnection):
    sock: Any


class _TlsConnection(_Marks, urllib3.connection.HTTPSConnection):
    sock: Any


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection  # type: ignore[assignment]


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def session(places: int) -> requests.Session:
    """No proxies, cookies, redirects or retries; as many kept connections as places."""
    made = requests.Session()
    made.trust_env = False
    made.verify = os.environ.get("Q2C_CA_BUNDLE") or True
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=4, pool_maxsize=places, max_retries=0)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    made.headers.clear()
    made.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "q2c"})
    return made
