"""A connector is one folder and one row: what the rest of q2c needs of it is found through these two."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from q2c.connectors import ports, registry
from q2c.connectors.pushes import PushRefused
from q2c.connectors.registry import CONNECTORS
from q2c.connectors.sandbox_kit import Sandbox
from q2c.models import Connection

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "q2c" / "connectors"


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def vendors_in(path: Path) -> set[str]:
    """The vendors whose folders a file imports from."""
    found = (re.match(r"q2c\.connectors\.(\w+)", name) for name in imports_of(path))
    return {match[1] for match in found if match and match[1] in CONNECTORS}


@pytest.mark.parametrize("vendor", CONNECTORS)
def test_a_row_finds_a_folder_with_a_connector_a_sandbox_and_a_page(vendor: str) -> None:
    row = CONNECTORS[vendor]
    assert re.fullmatch(r"[a-z][a-z0-9]*", vendor), "the name is a folder, an address and a schema"
    assert row.connector.startswith(f"q2c.connectors.{vendor}.")
    module, name = row.connector.split(":")
    assert callable(getattr(import_module(module), name).probe)
    assert row.services and set(row.services) <= {name for name, _ in Connection.SERVICES}
    sandbox = import_module(f"q2c.connectors.{vendor}.sandbox").sandbox
    assert isinstance(sandbox, Sandbox) and sandbox.vendor == vendor
    page = f"docs/connectors/{vendor}.md"
    assert (ROOT / page).is_file(), "write what is read, written and needed"
    assert f"]({page})" in (ROOT / "README.md").read_text(), "link its page where README connects the first platform"


PORTS: dict[str, tuple[type, ...]] = {
    "crm": (ports.DealSource,), "billing": (ports.Subscriptions, ports.InvoiceSource), "journals": (ports.Journals,),
    "tax": (ports.Tax,), "credit": (ports.Credit,),
}  # fmt: skip


@pytest.mark.parametrize("vendor", CONNECTORS)
def test_a_connector_has_all_that_its_services_ask_for(vendor: str) -> None:
    """The stages call it by these names; what is missing would be noticed by the first deal."""
    module, name = CONNECTORS[vendor].connector.split(":")
    connector = getattr(import_module(module), name)
    wanted = {
        method
        for service in CONNECTORS[vendor].services
        for port in PORTS[service]
        for method in dir(port)
        if not method.startswith("_") and callable(getattr(port, method))
    }
    assert "probe" in wanted
    assert not {method for method in wanted if not callable(getattr(connector, method, None))}


def test_every_folder_has_a_row() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/client.py")}
    assert folders == set(CONNECTORS)


@pytest.mark.parametrize("vendor", registry.PUSHING)
def test_a_push_that_nobody_signed_is_refused(vendor: str) -> None:
    with pytest.raises(PushRefused) as refused:
        registry.references_of(vendor)({}, b"{}", {})
    assert refused.value.status == 403 and str(refused.value)


def test_no_vendor_knows_another_and_only_the_demo_knows_any() -> None:
    knowing = {
        path.relative_to(ROOT).as_posix(): found
        for room in ("q2c", "ledger", "exceptions")
        for path in (ROOT / room).rglob("*.py")
        if (found := vendors_in(path) - {path.relative_to(FOLDER).parts[0] if path.is_relative_to(FOLDER) else ""})
    }
    foreign = {path: found for path, found in knowing.items() if not path.startswith("q2c/demo/")}
    assert not foreign, f"Go through a port and the registry: {foreign}"
