"""Which findings of a step still want a second person's word: what was signed counts for what was shown, no more."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exceptions import approvals
from q2c.reasons import APPROVALS
from q2c.stages.verb import Finding

# Findings by step.
Found = Mapping[uuid.UUID, list[Finding]]


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
