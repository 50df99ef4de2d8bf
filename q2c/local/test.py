"""bin/test: the virtual environment, then pytest, with the servers it needs (pytest_plugin)."""

from __future__ import annotations

import os
import sys

from q2c.local import chromium, places, referees, venv
from q2c.local.progress import Progress
from q2c.local.venv import DEVELOPMENT, RUNTIME, Venv

USAGE = "bin/test [pytest arguments]    such as: bin/test tests/local -k venv"
# Each has servers of its own (pytest_plugin): more than this costs memory and gains little.
MOST_WORKERS = 6
# What cannot be shown, or is chosen, where tests run in several processes.
ALONE = ("-n", "--numprocesses", "-s", "--capture", "--pdb", "--trace", "-p", "--co", "--collect-only", "--help", "-h")


def main(arguments: list[str]) -> int:
    """Does not return when all is well: pytest takes this process over, with its signals and its exit code."""
    environment = Venv((RUNTIME, DEVELOPMENT))
    if not environment.ready():
        progress = Progress(sys.stderr)
        with progress.step("Python packages into .venv") as step:
            step.detail = environment.make(step)
    if missing := referees.installed(Progress(sys.stderr), os.environ):
        print(f"q2c: {missing}", file=sys.stderr)
    chromium.install_in_ci()
    if not chromium.name_it(os.environ):
        print("q2c: no Chromium found, so browser tests skip. To run them: apt-get install chromium", file=sys.stderr)
    os.chdir(places.ROOT)
    sys.stderr.flush()
    command = [str(venv.python()), "-m", "pytest", *spread(arguments), *arguments]
    os.execv(venv.python(), command)  # noqa: S606


def spread(arguments: list[str]) -> list[str]:
    """A run of everything takes a process for each core, file by file; what is named runs in one.

    In the order of their names: by the number of their tests, files of one long test would come last, one by one.
    """
    named = any((places.ROOT / argument.split("::")[0]).exists() for argument in arguments)
    # Servers of somebody's own are one for all.
    given = os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL")
    if named or given or any(argument.startswith(ALONE) for argument in arguments):
        return []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, MOST_WORKERS)
    return ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"] if workers > 1 else []
