"""bin/bench: the control room in a folder of its own, and tests/bench measuring it beside raw baselines."""

from __future__ import annotations

import argparse
import os
import subprocess

from q2c.local import places, room, venv
from q2c.local.progress import Progress
from q2c.local.venv import DEVELOPMENT, RUNTIME, Venv

USAGE = "bin/bench [--only NAME …] [--rounds N] [--size N] [--tiny] [--json FILE]    measures against raw baselines"
WHERE = places.LOCAL / "bench"
PARTS = ("intake", "journals", "calls", "queue", "trace")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bin/bench", description="Measures q2c beside raw baselines in the same run.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=PARTS, help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is measured, alternating (3)")
    parser.add_argument("--size", type=int, help="rows of the generated database for reading (100000)")
    parser.add_argument("--tiny", action="store_true", help="so little of each that it only shows that all runs")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there, too")
    options = parser.parse_args(arguments)
    progress = Progress()
    with progress.step("Python packages") as step:
        step.detail = Venv((RUNTIME, DEVELOPMENT)).make(step)
    progress.line("Servers and web of this run …")
    with room.running(WHERE, remove=True, say=progress.line, others=()) as control_room:
        passed = ["--rounds", str(options.rounds)]
        passed += ["--only", *options.only] if options.only else []
        passed += ["--size", str(options.size)] if options.size else []
        passed += ["--tiny"] if options.tiny else []
        passed += ["--json", os.path.abspath(options.json)] if options.json else []  # noqa: PTH100
        return measure(control_room, *passed).returncode


def measure(
    control_room: room.Room, *arguments: str, captured: bool = False, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs tests/bench in a room that has its web and no workers; 1 when a part failed."""
    return subprocess.run(
        [str(venv.python()), "-m", "tests.bench", *arguments], cwd=places.ROOT, check=False, text=True,
        capture_output=captured,
        env={**control_room.environment(), "Q2C_BENCH_URL": control_room.url, "Q2C_LOG_LEVEL": "ERROR", **env},
    )  # fmt: skip
