"""Whatever is converted balances again."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import balanced
from q2c.money import converted

CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
AMOUNTS = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=40)
RATES = st.decimals(Decimal("0.000001"), Decimal("20000"), places=9, allow_nan=False, allow_infinity=False)


@given(AMOUNTS, CURRENCIES, CURRENCIES, RATES)
def test_converted_lines_balance_and_only_the_largest_moves(
    amounts: list[int], source: str, target: str, rate: Decimal
) -> None:
    amounts = [*amounts, -sum(amounts)]
    parts = balanced(amounts, source, target, rate)
    assert sum(parts) == 0
    alone = [converted(amount, source, target, rate) for amount in amounts]
    moved = [i for i, part in enumerate(parts) if part != alone[i]]
    assert len(moved) <= 1
    for i in moved:
        assert abs(alone[i]) == max(map(abs, alone))
        # Each line is off by half a unit at most before, so together by half a unit per line.
        assert abs(parts[i] - alone[i]) <= (len(amounts) + 1) // 2


@given(AMOUNTS, RATES)
def test_a_mirror_is_exact(amounts: list[int], rate: Decimal) -> None:
    amounts = [*amounts, -sum(amounts)]
    parts = balanced(amounts, "EUR", "USD", rate)
    assert balanced([-amount for amount in amounts], "EUR", "USD", rate) == [-part for part in parts]


def test_the_first_of_equal_lines_takes_what_is_left_over() -> None:
    # 0.05 + 0.05 − 0.10 at 0.5: 3 + 3 − 5 leaves 1 over, and the tenth is the largest.
    assert balanced([5, 5, -10], "USD", "EUR", Decimal("0.5")) == [3, 3, -6]
    assert balanced([5, -5, 5, -5], "USD", "EUR", Decimal("0.5")) == [3, -3, 3, -3]
    # 1 + 1 + 1 − 3 at 0.5: 1 + 1 + 1 − 2.
    assert balanced([1, 1, 1, -3], "USD", "EUR", Decimal("0.5")) == [1, 1, 1, -3]
