"""A stage that does what a test tells it: the engine's own tests need outcomes to order, not a business."""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from django.db import connection, connections

from q2c import clock, keys
from q2c.connectors.outcomes import NotFound, Posted
from q2c.contracts.events import JournalFact
from q2c.engine import emit, run
from q2c.models import Connection, Step, Transition
from q2c.stages import STAGES
from q2c.stages.verb import Fact, OpenPort, Part, Stage, Verb, Work

CONNECTION = "erp-test"
NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


class Scripted(Verb):
    """`says[key]` are the outcomes of calls in order, `finds[key]` of look-ups; `there` is what the platform holds."""

    writes = True

    def __init__(self) -> None:
        self.says: dict[str, list[Any]] = defaultdict(list)
        self.finds: dict[str, list[Any]] = defaultdict(list)
        self.polls: dict[str, list[Any]] = defaultdict(list)
        self.calls: list[tuple[str, str]] = []
        self.there: dict[str, int] = defaultdict(int)
        self.on_call: Callable[[Work], None] = lambda work: None
        self.on_prepare: Callable[[Work], None] = lambda work: None
        self.on_record: Callable[[Work], None] = lambda work: None
        self.order_keys: dict[str, str] = {}
        self._lock = threading.Lock()

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        return [
            [
                Part(
                    connection=CONNECTION, business_key=fact.payload.number, amount_minor=fact.payload.amount_minor,
                    currency=fact.payload.currency, entity="US01", order_key=self.order_keys.get(fact.payload.number, ""),
                )
            ]
            for fact in facts
        ]  # fmt: skip

    def prepare(self, works: Sequence[Work]) -> None:
        for work in works:
            work.request = work.fact.payload.number
            self.on_prepare(work)

    def call(self, open_port: OpenPort, work: Work) -> Any:
        self._note("call", work)
        assert not connection.in_atomic_block, "a transaction is open during a call"
        self.on_call(work)
        outcome = self._next(self.says, work, Posted(reference=f"doc-{work.request}", document=f"J{work.request}"))
        if isinstance(outcome, Posted):
            self.there[work.request] += 1
        return outcome

    def poll(self, open_port: OpenPort, work: Work) -> Any:
        self._note("poll", work)
        return self._next(self.polls, work, Posted(reference=work.step.handle))

    def look_up(self, open_port: OpenPort, work: Work) -> Any:
        self._note("look_up", work)
        return self._next(self.finds, work, NotFound(searched_at=clock.now()))

    def record(self, works: Sequence[Work]) -> None:
        for work in works:
            self.on_record(work)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def _note(self, what: str, work: Work) -> None:
        with self._lock:
            self.calls.append((what, work.request))

    def _next(self, script: dict[str, list[Any]], work: Work, otherwise: Any) -> Any:
        with self._lock:
            outcome = script[work.request].pop(0) if script[work.request] else otherwise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def later(seconds: float) -> Any:
    """Time stands still so many seconds after the beginning."""
    return clock.at(NOW + dt.timedelta(seconds=seconds))


def fresh(step: Step) -> Step:
    return Step.objects.get(id=step.id)


def work(seconds: float = 0) -> int:
    """Run what is due by then; returns how many steps were claimed."""
    with later(seconds):
        return run.drain("scripted")


def path(step: Step) -> list[str]:
    """The states a step went through."""
    return [row.target for row in Transition.objects.filter(record_id=step.id).order_by("id")]


def in_own_connection(act: Any) -> None:
    """For threads."""
    try:
        act()
    finally:
        connections.close_all()


def install(monkeypatch: Any) -> Scripted:
    """The stage `scripted` in the table, and the platform it talks to."""
    verb = Scripted()
    stage = Stage(
        name="scripted", does="it is done", doing="doing it", noun="document", station="journal", on=("JournalPosted",), queue="posting", talks_to="general ledger", emits=(), control="none",
        owner="finance systems", verb=verb,
    )  # fmt: skip
    monkeypatch.setitem(STAGES, "scripted", stage)
    monkeypatch.setitem(emit.BY_EVENT, "JournalPosted", [stage])
    Connection.objects.create(
        name=CONNECTION, title="A ledger", vendor="netsuite", service="journals", base_url="http://127.0.0.1:9",
        time_limit_s=10, settle_s=30,
    )  # fmt: skip
    return verb


def arrive(*numbers: str) -> list[Step]:
    """Facts come in, each under its number; returns their steps in order."""
    emit.store(
        [
            emit.Incoming(
                type="JournalPosted", version=1, source="test", source_id=number, correlation_id=keys.new_id(),
                causation_id=None, occurred_at=clock.now(), raw=msgspec.json.encode(payload), payload=payload,
            )
            for number in numbers
            for payload in [_fact(number)]
        ]
    )  # fmt: skip
    return list(Step.objects.filter(stage="scripted", business_key__in=numbers).order_by("seq"))


def _fact(number: str) -> JournalFact:
    return JournalFact(
        journal_id=str(keys.new_id()), number=number, legal_entity="US01", currency="USD", amount_minor=12_500,
        period="2026-03", document_number=number,
    )  # fmt: skip
