"""What lists and single records have in common: visible rows only, filters that are known, pages by key."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.views.decorators.csrf import csrf_exempt
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.viewsets import ReadOnlyModelViewSet

from q2c import clock
from q2c.api.problems import Problem

_PAGING = {"cursor", "limit", "format"}


class Records(ReadOnlyModelViewSet):
    """`model` and `serializer_class`; `list_serializer` where a list shows less; `filterset_class`.

    In the OpenAPI document the docstring speaks of the list, and `one` of a single record.

    Its right is to view the model. Nothing reaches a caller but through visible_to.
    """

    model: type[Model]
    one = ""
    list_serializer: Any = None
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    # Parameters that are no filters of the filterset.
    also: frozenset[str] = frozenset()
    rights: dict[str, str] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "model" in cls.__dict__:
            cls.right = f"{cls.model._meta.app_label}.view_{cls.model._meta.model_name}"  # type: ignore[attr-defined]
            extend_schema_view(retrieve=extend_schema(description=cls.one))(cls)

    def get_queryset(self) -> QuerySet[Any]:
        return self.narrowed(self.model.objects.visible_to(self.request.user))  # type: ignore[attr-defined]

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is fetched with the rows, or left out."""
        return queryset

    def get_serializer_class(self) -> Any:
        return self.list_serializer if self.action == "list" and self.list_serializer else self.serializer_class

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action == "list":
            known = {*self.filterset_class.base_filters, *_PAGING, *self.also}  # type: ignore[attr-defined]
            if unknown := sorted(set(self.request.query_params) - known):
                raise Problem(
                    400, "unknown_filter", f"There is no filter {', '.join(unknown)[:200]}",
                    remedy=f"There are {', '.join(sorted(known - {'format'}))}",
                )  # fmt: skip
            if any("\x00" in value for value in self.request.query_params.values()):
                raise Problem(400, "nul_character", "A filter holds a nul character", remedy="Leave it out")
            queryset = super().filter_queryset(queryset)
        return queryset


def days(column: str) -> tuple[filters.DateFilter, filters.DateFilter]:
    """Filters `…_from` and `…_before` on a day."""
    return (
        filters.DateFilter(column, "gte", help_text="This day or later"),
        filters.DateFilter(column, "lt", help_text="Before this day"),
    )


def instants(column: str) -> tuple[filters.IsoDateTimeFilter, filters.IsoDateTimeFilter]:
    """Filters `…_from` and `…_before` on an instant."""
    return (
        filters.IsoDateTimeFilter(column, "gte", help_text="This instant or later", validators=[tellable]),
        filters.IsoDateTimeFilter(column, "lt", help_text="Before this instant", validators=[tellable]),
    )


def tellable(instant: dt.datetime) -> None:
    if not clock.is_tellable(instant):
        raise ValidationError("Send an instant of the years 1900 to 9000.", code="invalid")


def by_method(**views: Any) -> Any:
    """One address, a view per method: by_method(get=…, post=…). Keeps what tests and the OpenAPI document read."""
    fallback = views["get"]

    def dispatch(request: Any, *args: Any, **kwargs: Any) -> Any:
        return views.get(request.method.lower(), fallback)(request, *args, **kwargs)

    found: Any = csrf_exempt(dispatch)
    # What the framework puts on its views; the schema generator looks for it.
    for name in ("cls", "actions", "initkwargs"):
        if hasattr(fallback, name):
            setattr(found, name, getattr(fallback, name))
    found.by_method = views
    return found
