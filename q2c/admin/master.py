"""What the admin of every record that people own has in common.

A reason with each change, history, import and export as CSV, the database's refusals as form errors, and the offers
that a change brings forth.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, models
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV

from q2c import clock
from q2c.admin import import_errors
from q2c.admin.filters import as_filters_name_it
from q2c.admin.history import HistoryAdmin
from q2c.admin.offers import announce
from q2c.admin.overtaken import SEEN
from q2c.admin.reasons import ConfirmForm, FileForm, ReasonForm
from q2c.admin.refusals import refusal
from q2c.admin.resources import Choices


class VisibleMixin:
    """Records reach the admin as they reach the pages: through the one place that takes the user."""

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request)  # type: ignore[misc]
        return found.visible_to(request.user) if hasattr(found, "visible_to") else found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """An address may name a filter by its column; the filters beside the list know theirs by the longer name."""
        if known := as_filters_name_it(self.model, self.list_filter, request.GET):  # type: ignore[attr-defined]
            return redirect(f"{request.path}?{known}")
        if ERROR_FLAG in request.GET:
            messages.error(request, "The list has no such filter, value or page: this is all of it")
        return super().changelist_view(request, extra_context)  # type: ignore[misc,no-any-return]


class LastDayMixin:
    """Of what holds from one day to another."""

    @admin.display(description="Last day", ordering="effective_to")
    def holds_until(self, record: Any) -> dt.date | None:
        """The stored day no longer counts."""
        return record.effective_to - dt.timedelta(days=1) if record.effective_to else None


class Chosen(AutocompleteSelect):
    """Of a value that is no key at all, nothing is chosen: the form is shown again and says so."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        try:
            return super().optgroups(name, value, attr)
        except (ValueError, ValidationError):
            return super().optgroups(name, [""], attr)


class MasterAdmin(LastDayMixin, VisibleMixin, HistoryAdmin):
    """One kind of record that people own. `choices`: text fields whose values are other records' keys."""

    form: Any = ReasonForm
    choices: dict[str, Choices] = {}
    show_full_result_count = False
    list_per_page = 50
    save_on_top = False
    view_on_site = False

    # Forms

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        said = getattr(request, "q2c_refusal", "")
        return type(form.__name__, (form,), {"refusal": said}) if said else form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The reason stands last, and only where something can be changed."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        found = [(name, dict(options)) for name, options in super().get_fieldsets(request, obj)]
        for _, options in found:
            fields = [field for field in options["fields"] if field not in {"change_reason", SEEN}]
            # Declared by a base class, the days would come before what they are about.
            days = [field for field in fields if field in {"effective_from", "effective_to"}]
            options["fields"] = [*(field for field in fields if field not in days), *days]
        return [*found, ("Why", {"fields": ["change_reason", *([SEEN] if obj else [])]})] if may else found

    def formfield_for_dbfield(self, db_field: models.Field[Any, Any], request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.choices:
            return _chosen(db_field, self.choices[db_field.name]())
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in import_errors.COLUMN_HELP and found is not None:
            found.help_text = import_errors.COLUMN_HELP[db_field.name]
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = Chosen(db_field, self.admin_site, using=kwargs.get("using"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    # What is saved

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj._change_reason = form.reason()
        super().save_model(request, obj, form, change)
        _touched(request).append(obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for each in formset.forms:
            each.instance._change_reason = form.reason()
        super().save_formset(request, form, formset, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj._change_reason = "Deleted in the admin"
        super().delete_model(request, obj)

    # Around a request

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        since = clock.now()
        try:
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        except (IntegrityError, ProtectedError) as error:
            if request.method != "POST" or hasattr(request, "q2c_refusal"):
                raise
            # Once more, now with the refusal as an error of the form, so that nothing typed is lost.
            request.q2c_refusal = refusal(error)  # type: ignore[attr-defined]
            _touched(request).clear()
            return super().changeform_view(request, object_id, form_url, extra_context)
        announce(request, _touched(request), since)
        return answer

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        self._be_id(self.model, object_id)
        return super().history_view(request, object_id, extra_context)

    def _be_id(self, model: type[models.Model], text: str) -> None:
        """Raises Http404 for what no record of the model can have as its id."""
        try:
            model._meta.pk.to_python(unquote(text))
        except ValidationError:
            raise Http404(f"There is no {self.opts.verbose_name} {text[:60]}") from None

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """An old version is looked at, never put back: that would carry states with it, and asks no right to change."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied("An old version is not put back: change the record, and say why.")
        self._be_id(self.model, object_id)
        self._be_id(self.model.history.model, version_id)
        return super().history_form_view(request, object_id, version_id, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except IntegrityError as error:
            messages.error(request, refusal(error))
            return redirect(request.path.removesuffix("delete/") + "change/")

    def get_actions(self, request: HttpRequest) -> Any:
        """No deleting in bulk: one at a time shows what stands against it."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        return found


class ImportedAdmin(ImportExportMixin, MasterAdmin):
    """A kind of record that also comes and goes as CSV. Its resource says how rows are matched."""

    import_formats = [CSV]
    export_formats = [CSV]
    import_form_class = FileForm
    confirm_form_class = ConfirmForm
    import_template_name = "admin/import_rows.html"
    import_error_display = ("message",)
    # Spreadsheets begin their files with a byte order mark.
    from_encoding = "utf-8-sig"
    to_encoding = "utf-8-sig"

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_or_change_permission(request)

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        (rows,) = self.get_import_resource_classes(kwargs.get("request"))
        columns = [field.column_name for field in rows().get_user_visible_fields()]
        return {**super().get_import_context_data(**kwargs), "column_help": import_errors.help_of(self.model, columns)}

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        form.add_error("import_file", import_errors.unread(e))

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {"choices": self.choices}

    def export_action(self, request: HttpRequest) -> Any:
        """What the list cannot be filtered by is said at the list; it exports nothing else instead."""
        try:
            return super().export_action(request)
        except IncorrectLookupParameters:
            messages.error(request, "Nothing was exported: the list has no such filter, value or page")
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_export_queryset(self, request: HttpRequest) -> Any:
        found = super().get_export_queryset(request)
        return found.visible_to(request.user) if hasattr(found, "visible_to") else found

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.pop("form", None)
        said = form.cleaned_data.get("change_reason") if form is not None and form.is_valid() else ""
        return {**kwargs, "change_reason": said or "", "rollback_on_validation_errors": True}

    def process_dataset(self, dataset: Any, form: Any, request: HttpRequest, **kwargs: Any) -> Any:
        request.q2c_since = clock.now()  # type: ignore[attr-defined]
        return super().process_dataset(dataset, form, request, **kwargs)

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        """All rows or none: what was fine in the preview may not be any more. Then it says which, and why."""
        if result.has_errors() or result.has_validation_errors():
            messages.error(request, "Nothing was imported: see below what no longer fits")
            return self._not_imported(result, request)
        answer = super().process_result(result, request)
        changed = [row.instance for row in result if row.import_type in {"new", "update"}]
        for doubt in getattr(result, "doubts", ()):
            messages.warning(request, f"{doubt}.")
        announce(request, changed, request.q2c_since)  # type: ignore[attr-defined]
        return answer

    def _not_imported(self, result: Any, request: HttpRequest) -> HttpResponse:
        """The mistakes, and the way back to where a file is chosen."""
        context = {
            **self.get_import_context_data(request=request), **self.admin_site.each_context(request),
            "title": "Import", "result": result, "opts": self.opts,
            "again": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_import"),
        }  # fmt: skip
        return TemplateResponse(request, self.import_template_name, context)


def _touched(request: HttpRequest) -> list[Any]:
    """The records that this request saved."""
    if not hasattr(request, "q2c_touched"):
        request.q2c_touched = []  # type: ignore[attr-defined]
    return request.q2c_touched  # type: ignore[attr-defined, no-any-return]


def _chosen(db_field: models.Field[Any, Any], options: list[tuple[str, str]]) -> forms.Field:
    """A text column that holds another record's key, as a choice; what is stored stays choosable."""
    empty = [("", "–")] if db_field.blank else [("", "---------")]
    return KeyChoiceField(
        choices=[*empty, *options],
        required=not db_field.blank,
        label=str(db_field.verbose_name)[:1].upper() + str(db_field.verbose_name)[1:],
        help_text=db_field.help_text,
    )


class KeyChoiceField(forms.ChoiceField):
    """Offers the keys there are; a stored key that is there no more can stay, and says so."""

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        stored = form.initial.get(field_name)
        offered: list[Any] = list(self.choices)  # type: ignore[arg-type]  # a list since _chosen made it
        if stored and stored not in {key for key, _ in offered}:
            self.choices = [*offered, (stored, f"{stored} (no such record)")]
        return super().get_bound_field(form, field_name)
