"""What cases, problems and offers say: plain sentences from templates and data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from q2c import money

_FIELD = re.compile(r"\{(\w+)\}")

# Object types as people say them; others are said with blanks for underscores.
_OBJECTS = {
    "cost_center": "cost centre",
    "fx_rate": "exchange rate",
    "item_mapping": "item mapping of",
    "tax_nexus": "tax nexus in",
    "entity_period": "period",
}
# What is true once a condition has gone.
_AGAIN = {
    "inactive": "is active again",
    "closed": "is open again",
    "soft_closed": "is open again",
    "missing": "is there now",
    "unknown": "is known now",
    "unmapped": "is mapped now",
    "unavailable": "answers again",
    "down": "answers again",
    "busy": "takes our calls again",
    "refused": "accepts us again",
    "over_limit": "is within its limit again",
    "locked": "is unlocked again",
}

Blocker = tuple[str, str, str, str]


def amount(minor: int, currency: str) -> str:
    """EUR 48,210.00"""
    return f"{currency} {money.Money(minor, currency).decimal():,f}"


def amounts(by_currency: Mapping[str, int]) -> str:
    """EUR 48,210.00 and JPY 1,200; empty where nothing is at stake."""
    parts = [amount(minor, currency) for currency, minor in sorted(by_currency.items()) if currency and minor]
    return listed(parts)


def listed(parts: Sequence[str]) -> str:
    """a, b and c"""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def count(number: int, noun: str) -> str:
    """1 case, 1,204 cases"""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def thing(blocker: Blocker) -> str:
    """cost centre CC-410 in erp-us"""
    connection, kind, key, _ = blocker
    where = f" in {connection}" if connection else ""
    return f"{_OBJECTS.get(kind, kind.replace('_', ' '))} {key}{where}".strip()


def again(blocker: Blocker) -> str:
    """cost centre CC-410 in erp-us is active again"""
    condition = blocker[3]
    otherwise = "is no longer " + condition.replace("_", " ")
    return f"{thing(blocker)} {_AGAIN.get(condition, otherwise)}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its braces filled; what nobody said reads as such. No attribute or index is followed."""
    return _FIELD.sub(lambda found: values.get(found[1]) or "(not named)", template)


def problem_title(policy_title: str, blocker: Blocker | None, connection: str, code: str) -> str:
    """Period closed: period DE 2026-10; or, where nothing blocks: Request refused by erp-us (INVALID_KEY)"""
    if blocker:
        return f"{policy_title}: {thing(blocker)}"
    where = f": {connection}" if connection else ""
    return f"{policy_title}{where}" + (f" ({code})" if code else "")


def offer_title(cases: int, by_currency: Mapping[str, int], blocker: Blocker) -> str:
    """12 cases, EUR 48,210.00, can be replayed: cost centre CC-410 is active again"""
    worth = amounts(by_currency)
    return f"{count(cases, 'case')}{f', {worth},' if worth else ''} can be replayed: {again(blocker)}"
