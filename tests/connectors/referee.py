"""Runs a client that is not ours and lives in a virtual environment of its own, as a program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from q2c.local.referees import VARIABLE


def answers(script: Path, *arguments: str) -> Any:
    """What the script prints, as JSON; skips where the clients are not installed, fails with what it said."""
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip("the referees' virtual environment is missing: bin/test makes it")
    done = subprocess.run([python, "-I", script, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])
