"""JSON as RFC 8259 means it, and nothing beside: what other readers let pass is a Fault with its place and remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

DEPTH_MAX = 32
# No number of a document has more digits; longer ones only cost time.
DIGITS_MAX = 40
# What other readers can hold.
EXPONENT_MAX = 300
_HALF = re.compile("[\ud800-\udfff]")
_LEAVE = "Leave it out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong with what was sent: its name, where (JSON pointer), the sentence, the remedy."""

    code: str
    detail: str
    pointer: str = ""
    remedy: str = ""
    seen: Any = None


class Faulty(ValueError):
    """What was sent cannot be taken; `faults` says each reason."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.detail for fault in faults))


class _Odd(Exception):
    """The quick reading met something that the careful one has to place."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands in the decoded document where a fault is."""

    fault: Fault


def decode(body: bytes) -> Any:
    """The document, decimals as Decimal. Raises Faulty."""
    document = _at_once(body)
    return _slowly(body) if document is _Odd else document


def _at_once(body: bytes) -> Any:
    """What a compiled reader makes of a sound document; _Odd where only a closer look can tell.

    That reader takes a member that is there twice without a word: then what it read has fewer colons.
    """
    if b"\\u" in body:
        return _Odd
    try:
        document = _DECODER.decode(body)
        colons = _ENCODER.encode(document).count(b":")
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, _Odd):
        return _Odd
    return document if colons == body.count(b":") and not (_may_be_deep(body) and _is_deep(document)) else _Odd


def _may_be_deep(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > DEPTH_MAX


def _is_deep(value: Any, depth: int = 0) -> bool:
    if depth > DEPTH_MAX:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_is_deep(each, depth + 1) for each in inner if isinstance(each, dict | list))


def _slowly(body: bytes) -> Any:
    """The same by readers that can say what is wrong, and where."""
    text = _text(body)
    try:
        document, odd = _careful(text)
    except json.JSONDecodeError as error:
        raise Faulty(_syntax(error)) from None
    except RecursionError:
        raise Faulty(_too_deep("")) from None
    except ValueError:
        raise Faulty(
            Fault(
                code="number_too_long",
                detail="A number has thousands of digits",
                remedy="Send amounts as whole minor units, quantities and prices as text",
            )
        ) from None
    if (odd or _may_be_deep(body) or b"\\u" in body) and (found := list(_found(document, ""))):
        raise Faulty(*found)
    return document


def _careful(text: str) -> tuple[Any, bool]:
    """The document, and whether there are marks in it."""
    try:
        return _QUICK.decode(text), False
    except _Odd:
        return _CAREFUL.decode(text), True


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Faulty(
            Fault(
                code="not_utf8",
                detail=f"Byte {error.start} is not UTF-8",
                remedy="Send JSON in UTF-8",
                seen=body[error.start : error.start + 4].hex(),
            )
        ) from None
    if text.startswith("\ufeff"):
        raise Faulty(Fault(code="byte_order_mark", detail="It begins with a byte order mark", remedy="Leave it out"))
    if not text.strip():
        raise Faulty(Fault(code="empty", detail="There is nothing in it", remedy="Send a JSON document"))
    return text


def _syntax(error: json.JSONDecodeError) -> Fault:
    where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
    return Fault(
        code="not_json",
        detail=f"Not JSON at {where}: {error.msg}",
        remedy="Send one JSON document (RFC 8259)",
        seen=error.doc[error.pos : error.pos + 20],
    )


def _too_deep(pointer: str) -> Fault:
    return Fault(
        code="too_deep",
        pointer=pointer,
        detail=f"It is nested deeper than {DEPTH_MAX} levels",
        remedy="Send the document of the schema; none of them is so deep",
    )


def _found(value: Any, pointer: str, depth: int = 0) -> Iterator[Fault]:
    """Every fault in a decoded document, with its pointer."""
    if isinstance(value, _Mark):
        yield replace(value.fault, pointer=pointer)
    elif depth > DEPTH_MAX:
        yield _too_deep(pointer)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _odd_text(name, pointer, "The name of a member")
            yield from _found(member, f"{pointer}/{token(name)}", depth + 1)
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _found(member, f"{pointer}/{number}", depth + 1)
    elif isinstance(value, str):
        yield from _odd_text(value, pointer, "The text")


def _odd_text(value: str, pointer: str, what: str) -> Iterator[Fault]:
    if "\x00" in value:
        yield Fault(code="nul_character", pointer=pointer, detail=f"{what} holds a nul character", remedy=_LEAVE)
    elif _HALF.search(value):
        yield Fault(
            code="half_character", pointer=pointer, detail=f"{what} holds half of a surrogate pair", remedy=_LEAVE
        )


def token(name: object) -> str:
    """A member name as part of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _quick_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd
    return found


def _quick_number(digits: str) -> Decimal:
    number = _in_range(digits)
    if number is None:
        raise _Odd
    return number


def _in_range(digits: str) -> Decimal | None:
    try:
        number = Decimal(digits)
    except InvalidOperation:  # its exponent is no number that decimal can hold
        return None
    return number if len(digits) <= DIGITS_MAX and abs(number.adjusted()) <= EXPONENT_MAX else None


def _odd(_: str) -> Any:
    raise _Odd


def _careful_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        twice = Fault(
            code="duplicate_key", detail=f"The member {name!r} is there twice", remedy="Send it once", seen=name
        )
        found[name] = _Mark(twice) if name in found else value
    return found


def _careful_number(digits: str) -> Decimal | _Mark:
    number = _in_range(digits)
    if number is not None:
        return number
    return _Mark(
        Fault(
            code="number_out_of_range",
            detail=f"{digits[:60]} is out of range",
            remedy="Send amounts as whole minor units, quantities and prices as text",
            seen=digits[:60],
        )
    )


def _careful_constant(name: str) -> _Mark:
    return _Mark(
        Fault(
            code="not_a_number", detail=f"{name} is no JSON number", remedy="Send a number, or leave it out", seen=name
        )
    )


_QUICK = json.JSONDecoder(object_pairs_hook=_quick_object, parse_float=_quick_number, parse_constant=_odd)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_careful_object, parse_float=_careful_number, parse_constant=_careful_constant
)
_DECODER = msgspec.json.Decoder(float_hook=_quick_number)
_ENCODER = msgspec.json.Encoder()
