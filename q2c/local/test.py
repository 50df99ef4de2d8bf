"""bin/test: the virtual environment, then pytest, with the servers it needs (pytest_plugin)."""

from __future__ import annotations

import os
import sys

from q2c.local import chromium, places, referees, venv
from q2c.local.progress import Progress
from q2c.local.venv import DEVELOPMENT, RUNTIME, Venv

USAGE = "bin/test [pytest arguments]    such as: bin/test tests/local -k venv"


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
    os.execv(venv.python(), [str(venv.python()), "-m", "pytest", *arguments])  # noqa: S606
