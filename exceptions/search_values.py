"""How each key of the query bar reads its value, and what completes it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from exceptions import next_cause, tallies
from exceptions.errors import QueryError
from exceptions.models import Policy, Team
from exceptions.models.case import called
from exceptions.models.policy import SEVERITIES
from q2c import money
from q2c.reasons import Reason

Build = Callable[[str, Any, int], Q]
Values = Callable[[Any], Sequence[tuple[str, str]]]
_INTEGER_MAX = 2**63 - 1


def nothing(user: Any) -> Sequence[tuple[str, str]]:
    """No values to offer."""
    return []


def unknown(key: str, value: str, at: int, known: Iterable[str]) -> QueryError:
    """The error for a value that a key does not know."""
    choices = tuple(known)
    return QueryError(f"{key}:{value} is not known; there are {', '.join(choices)}", at, choices)


def word(value: str) -> Q:
    """A word without a key: a number of a case, or part of what people look things up by."""
    found = re.fullmatch(r"[Cc]-(\d{1,18})", value)
    if found:
        return Q(number=int(found[1]))
    sent_as = Q(context__contains={"id": value}, step_id=None, raw_hash__isnull=False)
    return Q(haystack__contains=value.lower()) | called([value]) | sent_as


def exactly(column: str) -> Build:
    """The value as it stands, in any case of letters."""

    def build(value: str, user: Any, at: int) -> Q:
        return Q(**{f"{column}__in": sorted({value, value.upper(), value.lower()})})

    return build


def seen(dimension: str) -> Values:
    """The values that cases have, with how many."""

    def values(user: Any) -> Sequence[tuple[str, str]]:
        return [(name, f"{n:,} cases") for name, n in tallies.counts(user, dimension).items() if name]

    return values


def reason(value: str, user: Any, at: int) -> Q:
    name = value.lower().replace(" ", "_").replace("-", "_")
    if name not in set(Reason):
        raise unknown("reason", value, at, [r.value for r in Reason])
    return Q(reason=name)


def reasons(user: Any) -> Sequence[tuple[str, str]]:
    return list(Policy.objects.values_list("reason", "title"))


def severity(value: str, user: Any, at: int) -> Q:
    if value.lower() not in SEVERITIES:
        raise unknown("severity", value, at, SEVERITIES)
    return Q(severity=value.lower())


def severities(user: Any) -> Sequence[tuple[str, str]]:
    return [(name, "") for name in SEVERITIES]


def currency(value: str, user: Any, at: int) -> Q:
    if value.upper() not in money.EXPONENTS:
        raise QueryError(f"currency:{value} is no ISO 4217 currency", at)
    return Q(currency=value.upper())


def owner(value: str, user: Any, at: int) -> Q:
    named = {name.lower(): code for code, name in Team.objects.values_list("code", "name")}
    codes = set(named.values())
    code = re.sub(r"[\s_]+", "-", value.lower())
    found = code if code in codes else named.get(value.lower())
    if found is None:
        raise unknown("owner", value, at, sorted(codes))
    return Q(owner_team=found)


def teams(user: Any) -> Sequence[tuple[str, str]]:
    return list(Team.objects.values_list("code", "name"))


def assignee(value: str, user: Any, at: int) -> Q:
    if value.lower() == "me":
        return Q(assignee=user)
    if value.lower() in {"none", "nobody"}:
        return Q(assignee=None)
    found = get_user_model().objects.filter(username__iexact=value).first()
    if found is None:
        raise QueryError(f"assignee:{value} is nobody here; write a user name, me or none", at)
    return Q(assignee=found)


def people(user: Any) -> Sequence[tuple[str, str]]:
    members = get_user_model().objects.filter(is_active=True, teams__isnull=False).distinct().order_by("username")
    return [("me", "myself"), ("none", "nobody")] + [(p.get_username(), p.get_full_name()) for p in members[:50]]


def customer(value: str, user: Any, at: int) -> Q:
    # The haystack narrows by its index; the columns decide.
    return Q(haystack__contains=value.lower()) & (Q(customer__icontains=value) | Q(customer_key__icontains=value))


def business_key(value: str, user: Any, at: int) -> Q:
    return Q(business_key__startswith=value) | Q(business_key__startswith=value.upper())


def text(value: str, user: Any, at: int) -> Q:
    return Q(text__icontains=value)


def _numbered(letter: str, column: str, key: str) -> Build:
    def build(value: str, user: Any, at: int) -> Q:
        found = re.fullmatch(rf"(?:{letter}-)?(\d{{1,18}})", value, re.IGNORECASE)
        if found is None:
            raise QueryError(f"{key}:{value} is no number; write {letter}-1042 or 1042", at)
        return Q(**{column: int(found[1])})

    return build


number = _numbered("C", "number", "number")
problem = _numbered("P", "problem__number", "problem")


def blocker(value: str, user: Any, at: int) -> Q:
    kind, slash, key = value.partition("/")
    return Q(blocker_type=kind, blocker_key=key) if slash else Q(blocker_key=value)


def next_blocker(value: str, user: Any, at: int) -> Q:
    kind, slash, key = value.partition("/")
    return next_cause.meeting(key, kind) if slash else next_cause.meeting(value)


def _compared(value: str, key: str, at: int, example: str) -> list[tuple[str, str]]:
    """[(lookup, operand)]: >5 → [("gt", "5")], 1..2 → [("gte", "1"), ("lte", "2")]."""
    low, dots, high = value.partition("..")
    if dots:
        bounds = [("gte", low), ("lte", high)]
        if not low and not high:
            raise QueryError(f"{key}:{value} has no bound; write {example}", at)
        return [(lookup, operand) for lookup, operand in bounds if operand]
    found = re.fullmatch(r"(>=|<=|>|<|=)?(.+)", value, re.DOTALL)
    if found is None:
        raise QueryError(f"{key}: has no value; write {example}", at)
    lookup = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}.get(found[1], "exact")
    return [(lookup, found[2])]


def amount(value: str, user: Any, at: int) -> Q:
    """In units of each case's own currency: amount:>10000 finds EUR 10,000.01 and JPY 10,001; EUR may be appended.

    Numbers are read as people of either habit write them: 100.000,00 and 100,000.00.
    """
    found = re.fullmatch(r"(.*\d)([A-Za-z]{3})", value)
    given, code = (found[1], found[2].upper()) if found else (value, "")
    if code and code not in money.EXPONENTS:
        raise QueryError(f"{code} is no ISO 4217 currency", at)
    bounds = []
    for lookup, operand in _compared(given, "amount", at, "amount:>10000"):
        read = money.typed(operand.replace("_", ""))
        if read is None or read[1]:
            raise QueryError(f"amount:{value} is no amount; write amount:>10000 or amount:100..200.50", at)
        bounds.append((lookup, read[0]))
    if code:
        return Q(currency=code) & _within(bounds, money.exponent(code))
    others = {e: [c for c, x in money.EXPONENTS.items() if x == e] for e in set(money.EXPONENTS.values()) - {2}}
    result = _within(bounds, 2) & ~Q(currency__in=[c for codes in others.values() for c in codes])
    for exponent, codes in sorted(others.items()):
        result |= Q(currency__in=codes) & _within(bounds, exponent)
    return result


def _within(bounds: Sequence[tuple[str, Decimal]], exponent: int) -> Q:
    result = Q(amount_minor__isnull=False)
    for lookup, units in bounds:
        minor = units.scaleb(exponent)
        whole = int(minor.to_integral_value(rounding="ROUND_FLOOR"))
        if minor != whole:
            # Between two minor units: nothing equals it, and > and >= mean the same.
            if lookup == "exact":
                return Q(pk__in=[])
            nearest = {"gte": "gt", "lt": "lte"}.get(lookup, lookup)
            result &= Q(**{f"amount_minor__{nearest}": whole})
        else:
            result &= Q(**{f"amount_minor__{lookup}": whole})
    return result


def attempts(value: str, user: Any, at: int) -> Q:
    result = Q()
    for lookup, operand in _compared(value, "attempts", at, "attempts:>3"):
        if not operand.isdecimal() or int(operand) > 2**31 - 1:
            raise QueryError(f"attempts:{value} is no number; write attempts:>3", at)
        result &= Q(**{f"attempts__{lookup}": int(operand)})
    return result


def day(column: str) -> Build:
    """Whole days in UTC: `>` is after the end of that day, `<` before its beginning."""

    def build(value: str, user: Any, at: int) -> Q:
        result = Q()
        for lookup, operand in _compared(value, column.removesuffix("_at"), at, "2026-10-01..2026-10-31"):
            try:
                begins = dt.datetime.combine(dt.date.fromisoformat(operand), dt.time(), dt.UTC)
                ends = begins + dt.timedelta(days=1)
            except (ValueError, OverflowError):
                raise QueryError(f"{operand} is no day; write it like 2026-10-31", at) from None
            result &= {
                "gt": Q(**{f"{column}__gte": ends}),
                "gte": Q(**{f"{column}__gte": begins}),
                "lt": Q(**{f"{column}__lt": begins}),
                "lte": Q(**{f"{column}__lt": ends}),
                "exact": Q(**{f"{column}__gte": begins, f"{column}__lt": ends}),
            }[lookup]
        return result

    return build
