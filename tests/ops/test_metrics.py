"""What Prometheus is told, whom it is told to, and that processes are added up."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from exceptions.models import Facet
from ledger import journal
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.engine import run
from q2c.models import Breaker, Connection, Order, PollCursor, Step, WorkerSeen
from q2c.ops import figures, readiness
from tests.engine import makers
from tests.engine.records import made

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def scraped(client: Any, **headers: Any) -> dict[tuple[str, ...], float]:
    """{(name, values of the labels by their names…): value}"""
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (s.name, *(value for _, value in sorted(s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def step(stage: str, state: str = "waiting", **columns: Any) -> Step:
    """A step in a state that it came to by legal moves."""
    ways = {"waiting": [], "running": ["running"], "failed": ["running", "failed"], "done": ["running", "done"]}
    part = f"part {Step.objects.count()}"
    found = made(
        Step, **{"stage": stage, "part": part, "next_at": clock.now(), "order_key": "", "connection": "", **columns}
    )
    for target in ways[state]:
        Step.objects.filter(id=found.id).update(state=target)
    return found


def test_business_figures(client):
    with clock.at(NOON):
        for number in ("O-1", "O-2", "O-3"):
            made(Order, number=number)
        Order.objects.filter(number="O-1").update(state="accepted")
        Order.objects.filter(number="O-2").update(state="rejected")
        step("accept_order", next_at=NOON - dt.timedelta(minutes=5))
        step("accept_order", next_at=NOON + dt.timedelta(minutes=5))
        step("post_journal", "failed")
        step("post_journal", "done")
        for cases, amount_minor in ((3, 50_000), (-1, -20_000)):
            Facet.objects.create(
                state="open", reason="period_closed", owner_team="finance", severity="high", entity="DE",
                period="2026-02", currency="EUR", cases=cases, amount_minor=amount_minor,
            )  # fmt: skip
        made(Connection, name="erp-us")
        made(Connection, name="billing", service="billing")
        Breaker.objects.create(connection="erp-us", failures=7, opened_at=NOON)
        PollCursor.objects.create(
            connection="billing", reached=NOON, polled_at=NOON - dt.timedelta(seconds=2), text="Too many calls",
            read_at=NOON - dt.timedelta(seconds=12), failing_at=NOON - dt.timedelta(seconds=2),
        )  # fmt: skip
        found = scraped(client)
    assert {key[2]: value for key, value in found.items() if key[:2] == ("q2c_records", "order")} == {
        "accepted": 1, "received": 1, "rejected": 1,
    }  # fmt: skip
    assert found["q2c_steps_open", "accept_order", "waiting"] == 2
    assert found["q2c_steps_open", "post_journal", "failed"] == 1
    assert ("q2c_steps_open", "post_journal", "done") not in found
    assert found["q2c_step_oldest_due_seconds", "accept_order"] == 300
    assert found["q2c_cases_open", "EUR", "finance"] == 2
    assert found["q2c_cases_open_amount_minor", "EUR", "finance"] == 30_000
    assert (found["q2c_breaker_open", "erp-us"], found["q2c_breaker_open", "billing"]) == (1, 0)
    assert found["q2c_breaker_failures", "erp-us"] == 7
    assert found["q2c_poll_age_seconds", "billing"] == 12, "a try is no read"
    assert not any(key[0] == "q2c_posting_success_ratio" for key in found)


def test_a_source_that_nobody_reads_is_seen_also_if_it_never_was_and_one_out_of_use_is_not(client):
    with clock.at(NOON - dt.timedelta(minutes=7)):
        made(Connection, name="crm", service="crm")
        made(Connection, name="billing", service="billing")
        made(Connection, name="old", service="billing", active=False)
        made(Connection, name="erp-us", service="journals")
    for name in ("billing", "old"):
        PollCursor.objects.create(connection=name, reached=NOON, read_at=NOON - dt.timedelta(minutes=3))
    with clock.at(NOON):
        found = scraped(client)
    ages = {key[1]: value for key, value in found.items() if key[0] == "q2c_poll_age_seconds"}
    assert ages["billing"] == 180
    assert ages.keys() == {"billing", "crm"}


def test_held_and_paused_steps_do_not_look_as_if_workers_were_late(client):
    with clock.at(NOON):
        early = NOON - dt.timedelta(hours=1)
        step("provision_billing", "failed", order_key="order:1")
        step("provision_billing", next_at=early, order_key="order:1")
        step("post_journal", next_at=early, connection="erp-us")
        Breaker.objects.create(connection="erp-us", failures=7, opened_at=NOON)
        found = scraped(client)
    assert not any(key[0] == "q2c_step_oldest_due_seconds" for key in found)
    assert {key[1:]: value for key, value in found.items() if key[0] == "q2c_step_oldest_held_seconds"} == {
        ("provision_billing",): 3600
    }, "a paused one waits for its platform, and for no step"


def _reversed(entry: JournalEntry) -> None:
    """Its mirror is posted."""
    mirror = journal.reverse(entry.id, clock.today(), keys.new_id(), "billed twice").entry_id
    assert mirror is not None
    journal.mark_posting([mirror])
    journal.mark_posted([journal.Document(mirror, "JE-9", "9")])


def test_the_share_of_journals_that_the_ledger_took(client, company):
    """The day before, its month was closed there and two were refused. In the last 24 hours three were taken, of which
    one was reversed by a fourth, and one was refused; another waits to be sent, of which nothing is known yet."""
    ledger, since = company["erp-de"], makers.NOW - dt.timedelta(hours=24)
    with clock.at(since - dt.timedelta(minutes=5)):
        sold = makers.order()
        ledger.closed.add("2026-10")
        for number in ("OLD-1", "OLD-2"):
            makers.issue(number, sold)
        makers.run_all()
        ledger.closed.clear()
    with clock.at(since + dt.timedelta(minutes=5)):
        for number in ("INV-1", "INV-2", "INV-3"):
            makers.issue(number, sold)
        makers.run_all()
        _reversed(JournalEntry.objects.get(business_document="invoice:INV-1"))
        ledger.closed.add("2026-10")
        makers.issue("INV-4", sold)
        makers.run_all()
        makers.issue("INV-5", sold)
        run.drain("record_invoice")
    found = scraped(client)
    assert found["q2c_posting_success_ratio",] == 0.8
    assert {key[1]: value for key, value in found.items() if key[0] == "q2c_journals_24h"} == {
        "posted": 3, "reversed": 1, "blocked": 1, "ready": 1,
    }  # fmt: skip
    assert found["q2c_steps_open", "post_journal", "failed"] == 3


def test_a_figure_that_fails_is_said_to_have_and_spares_the_others(client, monkeypatch):
    def slow():
        raise OperationalError("canceling statement due to statement timeout")

    slow.__name__ = "records"
    monkeypatch.setattr(figures, "FIGURES", (slow, figures.signs_of_life, figures.breakers))
    made(Connection, name="erp-us")
    found = scraped(client)
    assert (found["q2c_figure_failed", "records"], found["q2c_figure_failed", "breakers"]) == (1, 0)
    assert found["q2c_breaker_open", "erp-us"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_holds_nobody_who_scrapes(client, monkeypatch):
    """It takes the connection and says nothing, as a server that is stopped does; its pooled ones say nothing either."""
    real = connection.get_connection_params
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = {"host": "127.0.0.1", "port": str(silent.getsockname()[1])}
        monkeypatch.setattr(connection, "get_connection_params", lambda: {**real(), **there})
        monkeypatch.setattr(figures, "_rows", lambda *_: pytest.fail("it was asked all the same"))
        began = time.monotonic()
        found = scraped(client)
    assert {value for (name, *_), value in found.items() if name == "q2c_figure_failed"} == {1}
    assert any(not name.startswith("q2c_figure_failed") for name, *_ in found), "what processes count is told"
    assert time.monotonic() - began < 3 * readiness.LIMIT_S


@pytest.mark.django_db(transaction=True)
def test_signs_of_life(client):
    with clock.at(NOON):
        WorkerSeen.objects.create(queue="posting", seen_at=NOON - dt.timedelta(seconds=8))
        assert scraped(client)["q2c_seen_age_seconds", "posting"] == 8


# Who may ask


@pytest.mark.parametrize(
    ("token", "given", "status"),
    [
        ("", {}, 200),
        ("", {"REMOTE_ADDR": "10.0.0.7"}, 403),
        ("", {"HTTP_X_FORWARDED_FOR": "10.0.0.7"}, 403),
        ("", {"HTTP_X_FORWARDED_PROTO": "https"}, 403),
        ("a token of the tests", {}, 401),
        ("a token of the tests", {"HTTP_AUTHORIZATION": "Bearer another token"}, 401),
        ("a token of the tests", {"HTTP_AUTHORIZATION": "Bearer ä"}, 401),
        (
            "a token of the tests",
            {"HTTP_AUTHORIZATION": "Bearer a token of the tests", "REMOTE_ADDR": "10.0.0.7"},
            200,
        ),
    ],
)
def test_a_token_or_this_machine_itself(client, settings, token, given, status):
    settings.METRICS_TOKEN = token
    assert client.get("/metrics", **given).status_code == status


def test_behind_a_proxy_this_machine_is_anybody(client, settings):
    settings.BEHIND_PROXY = True
    answer = client.get("/metrics")
    assert answer.status_code == 403 and "Q2C_METRICS_TOKEN" in answer.content.decode()
    settings.METRICS_TOKEN = "a token of the tests"
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer a token of the tests").status_code == 200


# More than one process

_COUNTS = """
import os
from prometheus_client import Counter
from q2c.connectors.http import CALLS, SECONDS
CALLS.labels("erp-us", "create", "2xx").inc({count})
SECONDS.labels("erp-us", "create").observe(0.2)
"""


def test_processes_of_one_machine_are_added_up(client, settings, tmp_path):
    for count in (2, 3):
        subprocess.run(
            [sys.executable, "-c", _COUNTS.format(count=count)], check=True, cwd=Path(__file__).parents[2],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        )  # fmt: skip
    settings.METRICS_DIR = str(tmp_path)
    found = scraped(client)
    assert found["q2c_platform_calls_total", "erp-us", "create", "2xx"] == 5
    assert found["q2c_platform_call_seconds_count", "erp-us", "create"] == 2


def test_what_the_engine_did_is_counted(client, django_capture_on_commit_callbacks):
    from q2c.engine import counts

    before = scraped(client).get(("q2c_events_total", "OrderAccepted"), 0)
    counts.stored(["OrderAccepted", "OrderAccepted", "JournalPosted"])
    assert scraped(client)["q2c_events_total", "OrderAccepted"] == before + 2
