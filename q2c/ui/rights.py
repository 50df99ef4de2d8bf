"""Who may open what. Every view carries its right, so a test can walk every address.

@right("exceptions.view_case")   one right, or 403 naming it and who can give it
@right("exceptions.view_case", verbs={"claim": "exceptions.work_case"})
                                 where one address does several things: the right that each verb asks for itself
@signed_in                       any person
@public                          anybody: sign-in, health

What a right to view opens can be read, and nothing else: without verbs it is 405 to a form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django_htmx.http import HttpResponseClientRedirect

View = Callable[..., Any]


class Denied(PermissionDenied):
    """The person lacks the right `right` (app_label.codename). Ends in the page that names it."""

    def __init__(self, right: str) -> None:
        self.right = right
        super().__init__(f"needs the right {right}")


READING = ("GET", "HEAD", "OPTIONS")


def only_reads(name: str) -> bool:
    """Whether a right (app_label.codename) is one to view."""
    return name.partition(".")[2].startswith("view_")


def right(name: str, verbs: Mapping[str, str] | None = None) -> Callable[[View], View]:
    """Only with the right `name` (app_label.codename); anonymous people are sent to sign-in.

    `verbs`: {verb: right} of a form that carries several. They are asked where the verb is carried out, so that what
    is refused stands on the timeline of its cases; a test holds each of them to it.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            if not request.user.has_perm(name):
                return refused(request, name)
            if request.method not in READING and not verbs and only_reads(name):
                return HttpResponseNotAllowed(READING)
            try:
                return view(request, *args, **kwargs)
            except Denied as denied:
                return refused(request, denied.right)

        guarded.right = name  # type: ignore[attr-defined]
        guarded.verbs = dict(verbs or {})  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_in(view: View) -> View:
    """Any person with an account."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated:
            return to_sign_in(request)
        try:
            return view(request, *args, **kwargs)
        except Denied as denied:
            return refused(request, denied.right)

    guarded.right = "signed in"  # type: ignore[attr-defined]
    return guarded


def public(view: View) -> View:
    """Open to anybody, on purpose."""

    @functools.wraps(view)
    def open_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    open_view.right = "public"  # type: ignore[attr-defined]
    return open_view


def require(user: Any, name: str) -> None:
    """Raise Denied unless the person has the right; for rights that depend on the record or the amount."""
    if not user.has_perm(name):
        raise Denied(name)


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back here afterwards; a part of a page takes the whole page along."""
    htmx = getattr(request, "htmx", None)
    back = (htmx.current_url_abs_path if htmx else "") or request.get_full_path()
    target = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}"
    return HttpResponseClientRedirect(target) if htmx else HttpResponseRedirect(target)


def refused(request: HttpRequest, name: str = "", why: str = "") -> HttpResponse:
    """403: which right is missing, which roles have it, who can give it. In place for a part of a page."""
    context = {
        "missing": name,
        "missing_words": words(name) if name else "",
        "roles": roles_with(name) if name else [],
        "givers": givers(),
        "why": why,
    }
    if getattr(request, "htmx", None):
        response = render(request, "parts/refused.html", context, status=403)
        response["HX-Retarget"] = "#messages"
        response["HX-Reswap"] = "innerHTML show:top"
        return response
    return render(request, "403.html", context, status=403)


def words(name: str) -> str:
    """A right in plain words: "Can replay a case"; the name itself where no such right exists."""
    app_label, _, codename = name.partition(".")
    found = Permission.objects.filter(content_type__app_label=app_label, codename=codename).values_list(
        "name", flat=True
    )
    return str(found.first() or name)


def roles_with(name: str) -> list[str]:
    """The roles that carry the right, by name."""
    app_label, _, codename = name.partition(".")
    held = Group.objects.filter(permissions__content_type__app_label=app_label, permissions__codename=codename)
    return sorted(set(held.values_list("name", flat=True)))


def missing(name: str) -> str:
    """What a locked button says: which right, and who has it."""
    who = holders(name)
    told = f" Ask {who}." if who else ""
    return f"You need the right “{words(name)}” ({name}).{told}"


def missing_on(request: HttpRequest, name: str) -> str:
    """The same, asked once per page: a list has the same button in each row."""
    told: dict[str, str] = request.__dict__.setdefault("q2c_missing", {})
    if name not in told:
        told[name] = missing(name)
    return told[name]


def holders(name: str, limit: int = 3) -> str:
    """ "Carla Weiss, Dmitri Hale or 2 others": people whose role carries the right, administrators aside."""
    app_label, _, codename = name.partition(".")
    carried = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    having = Q(user_permissions__in=carried) | Q(groups__permissions__in=carried)
    people = get_user_model().objects.filter(having, is_active=True).distinct().order_by("pk")
    names = [str(person.get_full_name() or person.get_username()) for person in people[: limit + 1]]
    if len(names) > limit:
        more = people.count() - limit + 1
        names = [*names[: limit - 1], f"{more} others"]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def givers(limit: int = 5) -> list[str]:
    """People who can give rights: those who may change users."""
    may_change = Q(codename="change_user", content_type__app_label="auth")
    changers = Permission.objects.filter(may_change)
    people = get_user_model().objects.filter(
        Q(is_superuser=True) | Q(user_permissions__in=changers) | Q(groups__permissions__in=changers),
        is_active=True,
    )
    return [str(person.get_full_name() or person.get_username()) for person in people.distinct().order_by("pk")[:limit]]
