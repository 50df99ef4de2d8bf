"""One at a time, as far as Redis can tell.

Whoever is at it holds a key under a token of its own, for a short while that is renewed while the work goes on: one
that was killed stands in nobody's way for long, and long work keeps the others out. Only its owner takes it away.
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from q2c.engine import beside

log = logging.getLogger(__name__)
HELD_S = 30.0
# Two renewals may fail before it is over.
RENEWALS = 3

# A Redis that was wiped meanwhile is told once more; what another took after a pause of ours stays the other's.
_HOLD = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
_LEAVE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether nobody else does this now. Only spares double work: without Redis everybody goes on."""
    key, token = f"q2c:alone:{name}", uuid.uuid4().hex
    try:
        mine = told = _hold(key, token)
    except redis.RedisError:
        log.warning("no Redis, going on alone", exc_info=True)
        mine, told = True, False
    try:
        with beside.every(HELD_S / RENEWALS, partial(_hold, key, token)) if told else nullcontext():
            yield mine
    finally:
        if told:
            try:
                _redis(settings.REDIS_URL).eval(_LEAVE, 1, key, token)
            except redis.RedisError:
                log.warning("could not clear a lock", exc_info=True)


def _hold(key: str, token: str) -> bool:
    return bool(_redis(settings.REDIS_URL).eval(_HOLD, 1, key, token, int(HELD_S * 1000)))


@functools.cache
def _redis(url: str) -> redis.Redis:
    limit_s = settings.REDIS_LIMIT_S
    return redis.Redis.from_url(
        url, socket_timeout=limit_s, socket_connect_timeout=limit_s, retry=Retry(NoBackoff(), 0)
    )
