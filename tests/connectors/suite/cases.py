"""The fault switches as a table: what is switched, what the connector must say, what the platform holds then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from q2c.connectors.outcomes import Rejected, Unavailable
from q2c.reasons import Reason

# A time limit that is not to be met, however busy the machine is.
AMPLE_S = 60.0
# One that is to be exceeded, where the machine is quick: a slow one has as much more as its calls take longer.
LIMIT_S = 1.0
# Of such a limit, what the platform takes longer.
OVER = 1.6
# And for how many of them what was done is looked for.
SETTLE = 4

Said = Literal["done", "lost"] | type


@dataclass(frozen=True, kw_only=True)
class Expect:
    """`said` is an outcome's type, or what the subject calls done or lost; `documents` None: it depends on the moment."""

    said: Said
    reason: Reason | None = None
    retry_after_s: float | None = None
    documents: Literal["none", "all"] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """`settle` is how long after a lost answer the platform may still commit here; looked up no longer than needed.

    `paced`: that and the switch's value are in limits; `over`: the write has such a limit, which it is to exceed.
    """

    name: str
    switch: str
    expect: Expect
    value: float = 0
    times: int | None = None
    settle: float = 0.2
    paced: bool = False
    over: bool = False
    more: dict[str, Any] = field(default_factory=dict)


FAULTS = (
    Case(
        name="latency below the limit", switch="latency", value=150,
        expect=Expect(said="done", documents="all"),
    ),
    Case(
        name="latency above the limit", switch="latency", value=OVER * 1000, settle=SETTLE, paced=True, over=True,
        expect=Expect(said="lost"),
    ),
    Case(
        name="429", switch="too_many", value=7,
        expect=Expect(said=Unavailable, reason=Reason.PLATFORM_BUSY, retry_after_s=7, documents="none"),
    ),
    Case(
        name="503", switch="unavailable",
        expect=Expect(said=Unavailable, reason=Reason.PLATFORM_UNAVAILABLE, documents="none"),
    ),
    Case(
        name="dropped before", switch="drop_before",
        expect=Expect(said="lost", documents="none"),
    ),
    Case(
        name="dropped after", switch="drop_after", settle=SETTLE, paced=True,
        expect=Expect(said="lost", documents="all"),
    ),
    Case(
        name="late commit", switch="late_commit", value=OVER, settle=SETTLE, paced=True, over=True,
        expect=Expect(said="lost", documents="none"),
    ),
    Case(
        name="token expired once", switch="token_expired", times=1,
        expect=Expect(said="done", documents="all"),
    ),
    Case(
        name="token refused", switch="token_expired",
        expect=Expect(said=Rejected, reason=Reason.CREDENTIALS_REFUSED, documents="none"),
    ),
    Case(
        name="business failure", switch="business_failure",
        expect=Expect(said=Rejected, documents="none"),
    ),
    Case(
        name="search lag", switch="search_lag", value=1.0, settle=SETTLE, paced=True,
        expect=Expect(said="lost", documents=None),
    ),
)  # fmt: skip

OTHERS = (
    "happy", "nobody answers", "same key, same content", "same key, other content", "sent again before a late commit",
    "partial failure", "closed period", "inactive dimension", "changed behind our back", "taken otherwise than sent",
)  # fmt: skip
NAMES = frozenset({case.name for case in FAULTS} | set(OTHERS))
