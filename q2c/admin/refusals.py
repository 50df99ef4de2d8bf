"""What a record is refused for, as a sentence for who typed it: of a form, of a row, of the database."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from django.db.models import ProtectedError

# What an exclusion constraint answers with: two records hold on the same day.
_EXCLUDED = "23P01"
_ENDS = ("effective_to", "It ends before it begins: correct one of the two days")
# Constraint → the column that it is about, and what to do. Those of one key say themselves what is there already.
CONSTRAINTS: dict[str, tuple[str, str]] = {
    "rate_is_positive": ("rate", "A rate is more than 0: correct it"),
    "rate_between_two_currencies": ("to_currency", "From and to are the same currency: name two"),
    "period_has_days": ("ends_on", "The period has no day: the first day after it comes after its first day"),
    "period_subledger": ("subledger", "There is no such subledger: choose one of the list"),
    "entity_start_month": ("fiscal_year_start_month", "A month is from 1 to 12: correct it"),
    "entity_has_number_code": ("number_code", "Numbers of its journals begin with this: give it letters or digits"),
    "dimension_rule_for_account_or_type": (NON_FIELD_ERRORS, "A rule is for one account or for one account type"),
    "policy_has_service_level": ("service_level_h", "A service level is more than 0 hours: correct it"),
    "policy_retry_grows": ("retry_max_s", "The longest wait is at least the first one: correct one of the two"),
    "policy_discount_is_a_share": (
        "discount_limit_percent",
        "A discount is from 0 to 100 percent: correct it; with 0 each discount waits for a second person",
    ),
    "policy_usage_not_negative": (
        "usage_limit_percent",
        "A limit of usage is 0 percent or more: correct it; with 0 all usage waits for a second person",
    ),
    "policy_tolerance_is_points": (
        "tax_tolerance_percent",
        "A tolerance is from 0 to 100 points of percent: correct it; with 0 each difference waits for a second person",
    ),
    "team_opens_before_it_closes": ("closes_at", "A team closes after it opens: correct one of the two times"),
    "team_works_some_day": ("workdays", "Name the days as digits from 1, Monday, to 7: correct it"),
    "rule_line_measure": ("measure", "There is no such measure: choose net, tax or gross"),
    "rule_line_side": ("side", "There is no such side: choose debit or credit"),
    "rule_line_grouping": ("grouping", "There is no such grouping: choose line or entry"),
    "list_price_not_negative": ("unit_price", "A price is 0 or more: correct it"),
    "list_price_period": ("price_period", "There is no such period: choose once, month or year"),
    "one_list_price_at_a_time": (
        "effective_from",
        "Another list price holds on some of these days: end one before the other begins",
    ),
    "account_dates": _ENDS,
    "dimension_value_dates": _ENDS,
    "dimension_rule_dates": _ENDS,
    "posting_rule_dates": _ENDS,
}


def refusal(error: Exception) -> str:
    """What the database said, for a person: our triggers write sentences, constraints have names."""
    if isinstance(error, ProtectedError):
        used_by = sorted({str(record._meta.verbose_name) for record in error.protected_objects})
        return f"It is in use by: {', '.join(used_by)}. End it instead of deleting it"
    told = getattr(error.__cause__, "diag", None)
    if told is not None and told.constraint_name in CONSTRAINTS:
        return CONSTRAINTS[told.constraint_name][1]
    message = (told and told.message_primary) or str(error)
    if getattr(error.__cause__, "sqlstate", "") == _EXCLUDED:
        return "Another record holds on some of these days: end one before the other begins"
    return f"The database refuses this: {message}"


def plain(error: ValidationError, model: Any) -> ValidationError:
    """The same mistakes, each at its column and in words that name it. Other words than these two are plain already."""
    if not hasattr(error, "error_dict"):
        return error
    found: dict[str, list[ValidationError]] = {}
    for name, each in error.error_dict.items():
        for one in each:
            column, said = _plain(name, one, model)
            there = found.setdefault(column, [])
            # Some say in clean() what a constraint says too.
            if said.messages not in [other.messages for other in there]:
                there.append(said)
    return ValidationError(found)


def _plain(name: str, error: ValidationError, model: Any) -> tuple[str, ValidationError]:
    if name == NON_FIELD_ERRORS:
        for constraint, (column, text) in CONSTRAINTS.items():
            # Django writes the name of the constraint between typographic quotes, and keeps it nowhere else.
            if f"“{constraint}”" in str(error.message):
                return column, ValidationError(text, code="constraint")
    elif error.code in {"null", "blank"}:
        return name, ValidationError(f"{_called(model, name)} is missing: fill it in", code="required")
    return name, error


def _called(model: Any, name: str) -> str:
    try:
        title = str(model._meta.get_field(name).verbose_name)
    except FieldDoesNotExist:
        title = name.replace("_", " ")
    return title[:1].upper() + title[1:]
