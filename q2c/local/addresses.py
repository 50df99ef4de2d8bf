"""DATABASE_URL and REDIS_URL as people set them: what is wrong is one line that names the variable, before a start."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from q2c.local import ports, venv
from q2c.local.stop import Stop

# Asked by the drivers that the application uses; the address comes by stdin, so that no process list shows it.
_POSTGRES = """
import sys
try:
    import psycopg
except ImportError:
    sys.exit(0)
try:
    psycopg.connect(sys.stdin.read(), connect_timeout=5).close()
except psycopg.Error as error:
    print(" ".join(str(error).split()).rpartition("FATAL: ")[2].strip())
"""
_REDIS = """
import sys
try:
    import redis
except ImportError:
    sys.exit(0)
try:
    redis.Redis.from_url(sys.stdin.read(), socket_timeout=5, socket_connect_timeout=5).ping()
except (redis.RedisError, ValueError, OSError) as error:
    print(" ".join(str(error).split()))
"""


# What a test run would drop or empty there. The sandboxes' schemas lie in the database that is named for them.
_HELD_BY_POSTGRES = """
import sys
import psycopg
database, sandbox = sys.stdin.read().split("\\n")
with psycopg.connect(database, connect_timeout=5) as connection:
    name = "test_" + connection.info.dbname
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        print(f"the database {name}, which a test run makes and drops")
with psycopg.connect(sandbox, connect_timeout=5) as connection:
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'sandbox\\\\_%'").fetchone():
        print(f"sandboxes in {connection.info.dbname}, which a test run empties")
"""
_HELD_BY_REDIS = """
import sys
import redis
count = redis.Redis.from_url(sys.stdin.read(), socket_timeout=5).dbsize()
if count:
    print(f"{count:,} keys, all of which a test run removes")
"""
# What it leaves behind, all of it its own.
_LEAVE_POSTGRES = """
import sys
import psycopg
with psycopg.connect(sys.stdin.read(), connect_timeout=5) as connection:
    found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sandbox\\\\_%'").fetchall()
    for (name,) in found:
        connection.execute(f"DROP SCHEMA {name} CASCADE")
"""
_LEAVE_REDIS = "import sys, redis; redis.Redis.from_url(sys.stdin.read(), socket_timeout=5).flushdb()"


@dataclass(frozen=True)
class Kind:
    """`reads`: how such an address is written."""

    named: str
    schemes: tuple[str, ...]
    reads: str
    port: int
    asks: str


POSTGRES = Kind(
    "PostgreSQL", ("postgresql", "postgres"), "postgresql://user:password@host:5432/name", 5432, _POSTGRES
)  # fmt: skip
REDIS = Kind("Redis or Valkey", ("redis", "rediss", "unix"), "redis://:password@host:6379/0", 6379, _REDIS)


def must_answer(name: str, url: str, kind: Kind) -> None:
    """Stop, with the variable and the remedy, where the address cannot be read or its server takes nobody in by it."""
    parts = _read(name, url, kind)
    host, port = parts.hostname, parts.port or kind.port
    # Without a host it is a socket file, which only the driver finds.
    if host and not ports.answers(host, port, timeout_s=5):
        raise Stop(f"Nothing answers at {host}:{port}, which {name} names", f"Start it, or unset {name} to use our own")
    if said := _told(kind, url):
        where = f"{host}:{port}" if host else "this machine's socket"
        if parts.password:
            said = said.replace(unquote(parts.password), "…")
        raise Stop(
            f"{kind.named} at {where}, which {name} names, does not let us in: {said}",
            f"Correct user, password and name in {name} ({kind.reads}), or unset it to use our own",
        )


def must_be_free(env: Mapping[str, str]) -> None:
    """Stop where a test run would take something from somebody: given servers are used for it only while they hold
    nothing that it empties or drops."""
    if url := env.get("DATABASE_URL"):
        must_answer("DATABASE_URL", url, POSTGRES)
        sandbox = env.get("SANDBOX_DATABASE_URL") or env.get("DATABASE_OWNER_URL") or url
        if held := _asked(_HELD_BY_POSTGRES, f"{url.strip()}\n{sandbox.strip()}"):
            remedy = "Drop it yourself, name another database (SANDBOX_DATABASE_URL for sandboxes), or unset it"
            raise Stop(f"The server of DATABASE_URL holds {held.splitlines()[0]}", remedy)
    if url := env.get("REDIS_URL"):
        must_answer("REDIS_URL", url, REDIS)
        if held := _asked(_HELD_BY_REDIS, url.strip()):
            raise Stop(f"The Redis of REDIS_URL holds {held}", "Name an empty one, such as redis://…/15, or unset it")


def leave_nothing(env: Mapping[str, str]) -> None:
    """After a run that `must_be_free` let begin; its databases are dropped by whoever made them."""
    if url := env.get("DATABASE_URL"):
        _asked(_LEAVE_POSTGRES, (env.get("SANDBOX_DATABASE_URL") or env.get("DATABASE_OWNER_URL") or url).strip())
    if url := env.get("REDIS_URL"):
        _asked(_LEAVE_REDIS, url.strip())


def _asked(script: str, given: str) -> str:
    asked = subprocess.run(
        [venv.python(), "-c", script], input=given, capture_output=True, text=True, timeout=30, check=False
    )
    if asked.returncode:
        raise Stop("The servers of the environment could not be looked into", "Unset DATABASE_URL and REDIS_URL")
    return asked.stdout.strip()


def _read(name: str, url: str, kind: Kind) -> SplitResult:
    remedy = f"It reads {kind.reads}; or unset {name} to use our own"
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise Stop(f"{name} has no valid host and port", remedy) from None
    if parts.scheme not in kind.schemes:
        # Not the rest: a password may be in it.
        begins = f"begins with {parts.scheme}://" if "://" in url else "has no scheme"
        raise Stop(f"{name} is no address of {kind.named}: it {begins}", remedy)
    if kind is REDIS and parts.scheme != "unix" and not parts.hostname:
        raise Stop(f"{name} names no host", remedy)
    if kind is POSTGRES and not parts.path.strip("/"):
        missing = "no database" if parts.hostname else "no host and no database"
        raise Stop(f"{name} names {missing}", remedy)
    return parts


def _told(kind: Kind, url: str) -> str:
    """Why it does not let us in, in the server's words; empty where it does."""
    try:
        asked = subprocess.run(
            [venv.python(), "-c", kind.asks], input=url.strip(), capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "it took the connection and said nothing for 30 s"
    return asked.stdout.strip()
