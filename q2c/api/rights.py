"""Every address of the API carries its right; one without is closed to everybody.

So is one that writes and carries a right to view: what may be read is not changed by that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS, BasePermission

from q2c.api.authentication import holder_of, unknown
from q2c.api.problems import Problem, guarded
from q2c.ui.rights import only_reads

SIGNED_IN = "signed in"
View = Callable[..., HttpResponse]


class HasRight(BasePermission):
    """`right` of the view: app_label.codename, or SIGNED_IN; `rights` by action where it does several things."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        # Asked before any right: what no address does, nobody has a right to.
        if hasattr(view, "http_method_names") and not hasattr(view, request.method.lower()):
            raise MethodNotAllowed(request.method)
        right = right_of(view, getattr(view, "action", None))
        if right == SIGNED_IN:
            return True
        if not right or (request.method not in SAFE_METHODS and only_reads(right)):
            return False
        if not request.user.has_perm(right):
            raise lacking(right)
        return True


def right_of(view: Any, action: str | None) -> str:
    """The right that a view, or one of its actions, asks for; empty where nobody wrote one."""
    return str(getattr(view, "rights", {}).get(action) or getattr(view, "right", "") or "")


def lacking(right: str) -> Problem:
    return Problem(403, "forbidden", f"The right {right} is missing", remedy=f"Ask for {right}", right=right)


def by_key(right: str, *methods: str) -> Callable[[View], View]:
    """A plain view for upstream systems: signed in by API key only, so no cookie and no CSRF token is involved.

    The view gets the key's holder after the request.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @guarded
        @functools.wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            holder = holder_of(request)
            if holder is None:
                raise unknown("This address wants an API key")
            if not holder.has_perm(right):
                raise lacking(right)
            if request.method not in methods:
                allowed = ", ".join(methods)
                raise Problem(405, "method_not_allowed", f"Only {allowed} is there", headers={"Allow": allowed})
            return view(request, holder, *args, **kwargs)

        answer.right = right  # type: ignore[attr-defined]
        answer.methods = methods  # type: ignore[attr-defined]
        return answer

    return decorate
