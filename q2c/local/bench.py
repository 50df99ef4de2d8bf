"""bin/bench: the control room in a folder of its own, and tests/bench measuring it beside raw baselines."""

from __future__ import annotations

import argparse
import os
import subprocess

from q2c.local import places, room, venv
from q2c.local.progress import Progress
from q2c.local.venv import DEVELOPMENT, RUNTIME, Venv

USAGE = "bin/bench [--only NAME …] [--rounds N] [--size N] [--json FILE]    measures against raw baselines"
WHERE = places.LOCAL / "bench"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bin/bench", description="Measures q2c beside raw baselines in the same run.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="intake, journals, calls, queue, trace")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is measured, alternating (3)")
    parser.add_argument("--size", type=int, default=100_000, help="rows of the generated database for reading (100000)")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there, too")
    options = parser.parse_args(arguments)
    progress = Progress()
    with progress.step("Python packages") as step:
        step.detail = Venv((RUNTIME, DEVELOPMENT)).make(step)
    progress.line("Servers and web of this run …")
    with room.running(WHERE, remove=True, say=progress.line, others=()) as control_room:
        command = [
            str(venv.python()),
            "-m",
            "tests.bench",
            "--rounds",
            str(options.rounds),
            "--size",
            str(options.size),
        ]
        command += ["--only", *options.only] if options.only else []
        command += ["--json", os.path.abspath(options.json)] if options.json else []  # noqa: PTH100
        env = {**control_room.environment(), "Q2C_BENCH_URL": control_room.url, "Q2C_LOG_LEVEL": "ERROR"}
        return subprocess.run(command, cwd=places.ROOT, env=env, check=False).returncode
