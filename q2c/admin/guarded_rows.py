"""Rows of records that a file may not change at will: periods, posting rules, exception policies, connections."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from import_export import fields, widgets

from exceptions.models import Policy, Team
from ledger.models import FiscalPeriod, LegalEntity, PostingRule, PostingRuleLine
from q2c.admin.columns import KeyWidget, MappingWidget
from q2c.admin.resources import Rows
from q2c.models import Connection

# Of a rule's line, as its column "lines" shows it.
LINE = ("position", "measure", "side", "account_role", "dimensions", "grouping")
_OPTIONAL = {"dimensions": {}, "grouping": "line"}


class FiscalPeriodRows(Rows):
    """Makes periods and corrects their days. `state` goes out and is compared, but never set."""

    entity = fields.Field("entity", "entity", widget=KeyWidget(LegalEntity))
    state = fields.Field("state", "state", readonly=True)

    class Meta(Rows.Meta):
        model = FiscalPeriod
        exclude = ("id", "correlation_id", "left_open")
        import_id_fields = ("entity", "subledger", "name")

    def checked(self, instance: Any, errors: Any, validate_unique: bool) -> None:
        try:
            # Cleaning would set the state, which only a transition may.
            instance.full_clean(exclude={*errors, "state"}, validate_unique=validate_unique)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        given = str(row.get("state") or instance.state).strip()
        if given != instance.state:
            said = f"A file cannot make it {given}: it is {instance.state}. Close it, or ask to reopen it, by its page"
            raise ValidationError({"state": said})
        there = FiscalPeriod.objects.filter(pk=instance.pk).first()
        if there is not None and there.state != "open":
            kept = ("fiscal_year", "starts_on", "ends_on")
            said = f"{there.key} is {there.state.replace('_', ' ')}, so its days stay: ask to reopen it first"
            if changed := [name for name in kept if getattr(there, name) != getattr(instance, name)]:
                raise ValidationError(dict.fromkeys(changed, said))
        super().before_save_instance(instance, row, **kwargs)

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        # What is skipped is not saved, and what is not saved would not be compared.
        same = str(row.get("state") or instance.state).strip() == instance.state
        return same and bool(super().skip_row(instance, original, row, import_validation_errors))


class PolicyRows(Rows):
    """Each reason has exactly one policy; a file changes them, and makes none."""

    owner_team = fields.Field("owner_team", "owner_team", widget=KeyWidget(Team))

    class Meta(Rows.Meta):
        model = Policy
        import_id_fields = ("reason",)

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        if not Policy.objects.filter(reason=row.get("reason")).exists():
            raise ValidationError({"reason": f"There is no reason {row.get('reason')}: no file makes one"})
        super().before_import_row(row, **kwargs)


class ConnectionRows(Rows):
    """All of a connection but its secrets: those go in by its form alone, and never come out.

    So a file gives a new address only to what has none stored.
    """

    options = fields.Field("options", "options", widget=MappingWidget({}))

    class Meta(Rows.Meta):
        model = Connection
        exclude = ("id", "credentials")
        import_id_fields = ("name",)

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        if "credentials" in (dataset.headers or []):
            raise ValueError("Credentials never travel in a file: take the column out, and give them on the form")
        super().before_import(dataset, **kwargs)


class LinesWidget(widgets.Widget):
    """A rule's debits and credits as a JSON list in one column."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        example = '[{"position": 1, "measure": "gross", "side": "debit", "account_role": "receivable"}]'
        try:
            found = json.loads(value or "[]")
        except ValueError as error:
            raise ValueError(f"Not JSON ({error}): write it like {example}") from None
        if not isinstance(found, list) or not all(isinstance(line, dict) for line in found):
            raise ValueError(f"Write a JSON list like {example}")
        for line in found:
            if unknown := sorted(set(line) - set(LINE)):
                raise ValueError(f"Unknown in a line: {', '.join(unknown)}. There are {', '.join(LINE)}")
            if missing := [name for name in LINE if name not in line and name not in _OPTIONAL]:
                raise ValueError(f"Missing in a line: {', '.join(missing)}")
        return sorted(({**_OPTIONAL, **line} for line in found), key=lambda line: str(line["position"]).zfill(6))

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return json.dumps(value, ensure_ascii=False)


class LinesField(fields.Field):
    """Reads the stored lines; those of a row are laid aside until their rule is saved."""

    def get_value(self, instance: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return _stored(instance)

    def save(self, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        instance._given_lines = self.clean(row, **kwargs)


class PostingRuleRows(Rows):
    """A version of a rule with its lines. One that has booked can only be ended; a change of it is a new version."""

    entity = fields.Field("entity", "entity", widget=KeyWidget(LegalEntity))
    lines = LinesField("lines", "lines", widget=LinesWidget())

    class Meta(Rows.Meta):
        model = PostingRule
        exclude = ("id", "used_at")
        import_id_fields = ("rule_set", "name", "version")

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        if import_validation_errors or instance._given_lines != _stored(instance):
            return False
        names = [field.attname for field in PostingRule._meta.concrete_fields if field.name != "id"]
        return instance.pk is not None and all(getattr(instance, n) == getattr(original, n) for n in names)

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if instance.used_at is not None:
            there = PostingRule.objects.get(pk=instance.pk)
            frozen = [f for f in PostingRule._meta.concrete_fields if f.name != "effective_to"]
            changed = [f.name for f in frozen if getattr(there, f.attname) != getattr(instance, f.attname)]
            changed += ["lines"] if instance._given_lines != _stored(instance) else []
            if changed:
                said = f"{there} has booked entries and is frozen: end it, and add version {there.version + 1}"
                raise ValidationError(dict.fromkeys(changed, said))
        super().before_save_instance(instance, row, **kwargs)

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if instance._given_lines == _stored(instance):
            return
        instance.lines.all().delete()
        for given in instance._given_lines:
            line = PostingRuleLine(rule=instance, **given)
            line._change_reason = instance._change_reason  # type: ignore[attr-defined]
            try:
                line.full_clean(validate_constraints=False)
            except ValidationError as error:
                raise ValidationError({"lines": [f"Line {given['position']}: {' '.join(error.messages)}"]}) from None
            line.save()


def _stored(rule: Any) -> list[dict[str, Any]]:
    return list(rule.lines.order_by("position").values(*LINE)) if rule.pk else []
