"""The virtual environment of the clients that do not fit beside ours."""

from __future__ import annotations

import io
from typing import Any

import pytest

from q2c.local import referees
from q2c.local.progress import Progress
from q2c.local.stop import Stop


class Environment:
    """Stands for the virtual environment; making one for real is tested in test_venv."""

    folder, python = ".venv/referees", ".venv/referees/bin/python"

    def __init__(self, ready: bool, stop: Stop | None = None) -> None:
        self._ready, self.stop = ready, stop

    def ready(self) -> bool:
        return self._ready

    def make(self, step: Any) -> str:
        if self.stop:
            raise self.stop
        self._ready = True
        return "made"


@pytest.mark.parametrize("ready", [True, False])
def test_tests_get_its_python(monkeypatch, ready):
    environ = {}
    held = Environment(ready)
    monkeypatch.setattr(referees, "environment", lambda: held)
    assert referees.installed(Progress(io.StringIO()), environ) == ""
    assert environ == {"Q2C_REFEREE_PYTHON": ".venv/referees/bin/python"}


def test_without_an_index_the_run_goes_on_and_says_so(monkeypatch):
    environ = {}
    held = Environment(False, Stop("No package index can be reached", "Check the network"))
    monkeypatch.setattr(referees, "environment", lambda: held)
    said = referees.installed(Progress(io.StringIO()), environ)
    assert ("skip" in said, "No package index can be reached" in said, environ) == (True, True, {})


def test_what_is_named_already_stays():
    environ = {"Q2C_REFEREE_PYTHON": "/elsewhere/python"}
    referees.name_it(environ)
    assert environ["Q2C_REFEREE_PYTHON"] == "/elsewhere/python"
