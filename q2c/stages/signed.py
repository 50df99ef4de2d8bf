"""Which findings of a step still want a second person's word: what was signed counts for what was shown, no more."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from exceptions import approvals
from q2c import bulk
from q2c.money import Money
from q2c.reasons import APPROVALS, Reason
from q2c.stages.verb import Finding, Measure, Work

# Findings by step.
Found = Mapping[uuid.UUID, list[Finding]]


# Other versions under the number, whoever sent them, or of the deal or document, whatever number they have; whether
# they are the same to the letter, and their number. An entity's invoices have numbers of their own; a deal names no
# entity here.
_OTHERS = """
WITH mine AS MATERIALIZED (
    SELECT m.*, e.payload_hash
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
           AS m(id, event_id, stage, number, order_key, entity)
    LEFT JOIN q2c_event e ON e.id = m.event_id
), others AS (
    SELECT mine.id AS mine, other.id, other.event_id, other.business_key
    FROM mine JOIN q2c_step other ON other.business_key = mine.number AND other.stage = mine.stage
    JOIN q2c_event sent ON sent.id = other.event_id
    WHERE mine.number <> '' AND coalesce(sent.payload ->> 'legal_entity', '') = mine.entity
    UNION
    SELECT mine.id, other.id, other.event_id, other.business_key
    FROM mine JOIN q2c_step other ON other.order_key = mine.order_key AND other.stage = mine.stage
    WHERE other.stage IN ('accept_order', 'record_invoice') AND mine.order_key <> ''
)
SELECT mine.id, others.id, coalesce(sent.payload_hash = mine.payload_hash, false), others.business_key
FROM mine JOIN others ON others.mine = mine.id AND others.id <> mine.id
JOIN q2c_event sent ON sent.id = others.event_id
"""
# A line or a tier that is put before it changes no question.
_PLACE = re.compile(r"\bline \d+, |, tier \d+$", re.IGNORECASE)

# All that a version of a document says of what was asked about another one; nothing where it says that no more.
Again = Callable[[Work, Finding], Sequence[Finding]]


class Before:
    """Of works: what each waited for a signature with, whatever became of that, what other versions did in vain, and
    what is signed. Read at once, held to one work after the other.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        own = [work.step.id for work in works if work.step.replays or work.step.state == "failed"]
        others = bulk.execute(_OTHERS, _named(works)) if works else []
        told = approvals.asked_before(list({*own, *(other for _, other, _, _ in others)}))
        in_vain = _in_vain(told, {other for _, other, _, _ in others})
        self._own = {step_id: [_finding(one) for one in told.get(step_id, ())] for step_id in own}
        self._others: dict[uuid.UUID, list[tuple[Finding, str, bool]]] = {}
        for step_id, other, is_equal, number in others:
            asked = ((one, number, is_equal) for one in in_vain.get(other, ()))
            self._others.setdefault(step_id, []).extend(asked)
        # Nobody signs what never failed.
        self._granted = approvals.granted(own)

    def asked(self, work: Work, again: Again) -> list[Finding]:
        """Whoever raises a limit would have signed, alone: what was asked once is for a second person to decide, as
        long as a newer version says the same (`again`), whatever else changed in it.
        """
        found = list(self._own.get(work.step.id, ()))
        for asked, number, is_equal in self._others.get(work.step.id, ()):
            found += [asked] if is_equal else again(work, _renamed(asked, number, work.step.business_key))
        return found

    def unsigned(self, work: Work, found: Sequence[Finding]) -> list[Finding]:
        """Without those that somebody has signed."""
        return _unsigned(found, self._granted.get(work.step.id, ()))


def _renamed(asked: Finding, number: str, now: str) -> Finding:
    """As it would be asked about the invoice's number of today."""
    if number == now:
        return asked
    text = asked.text.replace(f"Invoice {number} ", f"Invoice {now} ", 1)
    if asked.measure is None or not asked.measure.of.startswith(f"{number}, "):
        return replace(asked, text=text)
    of = f"{now}, {asked.measure.of.removeprefix(f'{number}, ')}"
    return replace(asked, text=text, measure=replace(asked.measure, of=of))


def _named(works: Sequence[Work]) -> list[list[Any]]:
    """As _OTHERS asks. A step that is only rehearsed has no event that is kept."""
    return [
        [work.step.id for work in works],
        [work.fact.id for work in works],
        [work.step.stage for work in works],
        [work.step.business_key for work in works],
        [work.step.order_key for work in works],
        [getattr(work.fact.payload, "legal_entity", None) or "" for work in works],
    ]


def _in_vain(
    told: Mapping[uuid.UUID, Sequence[Mapping[str, Any]]], step_ids: Iterable[uuid.UUID]
) -> dict[uuid.UUID, list[Finding]]:
    """What nobody signed of what was asked: it was refused, or is open."""
    asked = {id_: [_finding(one) for one in told[id_]] for id_ in step_ids if told.get(id_)}
    granted = approvals.granted(list(asked))
    return {
        id_: [one for one in findings if not any(covers(signature, one) for signature in granted.get(id_, ()))]
        for id_, findings in asked.items()
    }


def said_again(asked: Finding, candidates: Iterable[Finding]) -> list[Finding]:
    """Those that say what was asked, wherever their lines stand by now: a line that was split is asked about twice.

    `candidates`: what a newer version would be asked if there were no limits. Each is held to the limit of what was
    asked: a cent less than what was refused is no other question.
    """
    again = (_again(asked, one) for one in candidates if one.reason == asked.reason)
    return [one for one in again if one is not None]


def _again(asked: Finding, one: Finding) -> Finding | None:
    if one.measure is None or asked.measure is None:
        return one if one.text == asked.text else None
    if _subject(one.measure) != _subject(asked.measure):
        return None
    now, then = Decimal(one.measure.value), Decimal(asked.measure.value)
    if now == then and one.measure.of == asked.measure.of:
        return replace(asked, pointer=one.pointer, seen=one.seen)
    if now == then or now > Decimal(asked.measure.limit):
        return replace(one, measure=replace(one.measure, limit=asked.measure.limit, note=asked.measure.note))
    return None


def _subject(measure: Measure) -> tuple[str, str]:
    """What was measured, whatever number its line or its tier has."""
    return _PLACE.sub("", measure.of), measure.unit


def with_asked(
    found: Sequence[Finding], before: Sequence[Finding], stays: Callable[[Finding], bool] = lambda _: True
) -> list[Finding]:
    """What was found, and what was asked before, is not found any more, and `stays` a question all the same."""
    all_, there = list(found), {_about(finding) for finding in found}
    # Of several about one thing, the one that asked for most.
    for finding in sorted(before, key=_asks_for, reverse=True):
        if _about(finding) not in there and stays(finding):
            all_.append(finding)
            there.add(_about(finding))
    return all_


def _asks_for(finding: Finding) -> tuple[Decimal, Decimal]:
    if finding.measure is None:
        return Decimal(0), Decimal(0)
    value = Decimal(finding.measure.value)
    return value, value - Decimal(finding.measure.limit)


def _about(finding: Finding) -> tuple[str, str, str]:
    measure = finding.measure
    return str(finding.reason), finding.pointer, (measure.key or measure.of) if measure else ""


def _finding(told: Mapping[str, Any]) -> Finding:
    """As verb.described() kept it."""
    measure = told.get("measure")
    if measure:
        rows = {name: tuple(tuple(row) for row in measure[name]) for name in ("amounts", "rates")}
        measure = Measure(**(measure | rows))
    return Finding(
        reason=Reason(told["reason"]), text=told["text"], pointer=told.get("pointer", ""), seen=told.get("seen"),
        remedy=told.get("remedy", ""), code=told.get("code", ""), measure=measure or None,
        worth=tuple((minor, currency) for minor, currency in told.get("worth", ())),
    )  # fmt: skip


def left(found: Found) -> dict[uuid.UUID, list[Finding]]:
    """Without those that somebody has signed. One statement, none where nothing wants a signature."""
    asking = [step_id for step_id, findings in found.items() if any(f.reason in APPROVALS for f in findings)]
    granted = approvals.granted(asking)
    return {step_id: _unsigned(findings, granted.get(step_id, ())) for step_id, findings in found.items()}


def _unsigned(found: Sequence[Finding], granted: Sequence[Mapping[str, Any]]) -> list[Finding]:
    return [_with_signed(one, granted) for one in found if not any(covers(signature, one) for signature in granted)]


def _with_signed(found: Finding, signatures: Sequence[Mapping[str, Any]]) -> Finding:
    """Whoever is asked again is told for how much a signature is there."""
    for shown in (one["measure"] for one in signatures if _is_same(one, found) and one.get("measure")):
        if found.measure is not None:
            value, limit = (_said(shown[name], shown["unit"]) for name in ("value", "limit"))
            said = f"Signed so far: {value} where the limit was {limit}."
            if said not in found.measure.note:
                note = f"{found.measure.note} {said}".strip()
                found = replace(found, measure=replace(found.measure, note=note))
    return found


def _said(value: str, unit: str) -> str:
    return f"{value} %" if unit == "%" else str(Money.of(value, unit))


def covers(signed: Mapping[str, Any], found: Finding) -> bool:
    """Whether what was shown to the person who signed is this, or more of it: a credit that grew is asked again.

    So is one whose limit shrank: what was signed is how far it goes beyond.
    """
    shown = signed.get("measure")
    if not _is_same(signed, found):
        return False
    if shown is None or found.measure is None:
        return True
    value, beyond = _asks_for(found)
    return value <= Decimal(shown["value"]) and beyond <= Decimal(shown["value"]) - Decimal(shown["limit"])


def _is_same(signed: Mapping[str, Any], found: Finding) -> bool:
    """Whether it is the question that was signed, by how much ever."""
    shown = signed.get("measure")
    if signed["reason"] != found.reason or signed.get("pointer", "") != found.pointer:
        return False
    if shown is None or found.measure is None:
        return bool(signed["text"] == found.text)
    # An account is the same under another name.
    keyed = shown.get("key") and found.measure.key
    whose = (shown["key"], found.measure.key) if keyed else (shown["of"], found.measure.of)
    return whose[0] == whose[1] and bool(shown["unit"] == found.measure.unit)
