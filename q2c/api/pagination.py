"""Lists page by key: ?limit=50&cursor=…, so that the deepest page is as quick as the first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination

from q2c.api.problems import Problem


class Keyset(CursorPagination):
    """Newest first. `next` and `previous` are whole addresses; ids are ordered by time (UUID version 7)."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def get_page_size(self, request: Any) -> int | None:
        """At most `max_page_size`, however many are asked for."""
        given = request.query_params.get(self.page_size_query_param, "")
        if given and not (given.isascii() and given.isdigit() and int(given[:9])):
            raise Problem(
                400, "limit", f"limit is {given[:40]!r}", remedy=f"Write a number from 1 to {self.max_page_size}"
            )
        return super().get_page_size(request)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        try:
            cursor = self.decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                # It is compared with ids, so it has to be one.
                queryset.model._meta.pk.to_python(cursor.position)
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError):
            raise Problem(
                400, "cursor", "This cursor is none of ours", remedy="Follow `next`, or start without a cursor"
            ) from None
