"""What the pages of the sandboxes show and take: switches, times, and the fields of a platform's records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from q2c import clock
from q2c.money import Money
from q2c.ui import formats
from q2c.ui.sandbox_words import ENDED, TOGGLES, Act, Words, act_words, label, run_words

# What a switch is given where a person gives nothing.
DEFAULTS = {"latency": 3000, "too_many": 30, "late_commit": 15, "search_lag": 20}
# Fields that hold several values also where there is none yet.
LISTS = {"lockedSubsidiaries", "nexus"}
# A sandbox's thread sleeps that long: not for hours.
MOST = {"latency": 60_000, "late_commit": 120, "too_many": 3600, "search_lag": 3600}


class Wrong(ValueError):
    """What was typed is no value for its field; the text names both."""


def in_force(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The faults that can still strike."""
    now = dt.datetime.fromisoformat(state["now"])
    return [
        each
        for each in state["faults"]
        if (each["times"] is None or each["hits"] < each["times"])
        and (not each["until"] or dt.datetime.fromisoformat(each["until"]) > now)
    ]


def switchboard(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per switch: what it does, whether it is on, how often it has struck."""
    rows = []
    for switch in state["switches"]:
        name = switch["name"]
        rows.append(
            {
                **switch,
                "default": DEFAULTS.get(name, ""),
                "most": MOST.get(name, ""),
                "on": [_on(each) for each in in_force(state) if each["name"] == name],
            }
        )
    return rows


def _on(fault: Mapping[str, Any]) -> dict[str, Any]:
    until = fault["until"]
    return {
        "operation": fault["operation"],
        "value": f"{Decimal(str(fault['value'])).normalize():f}" if fault["value"] else "",
        "left": None if fault["times"] is None else fault["times"] - fault["hits"],
        "hits": fault["hits"],
        "until": dt.datetime.fromisoformat(until) if until else None,
    }


def fault(post: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """(what is wrong, arguments of Switches.fault)."""
    name = post.get("name", "")
    value, times = post.get("value", "").strip(), post.get("times", "").strip()
    try:
        amount = Decimal(value or "0")
    except InvalidOperation:
        return f"The value is a number, not {value}.", {}
    most = Decimal(MOST.get(name, 0)) or Decimal(86_400)
    if not amount.is_finite() or not 0 <= amount <= most:
        return f"The value lies between 0 and {formats.number(most)}.", {}
    if times and not (times.isascii() and times.isdigit() and 1 <= int(times) <= 100_000):
        return "How often is a whole number from 1 on; empty means until it is switched off.", {}
    wanted: dict[str, Any] = {"name": name, "operation": post.get("operation", ""), "value": amount}
    return "", {**wanted, "times": int(times) if times else None}


def said(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """'Oracle NetSuite: answers 503, the next 3 times.'"""
    about = _about(state, wanted["name"])
    where = f" on {wanted['operation']}" if wanted["operation"] else ""
    times = wanted["times"]
    how = "until it is switched off" if times is None else "once" if times == 1 else f"the next {times} times"
    return f"{state['title']} {about[:1].lower()}{about[1:]}{where}, {how}."


def said_off(state: Mapping[str, Any], off: str) -> str:
    """'Oracle NetSuite: the fault “Answers 503” is switched off.'; * are all."""
    what = "all its faults are" if off == "*" else f"the fault “{_about(state, off)}” is"
    return f"{state['title']}: {what} switched off."


def _about(state: Mapping[str, Any], switch: str) -> str:
    return str(next((each["about"] for each in state["switches"] if each["name"] == switch), switch))


def clock_value(state: Mapping[str, Any]) -> str:
    """Its time as a datetime field has it, in UTC."""
    return dt.datetime.fromisoformat(state["now"]).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M")


def instant(text: str) -> str | None:
    """A datetime field's value as an instant in UTC; None where it is none."""
    try:
        found = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return found.isoformat() if clock.is_tellable(found) else None


# Records


def row(serial: int, record: Mapping[str, Any], fields: Sequence[str], words: Words) -> dict[str, Any]:
    """One record with its fields as they can be changed."""
    return {
        "serial": str(serial),
        "key": record["id"],
        "name": words.name_of(record),
        "beside": words.beside(record),
        "cells": [_cell(field, record["body"].get(field)) for field in fields],
    }


def _cell(field: str, value: Any) -> dict[str, Any]:
    toggle = TOGGLES.get(field)
    if toggle is not None:
        on = truth(value)
        return {
            "kind": "toggle", "field": field, "words": toggle.yes if on else toggle.no,
            "tone": "warn" if on == toggle.yes_blocks else "quiet", "label": label(field),
            "button": toggle.to_no if on else toggle.to_yes, "to": "no" if on else "yes",
        }  # fmt: skip
    return {"kind": "text", "field": field, "label": label(field), "value": written(value)}


def truth(value: Any) -> bool:
    """How the platforms write yes: as JSON has it, or as text."""
    return value is True or str(value).lower() in {"true", "t", "yes", "1"}


def written(value: Any) -> str:
    """A value as a person would type it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(written(each) for each in value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def changes(post: Mapping[str, str], body: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """What is to be changed, in the types the record has: one toggle, or the typed fields that differ. Raises Wrong."""
    if "set" in post:
        field, _, to = post["set"].partition("=")
        if field not in fields or field not in TOGGLES or to not in ("yes", "no"):
            raise Wrong(f"{field} cannot be switched here.")
        return {} if truth(body.get(field)) == (to == "yes") else {field: to == "yes"}
    typed = [field for field in fields if field not in TOGGLES and f"field.{field}" in post]
    wanted = {field: post[f"field.{field}"].strip() for field in typed}
    return {
        field: _read(field, text, body.get(field)) for field, text in wanted.items() if text != written(body.get(field))
    }


def _read(field: str, text: str, now: Any) -> Any:
    """`text` as the kind of value that is there."""
    if isinstance(now, list) or (field in LISTS and text):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(now, int | Decimal) and not isinstance(now, bool):
        try:
            found = Decimal(text)
        except InvalidOperation:
            raise Wrong(f"{label(field)} is a number, not {text}.") from None
        if not found.is_finite():
            raise Wrong(f"{label(field)} is a number, not {text}.")
        return int(found) if isinstance(now, int) and found == found.to_integral_value() else found
    if not text and now is None:
        return None
    return text


# Records to which something is done as a whole

# What a row says of such a record: (heading, field of its body).
FACTS: dict[str, Sequence[tuple[str, str]]] = {
    "invoice": (("Status", "status"), ("Date", "invoiceDate"), ("Due", "dueDate"), ("Total", "amount")),
    "subscription": (("From", "termStart"), ("To", "termEnd"), ("Cancelled as of", "cancelledOn")),
}


def acting(record: Mapping[str, Any], kind: str, verbs: Sequence[str], words: Words) -> dict[str, Any]:
    """One record as a person recognises it, with what can be done to it now."""
    body, number = record["body"], str(record["number"] or record["id"])
    field, ends = ENDED.get(kind, ("", ()))
    over = body.get(field) in ends if ends else bool(body.get(field))
    worded = [(verb, act) for verb in verbs if (act := act_words(verb)).undoes == over]
    return {
        "key": number, "name": number, "beside": " · ".join(str(body[f]) for f in words.shown if body.get(f)),
        "facts": [{"label": label, **_value(body, name)} for label, name in FACTS.get(kind, ())],
        "acts": [{"verb": verb, "act": act, "day": _first(act, body)} for verb, act in worded],
    }  # fmt: skip


def runs(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What can be started for the whole platform, proposed up to its today."""
    return [{"verb": verb, "run": run_words(verb), "day": state["now"][:10]} for verb in state["runs"]]


def _value(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if name == "amount":
        return {"money": Money.of(str(value), body["currency"])}
    found = day(str(value or ""))
    return {"day": found} if found else {"text": value or ""}


def _first(act: Act, body: Mapping[str, Any]) -> str:
    """What stands in the day's field before a person writes there."""
    return str(body.get(act.day_field) or clock.today().isoformat()) if act.day else ""


def day(text: str) -> dt.date | None:
    """What a date field sends; None where it is no day that can be told."""
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return found if clock.is_tellable(found) else None
