"""Something small that goes on beside long work, on a thread and a database connection of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

log = logging.getLogger(__name__)


@contextmanager
def every(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """`act` is called every so many seconds inside the block; when it fails it is tried the next time."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(seconds):
            try:
                act()
            except Exception:
                log.exception("could not be done beside the work")
            finally:
                connection.close()

    thread = threading.Thread(target=go_on, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
