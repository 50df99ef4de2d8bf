"""Which findings of a step still want a second person's word: what was signed counts for what was shown, no more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from exceptions import approvals
from q2c import bulk
from q2c.reasons import APPROVALS, Reason
from q2c.stages.verb import Finding, Measure, Work

# Findings by step.
Found = Mapping[uuid.UUID, list[Finding]]


# The same content, sent once more by its system, is no other version.
_SAME = """
SELECT mine.id, other.id
FROM q2c_step mine JOIN q2c_event e ON e.id = mine.event_id
JOIN q2c_step other ON other.business_key = mine.business_key AND other.stage = mine.stage AND other.id <> mine.id
JOIN q2c_event sent ON sent.id = other.event_id AND sent.source = e.source AND sent.payload_hash = e.payload_hash
WHERE mine.id = ANY(%s::uuid[])
"""


def asked_before(works: Sequence[Work]) -> dict[uuid.UUID, list[Finding]]:
    """By step, what it waited for a signature with, or an equal one did, whatever became of that.

    Whoever raises a limit would have signed, alone: what was asked once is for a second person to decide.
    """
    if not works:
        return {}
    again = [work.step.id for work in works if work.step.replays or work.step.state == "failed"]
    same = [(step_id, step_id) for step_id in again] + bulk.execute(_SAME, [[work.step.id for work in works]])
    told = approvals.asked_before(list({asked for _, asked in same}))
    found: dict[uuid.UUID, list[Finding]] = {}
    for step_id, asked in same:
        found.setdefault(step_id, []).extend(_finding(one) for one in told.get(asked, ()))
    return found


def with_asked(
    found: Sequence[Finding], before: Sequence[Finding], stays: Callable[[Finding], bool] = lambda _: True
) -> list[Finding]:
    """What was found, and what was asked before, is not found any more, and `stays` a question all the same."""
    all_, there = list(found), {_about(finding) for finding in found}
    # Of several about one thing, the one that asked for most.
    for finding in sorted(before, key=lambda one: Decimal(one.measure.value if one.measure else 0), reverse=True):
        if _about(finding) not in there and stays(finding):
            all_.append(finding)
            there.add(_about(finding))
    return all_


def _about(finding: Finding) -> tuple[str, str, str]:
    return str(finding.reason), finding.pointer, finding.measure.of if finding.measure else ""


def _finding(told: Mapping[str, Any]) -> Finding:
    """As failures.described() kept it."""
    measure = told.get("measure")
    if measure:
        rows = {name: tuple(tuple(row) for row in measure[name]) for name in ("amounts", "rates")}
        measure = Measure(**(measure | rows))
    return Finding(
        reason=Reason(told["reason"]), text=told["text"], pointer=told.get("pointer", ""), seen=told.get("seen"),
        remedy=told.get("remedy", ""), code=told.get("code", ""), measure=measure or None,
    )  # fmt: skip


def left(found: Found) -> dict[uuid.UUID, list[Finding]]:
    """Without those that somebody has signed. One statement, none where nothing wants a signature."""
    asking = [step_id for step_id, findings in found.items() if any(f.reason in APPROVALS for f in findings)]
    granted = approvals.granted(asking)
    return {
        step_id: [one for one in findings if not any(_covers(signed, one) for signed in granted.get(step_id, ()))]
        for step_id, findings in found.items()
    }


def _covers(signed: Mapping[str, Any], found: Finding) -> bool:
    """Whether what was shown to the person who signed is this, or more of it: a credit that grew is asked again."""
    shown = signed.get("measure")
    if signed["reason"] != found.reason or signed.get("pointer", "") != found.pointer:
        return False
    if shown is None or found.measure is None:
        return bool(signed["text"] == found.text)
    same = (shown["of"], shown["unit"]) == (found.measure.of, found.measure.unit)
    return same and Decimal(found.measure.value) <= Decimal(shown["value"])
