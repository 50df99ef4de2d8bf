"""What PostgreSQL refuses to a command, in one line for whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
from django.db import DatabaseError
from psycopg.errors import InsufficientPrivilege


def in_one_line(wrong: DatabaseError, *, wants_owner: bool) -> str:
    """What is in the way and what to do; "" where only the traceback tells. `wants_owner`: of a command that changes
    the shape of the database; what any other is refused is not to be done as the owner instead.
    """
    owner = os.environ.get("Q2C_AS_OWNER", "0") != "0" and os.environ.get("DATABASE_OWNER_URL")
    name = "DATABASE_OWNER_URL" if owner else "DATABASE_URL"
    said = str(wrong).strip().partition("\n")[0].rstrip(".")
    for cause in _causes(wrong):
        if wants_owner and isinstance(cause, InsufficientPrivilege):
            remedy = "set DATABASE_OWNER_URL to the owner of the database, and Q2C_AS_OWNER=1"
            return f"The role of {name} may not do this ({said}): {remedy}"
        # A server that was reached gives a state with what it refuses.
        if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
            return f"PostgreSQL cannot be asked ({said}): see that it runs, and that {name} names it rightly"
    return ""


def _causes(wrong: BaseException | None) -> Iterator[BaseException]:
    while wrong is not None:
        yield wrong
        wrong = wrong.__cause__
