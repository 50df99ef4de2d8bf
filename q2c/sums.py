"""Columns that hold sums of amounts: one amount fits a bigint, sums of many need not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models


class SumMinor(models.BigIntegerField):
    """A sum of minor units, any size: an int in Python, numeric in the database."""

    def db_type(self, connection: Any) -> str:
        return "numeric"

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)
