"""python -m q2c.faults.within MODULE …: runs a module as a process that can be struck at the named points.

A file Q2C_FAULT_FOLDER/armed/<point> tells what is to happen there to the first process that comes by: `kill`;
`stop N`: the whole process stands still for N seconds; `stand N`: one thread does, while the process goes on;
`jump N`: its clock is N seconds ahead from now on. The file moves to struck/<point>.<pid>.<nanoseconds>.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

from q2c import clock, points

FOLDER, BAD = "Q2C_FAULT_FOLDER", "Q2C_FAULT_BAD"


def folder_of(where: Path) -> Path:
    """Makes what strikes need, and returns it."""
    for name in ("armed", "struck"):
        (where / name).mkdir(parents=True, exist_ok=True)
    return where


def arm(where: Path, point: str, what: str) -> None:
    """Whole or not at all: another process may come by at this moment."""
    half = where / f"{point}.half"
    half.write_text(what)
    half.rename(where / "armed" / point)


class Striker:
    def __init__(self, where: Path) -> None:
        self.armed, self.struck = where / "armed", where / "struck"

    def __call__(self, point: str) -> None:
        mine = self.struck / f"{point}.{os.getpid()}.{time.time_ns()}"
        try:
            # Whoever moves it away is the one.
            (self.armed / point).rename(mine)
        except OSError:
            return
        what, _, seconds = mine.read_text().partition(" ")
        _DOES[what](float(seconds or 0))


def _kill(_: float) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(seconds: float) -> None:
    me = os.getpid()
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {me}"], start_new_session=True)
    os.kill(me, signal.SIGSTOP)


def _jump(seconds: float) -> None:
    clock.move_to(clock.now() + clock.seconds(seconds))


def _worsen(variant: str) -> None:
    import django

    from q2c.faults import bad

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    django.setup()
    bad.put_over(variant)


_DOES = {"kill": _kill, "stop": _stop, "stand": time.sleep, "jump": _jump}


def main(arguments: list[str]) -> None:
    points.told = Striker(Path(os.environ[FOLDER]))
    if variant := os.environ.get(BAD):
        _worsen(variant)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
