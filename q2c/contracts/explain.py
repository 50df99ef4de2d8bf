"""What a schema found wrong, in words: where, what was seen, what to do."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from q2c.contracts import schema
from q2c.contracts.strict import Fault, token

FAULTS_MAX = 50
# More values than these are not listed in a sentence.
LISTED_MAX = 12


def faults(type_: str, document: Any) -> list[Fault]:
    """Everything that the schema of an event type finds wrong; empty where the document is valid."""
    compiled = schema.validator(type_)
    if compiled.is_valid(document):
        return []
    found: list[Fault] = []
    for error in compiled.iter_errors(document):
        found.extend(_of(error))
        if len(found) >= FAULTS_MAX:
            break
    return found


def _of(error: Any) -> Iterator[Fault]:
    pointer = "".join(f"/{token(part)}" for part in error.instance_path)
    kind = error.kind
    if kind.name == "required":
        yield Fault(
            code="missing", pointer=f"{pointer}/{token(kind.property)}", detail=f"{kind.property} is missing",
            remedy=f"Send {kind.property}",
        )  # fmt: skip
    elif kind.name == "additionalProperties":
        for member in kind.unexpected:
            yield _unknown(pointer, member, error.instance[member])
    elif kind.name == "anyOf":
        # A member that may be left out: what is wrong with what was sent instead of nothing.
        branches = [branch for branch in kind.context if not any(_wants_null(each) for each in branch)]
        for branch in branches[:1]:
            for each in branch:
                yield from _of(each)
    else:
        yield Fault(
            code=re.sub(r"(?=[A-Z])", "_", kind.name).lower(), pointer=pointer, detail=_said(error),
            remedy=_remedy(kind, error), seen=short(error.instance),
        )  # fmt: skip


def _wants_null(error: Any) -> bool:
    return error.kind.name == "type" and error.kind.as_dict().get("types") in ("null", ["null"])


def _unknown(pointer: str, member: str, value: Any) -> Fault:
    near = difflib.get_close_matches(member, _members(), 1)
    return Fault(
        code="unknown_member", pointer=f"{pointer}/{token(member)}",
        detail=f"There is no member {member[:80]}" + (f"; did you mean {near[0]}?" if near else ""),
        remedy=f"Send {near[0]}, or leave it out" if near else "Leave it out", seen=short(value),
    )  # fmt: skip


@functools.cache
def _members() -> list[str]:
    """Every member name of every schema."""
    return sorted({name for type_ in schema.inbound() for each in _objects(schema.schema_of(type_)) for name in each})


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    members: Iterable[Any] = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("properties"), dict):
        yield node["properties"]
    for member in members:
        yield from _objects(member)


def _said(error: Any) -> str:
    kind = error.kind
    if kind.name == "enum" and len(kind.options) > LISTED_MAX:
        return f"{error.instance!r} is none of the {len(kind.options)} values that may stand here"
    if kind.name == "pattern":
        about = _about(error.schema_path)
        wanted = (
            f"is not of the form that is asked for: {about}" if about else "has a character that may not stand here"
        )
        return f"{short(error.instance)!r} {wanted}"
    message = str(error.message)
    return message if len(message) <= 200 else f"{message[:197]}…"


def _remedy(kind: Any, error: Any) -> str:
    about = _about(error.schema_path)
    if kind.name == "enum":
        options = [str(option) for option in kind.options]
        if len(options) > LISTED_MAX:
            return f"Send: {about}"
        near = difflib.get_close_matches(str(error.instance), options, 1)
        return f"Did you mean {near[0]}?" if near else f"Send one of: {', '.join(options)}"
    if kind.name == "format":
        return "Send a day of the calendar: 2026-12-31" if kind.format == "date" else f"Send: {kind.format}"
    if kind.name == "type":
        types = kind.as_dict().get("types") or kind.as_dict().get("type") or "another type"
        named = " or ".join(types) if isinstance(types, list) else str(types)
        return f"Send {named}" + (f": {about}" if about else "")
    return f"Send: {about}" if about else "See the schema of this event"


def _about(path: list[Any]) -> str:
    """The description beside the rule that failed: "ISO 4217 code"."""
    for type_ in schema.inbound():
        node: Any = schema.schema_of(type_)
        try:
            for part in path[:-1]:
                node = node["$defs"][node["$ref"].rpartition("/")[2]] if part == "$ref" else node[part]
        except (KeyError, TypeError, IndexError):
            continue
        if isinstance(node, dict):
            return str(node.get("description") or "")
    return ""


def short(value: Any) -> Any:
    """What was seen, as far as a person wants to read it."""
    if isinstance(value, str):
        # A byte that is no text is shown as what it is: it could not be written.
        return value[:80].encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**15 else f"{value:e}" if abs(value) < 10**300 else "a very long number"
    if isinstance(value, dict | list):
        return None
    return str(value)[:80]
