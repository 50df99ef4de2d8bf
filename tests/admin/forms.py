"""Fills a form of the admin as a browser would: what the page holds, with changes on top."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.test import Client

from q2c.admin.dimensions import DimensionsField


def posted(page: HttpResponse, **changes: Any) -> dict[str, Any]:
    """What the page's form would send, inlines included."""
    context = page.context
    found: dict[str, Any] = {}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if isinstance(bound.field, DimensionsField):
                found |= {f"{bound.html_name}-{code}": chosen for code, chosen in (value or {}).items()}
                continue
            if value is None or value is False or (isinstance(value, list) and not value):
                continue
            found[bound.html_name] = value
    return {**found, **changes}


def change(client: Client, url: str, **changes: Any) -> HttpResponse:
    """Open the page, change it, save it, follow to where it leads."""
    return client.post(url, posted(client.get(url), **changes), follow=True)


def said(page: HttpResponse) -> list[str]:
    """The messages a page shows."""
    return [str(message) for message in page.context["messages"]]


def errors(page: HttpResponse) -> dict[str, list[str]]:
    return dict(page.context["adminform"].form.errors)
