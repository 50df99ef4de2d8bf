"""The sandboxes of the connected systems, as one server: what connections with an address of sandbox://… reach."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from q2c.local import children, places, ports
from q2c.local.guard import Guard
from q2c.local.processes import SANDBOXES
from q2c.local.stop import Stop

START_S_MAX = 60


def there() -> bool:
    """Whether the project has them: a checkout in the making may not."""
    return bool(list((places.ROOT / "q2c" / "connectors").glob("sandboxes*")))


class Sandboxes(children.Served):
    """As Postgres and Valkey: start() returns the address, stop() ends it."""

    def __init__(self, logs: Path, *, python: Path, guard: Guard, ports: ports.Ports, env: Mapping[str, str]) -> None:
        self.log = places.log_file(logs, "sandboxes")
        self.python, self.guard, self.env = python, guard, env
        self.port = ports.keep("sandboxes", ports.choose("sandboxes"))

    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    def begin(self) -> None:
        """Starts without waiting: `wait` when it is needed."""
        env = {**self.env, "SANDBOX_URL": self.url()}
        arguments = SANDBOXES.arguments(host=ports.HOST, sandbox_port=self.port)
        self.child = children.start(
            "sandboxes", [str(self.python), "-m", *arguments], guard=self.guard, env=env, log=self.log, cwd=places.ROOT
        )

    def wait(self) -> None:
        assert self.child is not None
        if not until_healthy(f"{self.url()}/healthz", self.child, START_S_MAX):
            raise Stop(f"The sandboxes do not start: {places.last_line(self.log)}", f"Look into {self.log}")

    def start(self) -> str:
        self.begin()
        self.wait()
        return self.url()


def seed(url: str, vendor: str, document: Mapping[str, str]) -> None:
    """What a sandbox is to hold, by its control address."""
    body = json.dumps(document).encode()
    request = urllib.request.Request(f"{url}/{vendor}/_control/seed", body, {"Content-Type": "application/json"})  # noqa: S310 (an address of ours)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10):
            return
    except (OSError, ValueError) as error:
        raise Stop(f"The sandbox of {vendor} takes no seed: {error}", "Look into the log of the sandboxes") from None


def until_healthy(url: str, child: children.Child | None, wait_s: float) -> bool:
    """Waits for a 200. False when `child` ended or the time is over."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and (child is None or child.runs()):
        if status(url) == 200:
            return True
        time.sleep(0.1)
    return False


def status(url: str, instance: str = "") -> int:
    """The HTTP status of a GET; 0 when nothing answers, or another than this instance."""
    # No proxy: the address is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            ours = not instance or answer.headers.get("X-Q2C-Instance") == instance
            return int(answer.status) if ours else 0
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
