"""Why a record changes: asked in every form, kept in its history."""

from __future__ import annotations

from typing import Any

from django import forms
from import_export.forms import ConfirmImportForm, ImportForm

from q2c.admin import overtaken
from q2c.admin.refusals import plain

# The length of simple-history's column.
REASON_MAX = 100
ADDED = "Added"

SAVE_AS = (
    "save the file in UTF-8 and choose it again. In Excel: File, Save As, CSV UTF-8 (Comma delimited); in LibreOffice: "
    "Save As, Text CSV, Edit filter settings, character set Unicode (UTF-8)"
)


def reason_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        max_length=REASON_MAX,
        required=required,
        help_text="Why this changes; the history keeps it",
        error_messages={"required": "Say why this changes: the history keeps it, and an auditor reads it"},
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )


class ReasonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A model form that asks for the reason, of a new record only optionally, and can carry the database's refusal.

    It says from which version of the record it was filled, so that nobody's change is put back unseen.
    """

    change_reason = reason_field(required=False)
    seen_version = forms.CharField(required=False, widget=forms.HiddenInput)
    refusal = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "change_reason" in self.fields:
            last = overtaken.newest(self.instance)
            self.fields[overtaken.SEEN].initial = str(last.history_id) if last is not None else ""
            asked = self.fields["change_reason"]
            asked.required = self.instance._state.adding is False
            if not asked.required:
                asked.label = "Reason (optional)"
                asked.help_text = f"Why it is added; left empty, the history says “{ADDED}”. Later changes need one"

    def clean(self) -> dict[str, Any] | None:
        found = super().clean()
        if self.refusal:
            raise forms.ValidationError(self.refusal)
        if told := overtaken.refuse(self):
            raise forms.ValidationError(told)
        return found

    def _update_errors(self, errors: Any) -> None:
        super()._update_errors(plain(errors, self._meta.model))  # type: ignore[misc]

    def reason(self) -> str:
        return str(self.cleaned_data.get("change_reason") or ADDED)


class FileForm(ImportForm):
    """The file of an import, and what no text of the database can hold."""

    def clean_import_file(self) -> Any:
        given = self.cleaned_data["import_file"]
        if any(b"\0" in chunk for chunk in given.chunks()):
            raise forms.ValidationError("The file holds a nul character: take it out, or save the file as CSV in UTF-8")
        given.seek(0)
        for number, line in enumerate(given, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                shown = line.decode(errors="replace").strip()[:60]
                raise forms.ValidationError(f"Line {number} is not in UTF-8 ({shown}): {SAVE_AS}") from None
        given.seek(0)
        return given


class ConfirmForm(ConfirmImportForm):
    """Before an import is carried out: why."""

    change_reason = reason_field(required=True)
