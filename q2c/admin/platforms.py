"""Connections to platforms. Credentials go in and never come out again."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest

from exceptions.rights import name_of
from q2c import clock
from q2c.admin.guarded_rows import ConnectionRows
from q2c.admin.master import ImportedAdmin
from q2c.admin.offers import announce
from q2c.admin.reasons import ReasonForm
from q2c.connectors.registry import CONNECTORS
from q2c.engine import mended, pauses, wake, watch
from q2c.engine.sources import POLLED, up
from q2c.models import Connection, PollCursor, SubscriptionCursor


class Unshown(forms.Textarea):
    """Takes secrets; shows neither what is stored nor what was typed before an error."""

    def format_value(self, value: Any) -> None:
        return None


class CredentialsField(forms.CharField):
    """JSON of names and texts; null takes a name away. Empty: what is stored stays.

    White space around a text is left out: it is what was copied along, and no header carries a line break.
    """

    widget = Unshown(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false", "class": "vLargeTextField"})

    def clean(self, value: Any) -> dict[str, str | None]:  # type: ignore[override]
        text = str(value or "").strip()
        if not text:
            return {}
        try:
            found = json.loads(text)
        except ValueError:
            # The parser's own words may quote what was typed.
            raise forms.ValidationError('Not JSON: write {"consumer_key": "…", "consumer_secret": "…"}') from None
        if not isinstance(found, dict) or not all(isinstance(each, str | None) for each in found.values()):
            raise forms.ValidationError("Write one JSON object whose values are texts, or null to take a name away")
        return {name: value if value is None else value.strip() for name, value in found.items()}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(str(data or "").strip())


class ConnectionForm(ReasonForm):
    vendor = forms.ChoiceField(choices=[(name, vendor.title) for name, vendor in CONNECTORS.items()])
    new_credentials = CredentialsField(required=False, label="Credentials")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Whoever only reads has a form without columns.
        if "base_url" in self.fields:
            # Help is shown as HTML, where the column's own <vendor> would vanish.
            self.fields["base_url"].help_text = "https://…, or sandbox:// and the vendor in the demo"
            stored = ", ".join(sorted(self.instance.credentials or {})) or "nothing"
            told = (
                f"Never shown. Stored now: {stored}. A JSON object is laid over that: a name with null is taken away, "
                "and white space around a text is left out. "
            )
            told += "With a new address all of them are given anew: what is stored is not sent there"
            self.fields["new_credentials"].help_text = told

    def clean(self) -> dict[str, Any] | None:
        found = super().clean() or {}
        if not isinstance(found.get("options", {}), dict):
            self.add_error("options", 'Write a JSON object such as {"api_version": "v61.0"}')
        # Laid over what is stored before the record is looked at as a whole: a new address wants all of them anew.
        given = found.get("new_credentials") or {}
        merged = {**(self.instance.credentials or {}), **given}
        self.instance.credentials = {name: value for name, value in merged.items() if value is not None}
        self.instance.given_anew = frozenset(given)
        return found


@admin.register(Connection)
class ConnectionAdmin(ImportedAdmin):
    resource_classes = [ConnectionRows]
    form = ConnectionForm
    list_display = ("name", "title", "vendor", "service", "base_url", "active")
    list_filter = ("service", "vendor", "active")
    search_fields = ("name", "title", "base_url")
    ordering = ("name",)
    actions = ["probe", "poll_now"]
    fieldsets = (
        (None, {"fields": ("name", "title", "vendor", "service", "active")}),
        ("Address and access", {"fields": ("base_url", "new_credentials", "options")}),
        ("Limits", {"fields": ("time_limit_s", "concurrency", "settle_s", "job_limit_s")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if not (self.has_change_permission(request, obj) if obj else self.has_add_permission(request)):
            for _, options in found:
                options["fields"] = [name for name in options["fields"] if name != "new_credentials"]
        return found

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """It is tried before it is used."""
        return {"active": False, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Steps, cases and cross-references name a connection; under another name they would be nobody's.
        return ("name",) if obj else ()

    @admin.action(description="Try the connection", permissions=["change"])
    def probe(self, request: HttpRequest, chosen: Any) -> None:
        """One cheap authenticated read on each; what it says is shown, and what waited for that is offered."""
        since = clock.now()
        for connection in chosen:
            said = mended.said(connection.config())
            if said is None:
                self.message_user(request, f"{connection.name} answers")
            else:
                self.message_user(request, f"{connection.name}: {said.text}", messages.ERROR)
            if connection.active:
                watch.tried(connection.name, said, actor=name_of(request.user))
        announce(request, chosen, since)

    @admin.action(description="Poll now", permissions=["change"])
    def poll_now(self, request: HttpRequest, chosen: Any) -> None:
        """Read what changed there without waiting for the end of a pause; says why one is not read."""
        answering = {one.name for one in up()}
        asked = [one for one in chosen if one.name in answering]
        pauses.lift(one.name for one in asked)
        if asked:
            wake.task_after_commit("poll_sources")
        for one in asked:
            self.message_user(request, f"{one.called} is polled now: the control tower says when, or why not")
        for one in chosen:
            if one.name not in answering:
                self.message_user(request, f"{one.called} is not polled: {_why_not(one)}", messages.ERROR)


def _why_not(connection: Connection) -> str:
    if connection.service not in POLLED:
        return "only sales and billing platforms are"
    if not connection.active:
        return "it is not active"
    return "it does not answer. It is tried every few seconds, and polled once it answers again"


class _Cursors(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PollCursor)
class PollCursorAdmin(_Cursors):
    """How far each source has been read. Setting it back is safe: what was taken in before is not taken in twice."""

    list_display = ("connection", "reached", "polled_at", "read_at", "not_before", "text")
    fields = list_display
    readonly_fields = ("connection", "polled_at", "read_at", "not_before", "text")


@admin.register(SubscriptionCursor)
class SubscriptionCursorAdmin(_Cursors):
    """The same of billing's subscriptions."""

    list_display = ("connection", "reached", "polled_at", "read_at", "text")
    fields = list_display
    readonly_fields = ("connection", "polled_at", "read_at", "text")
