"""bin/test's servers: there before settings are read, gone afterwards, and not paid for where nobody needs them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from q2c.local import chromium, places
from q2c.local.test import spread
from tests.local.conftest import SmallProject

CONFTEST = """
import os
import psycopg

# As Django's settings: read before any test.
AT_IMPORT = os.environ.get("DATABASE_URL")
print("SERVERS", AT_IMPORT, os.environ.get("SANDBOX_URL"))
"""
TEST = """
import os
import time
import urllib.request

import psycopg
import pytest
import redis


@pytest.mark.parametrize("number", range(4))
def test_reaches_all(number):
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "SANDBOX_DATABASE_URL"):
        psycopg.connect(os.environ[name]).close()
    with open("server-of-" + os.environ.get("PYTEST_XDIST_WORKER", "all"), "w") as told:
        told.write(os.environ["DATABASE_URL"])
    assert redis.Redis.from_url(os.environ["REDIS_URL"]).ping()
    assert urllib.request.urlopen(os.environ["SANDBOX_URL"] + "/healthz").status == 200
    assert len(os.environ["Q2C_SECRET_KEY"]) >= 40
    if os.environ.get("SMALL_WAITS"):
        print("WAITING", flush=True)
        time.sleep(60)
"""


def with_tests(project: SmallProject) -> SmallProject:
    (project.root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-p q2c.local.pytest_plugin"\n')
    for folder in ("tests/flow", "tests/local"):
        (project.root / folder).mkdir(parents=True)
    (project.root / "tests/conftest.py").write_text(CONFTEST)
    (project.root / "tests/flow/test_flow.py").write_text(TEST)
    (project.root / "tests/local/test_alone.py").write_text("def test_alone(): pass\n")
    return project


def test_a_run_and_its_end(project: SmallProject) -> None:
    run = with_tests(project).start("bin/test", "-p", "no:django", "-s")
    run.process.wait(60)
    assert "5 passed" in run.printed, run.printed
    assert re.search(r"SERVERS postgresql://q2c:\w+@127.0.0.1:\d+/q2c http://127.0.0.1:\d+", run.printed)
    assert project.left_after(1) == {}


def test_each_worker_has_servers_of_its_own(project: SmallProject) -> None:
    run = with_tests(project).start("bin/test", "-p", "no:django", "-n", "2")
    run.process.wait(60)
    assert "5 passed" in run.printed, run.printed
    places = [path.read_text() for path in sorted(project.root.glob("server-of-*"))]
    assert len(set(places)) == 2, places
    assert project.left_after(1) == {}


def test_narrow_runs_start_nothing(project: SmallProject) -> None:
    run = with_tests(project).start("bin/test", "-p", "no:django", "-s", "tests/local")
    run.process.wait(60)
    assert "1 passed" in run.printed
    assert "SERVERS None None" in run.printed


def test_interrupted_and_killed_it_leaves_nothing(project: SmallProject) -> None:
    with_tests(project)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        run = project.start("bin/test", "-p", "no:django", "-s", SMALL_WAITS="1")
        run.until("WAITING")
        running = " ".join(project.left().values())
        assert all(name in running for name in ("bin/postgres", "valkey-server", "sandboxes:app")), running
        run.end(number)
        assert project.left_after(12) == {}, number
        assert list(project.temporary.glob("q2c-test-*")) == [], number


def test_the_browser_is_named_or_missed_in_one_line(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    named = with_tests(project).start("bin/test", "-p", "no:django", "tests/local", Q2C_CHROMIUM="/usr/bin/one")
    named.process.wait(60)
    assert "chromium" not in named.printed
    tools = project.root / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    assert chromium.name_it(environment := {}) is None
    browser = tools / "chromium"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert chromium.name_it(environment) == environment["Q2C_CHROMIUM"] == str(browser)


# What finds a Python; no browser is there.
SHELL = ("sh", "dirname")


def without_chromium(project: SmallProject) -> dict[str, str]:
    """The environment of a machine that has none: PATH leads to a shell and to what it needs."""
    project.env.pop("Q2C_CHROMIUM", None)
    tools = project.root / "no-browser"
    tools.mkdir()
    for name in SHELL:
        (tools / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(tools), "PYTHON": sys.executable}


def test_without_a_browser_one_line_says_how_to_get_it(project: SmallProject) -> None:
    run = with_tests(project).start("bin/test", "-p", "no:django", "tests/local", **without_chromium(project))
    run.process.wait(60)
    assert "1 passed" in run.printed, run.printed
    assert [line for line in run.printed.splitlines() if "hromium" in line] == [
        "q2c: no Chromium found, so browser tests skip. To run them: apt-get install chromium"
    ]


def test_without_a_browser_its_tests_skip_visibly(project: SmallProject) -> None:
    """The real ones, of each folder that has some: told as skipped, one by one, with what is missing."""
    files = ["tests/browser", "tests/admin/test_browser.py", "tests/api/test_document_browser.py"]
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *files]
    env = {**project.env, **without_chromium(project), "Q2C_TEST_SERVERS": "0"}
    env.pop("Q2C_CHROMIUM", None)
    ran = subprocess.run(command, cwd=places.ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^=* ?[0-9]+ skipped", ran.stdout.splitlines()[-1]), ran.stdout
    told = [line for line in ran.stdout.splitlines() if line.startswith("SKIPPED")]
    assert told and all("hromium" in line for line in told), told
    assert {file for file in files if not any(file in line for line in told)} == set()


@pytest.mark.parametrize(
    "arguments", [["tests/local"], ["tests/local/test_venv.py::test_no_index"], ["-n", "3"], ["-s"]]
)
def test_what_is_named_or_chosen_runs_as_it_is_asked(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert spread(arguments) == []


def test_a_run_of_everything_takes_a_process_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for cores, processes in ((1, []), (2, ["-n", "2"]), (64, ["-n", "6"])):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        assert spread(["-k", "closed", "--durations=3"])[:2] == processes
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1/15")
    assert spread([]) == [], "one Redis is one for all"
