"""A whole trace across tables, beside one flat look-up by key."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from q2c import trace
from tests.bench import large
from tests.bench.measure import Comparison

LOOKS = 100


@contextmanager
def comparisons(size: int) -> Iterator[list[Comparison]]:
    large.fill(size)
    user = large.reader()
    chance = random.Random(7)

    def numbers() -> list[int]:
        return [chance.randint(1, size) for _ in range(LOOKS)]

    def whole() -> int:
        for number in numbers():
            found = trace.find(user, f"INV-{number}")
            assert found.steps, number
        return LOOKS

    def flat() -> int:
        with connection.cursor() as cursor:
            for number in numbers():
                cursor.execute("SELECT * FROM q2c_step WHERE business_key = %s", [f"INV-{number}"])
                assert cursor.fetchone()
        return LOOKS

    yield [
        Comparison(f"whole trace among {size:,} events", "traces/s", whole, flat, "one flat look-up by key", 4,
                   slower_by=True),
    ]  # fmt: skip
