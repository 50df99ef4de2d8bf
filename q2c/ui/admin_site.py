"""The admin site: the pages' own sign-in, and an index in the order of the work rather than of the packages."""

from __future__ import annotations

import functools
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from simple_history.models import HistoricalRecords

# Group → its models. What stands nowhere here comes last, under the name of its package.
GROUPS: dict[str, tuple[str, ...]] = {
    "Company and books": (
        "ledger.LegalEntity", "ledger.FiscalPeriod", "ledger.Account", "ledger.Dimension", "ledger.DimensionValue",
        "ledger.DimensionRule", "ledger.PostingRule", "ledger.FxRate",
    ),
    "Customers and products": (
        "q2c.Customer", "q2c.Product", "q2c.ListPrice", "q2c.ItemMapping", "q2c.TaxNexus", "q2c.CommercialPolicy",
    ),
    "Platforms": ("q2c.Connection", "q2c.PollCursor", "q2c.SubscriptionCursor", "q2c.Breaker", "q2c.CrossReference"),
    "Failures": ("exceptions.Policy", "exceptions.Team", "exceptions.Holiday"),
    "People and keys": ("auth.User", "auth.Group", "q2c.ApiKey"),
    "Records of the flow (read only)": (
        "q2c.Event", "q2c.Step", "q2c.Attempt", "q2c.Transition", "q2c.Order", "q2c.Subscription", "q2c.Invoice",
        "ledger.JournalEntry", "ledger.JournalSeries", "exceptions.Case", "exceptions.Problem", "exceptions.Offer",
        "exceptions.ReplayBatch", "exceptions.Approval",
    ),
}  # fmt: skip


# Page of the admin → the verbs of the rights that it may lack, in the order in which they are asked.
VERBS = {
    "changelist": ("view",), "history": ("view",), "export": ("view",), "add": ("add",), "delete": ("delete",),
    "change": ("view", "change"), "import": ("add", "change"), "process_import": ("add", "change"),
}  # fmt: skip
# Where no right is missing and the page is closed all the same.
KEPT = "Nobody does this here: the flow makes these records, or they are kept as they are."


def missing(request: HttpRequest) -> tuple[str, str]:
    """(right, why) of a page of the admin that was refused without a word; both empty for other pages."""
    match = request.resolver_match
    if match is None or "admin" not in match.namespaces:
        return "", ""
    name = match.url_name or ""
    for model in admin.site._registry:
        app, noun = model._meta.app_label, model._meta.model_name
        verbs = VERBS.get(name.removeprefix(f"{app}_{noun}_"), ())
        for verb in verbs:
            right = f"{app}.{verb}_{noun}"
            if not request.user.has_perm(right):
                return right, ""
        if verbs:
            return "", KEPT
    return "", ""


def _named(field: Any, remote_field: Any, remote_obj: Any) -> Any:
    """What a read-only field points to: with a link for those who may open it. Django links for everybody."""
    request = getattr(HistoricalRecords.context, "request", None)
    theirs = field.model_admin.admin_site._registry.get(remote_field.model)
    if request is None or theirs is None or not theirs.has_view_or_change_permission(request, remote_obj):
        return str(remote_obj)
    return _linked(field, remote_field, remote_obj)


_linked = helpers.AdminReadonlyField.get_admin_url
helpers.AdminReadonlyField.get_admin_url = _named  # type: ignore[method-assign,assignment]


class Site(admin.AdminSite):
    site_header = "q2c"
    site_title = "q2c"
    index_title = "Master data"
    site_url = "/"
    empty_value_display = "–"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """A field that is to be the key and has no name is refused like one that must not be it; Django looks it up."""

        @functools.wraps(view)
        def named(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if "" in (request.GET.get(TO_FIELD_VAR), request.POST.get(TO_FIELD_VAR)):
                raise DisallowedModelAdminToField(f"{TO_FIELD_VAR} names no field.")
            return view(request, *args, **kwargs)

        return super().admin_view(named, cacheable)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The pages' sign-in is the only one; whoever is signed in and may not enter is told so."""
        wanted = request.GET.get("next") or reverse("admin:index")
        if not request.user.is_authenticated:
            return redirect_to_login(wanted, settings.LOGIN_URL)
        if self.has_permission(request):
            return redirect("admin:index")
        raise PermissionDenied("The admin is for staff. An administrator can mark your account as such.")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # type: ignore[override]
        return redirect("sign-out")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found = super().get_app_list(request, app_label)
        if app_label:
            return found
        by_name = {model["model"]._meta.label: model for app in found for model in app["models"]}
        groups = []
        for title, labels in GROUPS.items():
            models = [by_name.pop(label) for label in labels if label in by_name]
            if models:
                groups.append(self._group(title, models))
        for app in found:
            rest = [model for model in app["models"] if model["model"]._meta.label in by_name]
            if rest:
                groups.append({**app, "models": rest})
        return groups

    def _group(self, title: str, models: list[Any]) -> dict[str, Any]:
        label = "-".join(title.lower().replace("(", "").replace(")", "").split())
        return {
            "name": title, "app_label": label, "app_url": reverse("admin:index"), "has_module_perms": True,
            "models": models,
        }  # fmt: skip
