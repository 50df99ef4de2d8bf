"""The virtual environment: made from the locked, hashed requirements; made anew when it is not what it should be.

Its stamp tells what it holds: the Python's version and the hash of each requirements file, written last. The mark says
that it is being made: a .venv with the mark is half-made and goes. One with neither is somebody's own: it is used when
it works, and only added to.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from q2c.local import children, filelock, places
from q2c.local.progress import Step
from q2c.local.stop import Stop

RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
_STAMP, _MARK = "q2c-stamp.json", "q2c-being-made"
_WAIT_S = 900


def python() -> Path:
    """The Python that has the packages; that which runs us may be any."""
    return places.VENV / "bin" / "python"


class Venv:
    """`files` are the requirements it must hold, by name in `root`, in the order they are installed."""

    def __init__(self, files: tuple[str, ...], root: Path = places.ROOT, folder: Path | None = None) -> None:
        self.files = files
        self.root = root
        self.folder = folder or root / ".venv"
        self.local = places.LOCAL if root == places.ROOT else root / ".local"
        self.python = self.folder / "bin" / "python"
        self.log = self.local / "log" / "pip.log"

    def ready(self) -> bool:
        stamp = places.read_json(self.folder / _STAMP)
        wanted = {"python": _version(), **{name: self._hash(name) for name in self.files}}
        return not self._being_made() and wanted.items() <= stamp.items() and self._runs() == _version()

    def make(self, step: Step | None = None) -> str:
        """Makes it fit. Returns what was done, in two or three words."""
        if self.ready():
            return "ready"
        say: Callable[[str], None] = step.doing if step else lambda _: None
        lock = self.local / "venv.lock"
        with filelock.held(lock, _WAIT_S, lambda _: None, lambda: say("another start is making it")):
            if self.ready():
                return "ready"
            return self._made(say)

    def _made(self, say: Callable[[str], None]) -> str:
        done = "added to" if self._usable() else "made"
        if done == "made":
            say("making it")
            self._create()
        (self.folder / _STAMP).unlink(missing_ok=True)
        (self.folder / _MARK).touch()
        for name in self.files:
            self._install(name, say)
        stamp = {"python": _version(), **{name: self._hash(name) for name in self.files}}
        places.write_json(self.folder / _STAMP, stamp)
        (self.folder / _MARK).unlink()
        return done

    def _usable(self) -> bool:
        """Whether it may be added to: complete, or somebody's own, and of the Python that runs us."""
        return not self._being_made() and self._runs() == _version()

    def _being_made(self) -> bool:
        return (self.folder / _MARK).exists()

    def _runs(self) -> str | None:
        """The version its Python tells; None when it does not run (its base was removed, or files are missing)."""
        question = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run([self.python, "-I", "-c", question], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() or None

    def _create(self) -> None:
        try:
            import ensurepip  # noqa: F401
            import venv
        except ImportError:
            # Debian splits them off the standard library.
            raise Stop(
                f"This Python ({sys.executable}) cannot make virtual environments",
                f"Debian and Ubuntu: apt-get install python3-venv (or python{_version()}-venv)",
            )
        places.remove(self.folder)
        self.folder.mkdir()
        (self.folder / _MARK).touch()
        venv.EnvBuilder(symlinks=True).create(self.folder)
        # By ourselves and not by EnvBuilder: what it starts would live on when we are killed, and write to what the
        # next start removes.
        code, said = self._run(["-m", "ensurepip", "--default-pip"], lambda _: None)
        if code:
            raise Stop(f"pip cannot be put into {self.folder}: {said[-200:]}", f"All that Python said: {self.log}")

    def _install(self, name: str, say: Callable[[str], None]) -> None:
        """With the index and the settings of the user's own pip configuration."""
        # The progress bar would need a terminal, and the question would wait for one.
        arguments = ["-m", "pip", "install", "--require-hashes", "--no-input", "--progress-bar", "off",
                     "--disable-pip-version-check", "-r", name]  # fmt: skip

        def heard(line: str) -> None:
            if found := re.match(r"(Collecting|Downloading|Installing collected|WARNING: Retrying)\s*(\S*)", line):
                say(f"{found[1].lower()} {found[2]}")

        code, said = self._run(arguments, heard)
        if code:
            raise _pip_stop(said, self.log)

    def _run(self, arguments: list[str], heard: Callable[[str], None]) -> tuple[int, str]:
        """Runs the virtual environment's Python, which ends with us; returns its exit code and what it said."""
        said: list[str] = []
        with places.log_file(self.log.parent, "pip").open("a") as log:
            process = subprocess.Popen(
                children.tethered([str(self.python), *arguments]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, cwd=self.root, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    log.write(line)
                    said.append(line)
                    heard(line)
                return process.wait(), "".join(said)
            finally:
                process.kill()
                process.wait()

    def _hash(self, name: str) -> str:
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()


# What pip says, and what that means; the first that is found counts.
_PIP_SAYS: tuple[tuple[str, str, str], ...] = (
    (r"No space left on device", "The disk is full", "Free about 500 MB and start again"),
    (r"DO NOT MATCH THE HASHES", "The package index serves a file whose hash is not the locked one",
     "Do not use that index, or lock anew with bin/lock after you know why"),
    (r"NewConnectionError|ConnectionError|Connection refused|Max retries|name resolution|timed out|ProxyError"
     r"|SSLError|CERTIFICATE_VERIFY",
     "No package index can be reached",
     "Check the network, or name your index: pip config set global.index-url https://…"),
    (r"No matching distribution|Could not find a version",
     "The package index has no {0} for this Python and machine",
     "Use Python 3.11, 3.12 or 3.13 on Linux or macOS, or an index that has it"),
    (r"Permission denied|Read-only file system", "The virtual environment cannot be written",
     "Give yourself the right to write to the project's folder, or copy it elsewhere"),
)  # fmt: skip


def _pip_stop(said: str, log: Path) -> Stop:
    for pattern, message, remedy in _PIP_SAYS:
        if re.search(pattern, said):
            package = re.search(r"No matching distribution found for (\S+)", said)
            return Stop(message.format(package[1] if package else "package"), f"{remedy} (all that pip said: {log})")
    errors = re.findall(r"^ERROR: (.*)$", said, re.M)
    return Stop(f"pip failed: {errors[-1] if errors else 'it did not say why'}", f"All that it said: {log}")


def _version() -> str:
    """Major and minor: a patch release keeps the virtual environment working."""
    return "{}.{}".format(*sys.version_info[:2])


def stamp(folder: Path = places.VENV) -> dict[str, Any]:
    return places.read_json(folder / _STAMP)
