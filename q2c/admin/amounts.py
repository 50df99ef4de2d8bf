"""Amounts and prices as the admin writes them."""

from __future__ import annotations

from decimal import Decimal

from q2c import money
from q2c.ui import formats


def said(minor: int | None, currency: str) -> str:
    """EUR 48,210.00, as the reader writes it."""
    if minor is None or currency not in money.EXPONENTS:
        return "–"
    return f"{currency} {formats.amount_text(minor, currency)}"


def priced(price: Decimal | None, currency: str) -> str:
    """EUR 12.00, EUR 0.0025: the currency's decimals, and more where the price has them."""
    if price is None or currency not in money.EXPONENTS:
        return "–"
    return f"{currency} {formats.price(price, currency)}"
