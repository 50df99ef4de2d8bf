"""Web, workers and schedule as they really run: ready together, counted together, one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from q2c.api.parsing import EVENT_MAX, JSON, STRUCTURED
from q2c.local import room
from q2c.local.processes import QUEUES
from tests.api.test_bad_input import BAD

pytestmark = pytest.mark.live
ID = "0199c0de-0000-7000-8000-00000000000a"
_SERVERS = (
    "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SANDBOX_URL", "SANDBOX_DATABASE_URL", "Q2C_AS_OWNER",
    "Q2C_SECRET_KEY",
)  # fmt: skip
# A deal of nobody's: refused by the controls, in a worker.
_DEAL = f"""
import datetime as dt, uuid
from q2c import clock
from q2c.contracts.documents import Address, Billing, InvoiceGroup, OrderDocument, OrderLine
from q2c.engine import emit
import msgspec
order = OrderDocument(
    order_number="O-1", customer="C-404", contract_entity="US01", currency="USD", closed_on=dt.date(2026, 1, 5),
    starts_on=dt.date(2026, 2, 1), term_months=12,
    groups=(InvoiceGroup(key="a", region="US", bill_to="C-404", ship_to=Address(country="US"), currency="USD"),),
    lines=(OrderLine(line=1, product="P-404", group="a", kind="one_time", amount_minor=100,
                     billing=Billing(frequency="once"), revenue_treatment="point_in_time"),))
emit.store([emit.Incoming(type="OrderReceived", source="test", source_id="1", occurred_at=clock.now(), payload=order, version=1,
            causation_id=None,
            raw=msgspec.json.encode(order), correlation_id=uuid.UUID("{ID}"))])
"""


@pytest.fixture(scope="module")
def control_room(tmp_path_factory: Any) -> Iterator[room.Room]:
    where = tmp_path_factory.mktemp("room") / "room"
    where.parent.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        # Servers of its own, and the application's role instead of the owner.
        for name in _SERVERS:
            patch.delenv(name, raising=False)
        with room.running(where, durable=False, remove=True) as found:
            yield found


@pytest.fixture(scope="module")
def api_key(control_room: room.Room) -> str:
    """Of an upstream system, made by the command that operators use."""
    said: list[str] = []
    scopes = [f"--scope=q2c.{right}" for right in ("add_event", "add_order", "add_invoice", "cancel_order")]
    control_room.manage("make_api_key", "webshop", *scopes, heard=said.append)
    return next(word for line in said for word in line.split() if word.startswith("q2c_"))


def figures(control_room: room.Room) -> dict[tuple[str, ...], float]:
    text = requests.get(f"{control_room.url}/metrics", timeout=20).text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def test_all_are_ready_and_what_a_worker_did_the_web_tells(control_room):
    assert requests.get(f"{control_room.url}/healthz", timeout=10).text == "ok\n"
    assert requests.get(f"{control_room.url}/readyz", timeout=10).json()["ready"] is True
    control_room.manage("shell", "--command", _DEAL)
    wanted = {
        ("q2c_events_total", "OrderReceived"): 1,
        ("q2c_steps_total", "failed", "accept_order"): 1,
        ("q2c_steps_open", "accept_order", "failed"): 1,
    }
    ends = time.monotonic() + 30
    while not (wanted.items() <= (found := figures(control_room)).items()) and time.monotonic() < ends:
        time.sleep(0.3)
    assert wanted.items() <= found.items(), {k: v for k, v in found.items() if k[0].startswith("q2c_steps")}
    assert sum(value for key, value in found.items() if key[0] == "q2c_cases_open") == 1


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_taken_gets_its_error_from_the_real_server(control_room, api_key, what):
    """The rest of what is said of each: tests/api/test_bad_input.py."""
    body, status, code, pointer = BAD[what]
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": STRUCTURED}
    answer = requests.post(f"{control_room.url}/api/v1/events", data=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    first = answer.json()["errors"][0]
    assert (first["code"], first["pointer"]) == (code, pointer)


@pytest.mark.parametrize(
    ("noun", "kind", "remedy"), [("events", STRUCTURED, "Split it"), ("orders", JSON, "Shorten its texts")]
)
def test_20_mb_are_refused_by_the_real_server(control_room, api_key, noun, kind, remedy):
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": kind}
    body = b'{"data": "' + b"A" * 20_000_000 + b'"}'
    answer = requests.post(f"{control_room.url}/api/v1/{noun}", data=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json()["most"] == EVENT_MAX and remedy in answer.json()["remedy"]


def test_each_line_of_each_process_is_json_and_has_its_id(control_room):
    requests.get(f"{control_room.url}/nowhere", headers={"X-Correlation-Id": ID}, timeout=10)
    logs = {path.stem: path.read_text().splitlines() for path in Path(control_room.logs).glob("*.log")}
    ours = {"web", "beat", "sandboxes", *QUEUES}
    assert ours <= logs.keys()
    for name in sorted(ours):
        lines = [json.loads(line) for line in logs[name]]
        assert lines, name
        assert all("correlation_id" in line and line["event"] and line["timestamp"] for line in lines), name
    said = [line for line in map(json.loads, logs["web"]) if line["logger"] == "django.request"]
    assert ID in [line["correlation_id"] for line in said]
