"""One story for all that looks at it: committed, as the checker has connections of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection

from q2c.connectors import registry
from q2c.demo.platforms import Platforms
from q2c.engine import wake
from tests.application_role import as_application
from tests.conftest import _restore, emptied
from tests.faults import story


@dataclass(frozen=True)
class Result:
    """What a run left: connections to q2c's database, as its owner, and to the platforms'; what was answered."""

    ours: psycopg.Connection[Any]
    theirs: psycopg.Connection[Any]
    answered: list[str]


@pytest.fixture(scope="module")
def result(django_db_setup: None, django_db_blocker: Any) -> Iterator[Result]:
    patch = pytest.MonkeyPatch()
    patch.setattr(wake, "send", None)
    patch.setattr(wake, "call", None)
    registry.close_all()
    with django_db_blocker.unblock():
        try:
            with as_application():
                answered = story.told()
            own = connection.get_connection_params()
            about = {name: own[name] for name in ("dbname", "user", "password", "host", "port")}
            with psycopg.connect(**about) as ours, psycopg.connect(os.environ["SANDBOX_DATABASE_URL"]) as theirs:
                yield Result(ours, theirs, answered)
                ours.rollback()
                theirs.rollback()
        finally:
            patch.undo()
            emptied()
            _restore()
            registry.close_all()
            cache.clear()
            Platforms().reset()
            connection.close()
