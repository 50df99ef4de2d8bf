"""The three amounts of a line: each set sums to zero as the first one does."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from q2c.money import converted


def balanced(amounts_minor: Sequence[int], source: str, target: str, rate: Decimal) -> list[int]:
    """`amounts_minor` of `source`, which sum to zero, in `target` at `rate`, summing to zero again.

    Each line is rounded half up by itself; what that leaves over goes onto the largest line, the first of equals.
    """
    if source == target:
        return list(amounts_minor)
    parts = [converted(amount, source, target, rate) for amount in amounts_minor]
    left_over = sum(parts)
    if left_over:
        largest = max(range(len(parts)), key=lambda i: abs(parts[i]))
        parts[largest] -= left_over
    return parts
