"""All platforms accept connections and never answer; Quote to Cash is ready all the while, and sweeps.

Real workers and the real schedule, as production starts them.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.test import Client

from q2c import clock
from q2c.celery import QUEUES
from q2c.engine.sweep import SIGN_OF_LIFE
from q2c.local.processes import BEAT
from q2c.models import Breaker, Connection, WorkerSeen
from tests.scenarios.conftest import Story
from tests.scenarios.workers import environment, process, until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

# Longer than the test looks on.
LIMIT_S = 120.0
LOOKS_ON_S = 24.0
# A sweep comes every 3 s, a heartbeat every 10 s; the machine may be slow.
SWEPT_S_MAX, SEEN_S_MAX = 12.0, 22.0


@contextmanager
def silence() -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of a server that accepts and says nothing, and who came."""
    came: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def accept() -> None:
            while True:
                try:
                    came.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        server.shutdown(socket.SHUT_RDWR)
    for one in came:
        one.close()


def test_silent_platforms_stop_neither_the_sweeper_nor_any_sign_of_life(
    today: Story, tmp_path: Path, client: Client, closing_connections: None
) -> None:
    moment = clock.now()
    with silence() as (address, came), ExitStack() as stack:
        Connection.objects.update(base_url=address, time_limit_s=LIMIT_S)
        polled = {"crm", "billing"}
        for name in Connection.objects.filter(active=True).exclude(service__in=polled).values_list("name", flat=True):
            Breaker.objects.update_or_create(
                connection=name, defaults={"failures": 5, "opened_at": moment, "probe_at": moment, "text": "silent"}
            )
        down = Breaker.objects.filter(opened_at__isnull=False).count()
        assert down >= 3
        log = tmp_path / "workers.log"
        stages = tuple(queue for queue in QUEUES if queue not in ("outbound", "inbound"))
        for queues, name in ((stages, "stages"), (("outbound",), "outbound"), (("inbound",), "inbound")):
            stack.enter_context(worker(*queues, log=log, name=name))
        stack.enter_context(process(BEAT.arguments(folder=tmp_path), environment(), tmp_path / "beat.log"))
        # Every breaker is probed and every source read, none of which comes to its end.
        until(lambda: len(came) >= down + len(polled), 60, lambda: f"{len(came)} came")
        ends = time.monotonic() + LOOKS_ON_S
        while time.monotonic() < ends:
            assert ages_s()[SIGN_OF_LIFE] < SWEPT_S_MAX
            time.sleep(0.5)
        found = ages_s()
        assert max(found[queue] for queue in QUEUES) < SEEN_S_MAX, found
        answer = client.get(f"/readyz?within={SEEN_S_MAX:.0f}")
        assert answer.status_code == 200, answer.content
        assert Breaker.objects.filter(opened_at__isnull=False, failures=5).count() == down, "a probe was over"


def ages_s() -> dict[str, float]:
    return {row.queue: (clock.now() - row.seen_at).total_seconds() for row in WorkerSeen.objects.all()}
