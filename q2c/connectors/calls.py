"""In whose name calls are made, and what is kept of them; held in context variables."""

from __future__ import annotations

import contextvars
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call as it may be kept: redacted and cut. `error` is empty when an answer came."""

    connection: str
    operation: str
    correlation_id: str
    step_id: str
    at: dt.datetime
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: str
    status: int | None
    response_headers: dict[str, str]
    response_body: str
    duration_ms: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Calling:
    correlation_id: str = ""
    step_id: str = ""
    while_: Callable[[], bool] | None = None


_first: list[Callable[[], None]] = []
_calling: contextvars.ContextVar[Calling] = contextvars.ContextVar("q2c_calling", default=Calling())  # noqa: B039
_sink: contextvars.ContextVar[list[Attempt] | None] = contextvars.ContextVar("q2c_attempts", default=None)


def before_each(check: Callable[[], None]) -> None:
    """`check` is run before each call, on its thread, and may raise: so whoever has a database forbids calls within its
    transactions.
    """
    if check not in _first:
        _first.append(check)


def begin() -> None:
    """What was given to `before_each`."""
    for check in _first:
        check()


@contextmanager
def calling(
    correlation_id: object, *, step_id: object = "", while_: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Calls inside the block carry this correlation id (a UUID) and are recorded under this step.

    `while_` is asked right before a request leaves: once it says no, none leaves any more.
    """
    token = _calling.set(Calling(str(correlation_id or ""), str(step_id or ""), while_))
    try:
        yield
    finally:
        _calling.reset(token)


@contextmanager
def recording() -> Iterator[list[Attempt]]:
    """Collects the attempts made inside the block, in the order they ended; of an inner block only there."""
    attempts: list[Attempt] = []
    token = _sink.set(attempts)
    try:
        yield attempts
    finally:
        _sink.reset(token)


def correlation_id() -> str:
    """The id in force, for headers that vendors name otherwise; empty outside `calling`."""
    return _calling.get().correlation_id


def in_context(function: Callable[P, T]) -> Callable[P, T]:
    """`function` for another thread: it runs in a copy of this moment's context, each call in its own."""
    # There nothing is seen of a transaction here.
    begin()
    context = contextvars.copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.copy().run(function, *args, **kwargs)

    return run


def may_leave() -> bool:
    """Whether whoever makes this call may still make it."""
    while_ = _calling.get().while_
    return while_ is None or while_()


def current() -> Calling:
    return _calling.get()


def note(attempt: Attempt) -> None:
    """Keep an attempt for whoever records; without anybody it is forgotten."""
    sink = _sink.get()
    if sink is not None:
        sink.append(attempt)


def is_recording() -> bool:
    return _sink.get() is not None
