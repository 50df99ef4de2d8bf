"""Both databases, read as of one moment each, as streams: nothing is held that grows with the documents."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads

AT_ONCE = 1000
# ISO 4217: decimals where there are not two.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)
_names = itertools.count(1)

Row = Any


@dataclass(frozen=True)
class Platform:
    """One row of q2c_connection whose documents lie in a sandbox here."""

    name: str
    vendor: str
    service: str
    options: dict[str, Any]

    @property
    def schema(self) -> str:
        return f"sandbox_{self.vendor}"


@dataclass
class Databases:
    """q2c's and the platforms', each in a transaction. `now`: an aware instant; what is due by then is due."""

    ours: psycopg.Connection[Any]
    theirs: psycopg.Connection[Any]
    now: dt.datetime
    platforms: list[Platform] = field(default_factory=list)

    def __post_init__(self) -> None:
        for connection in (self.ours, self.theirs):
            # Amounts are decimals on the wire, and stay decimals.
            set_json_loads(partial(json.loads, parse_float=Decimal), connection)
        rows = self.ours.execute("SELECT name, vendor, service, options, base_url FROM q2c_connection ORDER BY name")
        schemas = {
            row[0] for row in self.theirs.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sandbox%'")
        }
        found = [Platform(*row[:4]) for row in rows if row[4].startswith("sandbox://")]
        self.platforms = [each for each in found if each.schema in schemas]

    def platform(self, service: str, vendor: str) -> Platform | None:
        return next((each for each in self.platforms if (each.service, each.vendor) == (service, vendor)), None)


def rows(
    connection: psycopg.Connection[Any], sql: str, parameters: Sequence[Any] | dict[str, Any] = ()
) -> Iterator[Row]:
    """The rows of a statement, fetched by the thousand, as named tuples."""
    with connection.cursor(name=f"checker_{next(_names)}", row_factory=namedtuple_row) as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(sql.encode(), parameters or None)
        yield from cursor


def paired(left: Iterator[Row], right: Iterator[Row]) -> Iterator[tuple[str, list[Row], list[Row]]]:
    """Two streams, each ordered by its column `key` as bytes are: each key once, with the rows of both that bear it."""
    sides = [_grouped(left), _grouped(right)]
    heads = [next(side, None) for side in sides]
    while True:
        keys = [head[0] for head in heads if head is not None]
        if not keys:
            return
        # Code points order as their UTF-8 bytes do.
        first = min(keys)
        found: list[list[Row]] = []
        for number, head in enumerate(heads):
            if head is not None and head[0] == first:
                found.append(head[1])
                heads[number] = next(sides[number], None)
            else:
                found.append([])
        yield first, found[0], found[1]


def _grouped(stream: Iterator[Row]) -> Iterator[tuple[str, list[Row]]]:
    for key, group in itertools.groupby(stream, key=lambda row: row.key):
        yield key, list(group)


def minor(amount: object, currency: str) -> int | str:
    """Minor units; the text itself where it is no amount of the currency, which then equals nothing."""
    try:
        scaled = Decimal(str(amount)).scaleb(_DECIMALS.get(currency, 2))
        return int(scaled) if scaled == scaled.to_integral_value() else f"{amount} {currency}"
    except InvalidOperation:
        return f"{amount} {currency}"


def differing(pairs: dict[str, tuple[object, object]]) -> list[str]:
    """By name (ours, theirs): in words, those that are not equal. Days and decimals are compared as what they are."""
    return [
        f"{name} is {_said(ours)} here and {_said(theirs)} there"
        for name, (ours, theirs) in pairs.items()
        if _said(ours) != _said(theirs)
    ]


def _said(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "nothing" if value is None or value == "" else str(value)
