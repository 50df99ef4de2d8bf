"""Stories that many tests of a file read: told once, in a transaction that the tests' own lie in and that is undone.

    _month = told_once(tell, at=NOW)

    @pytest.fixture
    def month(_month):
        return anew(_month)

Each test may change what it likes: that is undone when it ends. Tests of the file that want no story run before it is
told. Not for files whose tests commit, nor for two stories in a file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction

from q2c import clock
from tests.application_role import as_application


def told_once(tell: Callable[[], Any], *, at: dt.datetime) -> Any:
    """A fixture of the file: what `tell` returns, its rows told at that time."""

    @pytest.fixture(scope="module")
    def told(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
        with django_db_blocker.unblock(), _undone():
            with as_application(), clock.at(at):
                found = tell()
            with django_db_blocker.block():
                yield found

    return told


def tells(item: pytest.Item) -> bool:
    """Whether a test reads such a story."""
    found = item._fixtureinfo.name2fixturedefs.values()
    return any(each.func.__module__ == __name__ for defined in found for each in defined)


def anew(found: Any) -> Any:
    """The story's objects as they were told, whatever another test did with its own."""
    return deepcopy(found)


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
