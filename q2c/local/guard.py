"""Cleans up after a supervisor that was killed: a tiny process that waits for the end of a pipe.

PR_SET_PDEATHSIG reaches the children of a supervisor, not their children, and only on Linux. The guard knows the
process groups that were started and ends those that outlive the supervisor; meanwhile it keeps the supervisor's
file locks, so that a new start waits until the old one has left nothing behind.

Run as a script, it reads lines from its standard input and imports nothing of q2c:

    + GROUP SIGNAL    a process group started; SIGNAL asks it to end
    - GROUP           it has ended
    rm FOLDER         a folder to remove at the end
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 10.0


class Guard:
    """The supervisor's side. One guard serves one process; it is started with the first child."""

    def __init__(self, keep: tuple[int, ...] = ()) -> None:
        """`keep`: file descriptors of locks that are freed only when all is cleaned up."""
        self._keep = keep
        self._known: dict[int, int] = {}
        self._folders: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None

    def started(self, group: int, ask: int) -> None:
        self._known[group] = ask
        self._tell(f"+ {group} {ask}")

    def ended(self, group: int) -> None:
        if self._known.pop(group, None) is not None:
            self._tell(f"- {group}")

    def removes(self, folder: Path) -> None:
        # Absolute: the guard works in /.
        self._folders.append(folder.absolute())
        self._tell(f"rm {folder.absolute()}")

    def check(self) -> None:
        """Starts it anew if somebody ended it."""
        if self._process is not None and self._process.poll() is not None:
            self._start()

    def close(self) -> None:
        """Lets the guard do what is left to do, and waits for it."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
            return
        try:
            self._write(line)
        except BrokenPipeError:
            self._start()

    def _start(self) -> None:
        """A guard that somebody killed is started anew and told everything again."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=self._keep, start_new_session=True, cwd="/",
        )  # fmt: skip
        for group, ask in self._known.items():
            self._write(f"+ {group} {ask}")
        for folder in self._folders:
            self._write(f"rm {folder}")

    def _write(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


def living(groups: set[int]) -> set[int]:
    """Those of `groups` with a process that is no zombie: PID 1 of a container may never reap."""
    if not Path("/proc/self/stat").exists():
        return {group for group in groups if _takes_signals(group)}
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # "pid (name) state ppid group …", and the name may hold spaces and brackets.
                state, _parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (OSError, ValueError):
                continue
            if int(group) in groups and state not in "ZX":
                found.add(int(group))
    return found


def _takes_signals(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def send(group: int, number: int) -> None:
    # PermissionError: on macOS, a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asks: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "+":
            group, ask = rest.split()
            asks[int(group)] = int(ask)
        elif verb == "-":
            asks.pop(int(rest), None)
        elif verb == "rm":
            folders.append(rest)
    for group in living(set(asks)):
        send(group, asks[group])
    deadline = time.monotonic() + GRACE_S
    while (left := living(set(asks))) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in left:
        send(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
