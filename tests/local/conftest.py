"""A small project that the launcher can start before, and without, the real one: real servers, gunicorn and Celery."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from q2c.local import places

STUBS = Path(__file__).parent / "small_project"
# Left out of a child's environment: it shall find its own servers.
OURS = (
    "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SANDBOX_DATABASE_URL", "SANDBOX_URL", "Q2C_AS_OWNER",
    "Q2C_SECRET_KEY", "PYTEST_XDIST_WORKER", "DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS", "PYTHON", "CI",
)  # fmt: skip


def system_python() -> str | None:
    """A Python that every account can run; that of a virtual environment may lie in a closed home."""
    for name in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        test = [name, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if os.getuid() != 0 or subprocess.run(test, user="nobody", check=False).returncode == 0:
                return name
        except OSError:
            continue
    return None


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes to other accounts")
needs_python_for_all = pytest.mark.skipif(not system_python(), reason="no Python that every account can run")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may pass through, unlike pytest's tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="q2c-local-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


class SmallProject:
    """`token` is in the environment of all that it starts, so that what is left of it can be found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.token = uuid.uuid4().hex
        self.env = {name: value for name, value in os.environ.items() if name not in OURS}
        self.env |= {"Q2C_TEST_TOKEN": self.token, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
        self.started: list[Run] = []
        # Test runs lay their folder there, so that left() sees the servers that work in it.
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        self.env["TMPDIR"] = str(self.temporary)
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(places.ROOT / "q2c" / "local", root / "q2c" / "local", ignore=without_caches)
        shutil.copytree(places.ROOT / "bin", root / "bin")
        shutil.copytree(STUBS, root, dirs_exist_ok=True, ignore=without_caches)
        for name in ("requirements.txt", "requirements-dev.txt", "requirements-referees.txt"):
            shutil.copy(places.ROOT / name, root / name)
        (root / ".venv").symlink_to(Path(sys.prefix).resolve())

    def start(self, *command: str, **env: str) -> Run:
        run = Run(list(command), self.root, {**self.env, **env})
        self.started.append(run)
        return run

    def left(self) -> dict[int, str]:
        """Processes that carry our token or work on our folder: id → command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                # Servers overwrite their command line and environment, but work in their data folder.
                traces = f"{command} {(entry / 'cwd').readlink()}"
                ours = self.token.encode() in (entry / "environ").read_bytes() or str(self.root) in traces
            except OSError:
                continue
            if ours and command:
                found[int(entry.name)] = command
        return found

    def find(self, part: str, other_than: int = 0) -> int:
        """The process with `part` in its command line; it may just be starting."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = [pid for pid, command in self.left().items() if part in command and pid != other_than]
            if found:
                return min(found)
            time.sleep(0.05)
        pytest.fail(f"no process with {part}: {self.left()}")

    def left_after(self, wait_s: float) -> dict[int, str]:
        deadline = time.monotonic() + wait_s
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


class Run:
    """A command that runs, with what it has printed so far."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str]) -> None:
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=self._file, stderr=subprocess.STDOUT,
            start_new_session=True,
            # What a shell starts in the background ignores it, and so would all that the tests start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )  # fmt: skip

    @property
    def printed(self) -> str:
        return os.pread(self._file.fileno(), 1 << 20, 0).decode(errors="replace")

    def until(self, words: str | Callable[[str], bool], wait_s: float = 60) -> str:
        """Waits until it has printed `words`; fails with all it printed when it ends or time is over."""
        found = words if callable(words) else lambda text: words in text
        deadline = time.monotonic() + wait_s
        while not found(self.printed):
            if self.process.poll() is not None and not found(self.printed):
                pytest.fail(f"ended with {self.process.returncode}:\n{self.printed}")
            if time.monotonic() > deadline:
                pytest.fail(f"not after {wait_s} s:\n{self.printed}")
            time.sleep(0.05)
        return self.printed

    def end(self, number: int = signal.SIGINT, wait_s: float = 60) -> str:
        self.process.send_signal(number)
        self.process.wait(wait_s)
        return self.printed

    def fails(self, wait_s: float = 60) -> str:
        """The one line it printed before it ended with an error."""
        code = self.process.wait(wait_s)
        assert code != 0, self.printed
        assert "Traceback" not in self.printed, self.printed
        lines = [line for line in self.printed.splitlines() if line.startswith("q2c: ")]
        assert len(lines) == 1, self.printed
        return lines[0]


@pytest.fixture
def project(open_folder: Path) -> Iterator[SmallProject]:
    small = SmallProject(open_folder)
    yield small
    for run in small.started:
        if run.process.poll() is None:
            run.process.terminate()
            try:
                run.process.wait(15)
            except subprocess.TimeoutExpired:
                run.process.kill()
    assert small.left_after(15) == {}
