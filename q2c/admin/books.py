"""Entities, chart, dimensions, rates and posting rules."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from ledger import periods
from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    FxRate,
    LegalEntity,
    PostingRule,
    PostingRuleLine,
)
from q2c import clock
from q2c.admin import rates, resources
from q2c.admin.dimensions import DimensionsField
from q2c.admin.filters import Required
from q2c.admin.guarded_rows import PostingRuleRows
from q2c.admin.master import ImportedAdmin
from q2c.admin.offers import announce
from q2c.admin.reasons import ReasonForm, reason_field
from q2c.admin.refusals import refusal
from q2c.models import Connection


def journal_connections() -> list[tuple[str, str]]:
    """Connections to ledgers, by name."""
    found = Connection.objects.filter(service="journals").order_by("name")
    return [(each.name, f"{each.name}: {each.title}") for each in found]


def entities() -> list[tuple[str, str]]:
    """Legal entities by code, for columns that hold the code."""
    return [(each.code, f"{each.code}: {each.name}") for each in LegalEntity.objects.order_by("code")]


class CodesField(forms.CharField):
    """A list of codes, typed with blanks or commas between them."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:  # type: ignore[override]
        return str(super().clean(value) or "").replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != str(data or "").replace(",", " ").split()


class LegalEntityForm(ReasonForm):
    allowed_currencies = CodesField(required=False, help_text="ISO codes; empty: every currency")
    regions = CodesField(required=False, help_text="Sales regions it serves, such as EU UK")


@admin.register(LegalEntity)
class LegalEntityAdmin(ImportedAdmin):
    form = LegalEntityForm
    resource_classes = [resources.LegalEntityRows]
    choices = {"erp_connection": journal_connections}
    list_display = ("code", "name", "parent", "functional_currency", "country", "erp_connection", "is_active")
    list_filter = ("is_active", "functional_currency", "country")
    list_select_related = ("parent",)
    search_fields = ("code", "name", "number_code")
    autocomplete_fields = ("parent",)
    actions = ["make_year"]

    @admin.action(description="Make the periods of the next fiscal year", permissions=["make_year"])
    def make_year(self, request: HttpRequest, chosen: Any) -> None:
        """The year after the last one that has periods; the current one where there are none."""
        since = clock.now()
        for entity in chosen:
            last = entity.periods.aggregate(last=models.Max("fiscal_year"))["last"]
            year = periods.year_of(entity, clock.today(entity.timezone)) if last is None else last + 1
            made = periods.ensure_year(entity, year)
            self.message_user(request, f"{entity}: {len(made)} periods of fiscal year {year} are open")
            if missed := periods.left_out(entity, year):
                said = f"Another period holds some days of {', '.join(missed)}: add what is left of it by hand"
                self.message_user(request, said, messages.WARNING)
            announce(request, made[:1], since)

    def has_make_year_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ledger.add_fiscalperiod")


@admin.register(Account)
class AccountAdmin(ImportedAdmin):
    resource_classes = [resources.AccountRows]
    list_display = ("code", "name", "type", "role", "entity", "is_active", "effective_from", "holds_until")
    list_filter = ("type", "is_active", "monetary", "entity")
    list_select_related = ("entity",)
    search_fields = ("code", "name", "role")
    autocomplete_fields = ("entity",)


@admin.register(Dimension)
class DimensionAdmin(ImportedAdmin):
    resource_classes = [resources.DimensionRows]
    list_display = ("code", "name")
    list_filter = (Required,)
    search_fields = ("code", "name")


@admin.register(DimensionValue)
class DimensionValueAdmin(ImportedAdmin):
    resource_classes = [resources.DimensionValueRows]
    list_display = ("code", "name", "dimension", "entity", "is_active", "effective_from", "holds_until")
    list_filter = ("dimension", "is_active", "entity")
    list_select_related = ("dimension", "entity")
    search_fields = ("code", "name")
    autocomplete_fields = ("dimension", "entity")


@admin.register(DimensionRule)
class DimensionRuleAdmin(ImportedAdmin):
    resource_classes = [resources.DimensionRuleRows]
    list_display = ("__str__", "dimension", "requirement", "default_value", "effective_from", "holds_until")
    list_filter = ("dimension", "requirement", "account_type")
    list_select_related = ("dimension", "account")
    search_fields = ("account__code", "account__name", "dimension__code", "dimension__name", "default_value")
    autocomplete_fields = ("dimension", "account")


@admin.register(FxRate)
class FxRateAdmin(ImportedAdmin):
    resource_classes = [resources.FxRateRows]
    list_display = ("on", "from_currency", "to_currency", "kind", "rate")
    list_filter = ("kind", "from_currency", "to_currency")
    search_fields = ("from_currency", "to_currency")
    date_hierarchy = "on"
    ordering = ("-on", "from_currency", "to_currency")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        told = rates.doubts(obj)
        super().save_model(request, obj, form, change)
        for doubt in told:
            messages.warning(request, f"{doubt}.")


class PostingRuleLineForm(forms.ModelForm):  # type: ignore[type-arg]
    dimensions = DimensionsField()


class PostingRuleLines(admin.TabularInline):  # type: ignore[type-arg]
    model = PostingRuleLine
    form = PostingRuleLineForm
    extra = 0
    min_num = 0

    def _may(self, found: bool, rule: Any) -> bool:
        return found and (rule is None or rule.used_at is None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(self._owner(request, "change") or self._owner(request, "add"), obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(self._owner(request, "change"), obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(self._owner(request, "change"), obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._owner(request, "view") or self._owner(request, "change")

    @staticmethod
    def _owner(request: HttpRequest, verb: str) -> bool:
        """Lines belong to their rule: its rights are theirs."""
        return request.user.has_perm(f"ledger.{verb}_postingrule")


class NewVersionForm(forms.Form):
    on = forms.DateField(label="From which day", help_text="YYYY-MM-DD; the old version ends on that day")
    change_reason = reason_field(required=True)


@admin.register(PostingRule)
class PostingRuleAdmin(ImportedAdmin):
    resource_classes = [PostingRuleRows]
    inlines = [PostingRuleLines]
    list_display = (
        "name", "version", "leg", "entity", "event_type", "product", "revenue_treatment", "kind", "currency", "used",
        "effective_from", "holds_until",
    )  # fmt: skip
    list_filter = ("rule_set", "leg", "event_type", "revenue_treatment", "entity")
    list_select_related = ("entity",)
    search_fields = ("name", "product", "tax_code", "lines__account_role")
    autocomplete_fields = ("entity",)
    actions = ["new_version"]

    @admin.display(boolean=True, description="Has booked", ordering="used_at")
    def used(self, rule: PostingRule) -> bool:
        return rule.used_at is not None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A version that has booked is frozen, apart from the day on which it ends."""
        if obj is None or obj.used_at is None:
            return ()
        shown = [field.name for field in PostingRule._meta.fields if field.editable and field.name != "effective_to"]
        return tuple(name for name in shown if name != "id")

    def changes_below(self, rows: Sequence[Any]) -> dict[Any, list[dict[str, str]]]:
        """Its lines are saved after it, and before its next version is."""
        found: dict[Any, list[dict[str, str]]] = {}
        if not rows:
            return found
        lines = PostingRuleLine.history.filter(rule_id=rows[0].id).order_by("history_date", "history_id")
        last: dict[int, Any] = {}
        for line in lines:
            before, last[line.id] = last.get(line.id), line
            if told := _line_change(line, before):
                owner = next((row for row in rows if row.history_date <= line.history_date), None)
                if owner is not None:
                    found.setdefault(owner.pk, []).append(told)
        return found

    @admin.action(description="Make a new version", permissions=["add"])
    def new_version(self, request: HttpRequest, chosen: Any) -> HttpResponse | None:
        """The same rule again, to be changed, from a day on; the old version ends on that day."""
        rule = chosen.first()
        if chosen.count() != 1 or rule is None:
            self.message_user(request, "Choose one rule", messages.WARNING)
            return None
        form = NewVersionForm(request.POST if "on" in request.POST else None, initial={"on": clock.today()})
        if form.is_valid():
            try:
                made = again(rule, form.cleaned_data["on"], form.cleaned_data["change_reason"])
            except (IntegrityError, forms.ValidationError) as error:
                form.add_error("on", refusal(error) if isinstance(error, IntegrityError) else error.messages)
            else:
                self.message_user(request, f"{made} is made: change it before it books for the first time")
                return redirect("admin:ledger_postingrule_change", made.pk)
        context = {
            **self.admin_site.each_context(request), "title": f"A new version of {rule.name}", "form": form,
            "opts": self.opts, "action": "new_version", "ids": [rule.pk], "button": "Make the version",
            "lead": f"{rule} ends where the new version begins.",
        }  # fmt: skip
        return TemplateResponse(request, "admin/ask.html", context)


def _line_change(line: Any, before: Any) -> dict[str, str] | None:
    """One version of a rule's line against the one before; None where it says the same."""
    old, new = _line_said(before) if before is not None else "", "" if line.history_type == "-" else _line_said(line)
    if old == new:
        return None
    return {"field": f"Line {line.position}", "old": old or "none", "new": new or "taken away"}


def _line_said(line: Any) -> str:
    given = f" {json.dumps(line.dimensions)}" if line.dimensions else ""
    summed = ", summed per entry" if line.grouping == "entry" else ""
    return f"{line.side} {line.measure} {line.account_role}{given}{summed}"


def again(rule: PostingRule, on: dt.date, why: str) -> PostingRule:
    """The rule's next version from a day on, with the same lines. Raises ValidationError where the day does not fit."""
    if on <= rule.effective_from or (rule.effective_to is not None and on > rule.effective_to):
        raise forms.ValidationError(f"The day must lie inside the days of {rule}")
    with transaction.atomic():
        lines = list(rule.lines.all())
        ends_on, rule.effective_to = rule.effective_to, on
        rule._change_reason = why  # type: ignore[attr-defined]
        rule.save()
        last = PostingRule.objects.filter(rule_set=rule.rule_set, name=rule.name).aggregate(v=models.Max("version"))
        copy = PostingRule.objects.get(pk=rule.pk)
        copy.pk, copy.version, copy.used_at = None, last["v"] + 1, None
        copy.effective_from, copy.effective_to = on, ends_on
        copy._state.adding = True
        copy._change_reason = why  # type: ignore[attr-defined]
        copy.save()
        for line in lines:
            line.pk, line.rule = None, copy
            line._state.adding = True
            line._change_reason = why  # type: ignore[attr-defined]
            line.save()
    return copy
