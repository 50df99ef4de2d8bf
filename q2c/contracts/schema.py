"""JSON Schemas of the inbound events, exported from the contracts, and their compiled validators.

q2c/contracts/schemas/<Event>.v<version>.json are what upstream systems build against. `manage.py export_schemas`
writes them; a test fails where they differ from the code. A changed payload is a new version.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from q2c.contracts.events import EVENTS

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Where the application serves them, below its own address.
ADDRESS = "/api/v1/schemas/"


def name_of(type_: str) -> str:
    """OrderReceived → OrderReceived.v1.json"""
    return f"{type_}.v{EVENTS[type_].version}.json"


def inbound() -> list[str]:
    """The types that upstream systems may send."""
    return [row.name for row in EVENTS.values() if row.inbound]


def schema_of(type_: str) -> dict[str, Any]:
    """The schema of an event's data. A member it does not name is an error: a misspelt discount must not get lost."""
    row = EVENTS[type_]
    return {
        "$schema": DIALECT,
        "$id": f"{ADDRESS}{name_of(type_)}",
        "title": f"{type_} version {row.version}",
        "description": row.about,
        **closed(msgspec.json.schema(row.payload)),
    }


def closed(node: Any) -> Any:
    """The schema, its objects without members that they do not name."""
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node["additionalProperties"] = False
        for member in node.values():
            closed(member)
    elif isinstance(node, list):
        for member in node:
            closed(member)
    return node


def text_of(type_: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema_of(type_), indent=2, ensure_ascii=False) + "\n"


def differing() -> list[str]:
    """Names of files that are missing, that the code does not know, or that differ from it."""
    wanted = {name_of(type_): text_of(type_) for type_ in inbound()}
    there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    return sorted(name for name in wanted | there if wanted.get(name) != there.get(name))


def export() -> list[str]:
    """Write the files. Returns the names of those that changed."""
    changed = differing()
    FOLDER.mkdir(exist_ok=True)
    wanted = {name_of(type_): text_of(type_) for type_ in inbound()}
    for name in changed:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
    return changed


@functools.cache
def validator(type_: str) -> Any:
    """Compiled once a process."""
    return jsonschema_rs.Draft202012Validator(schema_of(type_), validate_formats=True)
