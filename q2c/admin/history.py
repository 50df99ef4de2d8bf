"""What the history of a record tells: one row per change, with what became of what, by whom and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin

from q2c import states

# Of a version: what it was before, and what nobody reads.
_UNTOLD = {"id", "correlation_id"}


class HistoryAdmin(SimpleHistoryAdmin):
    """Also tells the columns that no form edits, such as a state, and what stands in the rows below a record."""

    object_history_template = "admin/history.html"
    object_history_list_template = "admin/history_rows.html"

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, foreign_keys_are_objs: bool = True
    ) -> None:
        super().set_history_delta_changes(request, historical_records, foreign_keys_are_objs)
        rows = list(historical_records)
        below = self.changes_below(rows)
        unkept = self._unkept()
        for i, row in enumerate(rows):
            before = rows[i + 1] if i + 1 < len(rows) else None
            typed = getattr(row, "history_delta_changes", [])
            row.history_delta_changes = [*self._unedited(row, before), *typed, *below.get(row.pk, [])]
            row.unkept = unkept

    def changes_below(self, rows: Sequence[Any]) -> dict[Any, list[dict[str, str]]]:
        """What changed in the rows that belong to the record, by the id of the version they were saved with."""
        return {}

    def _unedited(self, row: Any, before: Any) -> list[dict[str, str]]:
        """The changes of columns that only the flow or a transition sets."""
        found = []
        for field in row.tracked_fields:
            if field.editable or field.name in _UNTOLD or getattr(field, "auto_now", False):
                continue
            new = getattr(row, field.attname)
            old = getattr(before, field.attname) if before is not None else self._at_first(row, field)
            if old != new:
                found.append({"field": capfirst(field.verbose_name), "old": _said(old), "new": _said(new)})
        return found

    def _at_first(self, row: Any, field: models.Field[Any, Any]) -> Any:
        """Before the oldest version. A record made in bulk has none of its making: then it was in its first state."""
        moved = row.history_type == "~" and field.name == "state" and issubclass(self.model, states.StateRecord)
        return states.initial(self.model) if moved else getattr(row, field.attname)

    def _unkept(self) -> str:
        """Columns whose versions are not kept, such as secrets."""
        kept = {field.name for field in self.model.history.model.tracked_fields}
        return ", ".join(str(field.verbose_name) for field in self.model._meta.fields if field.name not in kept)


def _said(value: Any) -> str:
    return "–" if value in (None, "") else str(value).replace("_", " ")
