"""What cases, problems and offers say: plain sentences from templates and data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from q2c import money

_MONTHS = {
    f"{number:02}": name
    for number, name in enumerate(
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
         "December"), 1,
    )
}  # fmt: skip
_AMOUNT = re.compile(r"\b([A-Z]{3}) (\d+(?:\.\d+)?)$")
_FIELD = re.compile(r"\{(\w+)\}")

# Object types as people say them; others are said with blanks for underscores.
_OBJECTS = {
    "cost_center": "cost centre",
    "fiscal_period": "period",
    "fx_rate": "exchange rate",
    "item_mapping": "item mapping of",
    "list_price": "list price",
    "credit_limit": "credit limit of",
    "credited": "what is credited of order",
    "credit_customer": "credit of",
    "tax_company": "tax company",
    "place_of_invoice": "the place of invoice",
}
# Keys that are made of several: how they are told, with what.
_KEYS: dict[str, tuple[int, str]] = {
    "fx_rate": (2, "from {} to {}"),
    "list_price": (3, "of {2} ({0}, {1})"),
    "tax_nexus": (2, "of {} in {}"),
    "account_role": (2, "{1} of {0}"),
    "dimension_rule": (2, "for {1} on account {0}"),
    "posting_rule": (3, "for {1} of {0} ({2})"),
    "place_of_invoice": (2, "{1} in order {0}"),
}
# A condition as it is while it stands, and what is true once it has gone; others: "closed", "is no longer closed".
_CONDITIONS = {
    "inactive": ("inactive", "is active again"),
    "closed": ("closed", "is open again"),
    "soft_closed": ("soft-closed", "is open again"),
    "missing": ("missing", "is there now"),
    "unknown": ("not known", "is known now"),
    "unknown_or_inactive": ("not known, or inactive", "is known and active now"),
    "unmapped": ("not mapped", "is mapped now"),
    "undetermined": ("not determined", "is determined now"),
    "unavailable": ("not answering", "answers again"),
    "down": ("down", "answers again"),
    "busy": ("busy", "takes our calls again"),
    "refused": ("refused", "is accepted again"),
    "credentials_refused": ("refusing our credentials", "takes our credentials again"),
    "permission_missing": ("lacking a permission there", "has its permission now"),
    "over_limit": ("over its limit", "is within its limit again"),
    "locked": ("locked", "is unlocked again"),
    "on_hold": ("on hold", "is off hold"),
    "pending_approval": ("waiting for approval there", "is approved"),
    "not_billed": ("not billed, or for less", "is billed now"),
    "filled": ("filled by another invoice", "is free again"),
    "not_accepted": ("not accepted", "is accepted now"),
    "no_tax_code": ("without a tax code", "has a tax code now"),
    "treatment": ("of another revenue treatment", "has that revenue treatment now"),
    "currency": ("not trading in that currency", "trades in that currency now"),
    "content_differs": ("of other content", "is as ours now"),
    # As the ledger names them.
    "period_closed": ("closed", "is open again"),
    "period_missing": ("not set up", "is there now"),
    "posting_rule_missing": ("missing", "is there now"),
    "fx_rate_missing": ("missing", "is there now"),
    "account_unknown": ("not known", "is known now"),
    "account_inactive": ("inactive", "is active again"),
    "dimension_missing": ("without a value", "is known now"),
    "dimension_inactive": ("inactive", "is active again"),
    "legal_entity_undetermined": ("not known", "is known now"),
    "currency_not_allowed": ("not trading in that currency", "trades in that currency now"),
    "journal_unbalanced": ("out of balance", "balances now"),
}

Blocker = tuple[str, str, str, str]


def amount(minor: int, currency: str) -> str:
    """EUR 48,210.00"""
    return f"{currency} {money.Money(minor, currency).decimal():,f}"


def amounts(by_currency: Mapping[str, int], credits: Mapping[str, int] | None = None) -> str:
    """EUR 48,210.00, EUR -310.00 of credits and JPY 1,200; empty where nothing is at stake.

    `credits` is what of the amounts is below zero: it stands apart from the charges, which it does not make smaller.
    """
    below, parts = credits or {}, list[str]()
    for currency in sorted(code for code in by_currency.keys() | below.keys() if code):
        credited = below.get(currency, 0)
        charged = by_currency.get(currency, 0) - credited
        parts += [amount(charged, currency)] if charged else []
        parts += [f"{amount(credited, currency)} of credits"] if credited else []
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


def kind_of(object_type: str) -> str:
    """cost_center → cost centre"""
    return _OBJECTS.get(object_type, object_type.replace("_", " "))


def thing(blocker: Blocker) -> str:
    """cost centre CC-410 in erp-us; receivables of JP, November 2026; exchange rate from EUR to USD"""
    connection, kind, key, _ = blocker
    where = f" in {connection}" if connection else ""
    if kind == "fiscal_period" and key.count(":") == 2:
        entity, subledger, name = key.split(":")
        return f"{subledger} of {entity}, {month(name)}"
    if kind == "connection" and key == connection:
        return f"connection {key}"
    number, template = _KEYS.get(kind, (1, "{}"))
    parts = key.split(":", number - 1)
    if kind == "dimension_rule":
        # A dimension has its own name, as the objects have.
        parts[1:] = [kind_of(code) for code in parts[1:]]
    said = template.format(*parts) if len(parts) == number else key
    said = month(said) if kind == "fiscal_period" else said
    return f"{kind_of(kind)} {said}{where}".strip()


def month(name: str) -> str:
    """2026-11 → November 2026; any other name of a period as it is."""
    year, _, number = name.partition("-")
    if len(year) == 4 and name.replace("-", "").isdecimal() and number in _MONTHS:
        return f"{_MONTHS[number]} {year}"
    return name


def condition(name: str) -> str:
    """inactive; under its limit: what stands in the way, as an attribute of the thing."""
    known = _CONDITIONS.get(name)
    if known:
        return known[0]
    # "under USD 263060.00", as the credit service is asked again.
    return _AMOUNT.sub(lambda found: f"{found[1]} {Decimal(found[2]):,f}", name.replace("_", " "))


def again(blocker: Blocker, products: Sequence[str] = ()) -> str:
    """cost centre CC-410 in erp-us is active again; products PLUS and VAULT on account 2400 have their cost centre now

    `products` are those that gave no value for the dimension, where they are known.
    """
    if blocker[1] == "dimension_rule" and blocker[3] == "dimension_missing" and ":" in blocker[2]:
        return _has_its_value(blocker[2], products)
    known = _CONDITIONS.get(blocker[3])
    if known:
        return f"{thing(blocker)} {known[1]}"
    told = condition(blocker[3]).rstrip("/ ")
    # "not sold as a fee": what is no longer not so is so.
    gone = f"is {told.removeprefix('not ')} now" if told.startswith("not ") else f"is no longer {told}"
    return f"{thing(blocker)} {gone}"


def _has_its_value(key: str, products: Sequence[str]) -> str:
    """No rule was changed: what is booked on the account says its dimension by now."""
    account, code = key.split(":", 1)
    dimension = kind_of(code)
    shown = listed([*products[:3], f"{len(products) - 3} more"] if len(products) > 3 else products)
    if len(products) > 1:
        return f"products {shown} on account {account} have their {dimension} now"
    return f"{f'product {shown}' if products else 'what is booked'} on account {account} has its {dimension} now"


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its braces filled; what nobody said reads as such. No attribute or index is followed."""
    return _FIELD.sub(lambda found: values.get(found[1]) or "(not named)", template)


def problem_title(policy_title: str, blocker: Blocker | None, connection: str, code: str) -> str:
    """Period closed: receivables of DE, October 2026; Item mapping missing: VAULT in erp-us (not "item mapping of …").

    Where nothing blocks: Request refused: erp-us (INVALID_KEY)
    """
    if blocker:
        said = thing(blocker)
        word = _OBJECTS.get(blocker[1], blocker[1].replace("_", " ")).removesuffix(" of")
        if policy_title.lower().startswith(word) and said.startswith(f"{word} "):
            said = said.removeprefix(word).strip().removeprefix("of ")
        return f"{policy_title}: {said}"
    where = f": {connection}" if connection else ""
    return f"{policy_title}{where}" + (f" ({code})" if code else "")


def offer_title(cases: int, worth: str, blocker: Blocker, products: Sequence[str] = ()) -> str:
    """12 cases, EUR 48,210.00, can be replayed: cost centre CC-410 is active again. `worth` as amounts() tells it."""
    return f"{count(cases, 'case')}{f', {worth},' if worth else ''} can be replayed: {again(blocker, products)}"


def offer_untold(cases: int, worth: str, blocker: Blocker, products: Sequence[str] = ()) -> str:
    """12 cases, EUR 48,210.00, may be replayed, which is looked at now: cost centre CC-410 is active again"""
    said = f"{count(cases, 'case')}{f', {worth},' if worth else ''} may be replayed, which is looked at now"
    return f"{said}: {again(blocker, products)}"


def offer_told(passes: int, untold: int, cases: int, worth: str, blocker: Blocker, products: Sequence[str] = ()) -> str:
    """2 of 3 cases would go through, EUR 1,210.00: cost centre CC-410 is active again"""
    if untold and not passes:
        return f"None of {count(cases, 'case')} is known to go through: {again(blocker, products)}"
    if cases == 1 and not passes:
        return f"1 case would not go through yet: {again(blocker, products)}"
    of_all = count(cases, "case") if passes == cases else f"{passes or 'None'} of {count(cases, 'case')}"
    return f"{of_all} would go through{f', {worth}' if worth else ''}: {again(blocker, products)}"
