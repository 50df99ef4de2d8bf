"""What a dry run found in the way of a case whose cause is gone: for whom it is, and the way to put it right."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from typing import Any

from exceptions import sentences
from exceptions.models import Case, Policy
from q2c.reading import cause_gone
from q2c.reasons import APPROVALS
from q2c.ui import cause


@dataclass(frozen=True, slots=True)
class Next:
    """`asks`: a second person would be asked; nothing is wrong. `team` is who owns it once a replay fails for it."""

    title: str
    text: str
    remedy: str
    team: str
    at: dt.datetime
    asks: bool
    to_do: str = ""
    fix: cause.Fix | None = None
    blocker: str = ""


def of(case: Case) -> Next | None:
    """None where its cause is not gone, or no dry run found another."""
    if not case.next_cause or not cause_gone.of(case):
        return None
    kept, as_failed = case.next_cause, _as_failed(case, case.next_cause)
    policy = Policy.objects.filter(reason=kept["reason"]).first()
    return Next(
        title=kept["title"],
        text=kept["text"],
        remedy=kept["remedy"],
        team=kept["team"],
        at=dt.datetime.fromisoformat(kept["at"]),
        asks=kept["reason"] in APPROVALS,
        to_do=policy.fix if policy is not None else "",
        fix=None if kept["reason"] in APPROVALS else cause.fix_of(as_failed),
        blocker=sentences.thing(as_failed.blocker) if as_failed.blocker else "",
    )


def _as_failed(case: Case, kept: dict[str, Any]) -> Case:
    """The case as a replay that fails for it would leave it; never saved."""
    there = copy.copy(case)
    blocker = kept["blocker"] or dict.fromkeys(("connection", "object_type", "object_key", "condition"), "")
    there.reason, there.text, there.field, there.code = kept["reason"], kept["text"], kept["pointer"], kept["code"]
    there.blocker_connection, there.blocker_type = blocker["connection"], blocker["object_type"]
    there.blocker_key, there.blocker_condition = blocker["object_key"], blocker["condition"]
    there.context = {"findings": [kept]}
    return there
