"""The house rules that no linter knows. Each message says what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("q2c", "ledger", "exceptions", "tests")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# Where a rule does not hold, and why.
ALLOWED = {
    "requests": {
        "q2c/connectors/http.py",  # the one place that talks HTTP
        "q2c/connectors/wire.py",  # and what is under it
        "q2c/faults/post.py",  # the harness stands outside: it is who calls q2c, not q2c
        "q2c/faults/strikes.py",
        "q2c/faults/traffic.py",
    },
    "file": {
        "exceptions/policies.py",  # a table: one row per reason
        "tests/stages/test_controls.py",  # a table: one row per defect
    },
    "function": {
        "q2c/ui/gallery_records.py",  # examples, one after the other
    },
    "clock": {
        "q2c/clock.py",  # the one place that knows what time it is
        "q2c/connectors/http.py",  # signatures and token lifetimes follow the machine's clock, whatever day it is here
    },
}


def sources(*, tests: bool = True) -> Iterator[tuple[str, str]]:
    """(path, text) of every Python file but migrations."""
    for room in ROOMS if tests else ROOMS[:-1]:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def lines_matching(pattern: str, *, allowed: frozenset[str] | set[str] = frozenset(), prefix: str = "") -> list[str]:
    found = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in sources(tests=False)
        if path not in allowed and path.startswith(prefix)
        for number, line in enumerate(text.splitlines(), 1)
        if found.search(line) and not line.lstrip().startswith("#")
    ]


def test_files_stay_short() -> None:
    lines = {path: text.count("\n") for path, text in sources() if path not in ALLOWED["file"]}
    long = {path: count for path, count in lines.items() if count > FILE_LINES_MAX}
    assert not long, f"Split these along their nouns or verbs, at most {FILE_LINES_MAX} lines each: {long}"


def test_functions_stay_short() -> None:
    long = []
    for path, text in sources():
        for node in ast.walk(ast.parse(text)):
            if path in ALLOWED["function"]:
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    long.append(f"{path}:{node.lineno} {node.name} has {length} lines")
    assert not long, f"Give each step of these a name of its own, at most {FUNCTION_LINES_MAX} lines: {long}"


def test_one_place_talks_http() -> None:
    found = lines_matching(r"^\s*(import|from) (requests|urllib3|httpx|aiohttp)\b", allowed=ALLOWED["requests"])
    # The launcher runs before any package is there; it asks only the processes it started.
    found += [line for line in lines_matching(r"urllib\.request") if not line.startswith("q2c/local/")]
    assert not found, f"Call platforms through q2c.connectors.http.Http: {found}"


def test_one_place_knows_the_time() -> None:
    found = [
        line
        for line in lines_matching(
            r"datetime\.(now|utcnow|today)\(|date\.today\(|timezone\.now\(|[^_.\w]time\.time\(",
            allowed=ALLOWED["clock"],
        )
        if not line.startswith("q2c/local/")
    ]
    assert not found, f"Write clock.now() or clock.today(zone): {found}"


@pytest.mark.parametrize("room", ["ledger", "q2c/stages", "q2c/contracts", "q2c/money.py", "exceptions"])
def test_no_float_near_amounts(room: str) -> None:
    found = lines_matching(r"[^_\w]float\(", prefix=room)
    assert not found, f"Amounts are integers in minor units, rates are Decimal (q2c/money.py): {found}"


def test_states_change_only_through_transitions() -> None:
    # SQL compares with an alias of one letter; the record itself has a name.
    found = lines_matching(r"\.update\(.*\bstate\s*=|\b\w\w+\.state = ")
    assert not found, f'Write record.verb() and save(), or states.move(Model, "verb", ids): {found}'


def test_no_room_for_odds_and_ends() -> None:
    bad = {"utils", "util", "helpers", "helper", "managers", "manager", "services", "service", "misc", "common"}
    found = [path for path, _ in sources() if bad & set(Path(path).with_suffix("").parts)]
    assert not found, f"Name the file after its noun or verb: {found}"


def test_no_print() -> None:
    free = ("q2c/local/", "q2c/management/")
    found = [line for line in lines_matching(r"^\s*print\(") if not line.startswith(free)]
    assert not found, f"Write a log line, or say it on the page: {found}"


def test_every_template_is_used() -> None:
    templates = {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.html")}
    texts = [text for _, text in sources(tests=False)]
    texts += [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    # Django looks these up by itself.
    known = {name for name in templates if re.fullmatch(r"(\d{3}|admin/.*)\.html", name)}
    everything = "\n".join(texts)
    folders = set(re.findall(r'f"([\w/]+)/\{', everything))
    dead = {
        name for name in templates - known if name not in everything and not any(name.startswith(f) for f in folders)
    }
    assert not dead, f"Delete these templates, or use them: {sorted(dead)}"


def test_nothing_is_minified_and_nothing_comes_from_elsewhere() -> None:
    files = [p for room in ("static", "templates") for p in (ROOT / room).rglob("*") if p.is_file()]
    minified = [
        p.name for p in files if p.suffix in {".js", ".css"} and max(map(len, p.read_text().splitlines())) > 400
    ]
    assert not minified, f"Put the readable source here: {minified}"
    foreign = [
        p.name for p in files if re.search(r'(src|href|url\()=?["\']?(https?:)?//(?!www\.w3\.org)', p.read_text())
    ]
    assert not foreign, f"Serve it from static/: {foreign}"
