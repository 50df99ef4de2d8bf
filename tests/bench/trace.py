"""A whole trace across tables, beside one flat look-up by key."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.types.string import TextLoader

from q2c import trace
from tests.bench import large, raw
from tests.bench.measure import Comparison
from tests.bench.sizes import Sizes


@contextmanager
def comparisons(sizes: Sizes) -> Iterator[list[Comparison]]:
    large.fill(sizes.rows)
    user = large.reader()
    chance = random.Random(7)
    connection = raw.connect()
    # Nothing is prepared, dumped or read twice: text comes as it is, the plan is known.
    connection.prepare_threshold = 0
    connection.adapters.register_loader("jsonb", TextLoader)

    def numbers() -> list[str]:
        return [f"INV-{chance.randint(1, sizes.rows)}" for _ in range(sizes.looks)]

    def whole() -> tuple[int, float]:
        wanted = numbers()
        began = time.perf_counter()
        for number in wanted:
            found = trace.find(user, number)
            assert found.steps, number
        return len(wanted), time.perf_counter() - began

    def flat() -> tuple[int, float]:
        wanted = numbers()
        began = time.perf_counter()
        for number in wanted:
            assert connection.execute("SELECT * FROM q2c_step WHERE business_key = %s", [number]).fetchone(), number
        return len(wanted), time.perf_counter() - began

    with connection:
        yield [
            Comparison(f"whole trace among {sizes.rows:,} events", "traces/s", whole, flat,
                       "one flat look-up by key, prepared", 4, slower_by=True),
        ]  # fmt: skip
