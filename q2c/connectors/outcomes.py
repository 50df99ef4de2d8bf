"""What a call to a platform came to. Connectors classify, the engine decides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from q2c.reasons import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """The object that stands in the way, as data: (erp-us, cost_center, CC-410, inactive).

    `connection` is empty for an object that q2c itself owns (a fiscal period, a mapping).
    """

    connection: str
    object_type: str
    object_key: str
    condition: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """Done, and the platform says under which reference. `document` is what a person would look up there, `also` a
    second number that it goes by there.

    `found` tells that it had been there already; `proof` holds searched/found/posted instants and what was compared.
    `as_of` is the day that counts there, where it is another than was asked for.
    """

    reference: str
    document: str = ""
    also: str = ""
    found: bool = False
    as_of: dt.date | None = None
    proof: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The platform works on it: poll the handle."""

    handle: str
    poll_after_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What could be read of an invoice that as a whole could not: minor units of `currency`; the rest stays empty.

    `reference` is its own id at its source, whatever it was asked for by.
    """

    reference: str = ""
    number: str = ""
    order_number: str = ""
    entity: str = ""
    issued_on: dt.date | None = None
    amount_minor: int | None = None
    currency: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """Surely not done, and a repeat of the same content would be refused again.

    `held`: the send was not what was refused. The platform has, or may have, something under our key, and it is not
    what it should be (other content, not approved, a job that cannot be asked about). `was_there`: the send was
    refused because of it, so it had been there before. `about` is what could be read of what was asked for.
    """

    reason: Reason
    text: str
    code: str = ""
    field: str = ""
    blocker: Blocker | None = None
    held: bool = False
    was_there: bool = False
    about: About | None = None


# Of a connection, which lets us in: no probe tells whether it stands any longer.
PERMISSION_MISSING = "permission_missing"


def credentials_refused(connection: str, text: str, code: str = "") -> Rejected:
    """The platform does not let us in at all: what stands in the way is the connection itself."""
    return _connection_refused(connection, text, code, Reason.CREDENTIALS_REFUSED.value)


def permission_missing(connection: str, text: str, code: str = "") -> Rejected:
    """The platform knows us, and does not let us do this: for the same people, and gone once a replay goes through."""
    return _connection_refused(connection, text, code, PERMISSION_MISSING)


def _connection_refused(connection: str, text: str, code: str, condition: str) -> Rejected:
    blocker = Blocker(connection=connection, object_type="connection", object_key=connection, condition=condition)
    return Rejected(reason=Reason.CREDENTIALS_REFUSED, text=text, code=code, blocker=blocker)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unavailable:
    """Surely not done; may succeed later without anybody doing anything."""

    text: str
    reason: Reason = Reason.PLATFORM_UNAVAILABLE
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """May have been done. Look the key up before any resend."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotFound:
    """A look-up found nothing under the key. One of these proves nothing yet."""

    searched_at: dt.datetime


Outcome = Posted | Accepted | Rejected | Unavailable | Unknown
Lookup = Posted | Rejected | NotFound | Unavailable


def read_after_send(found: Lookup, otherwise: str) -> Posted | Rejected | Unknown:
    """What a look at the key says once the write has left: whatever does not tell what is there leaves it unknown."""
    if isinstance(found, Posted) or (isinstance(found, Rejected) and found.held):
        return found
    return Unknown(text=otherwise if isinstance(found, NotFound) else f"{otherwise}: {found.text}")


class ReadFailed(Exception):
    """A list could not be read to its end. `outcome` says why; what was yielded before still stands.

    Only iterators raise it (changed_deals, changed_invoices): they have no other place for an outcome.
    """

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
