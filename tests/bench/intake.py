"""Orders over HTTP, in batches and singly, beside raw inserts of the same rows and beside DRF serializers.

Bodies and rows are made, connections opened and used, before the clock runs, on either side.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from q2c import clock, keys
from q2c.models import ApiKey
from tests.bench import raw
from tests.bench.clients import Clients
from tests.bench.measure import Comparison, Side
from tests.bench.sizes import Sizes

BATCH_CLIENTS, SINGLE_CLIENTS = 2, 8
# DRF is measured on a part of the work: all of it would take minutes.
DRF_SHARE = 4
_numbers = itertools.count(1)


@contextmanager
def comparisons(sizes: Sizes) -> Iterator[list[Comparison]]:
    _, secret = ApiKey.make("bench", ["q2c.add_event"])
    ours = (os.environ["Q2C_BENCH_URL"], "/api/v1/events", {"Authorization": f"Bearer {secret}"})
    with ExitStack() as stack:
        table = stack.enter_context(raw.copy_of("q2c_event"))["q2c_event"]
        theirs = (stack.enter_context(drf()), "/events", {})
        crew = stack.enter_context(raw.Crew(SINGLE_CLIENTS))

        def inserting(statement: str, lines: int, times: int, connections: int) -> Side:
            return lambda: _inserted(crew, statement.format(table=table), lines, times, connections)

        batches, singles = "intake over HTTP, NDJSON batches of 500", "intake over HTTP, single, 8 clients"
        our_batches = _sending(Clients(*ours, BATCH_CLIENTS), _ndjson, sizes.lines, sizes.requests)
        our_singles = _sending(Clients(*ours, SINGLE_CLIENTS), _cloudevent, 1, sizes.singles)
        yield [
            Comparison(batches, "events/s", our_batches, inserting(raw.EVENTS, sizes.lines, sizes.requests, BATCH_CLIENTS),
                       f"unnest with ON CONFLICT, same columns, {BATCH_CLIENTS} connections", 0.60),
            Comparison(batches, "events/s", our_batches,
                       _sending(Clients(*theirs, BATCH_CLIENTS), _json, sizes.lines, sizes.requests // DRF_SHARE),
                       "DRF serializers and bulk_create", 20),
            Comparison(singles, "events/s", our_singles, inserting(raw.EVENT, 1, sizes.singles, SINGLE_CLIENTS),
                       f"psycopg single insert, {SINGLE_CLIENTS} connections", 0.30),
            Comparison(singles, "events/s", our_singles,
                       _sending(Clients(*theirs, SINGLE_CLIENTS), _json_one, 1, sizes.singles // DRF_SHARE),
                       "DRF nested serializers", 5),
        ]  # fmt: skip


def envelope() -> dict[str, Any]:
    """An order of about 2 KB with a unique id."""
    number = f"O-{next(_numbers)}-{uuid.uuid4().hex[:8]}"
    lines = [
        {"line": n, "product": product, "group": "us", "kind": "recurring", "quantity": "25", "unit_price": "48.00",
         "price_period": "month", "amount_minor": 1_440_000, "billing": {"frequency": "monthly"},
         "revenue_treatment": "ratable_daily", "description": "Tern Platform, per seat, with everything that belongs to it"}
        for n, product in enumerate(("PLATFORM", "ANALYTICS", "SUPPORT-PLUS", "TRAINING"), 1)
    ]  # fmt: skip
    data = {
        "order_number": number, "customer": "C-1000", "contract_entity": "US", "currency": "USD",
        "closed_on": "2026-03-02", "starts_on": "2026-04-01", "term_months": 12,
        "parties": [{"key": f"C-{1000 + n}", "name": f"Customer {n} of the group, Incorporated"} for n in range(3)],
        "groups": [{"key": "us", "region": "US", "bill_to": "C-1000", "currency": "USD",
                    "ship_to": {"country": "US", "city": "Springfield"}}],
        "lines": lines,
    }  # fmt: skip
    return {
        "specversion": "1.0", "id": number, "source": "bench", "type": "OrderReceived",
        "time": clock.now().isoformat(), "datacontenttype": "application/json", "data": data,
    }  # fmt: skip


# A body of so many events, with its media type.
Body = Callable[[int], tuple[bytes, str]]


def _ndjson(count: int) -> tuple[bytes, str]:
    return b"\n".join(json.dumps(envelope()).encode() for _ in range(count)), "application/x-ndjson"


def _cloudevent(_: int) -> tuple[bytes, str]:
    return json.dumps(envelope()).encode(), "application/cloudevents+json"


def _json(count: int) -> tuple[bytes, str]:
    return json.dumps([envelope() for _ in range(count)]).encode(), "application/json"


def _json_one(_: int) -> tuple[bytes, str]:
    return json.dumps(envelope()).encode(), "application/json"


def _sending(clients: Clients, body: Body, lines: int, requests: int) -> Side:
    def run() -> tuple[int, float]:
        made = [body(lines) for _ in range(requests)]
        return lines * requests, clients.send([bytes_ for bytes_, _ in made], made[0][1])

    return run


def _inserted(crew: raw.Crew, sql: str, lines: int, times: int, connections: int) -> tuple[int, float]:
    batches = [[_row() for _ in range(lines)] for _ in range(times)]
    # A single row as values, more of them as arrays.
    made = [_one(*batch) if lines == 1 else [list(column) for column in zip(*batch, strict=True)] for batch in batches]
    written, took_s = crew.run([(sql, parameters) for parameters in made], connections)
    assert written == lines * times, f"{written} of {lines * times} inserted"
    return written, took_s


_Row = tuple[uuid.UUID, str, str, bytes]


def _row() -> _Row:
    document = envelope()
    payload = json.dumps(document["data"])
    return keys.new_id(), str(document["id"]), payload, keys.fingerprint(payload.encode())


def _one(row: _Row) -> list[Any]:
    id_, source_id, payload, hash_ = row
    return [id_, source_id, id_, payload, hash_]


@contextmanager
def drf() -> Iterator[str]:
    """The baseline's server: gunicorn with as many processes and threads as ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "tests.bench.drf_wsgi:application", "--bind", f"127.0.0.1:{port}",
               "--workers", "2", "--threads", "8", "--worker-class", "gthread", "--no-control-socket"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
