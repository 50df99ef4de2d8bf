"""A stage that posts each fact to the stub and nothing else: the engine's own cost of an external step."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from q2c import clock, keys
from q2c.connectors.http import Http
from q2c.connectors.outcomes import NotFound, Outcome, Posted
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.events import JournalFact
from q2c.engine import emit
from q2c.models import Connection
from q2c.stages import STAGES
from q2c.stages.verb import Fact, OpenPort, Part, Stage, Verb, Work

NAME, CONNECTION = "bench_post", "bench-stub"
BODY = b'{"journal": "' + b"x" * 600 + b'"}'


class Post(Verb):
    writes = True

    def __init__(self, url: str, slots: int) -> None:
        self.http = Http(ConnectionConfig(name=CONNECTION, vendor="bench", base_url=url, concurrency=slots))

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        return [[Part(connection=CONNECTION, business_key=fact.payload.number)] for fact in facts]

    def prepare(self, works: Sequence[Work]) -> None:
        for work in works:
            work.request = work.fact.payload.number

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        answer = self.http.send("POST", "/journal", body=BODY, operation="post")
        return Posted(reference=answer.headers["Location"])

    def look_up(self, open_port: OpenPort, work: Work) -> NotFound:
        return NotFound(searched_at=clock.now())


def install(url: str, slots: int) -> None:
    stage = Stage(
        name=NAME, does="it is posted", doing="posting it", noun="journal", station="journal", on=("JournalPosted",), queue="posting", talks_to="a stub", emits=(), control="", owner="",
        verb=Post(url, slots),
    )  # fmt: skip
    STAGES[NAME] = stage
    emit.BY_EVENT["JournalPosted"] = [stage]
    Connection.objects.update_or_create(
        name=CONNECTION, defaults={"vendor": "bench", "service": "journals", "base_url": url, "title": "Bench"}
    )


def facts(count: int) -> int:
    """So many steps wait."""
    for begin in range(0, count, 500):
        emit.store([_incoming() for _ in range(min(500, count - begin))])
    return count


def _incoming() -> emit.Incoming:
    number = keys.new_secret("n")[:20]
    fact = JournalFact(
        journal_id=number, number=number, legal_entity="US", currency="USD", amount_minor=1, period="2026-03"
    )
    return emit.Incoming(
        type="JournalPosted", version=1, source="bench", source_id=number, correlation_id=keys.new_id(),
        causation_id=None, occurred_at=clock.now(), raw=msgspec.json.encode(fact), payload=fact,
    )  # fmt: skip
