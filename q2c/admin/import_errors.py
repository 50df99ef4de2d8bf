"""What is wrong with the rows of a file, and what its columns mean, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError
from django.db.models import ProtectedError
from tablib.exceptions import InvalidDimensions

from q2c.admin.refusals import refusal

# What a person who types one of these columns, into a form or a file, has to know.
COLUMN_HELP = {
    "effective_from": "The first day on which it holds",
    "effective_to": "The first day on which it no longer holds: 2026-12-01 for one that last holds on 2026-11-30; "
    "empty: no end",
    "ends_on": "The first day that no longer counts: 2026-12-01 for a period whose last day is 2026-11-30",
    "discount_limit_percent": "A higher discount on a line waits for a second person",
    "usage_limit_percent": "Of what the order sold over its whole term, one invoice may bill so much as usage of a "
    "product; more waits for a second person, unless it is within ten times the most before",
    "tax_tolerance_percent": "So many points may the tax of an invoice be from what was estimated for its order (with "
    "1, and 20 % estimated: 19 to 21 %); more waits for a second person",
    "dimensions": 'Codes and values that go onto its journal lines, such as {"cost_center": "CC-410"}; {} for none',
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake of a file. `row` counts without the heading; `column` is empty where it is the row as a whole."""

    row: int
    column: str
    given: str
    what: str
    remedy: str


def wrong(result: Any, model: Any) -> list[Wrong]:
    """Each mistake of the rows that do not fit, in the order of the file."""
    found = []
    for row in result.invalid_rows:
        given = dict(zip(result.diff_headers, row.values, strict=False))
        for column, texts in row.field_specific_errors.items():
            written = "" if given.get(column) is None else str(given[column])
            found += [Wrong(row.number, column, written, text, _remedy(model, column, text)) for text in texts]
        found += [Wrong(row.number, "", "", text, "") for text in row.non_field_specific_errors]
    for row in result.error_rows:
        found += [Wrong(row.number, "", "", _raised(each.error), "") for each in row.errors]
    return sorted(found, key=lambda one: one.row)


def _raised(error: Exception) -> str:
    return refusal(error) if isinstance(error, DatabaseError | ProtectedError) else str(error)


def help_of(model: Any, columns: Sequence[str]) -> list[tuple[str, str]]:
    """What is to be known of columns, where anything is: (column, help)."""
    return [(column, text) for column in columns if (text := _help(model, column))]


def _remedy(model: Any, column: str, text: str) -> str:
    """Beyond what the mistake says itself, as those do that have a colon."""
    return "" if ":" in text else _help(model, column)


def _help(model: Any, column: str) -> str:
    try:
        field = model._meta.get_field(column)
    except FieldDoesNotExist:
        return ""
    if getattr(field, "choices", None) and field.name != "state":
        return f"One of: {', '.join(str(key) for key, _ in field.choices)}"
    typed = field.get_internal_type() in {"DateField", "DecimalField", "JSONField"}
    known = COLUMN_HELP.get(column, "") if typed else ""
    return known or str(getattr(field, "help_text", ""))


def unread(error: Exception) -> str:
    """What to do about a file that is no CSV as it is read here; that it is in UTF-8 was seen before."""
    if isinstance(error, InvalidDimensions):
        return (
            "Its rows do not all have as many columns as the first one. Are there semicolons between the columns, save "
            "the file as CSV with commas; a value with a comma in it stands in quotation marks"
        )
    return f"The file cannot be read as CSV with commas: {error}"
