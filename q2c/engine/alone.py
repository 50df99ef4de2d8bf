"""One at a time, as far as Redis can tell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache

log = logging.getLogger(__name__)
LOCKED_S = 600


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether nobody else does this now. Only spares double work: without Redis everybody goes on."""
    key, mine = f"q2c:alone:{name}", True
    try:
        mine = bool(cache.add(key, 1, timeout=LOCKED_S))
    except Exception:
        log.warning("no Redis, going on alone", exc_info=True)
    try:
        yield mine
    finally:
        if mine:
            try:
                cache.delete(key)
            except Exception:
                log.warning("could not clear a lock", exc_info=True)
