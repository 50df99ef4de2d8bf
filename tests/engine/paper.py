"""A general ledger on paper, in this process: what the engine's tests need a platform to do on demand.

It keeps its documents by key, as every platform must, and loses answers, refuses, or goes down as a test tells it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from q2c import clock
from q2c.connectors.outcomes import Blocker, Lookup, NotFound, Outcome, Posted, Rejected, Unavailable, Unknown
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import JournalDocument
from q2c.reasons import Reason


@dataclass
class Book:
    """The paper behind one connection. `writes` counts documents written, whatever became of the answer."""

    documents: dict[str, JournalDocument] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    inactive: set[tuple[str, str]] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    missing: set[tuple[str, str]] = field(default_factory=set)
    refuse_all: str = ""
    keeps_what_it_refuses: bool = False
    lose_answers: bool = False
    down: bool = False
    slow_s: float = 0.0
    writes: int = 0
    searches: int = 0
    asked: list[Blocker] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)


BOOKS: dict[str, Book] = {}


class PaperLedger:
    batch_max = 50

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config

    @property
    def book(self) -> Book:
        return BOOKS.setdefault(self.config.name, Book())

    def probe(self) -> Unavailable | None:
        return Unavailable(text="no answer") if self.book.down else None

    def known(self, kind: str, names: Sequence[str]) -> dict[str, str] | Unavailable:
        if self.book.down:
            return Unavailable(text="no answer")
        said = {(kind, name): "inactive" for name in names if (kind, name) in self.book.inactive}
        said |= {(kind, name): "missing" for name in names if (kind, name) in self.book.missing}
        return {name: said.get((kind, name), "active") for name in names}

    def _obstacle(self, journal: JournalDocument) -> Rejected | None:
        name = self.config.name
        if f"{journal.effective_on:%Y-%m}" in self.book.closed:
            period = f"{journal.effective_on:%Y-%m}"
            return Rejected(
                reason=Reason.PERIOD_CLOSED, text=f"{period} is closed in {name}",
                blocker=Blocker(connection=name, object_type="fiscal_period", object_key=period, condition="closed"),
            )  # fmt: skip
        for line in journal.lines:
            for pair in line.dimensions.items():
                if pair in self.book.inactive:
                    return Rejected(
                        reason=Reason.DIMENSION_INACTIVE, text=f"{pair[0]} {pair[1]} is inactive in {name}",
                        blocker=Blocker(
                            connection=name, object_type=pair[0], object_key=pair[1], condition="inactive"
                        ),
                    )  # fmt: skip
        return None

    def check(self, journals: Sequence[JournalDocument], *, whole: bool = False) -> list[Rejected | Unavailable | None]:
        if self.book.down:
            return [Unavailable(text="no answer") for _ in journals]
        return [self._obstacle(journal) for journal in journals]

    def post(self, journals: Sequence[JournalDocument]) -> list[Outcome]:
        return [self._post(journal) for journal in journals]

    def _post(self, journal: JournalDocument) -> Outcome:
        if self.book.down:
            return Unavailable(text="no answer")
        if self.book.refuse_all:
            if self.book.keeps_what_it_refuses:
                self.book.documents[journal.key] = journal
                self.book.numbers[journal.key] = f"JE-{len(self.book.documents)}"
            return Rejected(reason=Reason.JOURNAL_REFUSED, code="NO", text=self.book.refuse_all)
        time.sleep(self.book.slow_s)
        with self.book.lock:
            self.book.writes += 1
            number = f"JE-{self.book.writes}"
            # Two documents under one key would be what must never be.
            assert journal.key not in self.book.documents, "a second document"
            self.book.documents[journal.key] = journal
            self.book.numbers[journal.key] = number
        if self.book.lose_answers:
            return Unknown(text="the line dropped")
        return Posted(reference=number, document=number, proof={"posted_at": clock.now().isoformat()})

    def find(self, journals: Sequence[JournalDocument], *, only_reading: bool = False) -> list[Lookup]:
        if self.book.down:
            return [Unavailable(text="no answer") for _ in journals]
        self.book.searches += 1
        return [self._find(journal) for journal in journals]

    def _find(self, journal: JournalDocument) -> Lookup:
        number = self.book.numbers.get(journal.key)
        if number is None:
            return NotFound(searched_at=clock.now())
        if self.book.documents.get(journal.key, journal) != journal:
            return Rejected(reason=Reason.CONTENT_DIFFERS, text=f"{number} has other content", held=True)
        return Posted(
            reference=number, document=number, found=True, proof={"found_at": clock.now().isoformat()}
        )  # fmt: skip

    def still_blocked(self, blocker: Blocker) -> bool | None:
        self.book.asked.append(blocker)
        if blocker.object_type == "fiscal_period":
            return blocker.object_key in self.book.closed
        return (blocker.object_type, blocker.object_key) in self.book.inactive
