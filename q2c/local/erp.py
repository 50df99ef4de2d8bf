"""bin/erp: a real ledger on this machine, to post into and to look at."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import time
from typing import Any

from q2c.local import children, filelock, places, venv
from q2c.local.guard import Guard
from q2c.local.progress import Progress
from q2c.local.servers import LOCK_WAIT_S, Servers
from q2c.local.stop import Stop
from q2c.local.tryton import Tryton
from q2c.local.venv import RUNTIME, Venv

USAGE = "bin/erp tryton    starts a real Tryton here, with a company for every entity of the demo"
WHERE = places.LOCAL / "erp-servers"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bin/erp", description="Starts a real ERP on this machine.")
    parser.add_argument("erp", choices=["tryton"])
    parser.parse_args(arguments)
    progress = Progress()
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(
            filelock.held(WHERE.with_name("erp.lock"), LOCK_WAIT_S, _already_runs, lambda: progress.line("Waiting …"))
        )
        guard = Guard((lock.fd,))
        stack.callback(guard.close)
        servers = Servers(WHERE, places.LOGS, guard=guard, given={"REDIS_URL": "", **_database_of_ours()})
        stack.callback(servers.stop)
        with progress.step("Python packages") as step:
            step.detail = Venv((RUNTIME,)).make(step)
        with progress.step("PostgreSQL"):
            servers.start()
        tryton = started(servers, guard, progress)
        stack.callback(tryton.stop)
        lock.say({"pid": os.getpid(), "url": tryton.url()})
        person = tryton.made()["person"]
        progress.line(
            f"\nReady: {tryton.url()}    sign in with a Tryton client as {person['login']}, {person['password']}"
        )
        progress.line(f"Ctrl-C stops it. Log: {tryton.log}")
        with contextlib.suppress(KeyboardInterrupt):
            while tryton.runs():
                time.sleep(0.2)
    return 0


def _database_of_ours() -> dict[str, str]:
    if os.environ.get("DATABASE_URL"):
        raise Stop("bin/erp makes databases, which DATABASE_URL may not allow", "Start it without DATABASE_URL")
    return {}


def _already_runs(note: dict[str, Any]) -> Stop | None:
    pid = note.get("pid")
    if not note.get("url") or not isinstance(pid, int) or not children.exists(pid):
        # The guard still cleans up after it: to be waited for.
        return None
    return Stop(f"An ERP already runs at {note['url']} (process {pid})", f"Use it, or stop it first: kill {pid}")


def started(servers: Servers, guard: Guard, progress: Progress) -> Tryton:
    """Tryton on the PostgreSQL of these servers, which run."""
    assert servers.postgres is not None
    tryton = Tryton(servers.where, servers.logs, guard=guard, ports=servers.ports, postgres=servers.postgres)
    with progress.step("Tryton") as step:
        step.detail = tryton.install(step)
    with progress.step("Its companies") as step:
        tryton.make(described(servers.env), step.doing)
    with progress.step("Its server"):
        tryton.start()
    return tryton


def described(env: dict[str, str]) -> dict[str, object]:
    """The demo's companies and books, as the set-up of an ERP reads them."""
    done = subprocess.run(
        [venv.python(), "manage.py", "describe_books"], cwd=places.ROOT, env={**os.environ, **env},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Stop(f"manage.py describe_books failed: {done.stderr.strip().splitlines()[-1:]}", "Run it by itself")
    return dict(json.loads(done.stdout))
