"""What the contract asks of a subject: how one thing is written, looked up and counted on a platform."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from q2c.connectors.outcomes import Accepted, Blocker, Lookup, Outcome, Posted, Rejected, Unavailable, Unknown
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.suite.cases import Expect


class Subject(ABC):
    """One thing that a connector writes. `leaves` is how many documents a success leaves on the platform."""

    name: str
    vendor: str
    operation: str
    # What a success is, and what a lost answer is: a read that is lost has left nothing behind.
    done: ClassVar[type] = Posted
    lost: ClassVar[type] = Unknown
    leaves: ClassVar[int] = 1
    # Whether the platform does the others of a batch that one thing fails in.
    does_the_others: ClassVar[bool] = True
    # Case → why it does not apply here.
    declared: ClassVar[Mapping[str, str]] = {}
    # Case → what this vendor does otherwise.
    expected: ClassVar[Mapping[str, Expect]] = {}
    # What the platform's refusal of a document's content is called.
    refusal: ClassVar[Reason] = Reason.REQUEST_REFUSED
    # What it is called that the platform has other content under the key.
    differs: ClassVar[Reason] = Reason.CONTENT_DIFFERS

    @abstractmethod
    def seed(self, control: Control) -> None: ...

    @abstractmethod
    def connect(self, **config: Any) -> Any: ...

    @abstractmethod
    def document(self) -> Any: ...

    @abstractmethod
    def write(self, connector: Any, document: Any) -> Any: ...

    def other_content(self, document: Any) -> Any:
        raise NotImplementedError("declare 'same key, other content' or say what other content is")

    def look_up(self, connector: Any, document: Any) -> Lookup:
        raise NotImplementedError("declare the cases that look up, or say how")

    def count(self, control: Control, document: Any) -> int:
        raise NotImplementedError("say how many of a document the platform holds")

    def write_batch(self, connector: Any, documents: list[Any]) -> list[Any]:
        """In one call; an outcome of its own for each, None for one of which nothing is told but that it is not done."""
        raise NotImplementedError("declare 'partial failure' or say how a batch is written")

    def __repr__(self) -> str:
        return self.name


class Ledger(Subject):
    """A subject whose platform knows periods and dimensions. Closed and inactive is what `document` needs."""

    spoils: ClassVar[Mapping[str, Callable[[Any, Control, Any], None]]] = {}

    @abstractmethod
    def check(self, connector: Any, document: Any) -> Rejected | Unavailable | None: ...

    @abstractmethod
    def still_blocked(self, connector: Any, blocker: Blocker) -> bool | None: ...

    @abstractmethod
    def set_period(self, control: Control, *, closed: bool) -> None: ...

    @abstractmethod
    def set_dimension(self, control: Control, *, inactive: bool) -> None: ...

    @abstractmethod
    def spoil(self, control: Control, document: Any, what: str) -> None:
        """Change the record on the platform behind our back: its `what` is date, amount, dimension or rate."""

    @abstractmethod
    def spoil_next(self, control: Control, what: str) -> None:
        """Let the platform take the next record with another date, or without its dimension, and say nothing."""


class Question(Subject):
    """A service that is only asked: nothing is left on it, so nothing is looked up, and what is lost was not done."""

    lost = Unavailable
    leaves = 0
    declared: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("same key, same content", "same key, other content", "sent again before a late commit"),
        "it is only asked and keeps nothing",
    )

    def count(self, control: Control, document: Any) -> int:
        return 0


def finished(connector: Any, outcome: Outcome, key: str, within_s: float = 60.0) -> Outcome:
    """Polls an accepted write to its end, as the engine does."""
    until = time.monotonic() + within_s
    while isinstance(outcome, Accepted):
        if time.monotonic() > until:
            raise AssertionError(f"{outcome} is not finished after {within_s} s")
        time.sleep(min(outcome.poll_after_s, 0.1))
        outcome = connector.poll(outcome.handle, key)
    return outcome
