"""The web process as gunicorn starts it."""

from __future__ import annotations

import subprocess
import sys

from q2c.local import places


def test_it_can_wake_workers() -> None:
    code = "import q2c.wsgi; from q2c.engine import wake; print(wake.send.__module__, wake.call.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=places.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["q2c.tasks", "q2c.tasks"]
