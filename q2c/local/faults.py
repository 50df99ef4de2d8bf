"""bin/faults: the whole system under a steady flow, broken by a seeded schedule, and looked into at the end."""

from __future__ import annotations

import subprocess

from q2c.local import places, venv
from q2c.local.progress import Progress
from q2c.local.venv import DEVELOPMENT, RUNTIME, Venv

USAGE = "bin/faults [--seed N] [--minutes M] [--documents K] [--faults N]    shows that nothing is lost or doubled"


def main(arguments: list[str]) -> int:
    progress = Progress()
    with progress.step("Python packages") as step:
        step.detail = Venv((RUNTIME, DEVELOPMENT)).make(step)
    # Its checker and traffic need the packages, which this Python may not have.
    return subprocess.run([str(venv.python()), "-m", "q2c.faults", *arguments], cwd=places.ROOT, check=False).returncode
