"""What cannot work is refused at start, with the remedy; production settings pass without a word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.checks import run_checks
from django.db import connection

from q2c import checks

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "Q2C_PUBLIC_URL": "https://q2c.example.com",
    "Q2C_ALLOWED_HOSTS": "q2c.example.com,127.0.0.1",
    "Q2C_BEHIND_PROXY": "1",
    "Q2C_SECRET_KEY": "production-" + "k7Q" * 20,
    "Q2C_METRICS_TOKEN": "m" * 32,
    "SANDBOX_URL": "",
    "Q2C_AS_OWNER": "0",
}


def manage(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("Q2C_")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env={**kept, **PRODUCTION, **env}, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def test_production_settings_are_clean():
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("env", "id_", "remedy"),
    [
        ({"Q2C_SECRET_KEY": "short"}, "q2c.E001", "50 or more random characters"),
        ({"Q2C_SECRET_KEY": ""}, "q2c.E001", "50 or more random characters"),
        ({"Q2C_DATABASE_POOL": "3"}, "q2c.E002", "number of threads plus 2"),
        ({"Q2C_PUBLIC_URL": "q2c.example.com"}, "q2c.E003", "scheme and host"),
        ({"Q2C_PUBLIC_URL": "https://q2c.example.com/app"}, "q2c.E003", "scheme and host"),
        ({"Q2C_ALLOWED_HOSTS": "other.example.com"}, "q2c.E004", "Add q2c.example.com to Q2C_ALLOWED_HOSTS"),
        ({"REDIS_URL": "amqp://127.0.0.1"}, "q2c.E006", "redis://"),
        ({"Q2C_BATCH_SIZE": "0"}, "q2c.E007", "between 1 and 1000"),
        ({"Q2C_LEASE_S": "5"}, "q2c.E008", "between 30 and 3600"),
        ({"PROMETHEUS_MULTIPROC_DIR": "/nowhere/at/all"}, "q2c.E009", "Make the folder"),
        ({"Q2C_METRICS_TOKEN": "short"}, "q2c.E010", "16 or more"),
        ({"SANDBOX_URL": "foo"}, "q2c.E011", "http://host:port"),
        ({"DATABASE_OWNER_URL": "foo"}, "q2c.E005", "Set it to postgresql://"),
        ({"Q2C_CA_BUNDLE": "/nope"}, "q2c.E012", "readable file of certificates"),
        ({"Q2C_WORKER_METRICS_PORT": "99999999"}, "q2c.E013", "up to 65535"),
        ({"SANDBOX_URL": "http://127.0.0.1:9000"}, "q2c.W001", "empty in production"),
        ({"Q2C_BEHIND_PROXY": "0"}, "q2c.W002", "Q2C_BEHIND_PROXY=1"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:12],
)
def test_what_cannot_work_is_refused(env, id_, remedy):
    done = manage("check", "--deploy", "--fail-level", "WARNING", **env)
    assert done.returncode == 1
    assert f"({id_})" in done.stderr
    assert remedy in done.stderr


@pytest.mark.parametrize("name", ["Q2C_BATCH_SIZE", "Q2C_LEASE_S", "Q2C_DATABASE_POOL", "Q2C_WORKER_METRICS_PORT"])
def test_a_number_that_is_none_is_said_in_one_line(name):
    done = manage("check", **{name: "many"})
    assert done.returncode == 1
    assert done.stderr.startswith(f"q2c: {name} is 'many': set it to a whole number")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Q2C_LOG_LEVEL", "LOUD"), ("DATABASE_URL", "postgresql://h:abc/secret"),
        ("DATABASE_URL", "postgresql://u:secret phrase@h/x"), ("DATABASE_URL", "postgresql://u:secret@h/x?ssl=on"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_one_line_without_secrets(name, value):
    done = manage("check", **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"q2c: {name} ") and ": set it to " in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "secret" not in done.stderr


def test_what_an_address_says_of_tls_is_obeyed():
    """A server without it, such as the one of this run, is not spoken to."""
    ask = "from django.db import connection; connection.ensure_connection(); print('spoken to')"
    assert "spoken to" in manage("shell", "-c", ask).stdout
    done = manage("shell", "-c", ask, DATABASE_URL=f"{os.environ['DATABASE_URL']}?sslmode=require")
    assert "spoken to" not in done.stdout
    assert "does not support SSL" in done.stderr or "couldn't get a connection" in done.stderr


PROCESSES = pytest.mark.parametrize(
    "command",
    [
        ("-m", "gunicorn", "q2c.wsgi:application", "--worker-class", "gthread", "--bind", "127.0.0.1:0",
         "--no-control-socket"),
        ("-m", "celery", "-q", "-A", "q2c.celery", "worker", "-P", "solo", "-Q", "nobodys", "--without-heartbeat"),
        ("-m", "celery", "-q", "-A", "q2c.celery", "beat", "-s", "{folder}/schedule", "--pidfile="),
    ],
    ids=["web", "worker", "beat"],
)  # fmt: skip


def started(command: tuple[str, ...], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *(part.format(folder=folder) for part in command)], cwd=ROOT,
        env={**os.environ, **PRODUCTION, **env}, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@PROCESSES
def test_no_process_starts_with_what_cannot_work(command, tmp_path):
    done = started(command, tmp_path, Q2C_LEASE_S="5", Q2C_BATCH_SIZE="0")
    assert done.returncode != 0
    for said in ("q2c.E007", "q2c.E008", "Set it between 30 and 3600"):
        assert said in done.stderr
    assert "Exception in worker process" not in done.stderr


@PROCESSES
def test_no_process_says_by_a_traceback_that_a_setting_cannot_be_read(command, tmp_path):
    done = started(command, tmp_path, Q2C_LEASE_S="soon")
    assert done.returncode != 0
    assert "q2c: Q2C_LEASE_S is 'soon': set it to a whole number" in done.stderr
    assert "ImproperlyConfigured" not in done.stderr


def test_migrate_by_the_wrong_password_names_the_variable_in_one_line(django_db_setup):
    done = manage("migrate", DATABASE_OWNER_URL=f"{_address()}?password=wrong", Q2C_AS_OWNER="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("q2c: PostgreSQL cannot be asked (")
    assert "that DATABASE_OWNER_URL names it rightly" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_by_a_role_that_owns_nothing_asks_for_the_owner(django_db_setup):
    """Nothing is left to migrate here: the guards are what it may not put in."""
    done = manage("migrate", DATABASE_OWNER_URL="", Q2C_AS_OWNER="1", DATABASE_URL=_address())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("q2c: The role of DATABASE_URL may not do this (")
    assert "set DATABASE_OWNER_URL to the owner of the database" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_another_command_is_refused_is_told_as_it_is(django_db_setup):
    """It is not to be done as the owner instead."""
    done = manage("shell", "-c", "from django.db import connection as c; c.cursor().execute('DROP TABLE q2c_event')",
                  DATABASE_URL=_address())  # fmt: skip
    assert done.returncode == 1 and "Q2C_AS_OWNER" not in done.stderr
    assert "Traceback" in done.stderr and "must be owner of table q2c_event" in done.stderr


def _address() -> str:
    """The application's, of the database that this run uses."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return parts._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def test_a_database_of_another_kind(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://127.0.0.1/q2c")
    assert [error.id for error in checks.addresses()] == ["q2c.E005"]


def test_the_settings_of_a_test_run_are_sound():
    assert run_checks() == []


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    text = "\n".join((ROOT / name).read_text() for name in ("q2c/settings.py", "q2c/logs.py", "q2c/connectors/wire.py"))
    read = set(re.findall(r'(?:env|flag|number|database|environ\.get)\("([A-Z][A-Z0-9_]+)"', text))
    table = (ROOT / "docs" / "operating.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", table, re.MULTILINE))
    assert read - told == set(), "settings that docs/operating.md does not list"
    others = (ROOT / "q2c/connectors/sandbox_kit").rglob("*.py")
    elsewhere = {name for path in others for name in told if name in path.read_text()}
    assert told - read - elsewhere == set(), "settings of docs/operating.md that nothing reads"
