"""What happened to records, as pages show it."""

from __future__ import annotations

import pytest

from q2c.reading.differences import Difference, Sums
from q2c.ui import story


@pytest.mark.parametrize(
    ("minors", "shown"),
    [((5_000, -4_000), [5_000, -4_000]), ((0,), [0]), ((0, -300), [-300]), ((200, 300), [500])],
)
def test_what_billing_has_more_here_and_less_there_is_not_netted(minors: tuple[int, ...], shown: list[int]) -> None:
    sums = Sums()
    for number, minor in enumerate(minors):
        sums.add(Difference("changed", f"INV-{number}", "zuora", "DE01", "2026-11", minor, "EUR", why="changed"))
    (row,) = story.rows_of(sums)
    assert [(money.minor, type(money).__name__) for money in row["amounts"]] == [(minor, "Money") for minor in shown]
