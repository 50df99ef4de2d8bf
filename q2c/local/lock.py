"""bin/lock: requirements*.in into requirements*.txt, for every platform and Python from 3.11 on, with hashes."""

from __future__ import annotations

import subprocess

from q2c.local import places, venv
from q2c.local.progress import Progress
from q2c.local.stop import Stop
from q2c.local.venv import Venv

USAGE = "bin/lock [--upgrade]    locks requirements*.in into requirements*.txt with hashes"
# requirements-dev.in names requirements.txt as its constraint, so the order counts.
_NAMES = ("requirements", "requirements-dev", "requirements-referees", "requirements-tryton")


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--upgrade"}:
        raise Stop(f"bin/lock knows no {' '.join(arguments)}", USAGE)
    progress = Progress()
    uv = _uv()
    for name in _NAMES:
        source = places.ROOT / f"{name}.in"
        if source.exists():
            with progress.step(f"{name}.in → {name}.txt"):
                _compile(uv, name, arguments)
    return 0


def _compile(uv: list[str], name: str, arguments: list[str]) -> None:
    done = subprocess.run(
        [*uv, "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "--no-header",
         "--quiet", *arguments, f"{name}.in", "-o", f"{name}.txt"],
        cwd=places.ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Stop(f"{name}.in cannot be locked: {done.stderr[-500:]}", "Change its versions so that they fit together")


def _uv() -> list[str]:
    """uv of the machine, else one of our own in .local: it is no requirement of q2c."""
    import shutil
    import sys

    if found := shutil.which("uv"):
        return [found]
    if not Venv(()).ready():
        Venv(()).make()
    target = places.LOCAL / "uv"
    if not (target / "bin" / "uv").exists():
        command = [str(venv.python()), "-m", "pip", "install", "-q", "--no-input", "--target", str(target), "uv"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
            raise Stop("uv is missing and cannot be installed", "Install it: https://docs.astral.sh/uv/")
    return [str(target / "bin" / "uv")]
