"""Invoices into journals, beside raw inserts of the same rows: in batches by the engine, and one at a time.

No address books a journal while its caller waits: an invoice is answered with 202, and the worker of the finance queue
books it. One at a time is measured both ways: over HTTP, from the first request until the last journal stands in the
books, and in process, one call of ledger.journal.post_ready and one transaction each, without HTTP, step and invoice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec
from django.db import connection, transaction
from django.db.models import Sum

from ledger import journal
from ledger.models import JournalEntry, JournalLine
from q2c import clock
from q2c.contracts.documents import InvoiceDocument
from q2c.local import processes
from q2c.models import ApiKey, Step
from q2c.stages import booking
from tests.bench import books, copies, raw
from tests.bench.clients import Clients
from tests.bench.measure import Comparison
from tests.bench.sizes import Sizes

WORKERS, CLIENTS = 2, 4
BOOKED_S_MAX = 120


@contextmanager
def comparisons(sizes: Sizes) -> Iterator[list[Comparison]]:
    books.found()
    with ExitStack() as stack:
        names = stack.enter_context(raw.copy_of("ledger_journalentry", "ledger_journalline"))
        copy = copies.Copies(names, stack.enter_context(raw.Crew(CLIENTS)))
        workers = stack.enter_context(Workers(sizes.invoices, sizes.batches))
        sent = stack.enter_context(Sent(sizes.ones))
        ones = f"one CTE a journal and a statement trigger, same rows of {copy.lines} lines"
        yield [
            Comparison(
                f"invoices recorded, booked, numbered, frozen: batches of {sizes.invoices}", "journals/s",
                workers.record, lambda: copy.in_batches(sizes.invoices, sizes.batches, WORKERS),
                f"unnest and a statement trigger writing the same journal rows, {WORKERS} connections", 0.50,
            ),
            Comparison(
                f"one journal at a time, in process, {copy.lines} lines", "journals/s", lambda: one_by_one(sizes.ones),
                lambda: copy.singly(sizes.ones, 1), f"{ones}, 1 connection", 0.50,
            ),
            Comparison(
                f"one invoice at a time over HTTP, {CLIENTS} clients, until it is booked", "journals/s", sent.run,
                lambda: copy.singly(sizes.ones, CLIENTS), f"{ones}, {CLIENTS} connections", 0.50,
            ),
        ]  # fmt: skip


class Workers:
    """Two processes, as workers of the finance queue are, told when to begin by a line on their input."""

    def __init__(self, batch: int, batches: int) -> None:
        self.batch, self.batches = batch, batches

    def __enter__(self) -> Workers:
        env = {**os.environ, "Q2C_BATCH_SIZE": str(self.batch)}
        command = [sys.executable, "-m", "tests.bench.drain", "record_invoice"]
        self.processes = [
            subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(WORKERS)
        ]
        for process in self.processes:
            assert process.stdout is not None
            process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()

    def record(self) -> tuple[int, float]:
        """The invoices are taken in before the clock runs."""
        ids = books.invoices(self.batch * self.batches)
        began = time.perf_counter()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        done = 0
        for process in self.processes:
            assert process.stdout is not None
            done += int(process.stdout.readline())
        took_s = time.perf_counter() - began
        assert done == len(ids), f"{done} of {len(ids)} recorded"
        in_the_books(ids)
        return done, took_s


def in_the_books(ids: Sequence[uuid.UUID]) -> None:
    """Each event has its entry, ready, with all its lines; else what was timed is not what is told."""
    entries = JournalEntry.objects.filter(event_id__in=ids, state="ready")
    count = entries.count()
    if count != len(ids):
        texts = Step.objects.filter(event_id__in=ids, state="failed").values_list("text", flat=True)
        raise RuntimeError(f"{count} of {len(ids)} booked; {texts.first() or 'no step has failed'}")
    lines = JournalLine.objects.filter(entry__in=entries).count()
    expected = entries.aggregate(Sum("line_count"))["line_count__sum"]
    if lines != expected:
        raise RuntimeError(f"{lines} journal lines, {expected} expected")


def one_by_one(count: int) -> tuple[int, float]:
    ids = books.invoices(count)
    facts = booking.facts_of_events(ids)
    # Booked without their steps, which no worker shall find.
    Step.objects.filter(event_id__in=ids).update(next_at=clock.now() + clock.days(1))
    began = time.perf_counter()
    for event_id in ids:
        with transaction.atomic():
            (result,) = journal.post_ready([facts[event_id]])
        assert result.outcome == "created", result
    took_s = time.perf_counter() - began
    in_the_books(ids)
    return count, took_s


class Sent:
    """Invoices sent one at a time to the API, booked by the worker of the finance queue as bin/demo runs it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sent:
        _, secret = ApiKey.make("bench-billing", ["q2c.add_event", "q2c.add_invoice"])
        headers = {"Authorization": f"Bearer {secret}"}
        self.clients = Clients(os.environ["Q2C_BENCH_URL"], "/api/v1/events", headers, CLIENTS)
        return self

    def __exit__(self, *_: object) -> None:
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait()

    def run(self) -> tuple[int, float]:
        if self.worker is None:
            # Not before: it would take the steps of what is measured without it.
            (finance,) = (process for process in processes.WORKERS if process.name == "finance")
            command = [sys.executable, "-m", *finance.arguments()]
            self.worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        invoices = books.documents(self.count)
        bodies = [_event(invoice) for invoice in invoices]
        documents = [f"invoice:{invoice.invoice_number}" for invoice in invoices]
        began = time.perf_counter()
        connecting_s = -self.clients.send(bodies, "application/cloudevents+json")
        connecting_s += time.perf_counter() - began
        entries = JournalEntry.objects.filter(business_document__in=documents, state="ready")
        while (booked := entries.count()) < self.count:
            if time.perf_counter() - began > BOOKED_S_MAX:
                raise RuntimeError(f"{booked} of {self.count} booked after {BOOKED_S_MAX} s")
            time.sleep(0.01)
        took_s = time.perf_counter() - began - connecting_s
        in_the_books([entry.event_id for entry in entries])
        connection.close()
        return self.count, took_s


def _event(invoice: InvoiceDocument) -> bytes:
    return msgspec.json.encode({
        "specversion": "1.0", "id": invoice.invoice_number, "source": "bench-billing", "type": "InvoiceIssued",
        "time": clock.now().isoformat(), "datacontenttype": "application/json", "data": invoice,
    })  # fmt: skip
