"""bin/test's servers: there before settings are read, gone afterwards, and not paid for where nobody needs them."""

from __future__ import annotations

import os
import re
import signal

import pytest

from q2c.local import chromium
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
