"""Redis accepts connections and answers none, as a process that was stopped does: requests hardly notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from kombu.pools import reset

from q2c import tasks
from q2c.celery import app
from q2c.engine import wake
from q2c.models import Event, Step
from tests.api.conftest import Caller
from tests.intake import company
from tests.intake.documents import event, order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def frozen(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that never says a word; cache and broker are led there."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        monkeypatch.setattr(wake, "_quiet_until", 0.0)
        monkeypatch.setattr(wake, "send", tasks._send)
        monkeypatch.setattr(wake, "call", tasks._call)
        monkeypatch.setattr(app.conf, "broker_write_url", url)
        tasks._waker.cache_clear()
        yield url
    tasks._waker.cache_clear()
    # The app would go on with the pools that this closes.
    reset()
    app._pool = app.amqp._producer_pool = None


def test_what_comes_in_is_stored_and_answered_within_about_a_second(frozen: str, caller: Caller) -> None:
    company.found()
    began = time.monotonic()
    stored = caller.post("/api/v1/events", event("evt-1", order(order_number="SO-1")))
    took_s = time.monotonic() - began
    assert stored.status_code == 202, stored.content
    assert 0.5 < took_s < 2.5, took_s
    assert (Event.objects.count(), Step.objects.get().state) == (1, "waiting")
    # Whoever comes next does not wait again: the sweeper finds the work.
    began = time.monotonic()
    assert caller.post("/api/v1/events", event("evt-2", order(order_number="SO-2"))).status_code == 202
    assert time.monotonic() - began < 0.9


def test_one_that_falls_silent_after_the_cache_has_answered_costs_no_more(frozen: str) -> None:
    """The message goes by a connection of its own."""
    for act in (lambda: tasks._send("accept_order"), lambda: tasks._call("advance_batches")):
        began = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)time|connect"):
            act()
        assert time.monotonic() - began < settings.REDIS_LIMIT_S + 1, "it was tried again"
