"""DATABASE_URL and REDIS_URL as people set them: what is wrong is one line that names the variable, before a start."""

from __future__ import annotations

import subprocess
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
