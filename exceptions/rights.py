"""Who may do what with cases; what was refused is put on the timeline."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from exceptions import timeline
from exceptions.errors import Refused

WORK = "exceptions.work_case"
REPLAY = "exceptions.replay_case"
BULK = "exceptions.bulk_replay"
CLOSE = "exceptions.close_case"
APPROVE = "exceptions.approve_case"


def name_of(actor: Any) -> str:
    """A person's user name, or the name of the process that acts."""
    return actor if isinstance(actor, str) else str(actor.get_username())


def called(person: Any) -> str:
    """A person as people call them: the full name, else the user name; "q2c" where it was nobody."""
    return person.get_full_name() or name_of(person) if person is not None else "q2c"


def require(user: Any, right: str, what: str, case_ids: Sequence[uuid.UUID] = ()) -> None:
    """Raise Refused, and put it on the timeline of the cases, unless the person has the right.

    Verbs ask before they open a transaction, so that the entry stays though they raise.
    """
    if user.is_active and user.has_perm(right):
        return
    refuse(user, f"{name_of(user)} may not {what}: the right {right} is missing", case_ids, right)


def refuse(user: Any, text: str, case_ids: Sequence[uuid.UUID] = (), right: str = "") -> None:
    """Put a refusal on record and raise it."""
    timeline.record([(case_id, "refused", text, {"right": right}) for case_id in case_ids], name_of(user))
    raise Refused(text, right)
