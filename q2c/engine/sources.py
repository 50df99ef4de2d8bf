"""What sales and billing platforms give: rows that changed, or one record by its id; and how each becomes a fact."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import transaction

from exceptions.failures import RawItem
from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import About, ReadFailed, Rejected, Unavailable
from q2c.connectors.ports import NOT_POSTED, BadDeal, Deal, DealNotice, InvoiceNotice
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import by_number, came_back, intake, lost_deals, pauses, taken_back, unread
from q2c.engine.intake import Item, Taken
from q2c.engine.reads import BUSY, OVERTAKEN, Again, Read, in_turn, taken_in
from q2c.engine.source import Source
from q2c.engine.unread import Unread
from q2c.models import Breaker, Callout, Connection, CrossReference, Fetched, LatestRead, Order
from q2c.reasons import TRANSIENT, Reason
from q2c.stages import withdrawn
from q2c.stages.deals import keys_of
from q2c.stages.versions import invoice_key

FETCHERS_MAX = 8
# So many records at once that a platform does not give are an outage; fewer are the trouble of those records.
OUTAGE_FROM = 3
# The services whose changes are read.
POLLED = ("crm", "billing")
# What became of a record that is here now, and was not.
TAKEN_IN = "taken in"
# A change is remembered as fetched once nothing else can bear its stamp: stamps are of seconds, and clocks differ.
SETTLED_S = 30.0
# A lost deal whose order is being checked is looked at again after so long.
BUSY_S = 10.0
# Of cases that end as their record comes: what could not be read of it, and why it was not given.
_DEAL_REASONS = (
    *intake.UNREADABLE, *TRANSIENT, Reason.CREDENTIALS_REFUSED, Reason.REQUEST_REFUSED, Reason.RECORD_MISSING,
)  # fmt: skip
_INVOICE_REASONS = (*_DEAL_REASONS, Reason.INVOICE_MISMATCH, Reason.INVOICE_ORDER_UNKNOWN)


def source_of(connection: Connection) -> Any:
    """Deals or Invoices."""
    return Deals(connection) if connection.service == "crm" else Invoices(connection)


def answering() -> list[Connection]:
    """Those whose platform answers, as far as is known, and has not asked to be left alone."""
    left_alone = pauses.paused()
    return [one for one in up() if one.name not in left_alone]


def up() -> list[Connection]:
    """Those whose platform answers, as far as is known."""
    down = Breaker.objects.filter(opened_at__isnull=False).values_list("connection", flat=True)
    there = Connection.objects.filter(active=True, service__in=POLLED).exclude(name__in=list(down))
    return list(there.order_by("name"))


class Deals(Source):
    """Closed-won deals. An event per version of a deal: id, colon, version."""

    def changed(self, since: dt.datetime) -> Iterator[DealNotice]:
        return iter(self.connector.changed_deals(since))

    def take(self, notices: Sequence[DealNotice]) -> tuple[int, dt.datetime]:
        known = Fetched.known(self.name, (notice.source_id for notice in notices))
        in_vain = Callout.in_vain(self.name, (notice.source_id for notice in notices))
        fresh = [n for n in notices if known.get(n.source_id) != n.changed_at and n.source_id not in in_vain]
        read_at = clock.now()
        deals = self._read([notice.source_id for notice in fresh if notice.won])
        taken = self._take(deals)
        not_won = self._not_won([notice for notice in fresh if not notice.won])
        Fetched.remember(
            self.name,
            {each.source_id: each.changed_at for each in (*deals, *not_won) if _settled(each.changed_at, read_at)},
        )
        return _new(taken), max(notice.changed_at for notice in notices)

    def _read(self, won: Sequence[str]) -> list[Deal | BadDeal]:
        """All together; one by one where that fails though the platform answers, so that a deal of which a part does
        not come holds up no other. It is fetched later, like what was called out. Raises ReadFailed in an outage."""
        try:
            return list(self.connector.deals(won)) if won else []
        except ReadFailed:
            if self.connector.probe() is not None:
                raise
        found = self.fetch(won)
        late = {id_: one for id_, one in zip(won, found, strict=True) if isinstance(one, Unavailable)}
        Callout.remember(self.name, late, keys.new_id())
        if is_outage(found):
            raise ReadFailed(late[won[0]])
        return [one for one in found if isinstance(one, Deal | BadDeal)]

    def _take(self, deals: Sequence[Deal | BadDeal]) -> list[Taken]:
        good = [deal for deal in deals if isinstance(deal, Deal)]
        bad = [deal for deal in deals if isinstance(deal, BadDeal)]
        items = [self._event(deal) for deal in good]
        taken = intake.take(items, self.sender)
        known = keys_of(self.name, [deal.source_id for deal in good])
        taken += self._came_back("accept_order", items, [known[deal.source_id] for deal in good], taken)
        taken += self._won_again(good, items, taken)
        self._know_accounts(good)
        self._came_right(taken, _DEAL_REASONS)
        kept = [
            self._bad(deal.raw, deal.source_id, deal.text, field=deal.field, context={"version": deal.version})
            for deal in bad
        ]
        intake.keep_raw(kept, self.sender.actor)
        return taken

    def _know_accounts(self, deals: Sequence[Deal]) -> None:
        """What the platform calls the parties: people look for them by that, too."""
        ids = {key: id_ for deal in deals for key, id_ in deal.accounts.items()}
        known = CrossReference.objects.filter(connection=self.name, kind="customer", our_key__in=ids)
        fresh = ids.keys() - set(known.values_list("our_key", flat=True)) if ids else ()
        CrossReference.objects.bulk_create(
            [
                CrossReference(connection=self.name, kind="customer", our_key=key, reference=ids[key], at=clock.now())
                for key in sorted(fresh)
            ],
            ignore_conflicts=True,
        )

    def _won_again(self, deals: Sequence[Deal], items: Sequence[Item], taken: Sequence[Taken]) -> list[Taken]:
        """What was lost meanwhile and is won again, unchanged, is a fact of its own; its loss is nobody's case."""
        same = [deal for deal, one in zip(deals, taken, strict=False) if one.status == "duplicate"]
        again = lost_deals.won_again(self.name, same) if same else set()
        both = zip(deals, items, strict=True)
        back = [came_back.as_of(item, deal.changed_at) for deal, item in both if deal.source_id in again]
        new = intake.take(back, self.sender) if back else []
        stored = [one for one in (*taken, *new) if one.status == "stored"]
        here = {one.source_id.partition(":")[0]: one.event_id for one in stored}
        won = {deal.source_id: here[deal.source_id] for deal in deals if deal.source_id in here}
        lost_deals.end_told(self.name, won, self.sender.actor)
        if again:
            lost_deals.tell_undone(self.name, [deal for deal in same if deal.source_id in again], self.sender.actor)
        return new

    def _not_won(self, notices: Sequence[DealNotice]) -> list[DealNotice]:
        """What was given here before and is lost now is no work any more. Returns those that are done with."""
        if not notices:
            return []
        busy = lost_deals.take_out(self.name, notices, self.sender.actor)
        if busy:
            # Whatever comes of it, the deal is looked at once more.
            Callout.remember(self.name, busy, keys.new_id())
            waiting = Callout.objects.filter(connection=self.name, reference__in=busy, done_at=None)
            waiting.update(next_at=clock.now() + clock.seconds(BUSY_S))
        unread = {notice.source_id: None for notice in notices}
        intake.resolve_raw(self.name, unread, self.sender.actor, reasons=_DEAL_REASONS)
        return [notice for notice in notices if notice.source_id not in busy]

    def _event(self, deal: Deal) -> Item:
        return self._item("OrderReceived", f"{deal.source_id}:{deal.version}", deal.document, deal.changed_at)

    def fetch(self, references: Sequence[str]) -> list[Deal | BadDeal | DealNotice | Unavailable | Rejected | None]:
        """By id, or by the number of an order that came from here."""
        orders = Order.objects.filter(source=self.name, number__in=references).values_list("number", "source_id")
        ids = {number: source_id.partition(":")[0] for number, source_id in orders}

        def read(reference: str) -> Any:
            try:
                return self.connector.deal(ids.get(reference, reference))
            except ReadFailed as failure:
                return failure.outcome

        return _on_threads(self.connection, references, read)

    def take_fetched(self, reference: str, found: Any, began: int | None = None) -> str:
        """Returns what became of it. When it `began` to be read does not matter: a deal carries its own version."""
        if found is None:
            return "it is no closed-won deal"
        if isinstance(found, DealNotice):
            done = self._not_won([found])
            return "it is no closed-won deal" if done else "it is being worked on, and looked at again after that"
        return _became(self._take([found]), "known already, or kept raw")


class Invoices(Source):
    """Invoices: those posted are facts, and one that is no longer is a case.

    An event per content of an invoice: id, colon, fingerprint of the document.
    """

    def changed(self, since: dt.datetime) -> Iterator[InvoiceNotice]:
        return iter(self.connector.changed_invoices(since))

    def take(self, notices: Sequence[InvoiceNotice]) -> tuple[int, dt.datetime]:
        known = Fetched.known(self.name, (notice.reference for notice in notices))
        # What was asked for in vain is asked for again at its own pace, not with each poll.
        in_vain = Callout.in_vain(self.name, (notice.reference for notice in notices))
        # One that changes while they are listed is listed twice.
        fresh = {
            n.reference: n for n in notices if known.get(n.reference) != n.changed_at and n.reference not in in_vain
        }
        began, read_at = LatestRead.begin(), clock.now()
        found = self.fetch(list(fresh))
        late = [reference for reference, one in zip(fresh, found, strict=True) if isinstance(one, Unavailable)]
        if is_outage(found):
            # Whatever ails them, the next poll is not held up by the same ones.
            Callout.remember(self.name, late, keys.new_id())
            raise ReadFailed(found[0])
        reads = [
            Read(reference=notice.reference, found=one, number=notice.invoice_number, changed_at=notice.changed_at)
            for notice, one in zip(fresh.values(), found, strict=True)
            if not isinstance(one, Unavailable)
        ]
        taken, again = self._take_in(reads, began)
        # One that does not come does not hold up the others: it is fetched later, like what was called out.
        if late := [*late, *again]:
            Callout.remember(self.name, late, keys.new_id())
        # What did not come is not marked; nor is a draft yet, which may be posted within the second that tells its
        # versions apart. The mark is only to save work: what is fetched again is a duplicate.
        Fetched.remember(self.name, {
            read.reference: fresh[read.reference].changed_at
            for read in reads
            if read.reference not in again
            and (not _is_draft(read.found) or _settled(fresh[read.reference].changed_at, read_at))
        })  # fmt: skip
        return _new(taken), max(notice.changed_at for notice in notices)

    def _take_in(self, reads: Sequence[Read], began: int) -> tuple[list[Taken], dict[str, Again]]:
        """What became of them, and which are to be fetched once more, by how they were asked for."""
        return intake.again_after_deadlock(lambda: self._take_those_that_count(reads, began)) if reads else ([], {})

    @transaction.atomic
    def _take_those_that_count(self, reads: Sequence[Read], began: int) -> tuple[list[Taken], dict[str, Again]]:
        turn = in_turn(self.name, reads, began, self._here_since)
        again = {read.reference: OVERTAKEN for read in turn.overtaken}
        again |= {
            read.reference: BUSY
            for read, _ in turn.counting
            if isinstance(read.found, Rejected) and not self._leaves(read.id, read.found)
        }
        counted = [(read, at) for read, at in turn.counting if read.reference not in again]
        taken, events = self._take(counted)
        self._keep([(read, read.found) for read, _ in counted if isinstance(read.found, Rejected)])
        by_number.settle(self.name, [read for read, _ in counted], events, self.sender.actor)
        taken_in(self.name, counted)
        return taken, again

    def _here_since(self, reads: Sequence[Read]) -> dict[str, dt.datetime]:
        """By id, as of which change what these say is here; without what billing took back since then."""
        keys_ = {invoice_key(self.name, read.id): read for read in reads}
        newest = came_back.newest(self.name, "record_invoice", keys_)
        gone = came_back.taken_back(self.name, "record_invoice", newest)
        stays = {keys_[key]: last for key, last in newest.items() if key not in gone}
        return {read.id: last.at for read, last in stays.items() if last.says(f"{read.id}:{read.version}")}

    def _take(self, counted: Sequence[tuple[Read, dt.datetime]]) -> tuple[list[Taken], dict[str, uuid.UUID | None]]:
        """What became of them, and which event each invoice is, by its id."""
        came = [(read, read.found, at) for read, at in counted if isinstance(read.found, InvoiceDocument)]
        if not came:
            return [], {}
        documents = [document for _, document, _ in came]
        taken_back.hold(self.name, [document.billing_reference for document in documents])
        items = [self._item("InvoiceIssued", f"{read.id}:{read.version}", found, at) for read, found, at in came]
        taken = intake.take(items, self.sender)
        known = [invoice_key(self.name, document.billing_reference) for document in documents]
        taken += self._came_back("record_invoice", items, known, taken)
        events = self._came_right(taken, _INVOICE_REASONS)
        known_before = {one.source_id.partition(":")[0] for one in taken if one.status == "duplicate"}
        unread.readable_again(self.name, known_before, self.sender.actor)
        both = zip(documents, taken, strict=False)
        again = {(document.legal_entity, document.invoice_number): one.event_id for document, one in both}
        references = [document.billing_reference for document in documents]
        taken_back.posted_again(self.name, again, references, self.sender.actor)
        return taken, events

    def _keep(self, refused: Sequence[tuple[Read, Rejected]]) -> None:
        """What was taken back is told once, whatever becomes of its case; what cannot be read as long as it stands."""
        left = [(read, found) for read, found in refused if found.field == NOT_POSTED]
        taken_back.note(self.name, {read.id: found for read, found in left}, self.sender.actor)
        gone = [self._not_posted(read, found) for read, found in left]
        told = [each for each in gone if each is not None and not unread.is_open(each)]
        bad = self._unreadable([
            (read, found)
            for read, found in refused
            if found.field != NOT_POSTED and found.reason != Reason.RECORD_MISSING
        ])  # fmt: skip
        intake.keep_raw(told, self.sender.actor)
        intake.keep_raw([each for each in bad if not unread.is_told(each)], self.sender.actor, anew=True)

    def _not_posted(self, read: Read, refused: Rejected) -> RawItem | None:
        """An invoice that is not posted yet, or no more, is none: what could not be read of it before is nobody's."""
        intake.resolve_raw(self.name, {read.id: None}, self.sender.actor, reasons=_INVOICE_REASONS)
        return taken_back.tell(self.name, read.id, refused)

    def _unreadable(self, refused: Sequence[tuple[Read, Rejected]]) -> list[RawItem]:
        """Any other that cannot be read needs a person, who is told once of all that says the same."""
        items, them = [], []
        for read, found in refused:
            raw = {
                "reference": read.id, "invoice_number": read.number, "changed_at": read.changed_at, "text": found.text,
            }  # fmt: skip
            more = {"reason": found.reason, "field": found.field, "code": found.code}
            items.append(self._bad(raw, read.id, found.text, **more, context={"version": read.version}))
            them.append(Unread(self.name, read.id, found.about or About()))
        return unread.placed(items, them) if items else []

    def _leaves(self, reference: str, refused: Rejected) -> bool:
        """What is posted no more leaves the flow, as far as nothing of it was sent. False: worked on just now."""
        if refused.field != NOT_POSTED:
            return True
        return withdrawn.invoice(self.name, reference, self.sender.actor, f"{refused.text}: {self.name} took it back")

    def fetch(self, references: Sequence[str]) -> list[Any]:
        return _on_threads(self.connection, references, self.connector.invoice)

    def take_fetched(self, reference: str, found: Any, began: int | None = None) -> str:
        """`began`: LatestRead.begin() before it was fetched; None: it was fetched just now."""
        read = Read(reference=reference, found=found)
        taken, again = self._take_in([read], LatestRead.begin() if began is None else began)
        if again:
            return again[reference]
        if isinstance(found, Rejected):
            return found.text
        return _became(taken, "known already")


def _new(taken: Sequence[Taken]) -> int:
    return sum(one.status == "stored" for one in taken)


def _became(taken: Sequence[Taken], otherwise: str) -> str:
    """What became of one record, in a few words."""
    refused = [intake.sentence(one.faults) for one in taken if one.status == "refused"]
    return TAKEN_IN if _new(taken) else refused[0] if refused else otherwise


def is_outage(found: Sequence[Any]) -> bool:
    """Whether what a platform gave for many records says something of the platform."""
    return len(found) >= OUTAGE_FROM and all(isinstance(one, Unavailable) for one in found)


def _is_draft(found: Any) -> bool:
    return isinstance(found, Rejected) and found.field == NOT_POSTED


def _settled(changed_at: dt.datetime, read_at: dt.datetime) -> bool:
    return changed_at < read_at - clock.seconds(SETTLED_S)


def _on_threads(connection: Connection, references: Sequence[str], read: Callable[[str], Any]) -> list[Any]:
    """Read many documents, as many at once as the connection bears; the threads touch no database."""
    if len(references) < 2:
        return [read(reference) for reference in references]
    with ThreadPoolExecutor(max(1, min(connection.concurrency, FETCHERS_MAX)), thread_name_prefix="fetch") as pool:
        return list(pool.map(http.in_context(read), references))
