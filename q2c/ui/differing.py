"""In what two versions of a document differ, as its reader calls and writes it: "Line 1, net amount", GBP 660.00."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from q2c.money import EXPONENTS
from q2c.ui import formats, words
from q2c.ui.parts import Change

Path = tuple[str | int, ...]

# What a field is called where its key alone does not say it.
_CALLED = {
    "net_minor": "net amount",
    "issued_on": "issue date",
    "due_on": "due date",
    "closed_on": "closing date",
    "effective_on": "effective date",
    "starts_on": "first day",
    "ends_on": "last day",
    "service_starts_on": "first day of service",
    "service_ends_on": "last day of service",
    "term_months": "term in months",
    "payment_term_days": "payment term in days",
    "bill_to": "bill-to",
    "ship_to": "ship-to",
    "contract_entity": "contracting entity",
    "order_number": "order number",
    "up_to": "up to",
}
# The members of these lists, and by what one is known.
_MEMBERS = {
    "lines": ("line", "line"),
    "groups": ("group", "key"),
    "parties": ("party", "key"),
    "phases": ("phase", ""),
    "tiers": ("tier", ""),
}
# Where an envelope holds the document itself.
_ENVELOPED = ("data", "payload")
_COUNTED = {"quantity", "included_quantity", "up_to"}
_PRICES = {"unit_price", "list_price", "flat_fee"}


def differences(was: Any, now: Any) -> list[Change]:
    """Each field that differs, in the order of the older document, then what is new; `at` is where it stands in it."""
    old, new = _leaves(was), _leaves(now)
    paths = [*old, *(path for path in new if path not in old)]
    found = []
    for path in paths:
        both = path in old and path in new
        if both and str(old[path]) == str(new[path]):
            continue
        before = _written(old[path], was, path) if path in old else None
        after = _written(new[path], now, path) if path in new else None
        if both and before == after:
            # Only how it is written differs: 5 and 5.0.
            before, after = old[path], new[path]
        found.append(Change(_called(path, was, now), before, after, at="/".join(str(part) for part in path)))
    return found


def of_one(source: str, was: Any, source_now: str, now: Any) -> list[Change]:
    """Of one invoice, as two systems may tell of it: each has a reference of its own, which is no difference."""
    found = differences(was, now)
    return found if source == source_now else [one for one in found if one.at != "billing_reference"]


def _leaves(document: Any, at: Path = ()) -> dict[Path, Any]:
    """{("lines", 0, "quantity"): "5"}; what is null is a leaf without anything."""
    if isinstance(document, dict | list):
        rows: Any = document.items() if isinstance(document, dict) else enumerate(document)
        return {path: leaf for key, value in rows for path, leaf in _leaves(value, (*at, key)).items()}
    return {at: "" if document is None else document}


def _called(path: Path, *documents: Any) -> str:
    """ "Line 1, net amount": a member by its own number or key, where both have the same, else by its place."""
    said = []
    for place, part in enumerate(path):
        if isinstance(part, int):
            kind, key = _MEMBERS.get(str(path[place - 1]) if place else "", ("", ""))
            known = {str(member[key]) for d in documents if key in (member := _at(d, path[: place + 1]))}
            said.append(f"{kind or words.spoken(str(path[place - 1]) if place else 'item')} "
                        f"{known.pop() if len(known) == 1 else part + 1}")  # fmt: skip
        elif place + 1 < len(path) and (isinstance(path[place + 1], int) or (not place and part in _ENVELOPED)):
            continue
        else:
            said.append(_CALLED.get(part) or words.spoken(part.removesuffix("_minor")))
    text = ", ".join(said)
    return text[:1].upper() + text[1:]


def _at(document: Any, path: Path) -> Mapping[str, Any]:
    """The object at a path; an empty one where there is none."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return document if isinstance(document, dict) else {}


def _written(value: Any, document: Any, path: Path) -> Any:
    """A value in the reader's form, by what its key says it is; what does not fit that, as it came."""
    name = str(path[-1]) if path else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        if name.endswith("_minor") and isinstance(value, int):
            currency = _currency(document, path)
            return formats.money(value, currency) if currency in EXPONENTS else value
        if name in _COUNTED and value != "":
            return formats.quantity(str(value))
        if name in _PRICES and value != "":
            currency = _currency(document, path)
            return f"{currency} {formats.price(value, currency)}".strip()
        if name.endswith("_on") and value:
            # An end is kept as the first day that no longer counts; pages say the last that does.
            day = dt.date.fromisoformat(value)
            return formats.day_text(day - dt.timedelta(days=1) if name.endswith("ends_on") else day)
        if (name.endswith("_at") or name == "time") and value:
            return formats.instant_text(_aware(dt.datetime.fromisoformat(value)), "full")
    except (ArithmeticError, TypeError, ValueError):
        return value
    return value


def _aware(instant: dt.datetime) -> dt.datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def _currency(document: Any, path: Path) -> str:
    """That of the nearest object around it that names one; of a line its group's."""
    for depth in range(len(path) - 1, -1, -1):
        around = _at(document, path[:depth])
        if around.get("currency"):
            return str(around["currency"])
        groups: Sequence[Any] = _at(document, path[: max(0, depth - 2)]).get("groups") or ()
        mine = around.get("group")
        for group in groups if mine else ():
            if isinstance(group, dict) and group.get("key") == mine and group.get("currency"):
                return str(group["currency"])
    return ""
