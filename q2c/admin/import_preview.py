"""What a file would change, row by row: whole values, old and new, and only the columns in which anything is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.encoding import force_str
from import_export.resources import Diff

WORDS = {"new": "New", "update": "Changed", "skip": "As it is"}


@dataclass(frozen=True, slots=True)
class Cell:
    column: str
    old: str
    new: str

    @property
    def changed(self) -> bool:
        return self.old != self.new


class Cells(Diff):
    """The library's comparison of a record before and after, kept as values."""

    def __init__(self, resource: Any, instance: Any, new: bool) -> None:
        super().__init__(resource, instance, new)
        self._columns = [field.column_name for field in resource.get_import_fields()]

    def as_html(self) -> list[Cell]:
        """One per column; the templates make the HTML of it."""
        pairs = zip(self._columns, self.left, self.right, strict=False)
        return [Cell(name, "" if self.new else force_str(old), force_str(new)) for name, old, new in pairs]


def lay_out(result: Any, keys: Sequence[str]) -> None:
    """Gives the result its `columns` to show, the keys first, and each row that fits its `word` and `cells`."""
    rows = [row for row in result.valid_rows() if row.diff]
    changed = {cell.column for row in rows for cell in row.diff if cell.changed}
    names = [cell.column for cell in rows[0].diff] if rows else []
    result.columns = [*keys, *(name for name in names if name in changed and name not in keys)]
    result.left_out = len(names) - len(result.columns)
    for row in rows:
        by_column = {cell.column: cell for cell in row.diff}
        row.word = WORDS.get(row.import_type, row.import_type)
        row.cells = [(by_column[name], name in keys) for name in result.columns]
