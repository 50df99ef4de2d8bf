"""People, their roles, and the keys of upstream systems."""

from __future__ import annotations

from typing import Any

from axes.admin import AccessAttemptAdmin
from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from q2c.admin.master import MasterAdmin
from q2c.admin.reasons import ReasonForm, reason_field
from q2c.models import ApiKey

User = get_user_model()
APPS = ("q2c", "ledger", "exceptions")


def scopes_of(user: Any) -> list[tuple[str, str]]:
    """The rights a person can give to a key: their own, and no others."""
    held = user.get_all_permissions()
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    # Of a history nobody is given anything but by the record it belongs to.
    rows = rows.exclude(content_type__model__startswith="historical")
    found = [(f"{row.content_type.app_label}.{row.codename}", row.name) for row in rows]
    return [(name, f"{name}: {title}") for name, title in sorted(found) if name in held]


class ApiKeyForm(ReasonForm):
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        required=True,
        help_text="What the key may do; only rights of your own. It reads orders and invoices of its own source, "
        "those of every system only with q2c.read_every_system; journals are the books' and are read whole",
    )

    def clean_system(self) -> str:
        system = str(self.cleaned_data["system"])
        if wrong := ApiKey.wrong_with(system):
            raise forms.ValidationError(wrong)
        return system


class RevokeForm(forms.Form):
    change_reason = reason_field(required=True)


@admin.register(ApiKey)
class ApiKeyAdmin(MasterAdmin):
    form = ApiKeyForm
    list_display = ("system", "prefix", "state", "created_by", "created_at", "expires_at", "last_used_at")
    list_filter = ("system",)
    list_select_related = ("created_by",)
    search_fields = ("system", "prefix")
    ordering = ("-created_at",)
    actions = ["revoke"]
    _kept = ("system", "scopes", "prefix", "created_by", "created_at", "last_used_at", "revoked_at")

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "in force" if key.is_usable else "expired"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("system", "scopes", "expires_at") if obj is None else (*self._kept, "expires_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A key given away means what it meant when it was given."""
        return self._kept if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "scopes" in form.base_fields:
            form.base_fields["scopes"].choices = scopes_of(request.user)
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Revoked, never deleted: what it did stays its."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
            request.q2c_secret = obj.issue()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The secret, in this one answer and nowhere else: not in a message, a cookie, a log or a cache."""
        context = {
            **self.admin_site.each_context(request), "title": f"The key of {obj.system}", "opts": self.opts,
            "secret": request.q2c_secret, "key": obj,  # type: ignore[attr-defined]
        }  # fmt: skip
        return TemplateResponse(request, "admin/secret.html", context, headers={"Cache-Control": "no-store"})

    @admin.action(description="Revoke…", permissions=["change"])
    def revoke(self, request: HttpRequest, chosen: Any) -> HttpResponse | None:
        """At once, and for good."""
        form = RevokeForm(request.POST if "change_reason" in request.POST else None)
        if form.is_valid():
            for key in chosen.filter(revoked_at=None):
                key._change_reason = form.cleaned_data["change_reason"]
                key.revoke()
                self.log_change(request, key, f"Revoked: {form.cleaned_data['change_reason']}")
                self.message_user(request, f"{key} is revoked")
            return None
        context = {
            **self.admin_site.each_context(request), "title": "Revoke keys", "form": form, "opts": self.opts,
            "items": list(chosen), "ids": [key.pk for key in chosen], "action": "revoke", "button": "Revoke",
            "lead": "Their systems are refused from now on. A revoked key never works again.",
        }  # fmt: skip
        return TemplateResponse(request, "admin/ask.html", context)


# Its own action asks for no right at all; what it does is delete.
AccessAttemptAdmin.cleanup_expired_attempts.allowed_permissions = ["delete"]  # type: ignore[attr-defined]
admin.site.unregister(User)
admin.site.unregister(Group)


def _rights_of(user: Any) -> set[str]:
    """Those that a person has been given, by a group or alone: also while the account is not active."""
    given = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()
    return _names(given)


def _names(rights: Any) -> set[str]:
    return {f"{label}.{name}" for label, name in rights.values_list("content_type__app_label", "codename")}


def _beyond(giver: Any, rights: set[str]) -> str:
    """What of these rights the giver lacks, in words; empty where nothing, or where they administer all."""
    lacking = [] if giver.is_superuser else sorted(rights - giver.get_all_permissions())
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return f"{', '.join(lacking[:3])}{more}"


_ASK = "Ask an administrator (a superuser) to do it."


class PersonForm(UserChangeForm):
    """Groups are given and taken within one's own rights."""

    giver: Any = None

    def clean_groups(self) -> Any:
        wanted = self.cleaned_data["groups"]
        changed = set(wanted) ^ set(self.instance.groups.all())
        wrong = [
            f"{group.name} holds rights that you do not have ({lacking}). {_ASK}"
            for group in sorted(changed, key=lambda each: each.name)
            if (lacking := _beyond(self.giver, _names(group.permissions)))
        ]
        if wrong:
            raise forms.ValidationError(wrong)
        return wanted


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """As Django has it, but nobody becomes, or makes anybody, more than they are themselves.

    Who is no superuser gives and takes groups within their own rights alone, and neither names anew nor sets the
    password of somebody who has more rights: whoever sets it can sign in with those. Nobody changes their own groups.
    """

    form = PersonForm
    list_display = ("username", "first_name", "last_name", "email", "is_staff", "is_active", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deactivated, never deleted: what a person did stays theirs."""
        return bool(request.user.is_superuser) and super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        found = ["last_login", "date_joined"]
        if not request.user.is_superuser:
            found += ["is_superuser", "user_permissions"]
            if obj is not None and obj.pk == request.user.pk:
                found += ["groups", "is_staff"]
            elif obj is not None and _beyond(request.user, _rights_of(obj)):
                found += ["username", "email"]
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.giver = request.user  # type: ignore[attr-defined]
        return form

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        person = self.get_object(request, unquote(id))
        if person is not None and (lacking := _beyond(request.user, _rights_of(person))):
            raise PermissionDenied(
                f"{person} holds rights that you do not have ({lacking}), so you do not set their password. {_ASK}"
            )
        return super().user_change_password(request, id, form_url)


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """A group's rights are everybody's who is in it: only a superuser changes them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
