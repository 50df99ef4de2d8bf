"""A failed step as its case will know it."""

from __future__ import annotations

from dataclasses import asdict, astuple

from exceptions.cases import Failure
from q2c.models import Step
from q2c.stages.verb import Finding, Stage, Work


def of(stage: Stage, work: Work) -> Failure:
    """The first finding names the case; all of them stand in its context."""
    first, step = work.findings[0], work.step
    source, target = sides(stage, step)
    return Failure(
        step_id=step.id,
        event_id=step.event_id,
        stage=stage.name,
        part=step.part,
        reason=first.reason,
        text=first.text,
        code=first.code,
        field=first.pointer,
        blocker=astuple(first.blocker) if first.blocker else None,
        amount_minor=step.amount_minor,
        currency=step.currency,
        entity=step.entity,
        period=step.period,
        business_key=step.business_key,
        customer=step.customer,
        customer_key="",
        source=source,
        target=target,
        connection=step.connection,
        context={"findings": [described(finding) for finding in work.findings]},
        correlation_id=step.correlation_id,
        asked_by=str(work.notes.get("asked_by", "")),
    )


def described(finding: Finding) -> dict[str, object]:
    """A finding as JSON."""
    blocker = asdict(finding.blocker) if finding.blocker else None
    return {
        "reason": str(finding.reason),
        "text": finding.text,
        "pointer": finding.pointer,
        "seen": None if finding.seen is None else str(finding.seen),
        "remedy": finding.remedy,
        "code": finding.code,
        "blocker": blocker,
        "measure": asdict(finding.measure) if finding.measure else None,
    }


def sides(stage: Stage, step: Step) -> tuple[str, str]:
    """(where it came from, where it was going), in words."""
    return step.event.source if step.event_id else "", step.connection or stage.talks_to or "q2c"
