"""Servers of one's own, named wrongly: one line with the variable, what is wrong, and what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from q2c.local.addresses import POSTGRES, REDIS, Kind, leave_nothing, must_answer, must_be_free
from q2c.local.guard import Guard
from q2c.local.servers import Servers
from q2c.local.stop import Stop

KINDS = {"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    where = Path(tempfile.mkdtemp(prefix="q2c-local-"))
    where.chmod(0o755)
    own = Servers(where, where / "log", guard=Guard(), durable=False, given={})
    try:
        yield own.start()
    finally:
        own.stop()
        own.guard.close()
        shutil.rmtree(where)


@pytest.mark.parametrize(
    ("name", "url", "says"),
    [
        ("DATABASE_URL", "banana", "DATABASE_URL is no address of PostgreSQL: it has no scheme"),
        ("DATABASE_URL", "mysql://me:secret@h/q2c", "no address of PostgreSQL: it begins with mysql://"),
        ("DATABASE_URL", "postgresql://", "DATABASE_URL names no host and no database"),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:5432", "DATABASE_URL names no database"),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:port/q2c", "DATABASE_URL has no valid host and port"),
        ("DATABASE_URL", "postgresql://me:secret@[::1/q2c", "DATABASE_URL has no valid host and port"),
        (
            "DATABASE_URL",
            "postgresql://me:secret@127.0.0.1:1/q2c",
            "Nothing answers at 127.0.0.1:1, which DATABASE_URL",
        ),
        ("DATABASE_URL", "postgresql:///nowhere", "PostgreSQL at this machine's socket, which DATABASE_URL names"),
        ("REDIS_URL", "banana", "REDIS_URL is no address of Redis or Valkey: it has no scheme"),
        ("REDIS_URL", "http://secret@h", "no address of Redis or Valkey: it begins with http://"),
        ("REDIS_URL", "redis://", "REDIS_URL names no host"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Nothing answers at 127.0.0.1:1, which REDIS_URL names"),
    ],
)
def test_what_is_wrong_is_said_with_the_variable(name: str, url: str, says: str) -> None:
    with pytest.raises(Stop) as stopped:
        must_answer(name, url, KINDS[name])
    line = str(stopped.value)
    assert says in line and ("unset it" in line or f"unset {name}" in line)
    assert "secret" not in line and "\n" not in line


@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_password_is_told_by_the_server_and_shown_by_nobody(env: dict[str, str], name: str) -> None:
    kind: Kind = KINDS[name]
    must_answer(name, env[name], kind)
    right = urlsplit(env[name]).password
    assert right
    with pytest.raises(Stop) as stopped:
        must_answer(name, env[name].replace(right, "a-secret-word"), kind)
    line = str(stopped.value)
    assert f"which {name} names, does not let us in: " in line and "password" in line
    assert f"Correct user, password and name in {name}" in line
    assert "a-secret-word" not in line and right not in line


def test_a_database_that_is_not_there(env: dict[str, str]) -> None:
    with pytest.raises(Stop, match=r'which DATABASE_URL names, does not let us in: .*"nowhere"'):
        must_answer("DATABASE_URL", env["DATABASE_URL"].rpartition("/")[0] + "/nowhere", POSTGRES)


def _redis(env: dict[str, str]) -> redis.Redis:
    return redis.Redis.from_url(env["REDIS_URL"])


def test_a_test_run_takes_nothing_from_whoever_names_servers(env: dict[str, str]) -> None:
    """Their keys, a database of the name that it would use, the sandboxes of a demo: it does not begin."""
    named = {name: env[name] for name in ("DATABASE_URL", "REDIS_URL")} | {
        "SANDBOX_DATABASE_URL": env["DATABASE_OWNER_URL"]
    }
    must_be_free(named)
    _redis(env).set("foreign:precious", 1)
    with pytest.raises(Stop, match=r"REDIS_URL holds 1 keys, all of which a test run removes"):
        must_be_free(named)
    leave_nothing({"REDIS_URL": env["REDIS_URL"]})
    must_be_free(named)
    with psycopg.connect(env["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("CREATE SCHEMA sandbox_netsuite")
        with pytest.raises(Stop, match="sandboxes in q2c, which a test run empties"):
            must_be_free(named)
        leave_nothing(named)
        must_be_free(named)
        owner.execute("CREATE DATABASE test_q2c")
        try:
            with pytest.raises(Stop, match="the database test_q2c, which a test run makes and drops"):
                must_be_free(named)
        finally:
            owner.execute("DROP DATABASE test_q2c")
