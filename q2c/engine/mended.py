"""Whether a connection's own settings still stand in the way: its credentials, and whether it is used at all.

Asked when they were saved, or when a person wants to know, and not in each round: it is a sign-in, and too many that
are refused lock an account. A read that it answers says nothing of a permission that it lacks for something else: what
waits for one is offered by nobody, and a person replays it.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import PERMISSION_MISSING, Blocker, Rejected, Unavailable
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.registry import open_connector
from q2c.models import Connection
from q2c.reasons import Reason

log = logging.getLogger(__name__)

KIND = "connection"
# So long rounds ask, too: what was on its way with the old settings may fail after the new ones were tried, and
# the platform may have been silent.
LATELY = dt.timedelta(minutes=5)

Named = tuple[str, str, str, str]
_LET_IN = "it lets us in, and whether it lets us do what it refused, only a replay tells"
# What a probe said; None: it answers.
Said = Rejected | Unavailable | None


@dataclass(frozen=True, slots=True)
class Look:
    """Whether the cause of a case stands in its way still; None where nobody can say. `text`: what is told about it.

    `by_replay`: only what is sent once more tells.
    """

    stands: bool | None
    text: str = ""
    by_replay: bool = False


def is_one(blocker: Named) -> bool:
    return blocker[1] == KIND


def to_ask(named: Sequence[Named]) -> list[Named]:
    """What a round asks about: of connections, those that were saved lately, and not of their permissions."""
    if not any(is_one(blocker) for blocker in named):
        return list(named)
    saved = Connection.history.filter(history_date__gt=clock.now() - LATELY).values_list("name", flat=True)
    lately = set(saved)
    return [
        blocker for blocker in named
        if not is_one(blocker) or (blocker[0] in lately and not is_permission(blocker))
    ]  # fmt: skip


def look(config: ConnectionConfig | None, blocker: Named) -> Look:
    """`config` is None for one that is not active. Calls the platform, with no transaction open."""
    if config is None:
        return judge(None, blocker, active=False)
    return judge(None if _is_inactive(blocker) else said(config), blocker)


def said(config: ConnectionConfig) -> Said:
    """One cheap authenticated read. What is wrong with its set-up is a refusal, in the words of the fault."""
    try:
        with http.calling(keys.new_id()):
            answer: Said = open_connector(config).probe()
    except Exception as error:
        log.exception("could not try a connection", extra={"connection": config.name})
        text = f"it is not set up: {type(error).__name__} {error}"
        return Rejected(reason=Reason.INTERNAL_ERROR, text=text)
    return answer


def judge(answer: Said, blocker: Named, *, active: bool = True) -> Look:
    """What that says about the blocker. One that is silent, or refuses something else, says nothing of credentials."""
    if not active:
        return Look(True if _is_inactive(blocker) else None, f"{blocker[0]} is not active")
    if answer is None and is_permission(blocker):
        return Look(None, _LET_IN, by_replay=True)
    if answer is None or _is_inactive(blocker):
        return Look(False)
    return Look(True if answer.reason == Reason.CREDENTIALS_REFUSED else None, answer.text)


def unused(name: str) -> Blocker:
    """What stands in the way of steps to a connection that somebody has switched off."""
    return Blocker(connection=name, object_type=KIND, object_key=name, condition="inactive")


def is_permission(blocker: Named) -> bool:
    return is_one(blocker) and blocker[3] == PERMISSION_MISSING


def _is_inactive(blocker: Named) -> bool:
    return blocker[3] == "inactive"
