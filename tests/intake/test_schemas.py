"""The exported schemas are the code's, and a referee reads them as our compiled validator does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from django.core.management import CommandError, call_command

from q2c.contracts import explain, schema
from q2c.contracts.events import EVENTS
from tests.intake.documents import invoice, order


def test_files_equal_the_code() -> None:
    assert schema.differing() == [], "run manage.py export_schemas; a changed payload is a new version"
    call_command("export_schemas", "--check")


def test_a_difference_is_noticed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "FOLDER", tmp_path)
    with pytest.raises(CommandError, match="OrderReceived"):
        call_command("export_schemas", "--check")
    call_command("export_schemas")
    (tmp_path / "OrderReceived.v1.json").write_text("{}")
    (tmp_path / "Gone.v1.json").write_text("{}")
    assert schema.differing() == ["Gone.v1.json", "OrderReceived.v1.json"]
    call_command("export_schemas")
    assert schema.differing() == []


@pytest.mark.parametrize("type_", schema.inbound())
def test_each_is_a_schema(type_: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((schema.FOLDER / schema.name_of(type_)).read_text()))


def changes(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document with each member left out, made another type, or with a stranger beside it."""
    found = [document | {"stranger": 1}]
    for name in document:
        found.append({key: value for key, value in document.items() if key != name})
        found += [document | {name: other} for other in (None, 1, "x", [], {}, True, -1, "2026-02-30", 10**20)]
    return found


@pytest.mark.parametrize(("type_", "document"), [("OrderReceived", order()), ("InvoiceIssued", invoice())])
def test_what_passes_the_schema_can_be_decoded_and_the_referee_agrees(type_: str, document: dict[str, Any]) -> None:
    referee = jsonschema.Draft202012Validator(
        schema.schema_of(type_), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    passed = 0
    for changed in [
        document,
        *changes(document),
        *({**document, "lines": [one]} for one in changes(document["lines"][0])),
    ]:
        found = explain.faults(type_, changed)
        assert bool(found) != referee.is_valid(changed), changed
        if not found:
            passed += 1
            msgspec.json.decode(json.dumps(changed), type=EVENTS[type_].payload)
        for fault in found:
            assert fault.detail
            assert fault.remedy
            assert fault.pointer.startswith("/") or fault.pointer == ""
    assert passed > 3
