"""A change that rests on an older version than there is: refused once, saying who changed what; nothing typed is lost.

Two people open a record, the first one saves. What the second one sends would put the first one's change silently back.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models

from exceptions import rights
from q2c.ui.formats import instant_text

# The hidden field that says which version a form was filled from.
SEEN = "seen_version"
_AGAIN = "What you changed is kept below, all else shows how it is now: look at it, and save again"


def newest(record: Any) -> Any:
    """The latest version of a record; None of what keeps none."""
    kept = getattr(record, "history", None)
    return kept.first() if record.pk is not None and kept is not None else None


def refuse(form: Any) -> str:
    """Why this form is not saved now; empty where nobody saved the record since it was opened.

    Holds the record until the transaction ends. The form then holds what the person changed, and the rest as it is now.
    """
    seen = str(form.cleaned_data.get(SEEN) or "")
    if not seen or form.instance.pk is None:
        return ""
    # Of itself alone: some are ordered by a record that they need not have, which cannot be held.
    held = type(form.instance)._base_manager.select_for_update(of=("self",))
    now = held.filter(pk=form.instance.pk).first()
    last = newest(now) if now is not None else None
    if last is None or str(last.history_id) == seen:
        return ""
    form.data = form.data.copy()
    form.data[form.add_prefix(SEEN)] = str(last.history_id)
    base = now.history.filter(history_id=seen).first() if seen.isdecimal() else None
    changes = [] if base is None else last.diff_against(base, foreign_keys_are_objs=False).changes
    for change in changes:
        _show_anew(form, change.field, base, now)
    return _told(last, changes)


def _show_anew(form: Any, name: str, base: Any, now: Any) -> None:
    """What the person left as it was takes the value of today."""
    field, column = form.fields.get(name), now._meta.get_field(name)
    if field is None or name not in form.cleaned_data:
        return
    mine = form.cleaned_data[name]
    mine = mine.pk if isinstance(mine, models.Model) else mine
    if (mine or None) != (getattr(base, column.attname) or None):
        return
    value, key = getattr(now, column.attname), form.add_prefix(name)
    parts = [part for part in form.data if part.startswith(f"{key}-")]
    if isinstance(value, dict) and parts:
        # Shown as a box for each of its names.
        for part in parts:
            form.data[part] = value.get(part.removeprefix(f"{key}-"), "")
    elif isinstance(field, forms.BooleanField):
        form.data[key] = "on" if value else ""
    else:
        form.data[key] = field.prepare_value("" if value is None else value)


def _told(last: Any, changes: list[Any]) -> str:
    who = rights.called(last.history_user) if last.history_user else "q2c"
    why = f" ({last.history_change_reason})" if last.history_change_reason else ""
    model = last.instance_type._meta
    what = "; ".join(
        f"{model.get_field(one.field).verbose_name} from {_shown(one.old)} to {_shown(one.new)}" for one in changes
    )
    what = f": {what}" if what else " or what belongs to it"
    return f"{who} changed this {instant_text(last.history_date, 'full')}{why}{what}. {_AGAIN}"


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "", [], {}) else str(value)
