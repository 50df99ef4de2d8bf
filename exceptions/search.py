"""The query bar of the queue: `reason:period_closed entity:DE amount:>10000 is:unassigned customer:"acme" words`.

Terms are joined by and; several values of one key by or (`entity:DE,US`); a minus in front negates. Words without a key
look for order, invoice and document numbers, customers, platform codes and the key of what stands in the way. KEYS is
the table of what can be asked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from exceptions import search_values as values
from exceptions.errors import QueryError
from exceptions.models import Case
from exceptions.models.case import ENDED, TIMED, TO_DO, UNRESOLVED
from q2c import clock

_TERM = re.compile(r'(?P<minus>-)?(?:(?P<key>[A-Za-z_]+):)?(?P<value>"(?:[^"\\]|\\.)*"?|[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query. `key` is empty for a word; `at` is where it begins."""

    key: str
    value: str
    negated: bool
    at: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be asked: what it means, how it becomes a filter, and which values complete it."""

    help: str
    build: Callable[[str, Any, int], Q]
    values: Callable[[Any], Sequence[tuple[str, str]]] = values.nothing
    takes_many: bool = True


def terms(text: str) -> list[Term]:
    """The parts of a query, in order. Raises QueryError for a quote that never ends or a key without a value."""
    found: list[Term] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TERM.match(text, at)
        if match is None or match["value"] is None:
            raise QueryError(f"Not understood from here on: {text[at : at + 20]}", at)
        key, value = (match["key"] or "").lower(), match["value"]
        if not key and re.fullmatch(r"-?[A-Za-z_]+:", match[0]):
            raise QueryError(f"{match[0]} needs a value", at)
        quoted = value.startswith('"')
        if quoted:
            if len(value) < 2 or not value.endswith('"'):
                raise QueryError("A quote is not closed", match.start("value"))
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found.append(Term(key, value, bool(match["minus"]), at, quoted))
        at = match.end()
    return found


def parse(text: str, user: Any) -> Q:
    """The filter for a query. Raises QueryError naming what is wrong and what would be right."""
    result = Q()
    for term in terms(text):
        condition = _condition(term, user)
        result &= ~condition if term.negated else condition
    return result


def _condition(term: Term, user: Any) -> Q:
    if not term.key:
        return values.word(term.value)
    key = KEYS.get(term.key)
    if key is None:
        near = difflib.get_close_matches(term.key, KEYS, 1)
        hint = f"; did you mean {near[0]}:?" if near else f"; there are {', '.join(KEYS)}"
        raise QueryError(f"{term.key}: is no key{hint}", term.at, tuple(near) or tuple(KEYS))
    parts = [term.value] if term.quoted or not key.takes_many else [part for part in term.value.split(",") if part]
    result = Q()
    for part in parts:
        result |= key.build(part, user, term.at)
    return result


def search(user: Any, text: str) -> QuerySet[Case]:
    """The cases that the person may see and that the query finds, in no order yet."""
    return Case.objects.visible_to(user).filter(parse(text, user))


def _in_state(state: str) -> Callable[[Any], Q]:
    return lambda user: Q(state=state)


_IS: dict[str, tuple[str, Callable[[Any], Q]]] = {
    "open": ("needs a person", lambda user: Q(state__in=TO_DO)),
    "unresolved": ("not ended", lambda user: Q(state__in=UNRESOLVED)),
    "ended": ("resolved or closed", lambda user: Q(state__in=ENDED)),
    "unassigned": ("nobody has it", lambda user: Q(assignee=None)),
    "assigned": ("somebody has it", lambda user: Q(assignee__isnull=False)),
    "mine": ("I have it", lambda user: Q(assignee=user)),
    "myteam": ("a team of mine owns it", lambda user: Q(owner_team__members=user)),
    "late": ("past its service level", lambda user: Q(due_at__lt=clock.now(), state__in=TIMED)),
    "raw": ("came in unreadable", lambda user: Q(step_id=None)),
    "blocked": ("something with a name is in the way", lambda user: ~Q(blocker_type="")),
    **{state: (f"is {state.replace('_', ' ')}", _in_state(state)) for state in (*UNRESOLVED[1:], *ENDED)},
}


def _is(value: str, user: Any, at: int) -> Q:
    found = _IS.get(value.lower().replace("-", "_").replace(" ", "_"))
    if found is None:
        raise values.unknown("is", value, at, _IS)
    return found[1](user)


KEYS: dict[str, Key] = {
    "is": Key("state, and whose it is", _is, lambda user: [(name, help) for name, (help, _) in _IS.items()]),
    "reason": Key("why it failed", values.reason, values.reasons),
    "entity": Key("legal entity", values.exactly("entity"), values.seen("entity")),
    "period": Key("accounting period", values.exactly("period"), values.seen("period")),
    "currency": Key("currency of the amount", values.currency, values.seen("currency")),
    "amount": Key("each in its own currency: >10000, 100..200; in one: >10000EUR", values.amount, takes_many=False),
    "severity": Key("urgent, high, normal or low", values.severity, values.severities),
    "owner": Key("team that owns it", values.owner, values.teams),
    "assignee": Key("person who has it, me or none", values.assignee, values.people),
    "customer": Key("part of the customer's name or key", values.customer, takes_many=False),
    "key": Key("order, invoice or journal number, from its beginning", values.business_key),
    "document": Key("document number in the platform", values.exactly("document")),
    "number": Key("case number: C-1042", values.number),
    "problem": Key("problem number: P-7", values.problem),
    "stage": Key("stage of the flow", values.exactly("stage")),
    "connection": Key("platform that refused", values.exactly("connection")),
    "source": Key("platform it came from", values.exactly("source")),
    "target": Key("platform it goes to", values.exactly("target")),
    "code": Key("code that the platform gave", values.exactly("code")),
    "blocker": Key("what stands in the way: CC-410, or cost_center/CC-410", values.blocker),
    "next": Key("what a dry run found in the way once that is gone: as blocker:", values.next_blocker),
    "cause": Key("root cause given when it was closed", values.exactly("root_cause")),
    "resolution": Key("how it ended", values.exactly("resolution")),
    "opened": Key("day: 2026-10-31, >2026-10-01, 2026-10-01..2026-10-31", values.day("opened_at"), takes_many=False),
    "due": Key("day on which its service level ends", values.day("due_at"), takes_many=False),
    "resolved": Key("day on which it ended", values.day("resolved_at"), takes_many=False),
    "attempts": Key("how often it failed: >3", values.attempts, takes_many=False),
    "text": Key("part of the sentence that says what happened; slow on its own", values.text, takes_many=False),
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Put `insert` in place of the text from `start` to the cursor."""

    insert: str
    help: str
    start: int


def complete(text: str, cursor: int, user: Any, limit: int = 12) -> list[Suggestion]:
    """What could come next at the cursor: keys, or the values of the key that stands there."""
    head = text[:cursor]
    match = re.search(r'-?(?:([A-Za-z_]+):)?("[^"]*|[^\s"]*)$', head)
    key, begun = (match[1] or "").lower(), match[2].lstrip('"').lower()  # type: ignore[index]
    start = match.start(2)  # type: ignore[union-attr]
    if not key:
        named = [(f"{name}:", row.help) for name, row in KEYS.items()]
    elif key in KEYS:
        named = [(f'"{value}"' if " " in value else value, help) for value, help in KEYS[key].values(user)]
        if KEYS[key].takes_many and "," in begun:
            start += begun.rindex(",") + 1
            begun = begun.rpartition(",")[2]
    else:
        return []
    fitting = [(value, help) for value, help in named if begun in value.lower() or begun in help.lower()]
    fitting.sort(key=lambda pair: not pair[0].lower().lstrip('"').startswith(begun))
    return [Suggestion(value, help, start) for value, help in fitting[:limit]]
