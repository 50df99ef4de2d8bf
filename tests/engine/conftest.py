"""Time, the paper ledger, and a company for the stories of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exceptions.routing import sync_policies
from q2c import clock, roles
from q2c.connectors import registry
from q2c.engine import wake
from tests.engine import makers, paper, scripted


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[scripted.Scripted]:
    """The scripted stage, on its morning."""
    with clock.at(scripted.NOW):
        yield scripted.install(monkeypatch)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, paper.Book]]:
    """The paper behind erp-de and erp-us; nothing is woken, the stories run what is due."""
    vendor = registry.Vendor("Paper ledger", "tests.engine.paper:PaperLedger", ("journals",))
    monkeypatch.setitem(registry.CONNECTORS, "paper", vendor)
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    paper.BOOKS.clear()
    paper.BOOKS.update({"erp-de": paper.Book(), "erp-us": paper.Book()})
    with clock.at(makers.NOW):
        yield paper.BOOKS
    registry.close_all()


@pytest.fixture
def company(db: None, books: dict[str, paper.Book]) -> dict[str, paper.Book]:
    """The company in the database; rolled back after the test."""
    makers.company()
    return books


@pytest.fixture
def committed(books: Any) -> Iterator[Any]:
    """The company where other connections see it; truncated by Django afterwards, so policies are put in first."""
    sync_policies()
    roles.install()
    makers.company()
    yield books
