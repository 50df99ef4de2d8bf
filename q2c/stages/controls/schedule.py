"""When it begins, when it is billed, when it ends."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from q2c.contracts.documents import OrderDocument, Phase
from q2c.reasons import Reason
from q2c.stages.controls.calendar import term_end, whole_months
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding

# A deal is not closed years before it starts, nor long after.
_LEAD_DAYS_MAX = 366
MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12}


def term(order: OrderDocument, world: World) -> Iterator[Finding]:
    """The term starts within a year of closing, on one side or the other."""
    if abs((order.starts_on - order.closed_on).days) > _LEAD_DAYS_MAX:
        yield Finding(
            reason=Reason.TERM_INVALID,
            pointer="/starts_on",
            seen=order.starts_on,
            text=f"The term starts on {order.starts_on}, more than a year away from closing on {order.closed_on}",
            remedy="Correct the contract start in the sales platform",
        )
    elif term_end(order) == dt.date.max:
        yield Finding(
            reason=Reason.TERM_INVALID,
            pointer="/term_months",
            seen=order.term_months,
            text=f"A term of {order.term_months} months from {order.starts_on} has no end in the calendar",
            remedy="Correct contract start and term in the sales platform",
        )


def dates(order: OrderDocument, world: World) -> Iterator[Finding]:
    """The deal is closed, and some of its term is still to come. One that began long ago may run on."""
    # Nowhere is it later than a day after UTC's.
    if order.closed_on > world.on + dt.timedelta(days=1):
        yield Finding(
            reason=Reason.TERM_INVALID,
            pointer="/closed_on",
            seen=order.closed_on,
            text=f"The deal closes on {order.closed_on}, which is still to come: today is {world.on}",
            remedy="Correct the closing date in the sales platform, or send the order once it is closed",
        )
    end = term_end(order)
    if end <= world.on:
        yield Finding(
            reason=Reason.TERM_INVALID,
            pointer="/term_months",
            seen=order.term_months,
            text=f"The term of {order.term_months} months from {order.starts_on} was over on {end}",
            remedy="Correct contract start or term in the sales platform; what is over is billed by hand",
        )


def parts(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Each invoice group is named once and bills something; each line has a number of its own."""
    groups, numbers = Counter(group.key for group in order.groups), Counter(line.line for line in order.lines)
    billed = {line.group for line in order.lines}
    for i, group in enumerate(order.groups):
        if groups[group.key] > 1:
            yield _invalid(f"/groups/{i}/key", group.key, f"Invoice group {group.key} is there twice")
        elif group.key not in billed:
            yield _invalid(f"/groups/{i}/key", group.key, f"No line is billed in invoice group {group.key}")
    for i, line in enumerate(order.lines):
        if numbers[line.line] > 1:
            yield _invalid(f"/lines/{i}/line", line.line, f"Line {line.line} is there twice")


def _invalid(pointer: str, seen: object, text: str) -> Finding:
    return Finding(
        reason=Reason.BILLING_SCHEDULE_INVALID,
        pointer=pointer,
        seen=seen,
        text=text,
        remedy="Correct invoice groups and line numbers in the sales platform",
    )


def phases(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Phases lie inside the term, in order, without gap or overlap, and go on until it ends.

    A line may begin later than the term: that is its activation. What ends earlier is sold for longer than priced.
    """
    end = term_end(order)
    for i, line in enumerate(order.lines):
        before = None
        sound = line.kind != "one_time"
        for j, phase in enumerate(line.phases):
            problem = ""
            if phase.ends_on <= phase.starts_on:
                problem = f"ends on {phase.ends_on}, before it starts on {phase.starts_on}"
            elif phase.starts_on < order.starts_on or phase.ends_on > end:
                problem = f"lies outside the term {order.starts_on} to {end}"
            elif before is not None and phase.starts_on != before:
                kind = "leaves a gap after" if phase.starts_on > before else "overlaps"
                problem = f"starts on {phase.starts_on}, which {kind} the phase before it (until {before})"
            before = phase.ends_on
            if problem:
                sound = False
                yield _phase_invalid(f"/lines/{i}/phases/{j}", phase, f"Phase {j + 1} of line {line.line} {problem}")
        if sound and line.phases and (last := line.phases[-1]).ends_on < end:
            text = f"Line {line.line} has no phase from {last.ends_on} on, and its term lasts until {end}"
            yield _phase_invalid(f"/lines/{i}/phases/{len(line.phases) - 1}", last, text)


def _phase_invalid(pointer: str, phase: Phase, text: str) -> Finding:
    return Finding(
        reason=Reason.BILLING_SCHEDULE_INVALID,
        pointer=pointer,
        seen=f"{phase.starts_on} – {phase.ends_on}",
        text=text,
        remedy="Correct the phase dates, or the term, in the sales platform",
    )


def billing(order: OrderDocument, world: World) -> Iterator[Finding]:
    """One-time lines are billed once, others periodically, and periods fit the phases."""
    for i, line in enumerate(order.lines):
        once = line.billing.frequency == "once"
        problem = ""
        if line.kind == "one_time" and not once:
            problem = f"is one-time but billed {line.billing.frequency}"
        elif line.kind != "one_time" and once:
            problem = f"is {line.kind} but billed once"
        elif line.kind == "usage" and line.billing.timing != "in_arrears":
            problem = "is usage but billed in advance"
        elif not once and line.billing.alignment == "term_start":
            months = MONTHS[line.billing.frequency]
            edges = [line.phases[0].starts_on, *(phase.ends_on for phase in line.phases)] if line.phases else []
            counts = [whole_months(order.starts_on, edge) for edge in edges or [term_end(order)]]
            if any(count is None or count % months for count in counts):
                problem = f"is billed {line.billing.frequency}, which does not fit its phases"
        if problem:
            yield Finding(
                reason=Reason.BILLING_SCHEDULE_INVALID,
                pointer=f"/lines/{i}/billing",
                seen=f"{line.billing.frequency}, {line.billing.timing}",
                text=f"Line {line.line} {problem}",
                remedy="Correct frequency, alignment or phases in the sales platform",
            )
