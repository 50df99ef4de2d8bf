"""What happened to a record and what comes next, as pages show it: timeline, steps, proof, cases."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exceptions.models import Approval, Case, CaseEvent
from exceptions.models.case import UNRESOLVED
from exceptions.rights import called
from exceptions.sentences import count
from q2c.models import Step, Transition
from q2c.money import Money
from q2c.reading.coming import Coming, doing_of, done_of, group_of
from q2c.reading.days import days_of
from q2c.reading.differences import KINDS, SIGNED, Difference, Sums
from q2c.reading.followed import Followed, Journey
from q2c.reading.held import Front
from q2c.reading.keys_there import keys_there
from q2c.ui import links, people, there, words
from q2c.ui.parts import Entry, by_currency, by_sign

# Of each kind of difference so many are named.
EACH_SHOWN = 5
_ICONS = {"bad": "octagon-alert", "warn": "search", "busy": "loader", "quiet": "calendar-clock"}


def coming(found: Sequence[Coming]) -> list[dict[str, Any]]:
    """The sentences of what comes, with their icon and the case that stops them."""
    return [
        {
            "coming": one,
            "icon": "user-check" if one.approval else _ICONS[one.tone],
            "what": one.what[:1].upper() + one.what[1:],
            "case": _linked(one.case) if one.case else None,
        }
        for one in found
    ]


def followed(journey: Journey) -> list[dict[str, Any]]:
    """What followed from a step, a sentence each: done with its document, under way, or stopped by which case."""
    held = there.journals(one.entry for one in journey.steps if one.entry)
    return [
        {
            "tone": one.tone,
            "icon": "circle-check" if one.tone == "good" else "hourglass" if one.front else _ICONS[one.tone],
            "what": what[:1].upper() + what[1:],
            "step": one.step,
            "entry": one.entry,
            "href": links.to("journal", one.entry.id) if one.entry else "",
            "there": held.get(one.entry.id, "") if one.entry else "",
            "front": one.front,
            "day": one.day,
            "case": _linked(case) if (case := one.case or (one.front and one.front.case)) else None,
        }
        for one in journey.steps
        for what in [_what(one)]
    ]


def _what(one: Followed) -> str:
    """That it is done is said of what is, or will be on its day."""
    planned = one.tone == "quiet" and one.front is None and one.step.state != "abandoned"
    return done_of(one.step) if one.tone == "good" or planned else doing_of(one.step)


def cases(found: Iterable[Case]) -> list[dict[str, Any]]:
    return [_linked(case) for case in found]


def cases_say(found: Sequence[Case]) -> str:
    """Where none is open and some were given up: that this is no clean slate."""
    closed = sum(case.state == "closed_without_fix" for case in found)
    if not closed or any(case.state in UNRESOLVED for case in found):
        return ""
    return f"Nothing is open; {count(closed, 'case')} {'was' if closed == 1 else 'were'} closed without a fix."


def given_up(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """What billing, the books and the ledger have otherwise, each with the invoice and the case that says why."""
    return [
        {
            "one": one,
            "signed": one.kind in SIGNED,
            "case": _linked(one.case) if one.case else None,
            "again": _linked(one.again) if one.again else None,
            "href": links.to("invoice", one.invoice_id) if one.invoice_id else "",
        }
        for one in found
    ]


def sums_of(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """One row of each kind that there is, as rows_of."""
    sums = Sums()
    for one in found:
        sums.add(one)
    return rows_of(sums)


def rows_of(sums: Sums, most: int = EACH_SHOWN) -> list[dict[str, Any]]:
    """{kind, count, noun, what, amounts by currency, each, more} of each kind, in their order; `each` are the first
    `most`, and `more` how many are not among them."""
    return [
        {
            "kind": kind,
            "count": sums.count(kind),
            "noun": KINDS[kind][0],
            "what": KINDS[kind][1],
            "signed": kind in SIGNED,
            "amounts": _more_and_less(sums.each(kind)) if kind in SIGNED else by_sign(sums.each(kind)),
            "each": given_up(sums.found[kind][:most]),
            "more": max(0, sums.count(kind) - most),
        }
        for kind in sums.kinds
    ]


def _more_and_less(amounts: Sequence[tuple[int, str]]) -> list[Money]:
    """Where billing has more than the books, and where less: the one makes up for nothing of the other."""
    more, less = by_currency(pair for pair in amounts if pair[0] > 0), by_currency(p for p in amounts if p[0] < 0)
    return [*more, *less] or by_currency(amounts)


def unplaced(found: Sequence[Case]) -> dict[str, Any] | None:
    """{count, each, more} of invoices that cannot be read and of which no period, or no entity, is known, which of
    these it is (`unknown`), and to what they may belong (`close`); None where there is none."""
    if not found:
        return None
    lacking = {(not case.entity, not case.period) for case in found}
    told = {
        (True, False): ("entity", "any entity’s close of that period"),
        (False, True): ("period", "any close of that entity"),
        (True, True): ("entity and period", "any close"),
    }
    unknown, close = told[lacking.pop()] if len(lacking) == 1 else ("entity or period", "any close")
    more = len(found[EACH_SHOWN:])
    return {"count": len(found), "each": cases(found[:EACH_SHOWN]), "more": more, "unknown": unknown, "close": close}


def _linked(case: Case) -> dict[str, Any]:
    return {"case": case, "href": links.to("case", case.id)}


def steps(found: Iterable[Step], fronts: Mapping[uuid.UUID, Front]) -> list[dict[str, Any]]:
    """Rows of the table of steps; `fronts` is what those that are held wait for."""
    found = list(found)
    keys, days = keys_there(found), days_of(found)
    named = Counter((step.stage, step.part) for step in found)
    return [
        {
            "step": step,
            # Only what was sent is known by it: there, and in a trace.
            "key": keys.get(step.id, step.key) if step.sent_at else "",
            "does": words.plain(step.stage),
            "part": _part(step, named[step.stage, step.part]),
            "at": step.finished_at or step.sent_at or step.created_at,
            "front": fronts.get(step.id),
            "front_href": links.to("case", front.case.id) if (front := fronts.get(step.id)) and front.case else "",
            "day": days.get(step.id),
        }
        for step in found
    ]


def _part(step: Step, so_named: int) -> str:
    """Phases of two subscriptions have one name: then with the invoice group of each."""
    if step.part == step.connection:
        return ""
    part = step.part.rpartition("|")[2]
    return f"{part} {group_of(step) or step.entity}" if part and so_named > 1 else part


def timeline(
    noun: str,
    moves: Iterable[Transition],
    of_steps: Iterable[Step],
    of_cases: Iterable[Case] = (),
    asked: Iterable[Approval] = (),
) -> list[Entry]:
    """Moves of the record, steps that are through, cases that opened and what second persons decided, newest first."""
    entries = [_moved(noun, move) for move in moves]
    through = list(of_steps)
    entries += [_done(step) for step in through if step.finished_at and step.state == "done"]
    entries += _given_up([step for step in through if step.state == "abandoned"])
    entries += _opened(of_cases)
    entries += [_decided(approval) for approval in asked if approval.decided_at]
    # What happened in one instant keeps its order, the last on top like everything else.
    entries.sort(key=lambda entry: entry.at)
    return people.named(entries[::-1])


def _moved(noun: str, move: Transition) -> Entry:
    look = words.look(move.target, noun)
    return Entry(move.at, look.label, actor=move.actor, text=move.why, tone=look.tone, icon=look.icon)


def _done(step: Step) -> Entry:
    assert step.finished_at is not None
    where = f" in {step.connection}" if step.connection else ""
    said = [f"Document {step.document}"] if step.document else []
    if step.proof.get("not_needed"):
        said.append(f"Not needed: {step.proof['not_needed']}")
    return Entry(
        step.finished_at,
        f"Done: {done_of(step)}{where}",
        actor=step.stage,
        text=". ".join(said),
        tone="good",
        icon="circle-check",
    )


def _given_up(found: Sequence[Step]) -> list[Entry]:
    """What was withdrawn, refused, superseded or closed without fix: by whom and why."""
    if not found:
        return []
    of = {step.id: step for step in found}
    entries = []
    for move in Transition.objects.filter(record_id__in=list(of), target="abandoned"):
        step = of[move.record_id]
        where = f" in {step.connection}" if step.connection else ""
        parts = [part.rstrip(".") for part in (move.why, step.text) if part]
        text = step.text if move.why in step.text else ". ".join(parts)
        look = words.look("abandoned", "step")
        entries.append(
            Entry(
                move.at,
                f"Given up: {doing_of(step)}{where}",
                actor=move.actor,
                text=text,
                tone=look.tone,
                icon=look.icon,
            )
        )
    return entries


def _decided(approval: Approval) -> Entry:
    assert approval.decided_at is not None
    look, who = words.look(approval.state), approval.decided_by
    return Entry(
        approval.decided_at, f"{look.label}: {words.plain(approval.action)}",
        actor=called(who) if who else "", text=approval.decision, tone=look.tone, icon=look.icon,
    )  # fmt: skip


def _opened(found: Iterable[Case]) -> list[Entry]:
    """What each case said as it opened, which may be said anew since. One statement."""
    cases = list(found)
    told = (
        CaseEvent.objects.filter(case__in=cases, kind="opened").order_by("-id") if cases else CaseEvent.objects.none()
    )
    first = dict(told.values_list("case_id", "text"))
    return [
        Entry(
            case.opened_at,
            f"Case {case.shown} opened",
            actor=case.stage,
            text=first.get(case.id) or case.text,
            tone="bad",
            icon="octagon-alert",
            href=links.to("case", case.id),
            link="Open the case",
        )
        for case in cases
    ]


_FOUND = {
    "after": "Found there by its key: it had been taken",
    "before": "Found there by its key: it was there before anything was sent",
}


def searched(kept: Mapping[str, Any]) -> list[str]:
    """When nothing was found, each instant once."""
    return list(dict.fromkeys(s["at"] for s in kept.get("searches", ()) if isinstance(s, dict) and s.get("at")))


def proof(step: Step) -> list[dict[str, Any]]:
    """What proves that nothing is doubled, in order: searched and not found, sent, found, posted, compared."""
    key = keys_there([step]).get(step.id, step.key)
    told = [
        {"at": _instant(at), "text": "Searched by its key: none found", "icon": "search"} for at in searched(step.proof)
    ]
    found = step.proof.get("found", "")
    if step.sent_at and found != "before":
        told.append({"at": step.sent_at, "text": f"Marked as being sent, under the key {key}", "icon": "send"})
    for name, text, icon in (
        ("searched_at", "Searched by its key", "search"),
        ("found_at", _FOUND.get(found, "Read back by its key"), "search"),
        ("posted_at", f"Posted{f' as document {step.document}' if step.document else ''}", "circle-check"),
        ("read_back_at", "Read back", "eye"),
    ):
        if step.proof.get(name):
            told.append({"at": _instant(step.proof[name]), "text": text, "icon": icon})
    told.sort(key=lambda one: str(one["at"] or ""))
    compared = step.proof.get("compared")
    if compared:
        told.append({"at": None, "text": f"The same there as here: {_compared(compared)}", "icon": "check"})
    return told


def _compared(found: Any) -> str:
    """What a connector says it compared: {"date": "2026-11-03", "lines": 3, "functional amounts": "EUR"}, in words."""
    if not isinstance(found, dict):
        return ", ".join(map(str, found)) if isinstance(found, list | tuple) else str(found)
    said = []
    for name, value in found.items():
        if name == "lines":
            said.append(f"{count(int(value), 'line')} with their accounts, amounts and dimensions")
        elif name == "facts":
            said.append("everything that was sent")
        elif name == "functional amounts":
            said.append(f"amounts in {value}")
        elif name == "date":
            said.append(f"the date {value}")
        elif name != "at":
            said.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(said) or "it is there"


def _instant(text: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
