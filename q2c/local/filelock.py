"""One at a time: a lock on a file that the kernel takes back when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from q2c.local import places
from q2c.local.stop import Stop


class FileLock:
    """`fd` may be handed to another process: the lock then lasts until both have closed it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        places.folder(path.parent)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def try_once(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.say({"pid": os.getpid()})
        return True

    def say(self, content: dict[str, Any]) -> None:
        """Leaves a note in the lock file for whoever finds it held."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps(content).encode(), 0)

    def note(self) -> dict[str, Any]:
        return places.read_json(self.path)

    def close(self) -> None:
        # Closing, not LOCK_UN: that would also free it for the guard, which may still be cleaning up.
        os.close(self.fd)


@contextlib.contextmanager
def held(
    path: Path, wait_s: float, refuse: Callable[[dict[str, Any]], Stop | None], waiting: Callable[[], None]
) -> Iterator[FileLock]:
    """Holds the lock on `path`. While another holds it, `refuse(its note)` may say why there is no use in waiting."""
    lock = FileLock(path)
    try:
        deadline = time.monotonic() + wait_s
        said = False
        while not lock.try_once():
            stop = refuse(lock.note())
            if stop is None and time.monotonic() > deadline:
                stop = Stop(f"{path} is held for {wait_s:.0f} s now", "Another start still runs; end it and try again")
            if stop is not None:
                raise stop
            if not said:
                waiting()
                said = True
            time.sleep(0.1)
        yield lock
    finally:
        lock.close()
