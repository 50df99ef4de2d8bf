"""A worker is stopped in the middle of a batch, as a machine that is frozen, and goes on after its lease is over.

Four journals go to NetSuite over a connection with one place. The first is being booked when the worker stops; three wait
for the place. Another worker takes all four over and finishes them. The first one wakes up and sends nothing more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from exceptions.models import Case
from q2c import clock
from q2c.demo.company import ERP
from q2c.engine import run, sweep
from q2c.models import Attempt, Connection, Step, Transition
from tests.scenarios.conftest import Story
from tests.scenarios.test_lost_answer import training, unposted  # noqa: F401
from tests.scenarios.workers import environment, until

LEASE_S = 2
# The engine as a worker runs it, under a lease shorter than a worker may be given.
_RUN = f"""
import django; django.setup()
from django.conf import settings; settings.LEASE_S = {LEASE_S}
from q2c.engine import run; run.run_stage("post_journal")
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.live
@pytest.mark.usefixtures("unposted")
def test_a_worker_that_lost_its_lease_sends_nothing_and_records_nothing(
    today: Story, tmp_path: Path, closing_connections: None
) -> None:
    today.close(*[training(f"SO-{number}", clock.today()) for number in range(4101, 4105)])
    numbers = today.bill()
    Connection.objects.filter(name=ERP).update(concurrency=1, time_limit_s=3, settle_s=1)
    today.platforms.fault(ERP, "latency", "create_journal", value=1000, times=1)
    stopped = begun(tmp_path / "first.log")
    try:
        until(lambda: any(fault["hits"] for fault in today.platforms.control(ERP, "faults", method="GET")))
        os.kill(stopped.pid, signal.SIGSTOP)
        mine = set(Step.objects.filter(state="running").values_list("lease", flat=True))
        assert Step.objects.filter(state="running").count() == 4 and len(mine) == 1
        until(lambda: sweep.sweep()["lost"] == 4)
        until(_finished_by_another)
        sent = _sent()
        proofs = list(Step.objects.filter(stage="post_journal").order_by("seq").values_list("proof", "finished_at"))
        os.kill(stopped.pid, signal.SIGCONT)
        assert stopped.wait(20) == 0, (tmp_path / "first.log").read_text()
    finally:
        stopped.kill()
        stopped.wait()
    assert len(today.documents()) == len(numbers) == 4
    # Of the first one only the request that had left before it was stopped.
    assert (sent, _sent()) == (3, 4)
    steps = Step.objects.filter(stage="post_journal").order_by("seq")
    assert list(steps.values_list("proof", "finished_at")) == proofs
    assert Transition.objects.filter(machine="q2c_step", record_id__in=steps, target="done").count() == 4
    assert not Case.objects.exists()


def begun(log: Path) -> subprocess.Popen[bytes]:
    variables = {**environment(), "DJANGO_SETTINGS_MODULE": "q2c.settings"}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN], cwd=settings.BASE_DIR, env=variables, stdout=file, stderr=file
        )


def _finished_by_another() -> bool:
    run.drain("post_journal")
    return not Step.objects.filter(stage="post_journal").exclude(state="done").exists()


def _sent() -> int:
    """How many requests that make a journal left q2c, as far as is on record."""
    made = Attempt.objects.filter(method="POST", url__contains="journalEntry")
    return made.exclude(error__startswith="NotSent").count()
