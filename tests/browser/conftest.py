"""The control room as people meet it: gunicorn, workers and beat on the test's database, and a real browser."""

from __future__ import annotations

import os
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from q2c.local.processes import BEAT, QUEUES, WEB
from q2c.models import WorkerSeen
from tests.scenarios.conftest import Story, founded_today
from tests.scenarios.workers import Worker, environment, process, until

CHROMIUM = os.environ.get("Q2C_CHROMIUM", "")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# What was seen is kept here, to be looked at.
PICTURES = Path(settings.BASE_DIR) / ".local" / "pictures"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="no Chromium: apt-get install chromium"))


class Room:
    """Where it answers, and the company in it."""

    def __init__(self, url: str, story: Story) -> None:
        self.url, self.story = url, story


@pytest.fixture
def room(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    # Playwright runs an event loop in this thread; Django would not talk to its database beside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    story = founded_today()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = {**environment(), "Q2C_PUBLIC_URL": url}
    places = {"host": "127.0.0.1", "web_port": port, "folder": tmp_path}
    with ExitStack() as stack:
        stack.enter_context(process(WEB.arguments(**places), env, tmp_path / "web.log"))
        worker = Worker(QUEUES, "browser", env, tmp_path / "worker.log")
        stack.callback(worker.kill)
        stack.enter_context(process(BEAT.arguments(**places), env, tmp_path / "beat.log"))
        until(lambda: WorkerSeen.objects.filter(queue__in=QUEUES).count() == len(QUEUES), 120)
        until(lambda: _answers(url), 60)
        yield Room(url, story)
    story.platforms.control("", "faults", method="DELETE")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()
        # Beside an event loop Django keeps connections of its own, which nobody outside would find.
        connections.close_all()


class Person:
    """Somebody at a screen; what the browser complains about fails the test."""

    def __init__(
        self, browser: Any, url: str, *, width: int = 1280, scheme: str = "light", script: bool = True
    ) -> None:
        self.url, self.width, self.scheme = url, width, scheme
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_in(self, name: str, password: str) -> None:
        self.page.goto(f"{self.url}/sign-in")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", password)
        self.page.press("input[name=password]", "Enter")
        self.page.wait_for_url(lambda address: "sign-in" not in address)

    def goes(self, path: str) -> None:
        answer = self.page.goto(f"{self.url}{path}")
        assert answer.status == 200, (path, answer.status)

    def keeps(self, name: str) -> None:
        """A picture of the whole page; nothing may stick out to the right of it."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        # Tables scroll in their own boxes.
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, f"{name} is too wide"
        file = f"{re.sub(r'[^a-z0-9]+', '-', name)}-{self.scheme}-{self.width}.png"
        self.page.screenshot(path=PICTURES / file, full_page=True)

    def text(self) -> str:
        return str(self.page.inner_text("body"))
