"""bin/faults, two minutes of it: every named point is struck, and nothing is lost or doubled though no key is unique."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from q2c.local import places
from q2c.points import POINTS
from tests.local.conftest import OURS

SEED = 7


def run(folder: Path, *more: str) -> dict[str, object]:
    """A whole run on servers of its own; its report."""
    report = folder / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "q2c.faults", "--seed", str(SEED), "--folder", str(folder / "run"), "--json", str(report),
         *more],
        cwd=places.ROOT, text=True, capture_output=True, timeout=900, check=False,
        env={name: value for name, value in os.environ.items() if name not in OURS},
    )  # fmt: skip
    assert report.exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    found = json.loads(report.read_text())
    assert (done.returncode == 0) == (found["rested"] and not found["wrong"]), done.stdout[-3000:]
    return dict(found)


@pytest.mark.live
def test_two_minutes_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    found = run(tmp_path, "--minutes", "2", "--documents", "600", "--faults", "25", "--loose-keys")
    assert found["wrong"] == [] and found["rested"]
    struck = {what.split()[0] for what in found["struck"]}  # type: ignore[attr-defined]
    assert struck == set(POINTS), "a point that nobody came by shows nothing"
    counts = found["counts"]
    assert isinstance(counts, dict)
    assert min(counts[noun] for noun in ("won deals", "invoices", "journals")) > 5, counts
