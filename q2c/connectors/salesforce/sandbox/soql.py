"""A real subset of SOQL: parsed into a Query, which records.py runs.

    SELECT a, Parent.b, COUNT(), (SELECT c FROM Children ORDER BY d) FROM Object
    WHERE x = 1 AND (y != 'z' OR NOT w IN ('p', 'q')) ORDER BY m ASC, n DESC NULLS LAST LIMIT 10 OFFSET 5

Values: 'text' with backslash escapes, numbers, true/false/null, dates and datetimes. Errors are SoqlError with
the platform's own words, so that a wrong query is refused here as it would be there.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<op><=|>=|!=|<>|=|<|>)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
Value = str | Decimal | bool | None | dt.date | dt.datetime


class SoqlError(ValueError):
    """MALFORMED_QUERY and its like: `code` is the platform's errorCode."""

    def __init__(self, text: str, code: str = "MALFORMED_QUERY") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Compare:
    """field op value; op is one of = != < <= > >= in not_in like."""

    name: str
    op: str
    value: Value | tuple[Value, ...]


@dataclass(frozen=True)
class Junction:
    """All (and), any (or) or none (not) of its parts."""

    kind: str
    parts: tuple[Condition, ...]


Condition = Compare | Junction


@dataclass(frozen=True)
class Order:
    name: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Query:
    source: str
    fields: tuple[str, ...]
    children: tuple[Query, ...] = ()
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    counts: bool = False


@dataclass
class _Tokens:
    text: str
    items: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        position, text = 0, self.text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise SoqlError(f"unexpected token: '{text[position : position + 20].strip()}'")
            kind = str(match.lastgroup)
            self.items.append((kind, match.group(kind)))
            position = match.end()

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.at + ahead
        return self.items[at] if at < len(self.items) else ("end", "<EOF>")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        kind, text = self.peek(ahead)
        return kind == "word" and text.upper() in words

    def accept(self, *words: str) -> bool:
        """Takes all the words when they come next."""
        if all(self.is_word(word, ahead=i) for i, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def expect_word(self, word: str) -> None:
        if not self.accept(word):
            raise SoqlError(f"expecting {word}, found '{self.peek()[1]}'")

    def expect_mark(self, mark: str) -> None:
        kind, text = self.take()
        if kind not in {"mark", "op"} or text != mark:
            raise SoqlError(f"expecting '{mark}', found '{text}'")

    def is_mark(self, mark: str) -> bool:
        return self.peek() == ("mark", mark)

    def name(self) -> str:
        kind, text = self.take()
        if kind != "word":
            raise SoqlError(f"unexpected token: '{text}'")
        return text


def parse(text: str) -> Query:
    tokens = _Tokens(text)
    query = _query(tokens, inner=False)
    if tokens.peek()[0] != "end":
        raise SoqlError(f"unexpected token: '{tokens.peek()[1]}'")
    return query


def _query(tokens: _Tokens, inner: bool) -> Query:
    tokens.expect_word("SELECT")
    fields: list[str] = []
    children: list[Query] = []
    counts = False
    while True:
        if tokens.is_mark("("):
            if inner:
                raise SoqlError("Only root queries support aggregate expressions and nested child queries")
            tokens.take()
            children.append(_query(tokens, inner=True))
            tokens.expect_mark(")")
        else:
            name = tokens.name()
            if name.upper() == "COUNT" and tokens.is_mark("("):
                tokens.take()
                tokens.expect_mark(")")
                counts = True
            else:
                fields.append(name)
        if not tokens.is_mark(","):
            break
        tokens.take()
    tokens.expect_word("FROM")
    source = tokens.name()
    if counts and (fields or children):
        raise SoqlError("COUNT() must be the only element in the SELECT clause")
    where = _any(tokens) if tokens.accept("WHERE") else None
    order = _orders(tokens) if tokens.accept("ORDER", "BY") else ()
    limit = _whole(tokens) if tokens.accept("LIMIT") else None
    offset = _whole(tokens) if tokens.accept("OFFSET") else 0
    return Query(source, tuple(fields), tuple(children), where, order, limit, offset, counts)


def _whole(tokens: _Tokens) -> int:
    kind, text = tokens.take()
    if kind != "number" or not text.isdigit():
        raise SoqlError(f"unexpected token: '{text}'")
    return int(text)


def _orders(tokens: _Tokens) -> tuple[Order, ...]:
    orders = []
    while True:
        name = tokens.name()
        descending = tokens.accept("DESC")
        if not descending:
            tokens.accept("ASC")
        last = tokens.accept("NULLS", "LAST")
        if not last:
            tokens.accept("NULLS", "FIRST")
        orders.append(Order(name, descending, last))
        if not tokens.is_mark(","):
            return tuple(orders)
        tokens.take()


def _any(tokens: _Tokens) -> Condition:
    parts = [_term(tokens)]
    kind = ""
    while tokens.is_word("AND", "OR"):
        word = tokens.take()[1].lower()
        if kind and word != kind:
            # The platform does not guess a precedence either.
            raise SoqlError(f"unexpected token: '{word}'")
        kind = word
        parts.append(_term(tokens))
    return parts[0] if len(parts) == 1 else Junction(kind, tuple(parts))


def _term(tokens: _Tokens) -> Condition:
    if tokens.accept("NOT"):
        return Junction("not", (_term(tokens),))
    if tokens.is_mark("("):
        tokens.take()
        inside = _any(tokens)
        tokens.expect_mark(")")
        return inside
    name = tokens.name()
    if tokens.accept("NOT", "IN"):
        return Compare(name, "not_in", _values(tokens))
    if tokens.accept("IN"):
        return Compare(name, "in", _values(tokens))
    if tokens.accept("LIKE"):
        return Compare(name, "like", _value(tokens))
    kind, op = tokens.take()
    if kind != "op":
        raise SoqlError(f"unexpected token: '{op}'")
    return Compare(name, "!=" if op == "<>" else op, _value(tokens))


def _values(tokens: _Tokens) -> tuple[Value, ...]:
    tokens.expect_mark("(")
    found = [_value(tokens)]
    while tokens.is_mark(","):
        tokens.take()
        found.append(_value(tokens))
    tokens.expect_mark(")")
    return tuple(found)


def _value(tokens: _Tokens) -> Value:
    kind, text = tokens.take()
    if kind == "text":
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), text[1:-1])
    if kind == "number":
        return Decimal(text)
    if kind == "date":
        return dt.date.fromisoformat(text)
    if kind == "datetime":
        return dt.datetime.fromisoformat(text)
    if kind == "word" and text.lower() in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[text.lower()]
    raise SoqlError(f"unexpected token: '{text}'")
