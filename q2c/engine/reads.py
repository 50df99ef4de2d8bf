"""One document as a platform gave it once, and which of several reads of it count.

A read takes seconds, and polls, sweeps and callouts read side by side. What one of them read is taken in only where no
other read of that document was taken in since it began; else it may be older than what is here, and is read anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from q2c import clock, keys
from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import InvoiceDocument
from q2c.models.latest_read import Last, LatestRead

_NEXT = dt.timedelta(microseconds=1)


class Again(str):
    """Why a document is to be fetched once more."""


BUSY = Again("it is being worked on: fetched once more")
OVERTAKEN = Again("it was read by another meanwhile, and said otherwise: fetched once more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What came of an invoice, and how it was asked for. A notice says `number` and `changed_at`, a callout neither."""

    reference: str
    found: InvoiceDocument | Rejected
    number: str = ""
    changed_at: dt.datetime | None = None

    @property
    def id(self) -> str:
        """Its own id at its source, by whatever name it was asked for; that name where nothing of it was read."""
        if isinstance(self.found, Rejected):
            return (self.found.about and self.found.about.reference) or self.reference
        return self.found.billing_reference or self.reference

    @property
    def invoice_number(self) -> str:
        """What it prints, as far as that is known."""
        return self.number if isinstance(self.found, Rejected) else self.found.invoice_number

    @property
    def version(self) -> str:
        """A print of what it says."""
        found = self.found
        said = msgspec.to_builtins(found) if isinstance(found, InvoiceDocument) else _refusal(found)
        return keys.fingerprint(keys.canonical(said)).hex()[:24]


def _refusal(refused: Rejected) -> list[Any]:
    about = msgspec.to_builtins(refused.about) if refused.about else None
    return [str(refused.reason), refused.code, refused.field, refused.text, about]


@dataclass(slots=True)
class Turn:
    """Reads that count, each with the time as of which it does, those that say what is here, and the others."""

    counting: list[tuple[Read, dt.datetime]] = field(default_factory=list)
    known: list[Read] = field(default_factory=list)
    overtaken: list[Read] = field(default_factory=list)


def in_turn(
    source: str, reads: Sequence[Read], began: int, here_since: Callable[[Sequence[Read]], Mapping[str, dt.datetime]]
) -> Turn:
    """Sorts them; their documents are held until the transaction ends. `began`: LatestRead.begin() before the read.

    `here_since` says, by id, as of which change what is read is here, where the last read of it is forgotten.
    """
    held, turn = LatestRead.hold(source, (read.id for read in reads)), Turn()
    forgotten = [read for read in reads if read.changed_at is None and held[read.id].changed_at is None]
    since = here_since(forgotten) if forgotten else {}
    for read in reads:
        last = held[read.id]
        if last.taken < began:
            turn.counting.append((read, since.get(read.id) or _as_of(read, last)))
        elif last.version == read.version:
            turn.known.append(read)
        else:
            turn.overtaken.append(read)
    return turn


def taken_in(source: str, counted: Sequence[tuple[Read, dt.datetime]]) -> None:
    """These came to something, in the transaction that holds them."""
    LatestRead.take(source, {read.id: (read.version, at) for read, at in counted})


def _as_of(read: Read, last: Last) -> dt.datetime:
    """Versions are told apart by this: one that was read later is newer, whatever the clocks of two houses say."""
    if last.changed_at is None:
        return read.changed_at or clock.now()
    if last.version == read.version:
        # Called out once more it is no change: what was reversed here comes back when billing touches it.
        return max(read.changed_at or last.changed_at, last.changed_at)
    return max(read.changed_at or clock.now(), last.changed_at + _NEXT)
