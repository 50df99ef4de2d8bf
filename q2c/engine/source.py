"""What is common to the kinds of records that are read from platforms: whose they are, and how they become facts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from exceptions.failures import RawItem
from q2c.connectors import registry
from q2c.engine import came_back, intake
from q2c.engine.intake import Item, Sender, Taken
from q2c.models import Connection, PollCursor, SubscriptionCursor
from q2c.reasons import Reason

# Who did what a poll, or the fetching of what was called out, led to: poll:zuora.
POLL = "poll:"
READING, READING_SUBSCRIPTIONS = "reading changes", "reading subscriptions"
READS = (READING, READING_SUBSCRIPTIONS)


def actor_of(connection: Connection) -> str:
    return f"{POLL}{connection.name}"


class Source:
    """What one kind of platform gives: rows to take in, or one row by its id."""

    # How far they have been read.
    cursors: type[PollCursor] | type[SubscriptionCursor] = PollCursor
    # The business key of a case about reading them.
    reading = READING

    def __init__(self, connection: Connection) -> None:
        self.connection, self.name = connection, connection.name
        self.connector = registry.open_connector(connection.config())
        self.sender = Sender(system=connection.name, actor=actor_of(connection))

    def first(self) -> dt.datetime | None:
        """From when on the first poll reads, unless the connection says so; None: a day ago, so no history comes."""
        return None

    def changed(self, since: dt.datetime) -> Iterator[Any]:
        """What changed at or after `since`, oldest first. Raises ReadFailed."""
        raise NotImplementedError

    def take(self, notices: Sequence[Any]) -> tuple[int, dt.datetime]:
        """Take these in: how many facts were new, and as of when the newest changed. Raises ReadFailed."""
        raise NotImplementedError

    def settle(self) -> None:
        """Once all of it was read."""

    def look_again(self) -> None:
        """Once a day, with the sweep: at what may have changed without a stamp. Raises ReadFailed."""

    def _item(self, type_: str, id_: str, document: Any, at: dt.datetime) -> Item:
        attributes = {"specversion": "1.0", "id": id_, "source": self.name, "type": type_, "time": at.isoformat()}
        return Item(
            body=msgspec.json.encode(document), attributes=attributes, content_type="application/json",
            reference=id_.partition(":")[0],
        )  # fmt: skip

    def _bad(self, raw: Any, key: str, text: str, **more: Any) -> RawItem:
        return RawItem(
            body=msgspec.json.encode(raw), source=self.name, text=text, content_type="application/json",
            business_key=key, **more,
        )  # fmt: skip

    def _came_back(
        self, stage: str, items: Sequence[Item], keys_: Sequence[str], taken: Sequence[Taken]
    ) -> list[Taken]:
        """What became again what it was before has the id of that version; its return is a fact of its own."""
        back = came_back.items(self.name, stage, items, keys_, taken)
        return intake.take(back, self.sender) if back else []

    def _came_right(self, taken: Sequence[Taken], reasons: Sequence[Reason]) -> dict[str, uuid.UUID | None]:
        """What could not be read before is here now: its cases end. Returns the events, by id at the source."""
        here = ("stored", "duplicate")
        events = {one.source_id.partition(":")[0]: one.event_id for one in taken if one.status in here}
        intake.resolve_raw(self.name, events, self.sender.actor, reasons=reasons)
        return events
