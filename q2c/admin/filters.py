"""What the filters beside a list show, where an address from a page has filtered it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, QueryDict

from ledger.models import DimensionRule


def as_filters_name_it(model: type[models.Model], filters: Sequence[Any], asked: QueryDict) -> str:
    """The query with the names that the filters know, where an address names one by its column, or several values of
    one (`state__in=ready,blocked`); empty where it has them already."""
    query = asked.copy()
    for name in (name for name in filters if isinstance(name, str)):
        field: Any = model._meta.get_field(name)
        if field.is_relation:
            known = f"{name}__{field.target_field.name}__exact"
        elif field.choices or field.get_internal_type() == "BooleanField":
            known = f"{name}__exact"
        else:
            known = name
        if known != name and name in asked:
            query.setlist(known, query.pop(name))
        if f"{name}__in" in asked:
            values = [value for given in query.pop(f"{name}__in") for value in given.split(",") if value]
            query.setlist(known, list(dict.fromkeys(values)))
    return query.urlencode() if query != asked else ""


class NamedOnly(admin.FieldListFilter):
    """The one record that an address named, and the way to all; nothing where it named none: of hundreds nobody picks
    one beside a list."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str) -> None:
        self.known = f"{field_path}__{field.target_field.name}__exact"
        super().__init__(field, request, params, model, model_admin, field_path)

    def expected_parameters(self) -> list[str | None]:
        return [self.known]

    def has_output(self) -> bool:
        return self.known in self.used_parameters

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {"selected": False, "query_string": changelist.get_query_string(remove=[self.known]), "display": "All"}
        named = self.field.related_model._default_manager.filter(pk__in=self.used_parameters[self.known])  # type: ignore[union-attr]
        for record in named:
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": str(record)}


class Required(admin.SimpleListFilter):
    """Dimensions that lines on some account must carry: what is sold has to give a value of each."""

    title = "required on some account"
    parameter_name = "required"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        rules = DimensionRule.objects.filter(dimension=models.OuterRef("pk"), requirement="required")
        is_required = models.Exists(rules)
        return queryset.filter(is_required if self.value() == "yes" else ~is_required)
