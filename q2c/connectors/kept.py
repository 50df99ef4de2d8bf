"""Rows of a platform's master data by our names, kept for a few seconds where they speak for what is to be sent.

What speaks against it (a closed period, an inactive account) is read anew each time, so that a repair takes effect at
once. What went dead in those few seconds the platform itself refuses, or what is read back tells.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

KEEP_S = 5.0
KEPT_MAX = 20_000
Row = Mapping[str, Any]


class Kept:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[tuple[Hashable, str], tuple[float, Row]] = {}

    def through(
        self,
        kind: Hashable,
        names: Iterable[str],
        read: Callable[[list[str]], Mapping[str, Row]],
        keeps: Callable[[Row], bool],
        *,
        fresh: bool = False,
    ) -> dict[str, Row]:
        """Rows by name, read where they are not kept; what is not there is not in it. `fresh` reads all anew."""
        wanted, now = sorted(set(names)), time.monotonic()
        with self._lock:
            if len(self._rows) >= KEPT_MAX:
                self._rows.clear()
            kept = {} if fresh else {name: self._rows.get((kind, name)) for name in wanted}
        # What was good for one caller need not be so for the next: an account ends on a day.
        found = {name: one[1] for name, one in kept.items() if one is not None and one[0] > now and keeps(one[1])}
        missing = [name for name in wanted if name not in found]
        if not missing:
            return found
        read_now = read(missing)
        with self._lock:
            for name in missing:
                row = read_now.get(name)
                if row is not None and keeps(row):
                    self._rows[kind, name] = (now + KEEP_S, row)
                else:
                    self._rows.pop((kind, name), None)
        return {**found, **read_now}
