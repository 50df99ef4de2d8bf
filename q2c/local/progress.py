"""What a person sees while things start: one line a step, with the seconds it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

_WIDTH = 72


class Progress:
    """Lines on `out`; on a terminal the running step shows what it is doing and is overwritten when done."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self.out = out
        self.began = time.monotonic()
        self._terminal = out.isatty()

    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    def line(self, text: str = "") -> None:
        self._write(f"{text}\n")

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Prints `name`, and the seconds when the step has ended well."""
        step = Step(self, name)
        step.doing("…")
        try:
            yield step
        except BaseException:
            self._write("\r\x1b[K" if self._terminal else "")
            raise
        self._write(("\r\x1b[K" if self._terminal else "") + step.closing() + "\n")

    def _write(self, text: str) -> None:
        # The reader of a pipe or the terminal may have gone; the servers must still be stopped in order.
        with contextlib.suppress(OSError, ValueError):
            self.out.write(text)
            self.out.flush()


class Step:
    """A running step. `detail` is added to its line at the end."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress = progress
        self.name = name
        self.detail = ""
        self._began = time.monotonic()

    def doing(self, what: str) -> None:
        """Shown on a terminal until the next one."""
        if self.progress._terminal:
            self.progress._write(f"\r\x1b[K  {self.name}: {what}"[:100])

    def closing(self) -> str:
        text = f"{self.name} ({self.detail})" if self.detail else self.name
        return f"  {text:<{_WIDTH}} {time.monotonic() - self._began:6.1f} s"
