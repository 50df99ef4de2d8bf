"""Free ports on the loopback address, kept from start to start where they are still free."""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path

from q2c.local import places
from q2c.local.stop import Stop

HOST = "127.0.0.1"
_TRIED_MAX = 50


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_free() -> int:
    """Free now. Another process may take it before the server does: servers try again with another."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout_s):
        return True
    return False


class Held:
    """A port that no other start takes while it is held: its server comes to listen there a good while later."""

    def __init__(self, port: int, mark: socket.socket | None) -> None:
        self.port, self._mark = port, mark

    def release(self) -> None:
        if self._mark is not None:
            self._mark.close()


def hold(port: int) -> Held | None:
    """None where something listens, or another start holds it.

    By a name beside the port, as its server could not listen on a port that is bound. The kernel takes the name back
    when its holder dies. Only Linux has such names; elsewhere two starts at once may still meet.
    """
    if not is_free(port):
        return None
    if sys.platform != "linux":
        return Held(port, None)
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0q2c-port-{port}")
    except OSError:
        mark.close()
        return None
    return Held(port, mark)


def web_port(wanted: int | None, remembered: int | None, default: int = 8000) -> Held:
    """The port asked for, or Stop; else the one of last time, else the first free one from `default` on."""
    if wanted is not None:
        if not 1 <= wanted <= 65535:
            raise Stop(f"{wanted} is no port", "Give one from 1 to 65535, such as: bin/demo --port 8080")
        if (held := hold(wanted)) is None:
            raise Stop(f"Port {wanted} is taken", f"Choose another: bin/demo --port {wanted + 1}, or none at all")
        return held
    for port in (remembered, *range(default, default + _TRIED_MAX)):
        if port and (held := hold(port)):
            return held
    while (held := hold(any_free())) is None:
        pass
    return held


class Ports:
    """The ports of last time by name, in a file; in memory only without one."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._known: dict[str, int] = {}
        if file:
            self._known = {name: port for name, port in places.read_json(file).items() if isinstance(port, int)}

    def get(self, name: str) -> int | None:
        return self._known.get(name)

    def keep(self, name: str, port: int) -> int:
        if self._known.get(name) != port:
            self._known[name] = port
            if self.file:
                places.write_json(self.file, dict(self._known))
        return port

    def choose(self, name: str) -> int:
        """The port of last time where it is free, else any."""
        known = self._known.get(name)
        return known if known and is_free(known) else any_free()
