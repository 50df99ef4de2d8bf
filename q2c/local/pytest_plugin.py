"""Starts the servers of a test run before Django reads its settings, and ends them, however the run ends.

They lie in a temporary folder of the run, so runs at the same time do not meet. Each worker of pytest-xdist has servers
of its own, since tests that run Celery would take each other's messages; who only hands the tests out has none.
Runs that name only tests without a database (tests/local) start nothing; Q2C_TEST_SERVERS=0 forbids it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from q2c.local import addresses, chromium, places, referees
from q2c.local.guard import Guard
from q2c.local.servers import Servers
from q2c.local.stop import Stop
from q2c.local.tryton import Tryton

# They start what servers they need themselves.
WITHOUT_SERVERS = ("tests/local",)
_servers: Servers | None = None
_guard: Guard | None = None
_tryton: Tryton | None = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper, so that it begins before pytest-django's, which is there to be first."""
    chromium.name_it(os.environ)
    referees.name_it(os.environ)
    if _needed(early_config):
        try:
            _start()
        except Stop as stop:
            _stop()
            pytest.exit(f"q2c: {stop}", returncode=1)
    else:
        _without_servers()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _stop()


def _needed(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    if os.environ.get("Q2C_TEST_SERVERS") == "0":
        return False
    if "PYTEST_XDIST_WORKER" not in os.environ and getattr(options, "numprocesses", None):
        return False
    if options.help or options.version or getattr(options, "collectonly", False):
        return False
    named = [Path(arg.split("::")[0]).resolve() for arg in options.file_or_dir]
    without = [places.ROOT / name for name in WITHOUT_SERVERS]
    return not named or not all(any(path.is_relative_to(place) for place in without) for path in named)


def _without_servers() -> None:
    """Settings are still read: they want a key, and addresses that nothing answers to."""
    os.environ.setdefault("Q2C_SECRET_KEY", "of a run without servers: " + "x" * 50)


def _start() -> None:
    global _servers, _guard
    where = Path(tempfile.mkdtemp(prefix="q2c-test-"))
    # Ours and new: the account that the servers run under must pass through.
    where.chmod(0o711)
    _guard = Guard()
    _guard.removes(where)
    atexit.register(_stop)
    # Before they are joined by our own.
    given = {name: value for name, value in os.environ.items() if name.endswith("_URL")}
    _servers = Servers(where, where / "log", guard=_guard, durable=False, given=given)
    addresses.must_be_free(_servers.given)
    _servers.start()
    _servers.begin_sandboxes(python=Path(sys.executable))
    # pytest-django makes its databases as the owner; the application role is for tests that ask for it by its address.
    os.environ.update({"Q2C_AS_OWNER": "1", **_servers.env})
    _servers.sandboxes_wait()


def tryton(company: Mapping[str, Any]) -> Tryton:
    """A real Tryton on this run's PostgreSQL, made for the first test that asks. Raises Stop where it cannot be."""
    global _tryton
    if _tryton is None:
        if _servers is None or _servers.postgres is None or _guard is None:
            raise Stop("Tryton needs the PostgreSQL that a run starts by itself", "Run without DATABASE_URL")
        made = Tryton(_servers.where, _servers.logs, guard=_guard, ports=_servers.ports, postgres=_servers.postgres)
        made.install()
        made.make(company)
        made.start()
        _tryton = made
    return _tryton


def _stop() -> None:
    global _servers, _guard, _tryton
    servers, guard, started = _servers, _guard, _tryton
    _servers = _guard = _tryton = None
    if started is not None:
        started.stop()
    if servers is not None:
        servers.stop()
        with contextlib.suppress(Stop):
            addresses.leave_nothing(servers.given)
    if guard is not None:
        guard.close()
