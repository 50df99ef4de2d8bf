"""Dimensions of a record as a form shows them: one box each, which offers the values that hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q
from django.template.loader import render_to_string

from ledger.models import Dimension, DimensionValue
from q2c import clock
from q2c.models.product import unknown_dimensions

# Beyond these a box offers nothing that anyone would scroll through; every value may be typed all the same.
OFFERED_MAX = 500


def given(data: Mapping[str, Any], name: str) -> dict[str, str]:
    """Dimension code → value code of a posted form; what was left empty is none."""
    begin = f"{name}-"
    typed = {key.removeprefix(begin): str(data[key]).strip() for key in data if key.startswith(begin)}
    return {code: value for code, value in typed.items() if value}


class DimensionsWidget(forms.Widget):
    template_name = "admin/dimensions.html"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> dict[str, str]:
        return given(data, name)

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}-") for key in data)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        """From our own templates, where Django's renderer of widgets does not look."""
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def id_for_label(self, id_: str) -> str:
        """The boxes have labels of their own."""
        return ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        held = value if isinstance(value, dict) else {}
        names = dict(Dimension.objects.order_by("code").values_list("code", "name"))
        context["boxes"] = [
            {"code": code, "label": names.get(code, code), "value": held.get(code, ""), "offered": _offered(code)}
            for code in [*names, *(code for code in held if code not in names)]
        ]
        return context


def _offered(code: str) -> list[tuple[str, str]]:
    """Value code and name of what holds today."""
    day = clock.today()
    rows = DimensionValue.objects.filter(
        Q(effective_to=None) | Q(effective_to__gt=day), dimension__code=code, is_active=True, effective_from__lte=day
    )
    return list(rows.order_by("code").values_list("code", "name").distinct()[:OFFERED_MAX])


class DimensionsField(forms.Field):
    """Dimension code → value code; both have to be known."""

    widget = DimensionsWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        if wrong := unknown_dimensions(value):
            raise forms.ValidationError(wrong)
        return dict(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or {}) != (data or {})
