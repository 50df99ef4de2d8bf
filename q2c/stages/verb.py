"""What a stage is made of: a row of STAGES and a Verb with three parts, prepare / call / record.

prepare and record run in a database transaction and never talk to a platform; call talks to one platform and never
opens a transaction. All three take a batch. What a batch member came to is said on its Work.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from q2c import clock
from q2c.connectors.outcomes import Blocker, Lookup, NotFound, Outcome, Posted, Rejected, Unavailable
from q2c.money import Money
from q2c.reasons import Reason

# In the proof of a step of several writes: those that its platform has (Work.keep), and that of the others surely
# nothing has left.
KEPT, REST_UNSENT = "kept", "rest_unsent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A value beside its limit, for the person who signs: `value` over `limit`, both in `unit`, a currency or %.

    `of` is what was measured: a line, a paying account, which `key` tells whatever its name. `amounts` are what the
    value is made of: (what, minor units, currency). `rates` are what was converted: (from, to, units of `to` for one of
    `from`, day).
    """

    of: str
    value: str
    limit: str
    unit: str
    amounts: tuple[tuple[str, int, str], ...] = ()
    rates: tuple[tuple[str, str, str, str], ...] = ()
    note: str = ""
    key: str = ""


# Legal entity and period.
Month = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Side:
    """In one legal entity and period: `minor` is what billing has less what the books have, None where the currencies
    are two; `booked` and `billed` are what each has there, minor units.
    """

    entity: str
    period: str
    minor: int | None
    currency: str
    booked: int
    billed: int


@dataclass(frozen=True, slots=True)
class Differs:
    """Of a document that is recorded: what is booked of it, and what its sender says it comes to by now.

    `entity` and `booked_in` are the legal entity and the period of the journal that booked it, `now_in` is the period
    that holds its date by now: another one only where the sender moved the date. `now_entity` is the legal entity that
    bills it by now, where that is another one. `is_gone`: its sender has it no more. `is_reversed`: the books have it
    no more. `turned` are the sides where reversals left it elsewhere than it was booked, the one that is still to be
    put right first: the last one.
    """

    booked: Money
    now: Money
    entity: str = ""
    booked_in: str = ""
    now_entity: str = ""
    now_in: str = ""
    booked_on: dt.date | None = None
    now_on: dt.date | None = None
    is_gone: bool = False
    is_reversed: bool = False
    turned: tuple[Side, ...] = ()

    @property
    def worth(self) -> Money | None:
        """By what the books of `month` would change to be as the sender has it: all of it where that is another period
        or another legal entity by now. None where the currency is another.
        """
        if self.turned:
            first = self.turned[0]
            return Money(first.minor, first.currency) if first.minor is not None else None
        if self.is_reversed:
            return self.now
        if self.now_in != self.booked_in or self.now_entity:
            return -self.booked
        return self.now - self.booked if self.now.currency == self.booked.currency else None

    @property
    def month(self) -> Month:
        """The legal entity and period that it is worth that in."""
        return (self.turned[0].entity, self.turned[0].period) if self.turned else (self.entity, self.booked_in)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One failed check: its name, the sentence, where in the document, what was seen and what to do.

    With `differs` the case is worth the difference, in the period that books the document: the rest is in the books.
    `worth`, (minor units, currency) each, is what it would have credited, where that is not the whole document: above
    zero, so the case is worth as much below zero. `wanted_by` is the user in whose name a second person is asked, where
    that is not whoever sent the event.
    """

    reason: Reason
    text: str
    pointer: str = ""
    seen: Any = None
    remedy: str = ""
    code: str = ""
    blocker: Blocker | None = None
    measure: Measure | None = None
    differs: Differs | None = None
    worth: tuple[tuple[int, str], ...] = ()
    wanted_by: int | None = None


def described(finding: Finding) -> dict[str, object]:
    """A finding as JSON."""
    blocker = asdict(finding.blocker) if finding.blocker else None
    return {
        "reason": str(finding.reason),
        "text": finding.text,
        "pointer": finding.pointer,
        "seen": None if finding.seen is None else str(finding.seen),
        "remedy": finding.remedy,
        "code": finding.code,
        "blocker": blocker,
        "measure": asdict(finding.measure) if finding.measure else None,
        "differs": msgspec.to_builtins(finding.differs) if finding.differs else None,
        "worth": [list(pair) for pair in finding.worth],
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """An event as a stage sees it; `payload` is the canonical document.

    `api_key` brought it, `sent_by` made that key or asked on a page: their primary keys.
    """

    id: uuid.UUID
    type: str
    source: str
    source_id: str
    correlation_id: uuid.UUID
    occurred_at: dt.datetime
    payload: Any
    api_key: int | None = None
    sent_by: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One step to make: where it goes, what it is about, what it waits for."""

    part: str = ""
    connection: str = ""
    order_key: str = ""
    not_before: dt.datetime | None = None
    business_key: str = ""
    customer: str = ""
    amount_minor: int | None = None
    currency: str = ""
    entity: str = ""
    period: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEvent:
    """What a stage emits. `name` tells two emissions of one step apart, so a re-run emits the same ids."""

    type: str
    payload: Any
    name: str = ""
    occurred_at: dt.datetime | None = None


@dataclass(kw_only=True, slots=True)
class Work:
    """One claimed step on its way through the three parts.

    `not_before`, beside an Unavailable outcome of prepare: it waits until then, and that counts as no failure.
    """

    step: Any
    fact: Fact
    request: Any = None
    findings: list[Finding] = field(default_factory=list)
    outcome: Outcome | NotFound | None = None
    emitted: list[NewEvent] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    not_before: dt.datetime | None = None
    waiting_for: str = ""

    def reject(self, reason: Reason, text: str, **more: Any) -> None:
        self.findings.append(Finding(reason=reason, text=text, **more))

    def again(self, text: str) -> None:
        """Said by record: what was answered holds no more. The step waits, and runs again at once.

        The platforms did answer: what failed before counts no more.
        """
        self.outcome = None
        self.notes.update(target="waiting", text=text, failures={})
        if self.kept:
            self.step.proof[REST_UNSENT] = True

    def emit(self, type_: str, payload: Any, name: str = "") -> None:
        self.emitted.append(NewEvent(type=type_, payload=payload, name=name))

    def keep(self, name: str, done: Posted, **told: Any) -> None:
        """Said by call or look_up of a step that writes several things: the platform has this one, for good.

        From then on something of the step is there, whatever becomes of the rest: its `sent_at` stays. `told` is kept
        with it, in JSON's own types.
        """
        kept = self.step.proof.setdefault(KEPT, {})
        entry = {"reference": done.reference, "document": done.document, "found": done.found, **done.proof}
        kept.setdefault(name, {**told, "at": clock.now().isoformat(), **entry})

    @property
    def kept(self) -> dict[str, dict[str, Any]]:
        """By name, what the platform has of this step, by this run or an earlier one."""
        found: dict[str, dict[str, Any]] = self.step.proof.get(KEPT, {})
        return found

    @property
    def is_open(self) -> bool:
        """Whether prepare left something to call for."""
        return not self.findings and self.outcome is None


OpenPort = Callable[[str], Any]
# What a platform says in a dry run.
Said = Posted | Rejected | Unavailable | None


class Verb:
    """Defaults for stages that talk to nobody. Subclasses say what they do."""

    # Whether a claimed step may leave something behind on a platform.
    writes = False

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        """The steps each event needs, in the order of the events."""
        raise NotImplementedError(type(self).__name__)

    def planned(self, facts: Sequence[Fact]) -> None:
        """What follows once the steps of these events are there, in the transaction that made them."""

    def prepare(self, works: Sequence[Work]) -> None:
        """Validate and derive: set work.request, or work.reject(…), or work.outcome where no call is needed."""

    def ahead(self, open_port: OpenPort, works: Sequence[Work]) -> None:
        """Before the calls of several works to one connection: read at once what each would read for itself.

        Only spares reads; what fails here, the calls meet again.
        """

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        """One request to one platform."""
        raise NotImplementedError(type(self).__name__)

    def poll(self, open_port: OpenPort, work: Work) -> Outcome:
        raise NotImplementedError(type(self).__name__)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        raise NotImplementedError(type(self).__name__)

    def record(self, works: Sequence[Work]) -> None:
        """What follows in our records from a success: transitions, references, work.emit(…)."""

    def waits(self, works: Sequence[Work]) -> None:
        """What our records keep of what goes on later by itself, since a platform did not answer."""

    def partly(self, works: Sequence[Work]) -> None:
        """What our records keep of what a platform has done already (work.kept) of steps that are not done yet.

        Called before waits and failed, each time such a step was worked on; what its findings or its text say may be
        added to here.
        """

    def failed(self, works: Sequence[Work]) -> None:
        """What follows in our records from a failure that a person must see.

        A work that nobody needs to see any more loses its findings here, and has an outcome instead.
        """

    def abandoned(self, works: Sequence[Work]) -> None:
        """What follows in our records when a person gives a failed step up; may work.emit(…)."""

    def refused(self, works: Sequence[Work]) -> None:
        """What follows in our records when a second person says no to a failed step that waited for them."""

    def preview(self, work: Work) -> dict[str, Any]:
        """After a prepare that will be rolled back: what would be sent, for a person to read.

        What record would refuse is said here by work.reject(…).
        """
        return {}

    def beside(self, works: Sequence[Work]) -> dict[uuid.UUID, str]:
        """For a dry run: what whoever replays is to know of a step, and what stops nothing, as a sentence by its id."""
        return {}

    def asks(self, work: Work) -> str:
        """For a dry run: the connection that check() asks; of a step that goes nowhere, that of what it leads to."""
        return str(work.step.connection)

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        """For a dry run: what the platform would refuse, or holds already, by reading only; None: it would take it.

        All works go to one connection.
        """
        return [None for _ in works]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One row of STAGES: what must happen on an event, who talks to whom, who owns the failure.

    `does` goes on as a sentence once it is done ("the journal is posted … in netsuite"), `doing` as long as it is not
    ("posting the journal in netsuite: outcome unknown"); `noun` is what waits for a platform that is
    down ("12 journals wait"); `station` is where the control tower counts it: order | subscription | invoice | journal.
    """

    name: str
    does: str
    doing: str
    noun: str
    station: str
    on: tuple[str, ...]
    queue: str
    talks_to: str
    emits: tuple[str, ...]
    control: str
    owner: str
    verb: Verb
    undoes: str = ""

    @property
    def team(self) -> str:
        """The code of its owner's team: sales ops → sales-ops."""
        return self.owner.replace(" ", "-")
