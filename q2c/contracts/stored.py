"""What was taken in once stays readable: a contract that was sharpened since refuses new documents, no stored one."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

_T = TypeVar("_T")


def read(raw: bytes | str, type_: type[_T]) -> _T:
    """A stored document, patterns and bounds not asked for where it does not meet today's.

    Raises msgspec.DecodeError where its shape is another one.
    """
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError:
        try:
            found: _T = _made(msgspec.json.decode(raw), type_)
        except TypeError as error:  # a member that it cannot do without
            raise msgspec.ValidationError(str(error)) from None
        return found


def _made(value: Any, type_: Any) -> Any:
    """The same classes, by their constructors, which check nothing; what is no document must still be of its type."""
    if get_origin(type_) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(type_) if each is not types.NoneType)
        return None if value is None else _made(value, inner)
    if get_origin(type_) is tuple and get_args(type_)[1:] == (...,) and isinstance(value, list):
        return tuple(_made(each, get_args(type_)[0]) for each in value)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct) and isinstance(value, Mapping):
        return type_(**{name: _made(value[key], of) for name, key, of in _fields(type_) if key in value})
    return msgspec.convert(value, type_)


@cache
def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Of each field its name here, its name in JSON, and its type without what limits it."""
    hints = get_type_hints(struct)
    return [(each.name, each.encode_name, hints[each.name]) for each in msgspec.structs.fields(struct)]
