"""What is done about failures: policies by reason, teams with their hours, holidays."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from exceptions.models import Holiday, Policy, Team
from q2c.admin import resources
from q2c.admin.guarded_rows import PolicyRows
from q2c.admin.master import ImportedAdmin, MasterAdmin


@admin.register(Policy)
class PolicyAdmin(ImportedAdmin):
    resource_classes = [PolicyRows]
    list_display = ("reason", "title", "owner_team", "severity", "service_level_h", "retry_attempts")
    list_filter = ("owner_team", "severity")
    list_select_related = ("owner_team",)
    search_fields = ("reason", "title", "sentence", "fix")
    readonly_fields = ("reason",)
    fieldsets = (
        (None, {"fields": ("reason", "title", "sentence", "owner_team", "severity", "service_level_h")}),
        ("Failures in a row before a person is asked", {"fields": ("retry_attempts", "retry_first_s", "retry_max_s")}),
        ("What the case tells its owner", {"fields": ("look", "fix", "replay", "fix_kind")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Each reason has exactly one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)


@admin.register(Team)
class TeamAdmin(MasterAdmin):
    list_display = ("name", "code", "zone", "opens_at", "closes_at", "workdays")
    search_fields = ("name", "code")
    filter_horizontal = ("members",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # It is the key that cases and policies hold.
        return ("code",) if obj else ()


@admin.register(Holiday)
class HolidayAdmin(ImportedAdmin):
    resource_classes = [resources.HolidayRows]
    list_display = ("day", "name", "team")
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("name",)
    date_hierarchy = "day"
