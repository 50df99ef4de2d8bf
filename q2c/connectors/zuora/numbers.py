"""Zuora's names for our records, and its numbers. Natural keys are what makes a second order impossible there."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")


def order_number(subscription: str) -> str:
    """The order that creates a subscription: S-SO-1001-US → O-SO-1001-US."""
    return f"O-{subscription.removeprefix('S-')}"


def cancel_number(subscription: str) -> str:
    """The order that cancels it: S-SO-1001-US → X-SO-1001-US."""
    return f"X-{subscription.removeprefix('S-')}"


def encode(body: Any) -> bytes:
    """JSON with decimals as numbers, digit for digit."""
    return _encoder.encode(body)


def decode(text: str | bytes) -> Any:
    """JSON with decimals kept; raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def plain(value: Decimal | str | int) -> Decimal | int:
    """A decimal as JSON would write it by hand: 10.0 → 10, 0.50 → 0.5."""
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else number.normalize()


def same(value: Any) -> Any:
    """A JSON value in the form in which two are compared: numbers by value, empty members left out."""
    if isinstance(value, dict):
        return {name: same(each) for name, each in sorted(value.items()) if each not in (None, "", [], {})}
    if isinstance(value, list):
        return [same(each) for each in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return f"{plain(value)}"
    return value
