"""bin/demo, as a person meets it: from nothing to an address, stopped, started again, killed, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from q2c.local import accounts, places
from q2c.local import demo as command
from q2c.local.guard import Guard
from q2c.local.servers import Servers
from q2c.local.stop import Stop
from tests.local.conftest import SmallProject, needs_python_for_all, needs_root, system_python

READY = "Ctrl-C stops it"


def address(printed: str) -> str:
    return re.search(r"Ready after .*: (http\S+)", printed)[1]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def test_from_nothing_to_an_address_and_back(project: SmallProject) -> None:
    demo = project.start("bin/demo", "--scale", "3")
    printed = demo.until(READY)
    assert get(address(printed)) == b"well"
    for words in ("Python packages", "PostgreSQL", "Valkey", "Tables", "loading --scale 3", "ada", "over the wire",
                  "1. Open the queue", "3. Close October"):  # fmt: skip
        assert words in printed
    # A process just made bears its maker's command for a moment.
    time.sleep(1)
    commands = " ".join(project.left().values())
    for name in ("q2c.wsgi", "sandboxes:app", "-Q intake", "-Q provisioning", "-Q posting", "-Q finance", "-Q outbound",
                 "-Q inbound", "celery beat", "valkey-server", "bin/postgres"):  # fmt: skip
        assert name in commands
    assert "as q2c_owner" in (project.root / ".local/log/migrate.log").read_text()

    began = time.monotonic()
    printed = demo.end(signal.SIGINT)
    assert time.monotonic() - began < 11
    assert "Stopped after" in printed
    assert "had to be killed" not in printed
    assert "Traceback" not in printed
    assert project.left_after(2) == {}

    # The second start loads nothing and keeps its ports.
    again = project.start("bin/demo")
    printed_again = again.until(READY, wait_s=20)
    assert address(printed_again) == address(printed)
    assert "Example data" not in printed_again
    assert "Tables" not in printed_again
    assert "ada" in printed_again
    assert "Stopped after" in again.end(signal.SIGTERM)

    # After an update without a migration, what is made of code beside them is made anew, and the data stay.
    (project.root / "q2c/guards.py").write_text("# A guard that came with a new version.\n")
    updated = project.start("bin/demo")
    printed = updated.until(READY, wait_s=20)
    assert "Tables" in printed and "Example data" not in printed
    updated.end()


def test_a_command_of_manage_py_runs_on_the_demo_that_runs(project: SmallProject) -> None:
    nothing = "No demo runs here. Start it with bin/demo"
    assert nothing in project.start("bin/manage", "migrate").fails()
    demo = project.start("bin/demo", "--no-load")
    demo.until(READY)
    # It reaches the servers by what the demo keeps for it, which nobody else may read.
    assert (project.root / ".local/demo/env.json").stat().st_mode & 0o777 == 0o600
    project.start("bin/manage", "migrate").until("as q2c_owner")
    assert "Say which" in project.start("bin/manage").fails()
    demo.end()
    assert nothing in project.start("bin/manage", "migrate").fails()


def test_killed_it_leaves_no_process_and_starts_again_at_once(project: SmallProject) -> None:
    demo = project.start("bin/demo")
    demo.until(READY)
    before = project.left()
    # gunicorn's and PostgreSQL's own children are among them.
    assert len(before) > 15
    demo.process.kill()
    demo.process.wait()
    again = project.start("bin/demo")
    again.until(READY, wait_s=40)
    assert not before.keys() & project.left().keys()
    again.process.kill()
    assert project.left_after(12) == {}


def test_a_guard_that_is_killed_too_is_replaced(project: SmallProject) -> None:
    demo = project.start("bin/demo", "--no-load")
    demo.until(READY)

    def guards() -> set[int]:
        return {pid for pid, command in project.left().items() if "guard.py" in command}

    first = guards()
    assert len(first) == 1
    os.kill(next(iter(first)), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not guards() - first and time.monotonic() < deadline:
        time.sleep(0.1)
    assert guards() - first
    demo.process.kill()
    assert project.left_after(12) == {}


def test_what_ends_is_started_again(project: SmallProject) -> None:
    demo = project.start("bin/demo", "--no-load")
    demo.until(READY)
    for part, name in (("-Q posting", "posting"), ("bin/postgres", "postgres"), ("valkey-server", "valkey")):
        pid = project.find(part)
        os.kill(pid, signal.SIGKILL)
        demo.until(f"{name} ended (SIGKILL) and starts again in 1 s")
        assert project.find(part, other_than=pid)
    assert "Stopped" in demo.end()


def test_two_at_once(project: SmallProject) -> None:
    first = project.start("bin/demo", "--no-load")
    printed = first.until(READY)
    for arguments in ([], ["--fresh"]):
        line = project.start("bin/demo", *arguments).fails()
        assert f"already runs at {address(printed)} (process {first.process.pid})" in line
        assert f"kill {first.process.pid}" in line
    assert get(address(printed)) == b"well"


def test_a_taken_port(project: SmallProject) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = project.start("bin/demo", "--port", str(port)).fails()
    assert f"Port {port} is taken" in line
    assert f"--port {port + 1}" in line


def test_the_wrong_port(project: SmallProject) -> None:
    assert "70000 is no port" in project.start("bin/demo", "--port", "70000").fails()


@pytest.mark.parametrize("path", ["q2c/migrations/0001_first.py", "q2c/migrations/sql/guards.sql"])
def test_data_of_another_version(project: SmallProject, path: str) -> None:
    demo = project.start("bin/demo")
    demo.until(READY)
    demo.end()
    changed = project.root / path
    changed.parent.mkdir(exist_ok=True)
    changed.write_text("-- A migration that came with a new version.\n")
    line = project.start("bin/demo").fails()
    assert "another version" in line
    assert "bin/demo --fresh" in line
    secrets = project.root / ".local/demo/secrets.json"
    before = secrets.read_text()
    fresh = project.start("bin/demo", "--fresh")
    assert "loading" in fresh.until(READY)
    assert secrets.read_text() != before
    assert secrets.stat().st_mode & 0o777 == 0o600


def test_a_load_that_was_interrupted_starts_over(project: SmallProject) -> None:
    demo = project.start("bin/demo", SMALL_LOAD_S="30")
    demo.until("loading")
    demo.end(signal.SIGINT)
    again = project.start("bin/demo")
    printed = again.until(READY)
    assert "did not finish; starting over" in printed
    assert "Tables" in printed


def test_data_that_are_no_example_data_are_never_touched(project: SmallProject) -> None:
    """Somebody began without them and entered his own; then the plain command, and once more."""
    project.start("bin/demo", "--no-load").until(READY)
    project.started[-1].end()
    made = (project.root / ".local/demo/secrets.json").read_text()
    for _ in range(2):
        line = project.start("bin/demo", SMALL_HOLDS="holds data").fails()
        assert "holds data that are no example data" in line and "bin/demo --no-load" in line and "--fresh" in line
    assert (project.root / ".local/demo/secrets.json").read_text() == made
    project.start("bin/demo", "--no-load").until(READY)


def test_what_is_entered_after_a_load_that_was_interrupted_stays(project: SmallProject) -> None:
    demo = project.start("bin/demo", SMALL_LOAD_S="30")
    demo.until("loading")
    demo.end(signal.SIGINT)
    own = project.start("bin/demo", "--no-load")
    own.until(READY)
    own.end()
    made = (project.root / ".local/demo/secrets.json").read_text()
    line = project.start("bin/demo", SMALL_HOLDS="holds data").fails()
    assert "holds data that are no example data" in line
    assert (project.root / ".local/demo/secrets.json").read_text() == made


def test_what_is_removed_goes_whole(tmp_path: Path) -> None:
    """Whatever ends it in the middle: the folder is gone at once, and what is left of it with the next."""
    folder = tmp_path / "demo"
    for name in ("postgres", "valkey"):
        (folder / name).mkdir(parents=True)
    (tmp_path / "demo.going-1" / "rest").mkdir(parents=True)
    (tmp_path / "demo.lock").touch()
    places.discard(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.lock"]
    places.discard(folder)


def test_a_database_of_the_users_own_is_asked_and_has_notes_of_its_own(project: SmallProject) -> None:
    """Loaded, emptied, loaded again; our own data are what they were."""
    own = project.start("bin/demo")
    assert "loading" in own.until(READY)
    own.end()
    other = Servers(project.root / ".local/other", project.root / ".local/log", guard=Guard())
    try:
        theirs = other.start()["DATABASE_OWNER_URL"]
        first = project.start("bin/demo", DATABASE_URL=theirs)
        assert "loading" in first.until(READY)
        first.end()
        emptied = project.start("bin/demo", DATABASE_URL=theirs)
        printed = emptied.until(READY)
        assert "Tables" in printed and "loading" in printed
        emptied.end()
        again = project.start("bin/demo", DATABASE_URL=theirs, SMALL_HOLDS="holds data")
        assert "loading" not in again.until(READY)
        again.end()
    finally:
        other.stop()
    back = project.start("bin/demo")
    assert "loading" not in back.until(READY)


def test_a_step_that_fails_is_one_line_with_its_last_words(project: SmallProject) -> None:
    line = project.start("bin/demo", SMALL_FAILS="migrate").fails()
    assert "manage.py migrate failed: ProgrammingError: the table is not there" in line
    assert ".local/log/migrate.log" in line


def test_servers_of_the_users_own_that_do_not_answer(project: SmallProject) -> None:
    line = project.start("bin/demo", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/q2c").fails()
    assert "Nothing answers at 127.0.0.1:1, which DATABASE_URL names" in line
    assert "secret" not in line


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_what_is_no_address_is_named(project: SmallProject, name: str) -> None:
    line = project.start("bin/demo", **{name: "banana"}).fails()
    assert f"{name} is no address of" in line and f"unset {name} to use our own" in line


def test_fresh_never_empties_a_database_of_the_users_own(project: SmallProject) -> None:
    line = project.start("bin/demo", "--fresh", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/q2c").fails()
    assert "--fresh would empty the database of DATABASE_URL" in line


@needs_root
@needs_python_for_all
def test_a_folder_that_cannot_be_written(project: SmallProject) -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    line = project.start(*as_nobody, "bin/demo", PYTHON=system_python()).fails()
    assert f"{project.root}/.local" in line
    assert "cannot be written" in line


@needs_root
def test_a_project_that_servers_may_not_enter(project: SmallProject) -> None:
    """As in /root: the data go outside, it says so, and --fresh finds them there."""
    project.root.chmod(0o700)
    outside = Path("/var/tmp") / f"q2c-{accounts.outside_name(project.root / '.local/demo')}"
    try:
        demo = project.start("bin/demo")
        printed = demo.until(READY)
        assert f"The data lie in {outside}" in printed
        assert project.root.stat().st_mode & 0o777 == 0o700
        url = json.loads((project.root / ".local/demo/ports.json").read_text())
        password = json.loads((project.root / ".local/demo/secrets.json").read_text())["owner"]
        owner = f"postgresql://q2c_owner:{password}@127.0.0.1:{url['postgres']}/q2c"
        with psycopg.connect(owner) as connection:
            connection.execute("CREATE TABLE kept (x int)")
        demo.process.kill()
        demo.process.wait()
        again = project.start("bin/demo")
        again.until(READY)
        with psycopg.connect(owner) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        again.end()
        assert project.left_after(5) == {}
    finally:
        shutil.rmtree(outside, ignore_errors=True)


def test_an_old_python_is_told_what_is_needed(project: SmallProject) -> None:
    tools = project.root / "tools"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    line = project.start("bin/demo", PATH=str(tools)).fails()
    assert "Python 3.11 or later is needed" in line
    assert "apt-get install python3" in line
    assert "not Python 3.11" in project.start("bin/demo", PYTHON=str(old)).fails()


ROOM = """
from pathlib import Path
from urllib.request import urlopen
from q2c.local import room
with room.running(Path(".local/bench"), remove=True) as opened:
    opened.manage("load_demo", heard=print)
    print("ANSWERS", urlopen(opened.url).status, len(opened.servers.own()), flush=True)
"""


def test_a_room_for_those_who_measure(project: SmallProject) -> None:
    """Two at once in the same folder: the second waits for the first."""
    both = [project.start(str(project.root / ".venv/bin/python"), "-c", ROOM) for _ in "ab"]
    for run in both:
        assert "ANSWERS 200 3" in run.until("ANSWERS")
        assert "loading" in run.printed
        assert run.process.wait(20) == 0
    assert not (project.root / ".local/bench").exists()


def test_queues_are_those_of_celery() -> None:
    from q2c.local.processes import QUEUES

    text = (places.ROOT / "q2c" / "celery.py").read_text()
    assert f"QUEUES = ({', '.join(json.dumps(queue) for queue in QUEUES)})" in text


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_a_scale_is_a_whole_number_from_one(given: str) -> None:
    with pytest.raises(Stop) as stop:
        command._options([f"--scale={given}"])
    assert given in str(stop.value) and "a whole number from 1" in str(stop.value)
    assert command._options(["--scale", "2"]).scale == 2
