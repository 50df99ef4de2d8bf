"""What the history of a record tells: one row per change, with what became of what, by whom and why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.utils import display_for_field
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin

from q2c import states
from q2c.ui.formats import instant_text

# Of a version: what it was before, and what nobody reads.
_UNTOLD = {"id", "correlation_id", "left_open"}
WORDS = {"+": "Added", "-": "Deleted", "~": "Changed"}


class HistoryAdmin(SimpleHistoryAdmin):
    """Also tells the columns that no form edits, such as a state, and what stands in the rows below a record."""

    object_history_template = "admin/history.html"
    object_history_list_template = "admin/history_rows.html"
    object_history_form_template = "admin/history_version.html"

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponse:
        told = {**(extra_context or {}), "version_id": version_id}
        return super().history_form_view(request, object_id, version_id, told)

    def render_history_view(self, request: HttpRequest, template: str, context: Any, **kwargs: Any) -> HttpResponse:
        """An old version is read: what the record said then, with who, when and why."""
        if template == self.object_history_form_template:
            version = self.model.history.get(history_id=context["version_id"])
            before = self._before(version)
            self.set_history_delta_changes(request, [version, before] if before is not None else [version])
            del context["adminform"]
            context |= {
                "version": version, "word": WORDS.get(version.history_type, ""), "said": self._said_then(version),
                "title": f"{version.instance}, as it was", "opts": self.opts,
            }  # fmt: skip
        return super().render_history_view(request, template, context, **kwargs)

    def _before(self, version: Any) -> Any:
        """The version before; several of one instant stand in the order in which they were kept."""
        key = self.model._meta.pk.attname
        earlier = models.Q(history_date=version.history_date, history_id__lt=version.history_id)
        found = self.model.history.filter(earlier | models.Q(history_date__lt=version.history_date))
        return found.filter(**{key: getattr(version, key)}).order_by("-history_date", "-history_id").first()

    def _said_then(self, version: Any) -> list[tuple[str, str]]:
        """Label and value of each column that is kept."""
        told = (field for field in version.tracked_fields if field.name not in _UNTOLD)
        return [(capfirst(field.verbose_name), _shown(version, field)) for field in told]

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


def _shown(version: Any, field: models.Field[Any, Any]) -> str:
    """What a column of a version says. A record that it names may be there no more: then its id is all there is."""
    value = getattr(version, field.attname)
    if field.is_relation and value is not None:
        named = field.related_model._default_manager.filter(pk=value).first()  # type: ignore[union-attr]
        return str(named) if named is not None else f"{value} (deleted)"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else "–"
    if isinstance(value, dt.datetime):
        return instant_text(value, "full")
    return str(display_for_field(value, field, "–")) if not isinstance(value, bool) else "yes" if value else "no"


def _said(value: Any) -> str:
    return "–" if value in (None, "") else str(value).replace("_", " ")
