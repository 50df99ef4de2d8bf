"""PostgreSQL, Valkey and the sandboxes, and the environment that leads to them.

    with servers.running(where) as env:
        subprocess.run([venv.python(), "manage.py", …], env={**os.environ, **env})

Each server is the one named by the environment (DATABASE_URL, REDIS_URL, SANDBOX_URL), else our own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from q2c.local import accounts, addresses, filelock, places, ports, venv
from q2c.local.guard import Guard
from q2c.local.postgres import Postgres, new_passwords
from q2c.local.sandboxes import Sandboxes, there
from q2c.local.stop import Stop
from q2c.local.valkey import Valkey

# The guard of a start that was killed may take this long to end what it left.
LOCK_WAIT_S = 20


class Servers:
    """Those of one folder. `env` is complete after start(); `durable` is whether data outlive a power cut."""

    def __init__(
        self, where: Path, logs: Path, *, guard: Guard, durable: bool = True, given: Mapping[str, str] = os.environ
    ) -> None:
        # Absolute: the servers work in folders of their own.
        self.where = places.folder(where.absolute())
        self.logs = places.folder(logs.absolute())
        self.guard, self.durable, self.given = guard, durable, given
        self.ports = ports.Ports(self.where / "ports.json")
        self.secrets = _secrets(self.where / "secrets.json")
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self.sandboxes: Sandboxes | None = None
        self.env: dict[str, str] = {}

    def start(self) -> dict[str, str]:
        """Starts PostgreSQL and Valkey where the environment names no others."""
        self.env = {"Q2C_SECRET_KEY": self.given.get("Q2C_SECRET_KEY") or self.secrets["secret_key"]}
        if url := self.given.get("DATABASE_URL"):
            addresses.must_answer("DATABASE_URL", url, addresses.POSTGRES)
            owner = self.given.get("DATABASE_OWNER_URL") or url
            sandbox = self.given.get("SANDBOX_DATABASE_URL") or owner
            for name, other in (("DATABASE_OWNER_URL", owner), ("SANDBOX_DATABASE_URL", sandbox)):
                if other != url and self.given.get(name):
                    addresses.must_answer(name, other, addresses.POSTGRES)
            self.env |= {"DATABASE_URL": url, "DATABASE_OWNER_URL": owner, "SANDBOX_DATABASE_URL": sandbox}
        else:
            self.postgres = Postgres(
                self.where, self.logs, guard=self.guard, ports=self.ports, passwords=self.secrets, durable=self.durable
            )
            self.env["DATABASE_URL"] = self.postgres.start()
            self.env["DATABASE_OWNER_URL"] = self.postgres.url("owner")
            self.env["SANDBOX_DATABASE_URL"] = self.postgres.url("sandbox")
        if url := self.given.get("REDIS_URL"):
            addresses.must_answer("REDIS_URL", url, addresses.REDIS)
            self.env["REDIS_URL"] = url
        else:
            self.valkey = Valkey(
                self.where, self.logs, guard=self.guard, ports=self.ports, password=self.secrets["valkey"],
                durable=self.durable,
            )  # fmt: skip
            self.env["REDIS_URL"] = self.valkey.start()
        return self.env

    def begin_sandboxes(self, python: Path | None = None) -> bool:
        """Starts the sandboxes without waiting for them. False where others are named or there are none."""
        if url := self.given.get("SANDBOX_URL"):
            self.env["SANDBOX_URL"] = url
            return False
        if not there():
            return False
        self.sandboxes = Sandboxes(
            self.logs, python=python or venv.python(), guard=self.guard, ports=self.ports,
            env={**os.environ, **self.env, "Q2C_PROCESS": "sandboxes"},
        )  # fmt: skip
        self.env["SANDBOX_URL"] = self.sandboxes.url()
        self.sandboxes.begin()
        return True

    def sandboxes_wait(self) -> None:
        if self.sandboxes is not None:
            self.sandboxes.wait()

    def own(self) -> list[tuple[str, Postgres | Valkey | Sandboxes]]:
        """Those that we started, by the name of their log."""
        all_three = {"postgres": self.postgres, "valkey": self.valkey, "sandboxes": self.sandboxes}
        return [(name, server) for name, server in all_three.items() if server is not None]

    def stop(self) -> None:
        for server in (self.sandboxes, self.valkey, self.postgres):
            if server is not None:
                server.stop()

    def described(self) -> str:
        """Such as: PostgreSQL 18.6 on port 41201, Valkey 9.1.2 on port 41202."""
        postgres, valkey = self.postgres, self.valkey
        first = f"PostgreSQL {postgres.version()} on port {postgres.port}" if postgres else "DATABASE_URL"
        second = f"Valkey {valkey.version()} on port {valkey.port}" if valkey else "REDIS_URL"
        return f"{first}, {second}"


@contextlib.contextmanager
def running(
    where: Path, *, durable: bool = True, sandboxes: bool = True, remove: bool = False
) -> Iterator[dict[str, str]]:
    """The servers of `where`, for as long as the block lasts; yields the variables that lead to them.

    `remove`: the folder, which is to be of this run alone, goes afterwards, also when this process is killed.
    """
    with contextlib.ExitStack() as stack:
        keep = () if remove else (stack.enter_context(_alone(where)).fd,)
        guard = Guard(keep)
        stack.callback(guard.close)
        if remove:
            forget(where, guard)
        servers = Servers(where, where / "log", guard=guard, durable=durable)
        stack.callback(servers.stop)
        servers.start()
        if sandboxes and servers.begin_sandboxes():
            servers.sandboxes_wait()
        yield servers.env


def forget(where: Path, guard: Guard) -> None:
    """Has the guard remove a folder at the end, with the data that had to lie outside it."""
    guard.removes(where)
    guard.removes(places.outside_path(accounts.outside_name(where)))


def _alone(where: Path) -> contextlib.AbstractContextManager[filelock.FileLock]:
    """Waits for an earlier start that is still ending: two PostgreSQLs on the same data would not start."""
    return filelock.held(where.with_name(f"{where.name}.lock"), LOCK_WAIT_S, lambda _: None, lambda: None)


def _secrets(file: Path) -> dict[str, str]:
    """Passwords and the key of one folder's data, made once; readable by its owner only."""
    kept = {name: value for name, value in places.read_json(file).items() if isinstance(value, str)}
    if not kept and file.exists() and file.stat().st_size:
        # New ones would not open what is there.
        raise Stop(f"{file} cannot be read, and the data need what is in it", "Restore it, or: bin/demo --fresh")
    wanted = {**new_passwords(), "valkey": secrets.token_hex(24), "secret_key": secrets.token_urlsafe(60)}
    if wanted.keys() - kept.keys():
        kept = {**wanted, **kept}
        places.write_json(file, dict(kept), mode=0o600)
    return kept
