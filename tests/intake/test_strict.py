"""The quick reading of JSON and the careful one agree about every document; what is odd is left to the careful one."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from q2c.contracts import strict

PIECES = [
    b"{", b"}", b"[", b"]", b":", b",", b'"a"', b'"b"', b'"a:"', b"1", b"-0", b"1.5", b"1e5", b"1e400", b" ", b"\n", b"true",
    b"null", b"NaN", b'"\\u003a"', b'"\\n"', b'"\xc3\xa4"', b'"\xff"', b"12345678901234567890123", b"Infinity", b"\x00",
    b'""', b'"\\""', b"-", b"01", b"1.", b".5", b"\xef\xbb\xbf",
]  # fmt: skip
SCALARS = [b"1", b'"x:y"', b"1.25", b"null", b'"\\\\:"', b'"\\""', b"99999999999999999999", b"1e999999999999999999999"]
NAMES = [b'"a"', b'"b"', b'"c"', b'"d:"', b'"e"']


def agree(body: bytes) -> str:
    """How the document was read, after both ways are seen to say the same."""
    quick = strict._at_once(body)
    try:
        careful = strict._slowly(body)
    except strict.Faulty:
        assert quick is strict._Odd, f"{body!r} was let through"
        return "refused"
    if quick is strict._Odd:
        return "left to the careful one"
    assert repr(quick) == repr(careful), f"{body!r} was read as something else"
    return "quick"


def document(chance: random.Random, depth: int = 0) -> bytes:
    kind = chance.random()
    if depth > 5 or kind < 0.4:
        return chance.choice(SCALARS)
    inner = [document(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    if kind < 0.7:
        return b"[" + b", ".join(inner) + b"]"
    members = (chance.choice(NAMES) + chance.choice([b":", b" : "]) + each for each in inner)
    return b"{" + b",".join(members) + b"}"


def test_broken_pieces_are_read_alike() -> None:
    chance = random.Random(20261126)
    for _ in range(20_000):
        agree(b"".join(chance.choice(PIECES) for _ in range(chance.randint(1, 9))))


def test_documents_are_read_alike() -> None:
    chance = random.Random(20261126)
    ways = [agree(document(chance)) for _ in range(10_000)]
    assert ways.count("quick") > 5_000 and ways.count("refused") > 500


@pytest.mark.parametrize("depth", [1, 31, 32, 33, 34, 2_000, 100_000])
def test_depth_is_found_alike(depth: int) -> None:
    assert agree(b"[" * depth + b"]" * depth) == ("quick" if depth <= strict.DEPTH_MAX + 1 else "refused")


def test_decimals_keep_their_digits() -> None:
    assert strict.decode(b'{"a": 0.10, "b": 12345678901234567.123456789}') == {
        "a": Decimal("0.10"), "b": Decimal("12345678901234567.123456789"),
    }  # fmt: skip
