"""Orders over HTTP, in batches and singly, beside raw inserts of the same rows and beside DRF serializers."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg

from q2c import clock, keys
from q2c.models import ApiKey
from tests.bench import raw
from tests.bench.measure import Comparison

LINES, BATCHES, CLIENTS = 500, 8, 2
SINGLES, SINGLE_CLIENTS = 800, 8
_numbers = itertools.count(1)


@contextmanager
def comparisons(size: int) -> Iterator[list[Comparison]]:
    _, secret = ApiKey.make("bench", ["q2c.add_event"])
    ours = Client(os.environ["Q2C_BENCH_URL"], "/api/v1/events", {"Authorization": f"Bearer {secret}"})
    with raw.copy_of("q2c_event") as names, drf() as url:
        theirs = Client(url, "/events", {})
        table = names["q2c_event"]
        batch = ours.batches
        single = ours.singles
        yield [
            Comparison("intake over HTTP, NDJSON batches of 500", "events/s", lambda: batch("application/x-ndjson"),
                       lambda: raw.in_threads(CLIENTS, lambda c, n: _raw_batches(c, table)),
                       f"unnest with ON CONFLICT, same columns, {CLIENTS} connections", 0.60),
            Comparison("intake over HTTP, NDJSON batches of 500", "events/s", lambda: batch("application/x-ndjson"),
                       lambda: theirs.batches("application/json", BATCHES // 4), "DRF serializers and bulk_create", 20),
            Comparison("intake over HTTP, single, 8 clients", "events/s", lambda: single(SINGLES),
                       lambda: raw.in_threads(SINGLE_CLIENTS, lambda c, n: _raw_singles(c, table)),
                       "psycopg single insert, 8 connections", 0.30),
            Comparison("intake over HTTP, single, 8 clients", "events/s", lambda: single(SINGLES),
                       lambda: theirs.singles(SINGLES // 4), "DRF nested serializers", 5),
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


class Client:
    """Sends bodies made beforehand over as many kept-open connections as there are clients."""

    def __init__(self, url: str, path: str, headers: dict[str, str]) -> None:
        self.host, self.path, self.headers = urlsplit(url).netloc, path, headers

    def batches(self, kind: str, count: int = BATCHES) -> tuple[int, float]:
        def body() -> bytes:
            items = [envelope() for _ in range(LINES)]
            if kind == "application/json":
                return json.dumps(items).encode()
            return b"\n".join(json.dumps(item).encode() for item in items)

        return self._send([body() for _ in range(count)], kind, CLIENTS, LINES)

    def singles(self, count: int) -> tuple[int, float]:
        kind = "application/cloudevents+json" if self.headers else "application/json"
        return self._send([json.dumps(envelope()).encode() for _ in range(count)], kind, SINGLE_CLIENTS, 1)

    def _send(self, bodies: list[bytes], kind: str, clients: int, each: int) -> tuple[int, float]:
        failed: list[str] = []

        def run(mine: list[bytes]) -> None:
            connection = http.client.HTTPConnection(self.host, timeout=60)
            for body in mine:
                connection.request("POST", self.path, body, {"Content-Type": kind, **self.headers})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status != 202:
                    failed.append(f"{answer.status} {said[:300]!r}")
            connection.close()

        threads = [threading.Thread(target=run, args=[bodies[n::clients]]) for n in range(clients)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - began
        assert not failed, failed[0]
        return len(bodies) * each, took_s


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
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _rows(count: int) -> list[tuple[uuid.UUID, str, str, bytes]]:
    found = []
    for _ in range(count):
        document = envelope()
        payload = json.dumps(document["data"])
        found.append((keys.new_id(), str(document["id"]), payload, keys.fingerprint(payload.encode())))
    return found


def _insert(c: psycopg.Connection[Any], table: str, rows: list[tuple[uuid.UUID, str, str, bytes]]) -> None:
    c.execute(raw.EVENTS.format(table=table), [list(column) for column in zip(*rows, strict=True)], binary=True)


def _raw_batches(c: psycopg.Connection[Any], table: str) -> int:
    for _ in range(BATCHES // CLIENTS):
        _insert(c, table, _rows(LINES))
    return LINES * BATCHES // CLIENTS


def _raw_singles(c: psycopg.Connection[Any], table: str) -> int:
    for row in _rows(SINGLES // SINGLE_CLIENTS):
        _insert(c, table, [row])
    return SINGLES // SINGLE_CLIENTS
