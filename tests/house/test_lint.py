"""Style is executable: ruff, mypy and import-linter run with the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parents[2]


def ran(*command: str) -> str:
    """What a tool printed; fails with all of it when the tool found something."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{said[-6000:]}", pytrace=False)
    return said


def test_ruff_finds_nothing() -> None:
    ran("ruff", "check", "--no-fix", ".")


def test_every_file_is_formatted() -> None:
    ran("ruff", "format", "--check", ".")


def test_mypy_finds_nothing() -> None:
    assert "Success" in ran("mypy", "q2c", "ledger", "exceptions")


def test_imports_run_one_way() -> None:
    script = "import sys; from importlinter.cli import lint_imports_command as c; sys.argv = ['lint-imports']; c()"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode or "0 broken" not in done.stdout:
        pytest.fail(done.stdout[-6000:] + done.stderr[-2000:], pytrace=False)


@pytest.mark.django_db
def test_migrations_make_what_the_models_say() -> None:
    """And stand in one line: two that were written at once are found here, and not at somebody's start."""
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
