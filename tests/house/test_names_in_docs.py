"""What a text for people names as code is there: files and folders, links, commands, names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).parents[2]
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("companion/**/*.md")])
# Texts about q2c alone: the others name what is a platform's.
OURS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
ROOMS = ("bin", "companion", "docs", "exceptions", "ledger", "q2c", "static", "templates", "tests")
CODE = {".py", ".sql", ".html", ".js", ".css", ".sh", ""}
# What others call what they have.
THEIRS = {"proxy_request_buffering"}

_SPAN = re.compile(r"`([^`\n]+)`")
_LINE = re.compile(r"^ {4,}(\S.*)$", re.MULTILINE)
_PATH = re.compile(r"(?:[\w-][\w.-]*/)*(?:[\w-]+/|[\w-]+\.(?:py|md|sql|html|css|js|sh|toml|txt))")
_COMMAND = re.compile(r"(?:manage\.py|bin/manage) ([a-z_]+)")
_PROGRAM = re.compile(r"(?<![\w./])bin/[a-z]+\b")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_NAME_IN_FILE = re.compile(r"`(\w+)` (?:of|in) `([\w./]+\.py)`")


@functools.cache
def files() -> tuple[Path, ...]:
    found = (path for room in ROOMS for path in (ROOT / room).rglob("*") if "__pycache__" not in path.parts)
    return (*ROOT.glob("*.*"), *(ROOT / room for room in ROOMS), *found)


@functools.cache
def places() -> frozenset[str]:
    """Every file and folder, under each name by which a text may call it: in full, or without the folders it is in."""
    return frozenset(found for path in files() for found in _tails(path.relative_to(ROOT).parts, path.is_dir()))


def _tails(parts: tuple[str, ...], is_folder: bool) -> Iterator[str]:
    for i in range(len(parts)):
        yield "/".join(parts[i:]) + ("/" if is_folder else "")


@functools.cache
def words() -> frozenset[str]:
    """Every word of the code; this file is none of it."""
    read = [path for path in files() if path.is_file() and path.suffix in CODE and path != Path(__file__)]
    return frozenset(word for path in read for word in re.findall(r"\w+", path.read_text(errors="replace")))


def lost_places(text: str) -> set[str]:
    return {span for span in _SPAN.findall(text) if _PATH.fullmatch(span)} - places()


def lost_commands(text: str) -> set[str]:
    said = "\n".join([*_SPAN.findall(text), *_LINE.findall(text)])
    return (set(_COMMAND.findall(said)) - set(get_commands())) | (set(_PROGRAM.findall(said)) - places())


def lost_names(text: str) -> set[str]:
    named = {span for span in _SPAN.findall(text) if _NAME.fullmatch(span) and not _PATH.fullmatch(span)}
    elsewhere = {f"{name} in {file}" for name, file in _NAME_IN_FILE.findall(text) if not _holds(file, name)}
    return {name for name in named - THEIRS if not set(name.split(".")) <= words()} | elsewhere


def _holds(file: str, name: str) -> bool:
    called = [path for path in files() if f"/{path.relative_to(ROOT)}".endswith(f"/{file}")]
    return any(re.search(rf"\b{name}\b", path.read_text()) for path in called)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_links_and_commands_that_a_text_names_are_there(path: Path) -> None:
    text = path.read_text()
    links = {link for link in _LINK.findall(text) if not (path.parent / link).exists()}
    assert not lost_places(text) | lost_commands(text) | links


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_that_a_text_about_our_code_names_are_there(path: Path) -> None:
    assert not lost_names(path.read_text())


def test_what_is_not_there_is_found() -> None:
    text = "`q2c/gone.py`, `stages/gone/`, `verb.py`, `manage.py vanish`, `KEPT` of `q2c/stages/orders.py`, `Vanished`"
    assert lost_places(text) == {"q2c/gone.py", "stages/gone/"}
    assert lost_commands(f"{text}\n\n    bin/vanish --all\n    bin/demo\n") == {"vanish", "bin/vanish"}
    assert lost_names(text) == {"KEPT in q2c/stages/orders.py", "Vanished"}
