"""POST /services/rest/query/v1/suiteql: a query, translated for PostgreSQL and run on the views of `tables`.

Read: joins, conditions, grouping, ordering, TO_CHAR, TO_DATE, NVL, BUILTIN.DF, FETCH FIRST. Answered as the platform
does: lower-case names, every value a string, nulls left out, pages by limit and offset.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import psycopg

from q2c.connectors.netsuite.sandbox import tables
from q2c.connectors.netsuite.sandbox.words import refused
from q2c.connectors.sandbox_kit import Answer, Request, Store

LIMIT_MAX = 1000
ROWS_MAX = 100_000
TIME_LIMIT_MS = 20_000
PATH = "/services/rest/query/v1/suiteql"

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<mark><=|>=|<>|!=|\|\||[(),.*=<>+\-/?])"
)
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_RENAMED = {"nvl": "coalesce", "sysdate": "localtimestamp", "minus": "except"}


# Before a parenthesis only these: keywords, and the functions the sandbox knows.
_KEYWORDS = (
    "and as all any between case distinct else except exists fetch from having in intersect join like not on or order "
    "over partition select some then union using when where with"
)
_FUNCTIONS = (
    "abs avg ceil coalesce concat count date dense_rank extract floor greatest least length lower lpad ltrim max min "
    "mod nullif nvl rank replace round row_number rpad rtrim substr sum to_char to_date to_number trim trunc upper"
)
_BEFORE_PARENTHESIS = frozenset(f"{_KEYWORDS} {_FUNCTIONS}".split())
_FORBIDDEN = re.compile(r"pg_.*|sandbox_.*|information_schema|public|into|insert|update|delete|merge|set_config")


class BadQuery(Exception):
    """The text is what the platform says of the query."""


def run(request: Request, store: Store) -> Answer:
    if "transient" not in request.headers.get("prefer", "").lower():
        raise refused("transient")
    limit, offset = _paging(request)
    try:
        document = request.json()
    except ValueError:
        raise refused("json") from None
    try:
        if not isinstance(document, dict) or not isinstance(document.get("q"), str):
            raise BadQuery("the query is missing")
        query = translated(document["q"])
        rows, total = _rows(store, query, limit, offset)
    except BadQuery as error:
        raise refused("query", value=error) from None
    more = offset + len(rows) < total
    links = [{"rel": "self", "href": f"{request.base_url}{PATH}?limit={limit}&offset={offset}"}]
    if more:
        links.append({"rel": "next", "href": f"{request.base_url}{PATH}?limit={limit}&offset={offset + limit}"})
    body = {
        "links": links, "count": len(rows), "hasMore": more, "items": rows, "offset": offset, "totalResults": total,
    }  # fmt: skip
    return Answer(200, body, {"Content-Type": "application/vnd.oracle.resource+json; type=collection"})


def _paging(request: Request) -> tuple[int, int]:
    found = []
    for name, default in (("limit", str(LIMIT_MAX)), ("offset", "0")):
        value = request.query.get(name, default)
        if not value.isdigit() or len(value) > 9:
            raise refused("paging", field=name, value=value)
        found.append(int(value))
    limit, offset = found
    if not 1 <= limit <= LIMIT_MAX:
        raise refused("paging", field="limit", value=limit)
    if offset % limit or offset > ROWS_MAX:
        raise refused("paging", field="offset", value=offset)
    return limit, offset


@dataclass(frozen=True, slots=True)
class Query:
    """A query in PostgreSQL's words, its strings as values; `displays` when it asks for BUILTIN.DF."""

    sql: str
    values: tuple[str, ...]
    displays: bool


def translated(query: str) -> Query:
    """Raises BadQuery."""
    # Connectors send few queries, each with many values: what is the same but for its strings is translated once.
    sql, displays = _translated(_TEXT.sub("''", query))
    return Query(sql, tuple(text.replace("''", "'") for text in _TEXT.findall(query)), displays)


@lru_cache(maxsize=512)
def _translated(query: str) -> tuple[str, bool]:
    """The SQL with a place for each string, and whether it asks for BUILTIN.DF."""
    tokens = _tokens(query)
    if not tokens or tokens[0][1] not in ("select", "with"):
        raise BadQuery("a query begins with SELECT")
    out: list[str] = []
    at = 0
    while at < len(tokens):
        kind, token = tokens[at]
        if token == "builtin":  # noqa: S105
            shown, at = _display(tokens, at)
            out.append(shown)
            continue
        if kind == "name":
            _allowed(token, follows=tokens[at + 1][1] if at + 1 < len(tokens) else "")
        if kind == "text":
            out.append("%s")
        else:
            # Bare, since a column of a table may have the same name as a function.
            out.append(_RENAMED.get(token, token) if kind == "name" and _is_bare(tokens, at) else token)
        at += 1
    return " ".join(out), "builtin" in {token for _, token in tokens}


def _allowed(name: str, follows: str) -> None:
    """Only the tables of the account, only functions that read."""
    if _FORBIDDEN.fullmatch(name):
        raise BadQuery(f"'{name}' was not found")
    if follows == "(" and name not in _BEFORE_PARENTHESIS:
        raise BadQuery(f"the function '{name}' is not supported")


def _tokens(query: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None or query.startswith("--", at) or query.startswith("/*", at):
            raise BadQuery(f"unexpected {query[at : at + 20]!r}")
        at = match.end()
        kind = str(match.lastgroup)
        if kind != "space":
            found.append((kind, match.group().lower() if kind == "name" else match.group()))
    return found


def _is_bare(tokens: list[tuple[str, str]], at: int) -> bool:
    return at == 0 or tokens[at - 1][1] != "."


def _display(tokens: list[tuple[str, str]], at: int) -> tuple[str, int]:
    """BUILTIN.DF(t.currency) → t.currency__df."""
    words = [token for _, token in tokens[at : at + 8]]
    if words[1:4] == [".", "df", "("]:
        if words[5:8] and words[5] == "." and words[7] == ")":
            return f"{words[4]}.{words[6]}__df", at + 8
        if words[5] == ")":
            return f"{words[4]}__df", at + 6
    raise BadQuery("only BUILTIN.DF of a field is supported")


# A query that comes again is planned once per connection: in the order it is written, by indexes and in loops. What a
# planner would find out about so few rows takes longer than reading them.
_SETTINGS = {
    "search_path": f"{tables.SCHEMA}, pg_catalog", "statement_timeout": str(TIME_LIMIT_MS),
    "transaction_read_only": "on", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off",
    "enable_hashjoin": "off", "enable_mergejoin": "off", "join_collapse_limit": "1",
}  # fmt: skip
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())


def _rows(store: Store, query: Query, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
    paged = f"SELECT *, count(*) OVER () AS total__rows FROM ({query.sql}) AS q LIMIT {limit} OFFSET {offset}"
    connection = store.connection
    try:
        connection.execute(_SET, prepare=True)
        cursor = connection.execute(paged.encode(), query.values, prepare=True)
        names = [column.name for column in cursor.description or ()]
        found = cursor.fetchall()
        if not found and offset:
            counted = f"SELECT count(*) FROM ({query.sql}) AS q"
            total = connection.execute(counted.encode(), query.values).fetchone()
            return [], int(total[0]) if total else 0
    except psycopg.Error as error:
        raise BadQuery(str(error).splitlines()[0]) from None
    total_rows = int(found[0][-1]) if found else 0
    return [_item(names[:-1], row, query.displays) for row in found], total_rows


def _item(names: list[str], row: tuple[Any, ...], displays: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"links": []}
    for name, value in zip(names, row, strict=False):
        if name.endswith("__df"):
            if not displays:
                continue
            name = name.removesuffix("__df")  # noqa: PLW2901
        if value is not None:
            item[name] = _text(value)
    return item


def _text(value: Any) -> str:
    """Dates as an account with United States formats shows them."""
    if isinstance(value, Decimal):
        plain = f"{value:f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(value, dt.date):
        return f"{value.month}/{value.day}/{value.year}"
    return str(value)
