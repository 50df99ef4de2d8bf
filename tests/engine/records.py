"""A record of any model with as little in it as the database takes; what it points to is made with it."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.fields import NOT_PROVIDED

from q2c import keys
from q2c.models.fields import RawJSONField

_numbers = itertools.count(1)
_DAY = dt.date(2026, 3, 2)

# What a value of the column's type alone would not be taken as.
_SPECIAL: dict[tuple[str, str], Any] = {
    ("LegalEntity", "functional_currency"): "USD",
    ("LegalEntity", "country"): "US",
    ("FiscalPeriod", "ends_on"): dt.date(2026, 4, 1),
    ("Policy", "service_level_h"): 8,
    ("Case", "currency"): "",
    ("Problem", "kind"): "cases",
    ("JournalEntry", "currency"): "USD",
    ("JournalEntry", "functional_currency"): "USD",
    ("JournalEntry", "group_currency"): "USD",
}


def columns(model: type[models.Model]) -> dict[str, Any]:
    """Values for the columns that have no default."""
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        special = _SPECIAL.get((model.__name__, field.name))
        if special is not None:
            values[field.name] = special
        elif not (field.null or field.has_default() or field.db_default is not NOT_PROVIDED or field.name == "state"):
            if field.primary_key and isinstance(field, models.AutoField | models.BigAutoField):
                continue
            values[field.name] = _value(field)
    return values


def made(model: type[models.Model], **given: Any) -> Any:
    """One stored record, in its initial state unless `given` says otherwise."""
    record = model(**columns(model) | given)
    record.save(force_insert=True)
    return record


def _value(field: Any) -> Any:
    if isinstance(field, models.ForeignKey):
        there = field.related_model.objects.first()
        return there if there is not None else made(field.related_model)
    number = next(_numbers)
    for kind, value in (
        (models.UUIDField, keys.new_id()),
        (models.DateTimeField, dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)),
        (models.DateField, _DAY),
        (models.TimeField, dt.time(9)),
        (models.DecimalField, Decimal(1)),
        (models.IntegerField, number),
        (models.BooleanField, False),
        (models.JSONField, {}),
        (models.BinaryField, keys.fingerprint(str(number).encode())),
    ):
        if isinstance(field, kind):
            return value
    if isinstance(field, RawJSONField):
        return "{}"
    if field.choices:
        return field.choices[0][0]
    return "" if field.blank else f"x{number}"[: field.max_length or 20]
