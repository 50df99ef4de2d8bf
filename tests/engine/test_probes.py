"""Platforms that are silent are probed side by side, each by one prober; the sweeper waits for none of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from q2c import clock, tasks
from q2c.celery import HOUSEKEEPING, INBOUND, QUEUES, TASKS, app
from q2c.connectors.outcomes import Unavailable
from q2c.engine import breaker, desk, sweep, watch
from q2c.models import Breaker, WorkerSeen
from q2c.stages import STAGES
from tests.engine import paper
from tests.engine.makers import NOW, case, issue, order, person, run_all

LATER = NOW + clock.seconds(60)
LIMIT_S = 5.0


class Silent:
    """Probes of these connections get no answer until `ends`, whose names `asked` keeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.ends, self.asked = threading.Event(), list[str]()
        self._names, answers = names, paper.PaperLedger.probe

        def probe(ledger: Any) -> Unavailable | None:
            self.asked.append(ledger.config.name)
            if ledger.config.name not in self._names:
                return answers(ledger)
            self.ends.wait(LIMIT_S)
            return Unavailable(text="it took too long")

        monkeypatch.setattr(paper.PaperLedger, "probe", probe)


def open_breakers(*names: str) -> None:
    for name in names:
        Breaker.objects.update_or_create(
            connection=name, defaults={"failures": 5, "opened_at": NOW, "probe_at": NOW, "text": "no answer"}
        )


def is_open(name: str) -> bool:
    return Breaker.objects.get(connection=name).is_open


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    ends = time.monotonic() + seconds
    while not (found := happens()) and time.monotonic() < ends:
        time.sleep(0.02)
    return found


def beginning(act: Callable[[], Any]) -> threading.Thread:
    """On a thread and a database connection of its own."""

    def closing() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=closing)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_one_that_answers_goes_on_before_one_that_is_silent_has_used_up_its_time(
    committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other prober asks the silent one meanwhile."""
    silent = Silent(monkeypatch, "erp-de")
    open_breakers("erp-de", "erp-us")
    with clock.at(LATER):
        first = beginning(breaker.probe_due)
        assert within(3, lambda: not is_open("erp-us")), "it waited for the silent one"
        began = time.monotonic()
        assert breaker.probe_due() == []
        assert time.monotonic() - began < LIMIT_S / 2
        silent.ends.set()
        first.join()
        assert sorted(silent.asked) == ["erp-de", "erp-us"]
        row = Breaker.objects.get(connection="erp-de")
        assert (row.failures, row.text, row.probe_at) == (6, "it took too long", LATER + clock.seconds(5))
        assert breaker.probe_due() == [], "its next time has not come"
    assert len(silent.asked) == 2


@pytest.mark.django_db
def test_a_probe_that_breaks_keeps_no_other_closed(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(ledger: Any) -> None:
        if ledger.config.name == "erp-de":
            raise RuntimeError("no such option")

    monkeypatch.setattr(paper.PaperLedger, "probe", probe)
    open_breakers("erp-de", "erp-us", "gone-by-now")
    with clock.at(LATER):
        assert sorted(breaker.probe_due()) == ["erp-us", "gone-by-now"]
    assert Breaker.objects.get(connection="erp-de").text == (
        "Probing broke: RuntimeError: no such option. Check the credentials and options of the connection"
    )


@pytest.mark.django_db
def test_of_the_threads_of_a_worker_probes_take_two(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with tasks._probing, tasks._probing:
        monkeypatch.setattr(breaker, "probe_due", lambda: 1 // 0)
        assert tasks.probe_platforms() == 0
    monkeypatch.setattr(breaker, "probe_due", lambda: ["erp-us"])
    assert tasks.probe_platforms() == 1


@pytest.mark.django_db
def test_the_sweeper_and_all_that_runs_beside_it_ask_no_platform(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breaker to probe, a blocker to watch, an offer and a replay to look at: all of it is left to inbound."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    sold = order()
    for number in ("INV-1", "INV-2", "INV-3"):
        issue(number, sold)
    run_all()
    monkeypatch.setattr(desk, "LOOK_NOW", 1)
    desk.plan(person("ann"), [case(number).id for number in ("INV-1", "INV-2")])
    company["erp-de"].inactive.clear()
    watch.watch_blockers()
    open_breakers("erp-us")
    asked = Asked(monkeypatch)
    with clock.at(LATER):
        for name, (queue, _) in TASKS.items():
            if queue == HOUSEKEEPING:
                getattr(tasks, name)()
        assert asked.names == []
        assert WorkerSeen.objects.get(queue=sweep.SIGN_OF_LIFE).seen_at == LATER
        # What was left is there to be asked.
        assert tasks.look_at_replays() == 1 and tasks.look_at_offers() == 3 and tasks.probe_platforms() == 1
    assert {"erp-de", "erp-us"} == set(asked.names)


class Asked:
    """Which connections were opened, to be asked something."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        opened = breaker.registry.open_connector

        def opens(config: Any) -> Any:
            self.names.append(config.name)
            return opened(config)

        monkeypatch.setattr("q2c.connectors.registry.open_connector", opens)


def test_no_stage_runs_beside_the_polls_and_every_task_has_its_queue() -> None:
    assert INBOUND not in {stage.queue for stage in STAGES.values()}
    ours = {name.removeprefix("q2c.tasks.") for name in app.tasks if name.startswith("q2c.tasks.")}
    assert ours == {*TASKS, "run_stage", "seen"}
    assert {queue for queue, _ in TASKS.values()} == {HOUSEKEEPING, INBOUND}
    beats = {
        row["args"][0]: row["options"]["queue"] for row in app.conf.beat_schedule.values() if "seen" in row["task"]
    }
    assert beats == {queue: queue for queue in QUEUES}, "each hears its own, whatever another queue is at"


@pytest.mark.django_db(transaction=True)
def test_a_worker_says_that_it_lives_while_a_platform_keeps_its_threads(
    committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SIGN_S", 0.1)
    silent = Silent(monkeypatch, "erp-de")
    open_breakers("erp-de")
    with clock.at(LATER):
        probing = beginning(tasks.probe_platforms)
        assert within(3, lambda: WorkerSeen.objects.filter(queue=INBOUND).exists())
        silent.ends.set()
        probing.join()
