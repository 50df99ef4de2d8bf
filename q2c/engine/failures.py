"""A failed step as its case will know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from exceptions.cases import Failure
from q2c.connectors.outcomes import Rejected
from q2c.models import Step
from q2c.reasons import APPROVALS
from q2c.stages import asking
from q2c.stages.verb import Finding, Stage, Work, described


def of(stage: Stage, works: Sequence[Work]) -> list[Failure]:
    """What waits for a second person's word tells whose wish it is, so that it is not theirs, too."""
    people = asking.askers(work.fact for work in works if work.findings[0].reason in APPROVALS)
    return [_of(stage, work, people.get(work.fact.id, asking.Asker(None, ""))) for work in works]


def _of(stage: Stage, work: Work, asker: asking.Asker) -> Failure:
    """The first finding names the case; all of them stand in its context."""
    first, step = work.findings[0], work.step
    source, target = sides(stage, step)
    minor, currency = _worth(first, step)
    entity, period = first.differs.month if first.differs else ("", "")
    person = next((one.wanted_by for one in work.findings if one.wanted_by is not None), asker.person)
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
        amount_minor=minor,
        currency=currency,
        # What is booked stands where it is booked, whatever date its sender gives it by now.
        entity=entity or step.entity,
        period=period or step.period,
        business_key=step.business_key,
        customer=step.customer,
        customer_key="",
        source=source,
        target=target,
        connection=step.connection,
        context={"findings": [described(finding) for finding in work.findings]},
        correlation_id=step.correlation_id,
        asked_by=person,
        sent_with="" if person is not None else asker.name,
        not_by=asker.not_by,
    )


def _worth(first: Finding, step: Step) -> tuple[int | None, str]:
    """A difference, or what would be credited, where the finding says so; else the document's amount.

    Credits in several currencies are no one amount: the finding tells each.
    """
    if first.differs is not None:
        worth = first.differs.worth
        return (worth.minor, worth.currency) if worth is not None else (None, step.currency)
    if first.worth:
        ((minor, currency), *more) = first.worth
        return (None, "") if more else (-minor, currency)
    return step.amount_minor, step.currency


def refusal(refused: Rejected) -> Finding:
    """What a platform says no to."""
    return Finding(
        reason=refused.reason, text=refused.text, pointer=refused.field, code=refused.code, blocker=refused.blocker
    )


def sides(stage: Stage, step: Step) -> tuple[str, str]:
    """(where it came from, where it was going), in words."""
    return step.event.source if step.event_id else "", step.connection or stage.talks_to or "q2c"
