"""Two sides of one comparison, measured in turns, and the table that comes of it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A side does its work once and returns how much it did (rows, requests, pages), or that with the seconds that count,
# where some of its time is preparation.
Side = Callable[[], "int | tuple[int, float]"]


@dataclass(frozen=True)
class Comparison:
    """`ours` over `baseline`, in units per second; met when the ratio reaches `target`."""

    name: str
    unit: str
    ours: Side
    baseline: Side
    against: str
    target: float
    # True: what counts is time (ours may be at most `target` times the baseline's).
    slower_by: bool = False


@dataclass
class Figure:
    comparison: Comparison
    ours: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    # How much each side did in one run.
    ours_did: int = 0
    baseline_did: int = 0

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.baseline)

    @property
    def met(self) -> bool:
        wanted = self.comparison.target
        return 1 / self.ratio <= wanted if self.comparison.slower_by else self.ratio >= wanted

    def row(self) -> tuple[str, ...]:
        c = self.comparison
        shown, sign = (1 / self.ratio, "≤") if c.slower_by else (self.ratio, "≥")
        return (
            c.name, c.against, f"{_spread(self.ours)} {c.unit}", f"{_spread(self.baseline)} {c.unit}",
            f"{shown:.2f}", f"{sign} {c.target:g}", "met" if self.met else "short",
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        c = self.comparison
        return {
            "name": c.name, "against": c.against, "unit": c.unit, "ours": self.ours, "baseline": self.baseline,
            "ours_did": self.ours_did, "baseline_did": self.baseline_did, "ratio": self.ratio, "target": c.target, "at_most": c.slower_by, "met": self.met,
        }  # fmt: skip


def run(comparisons: list[Comparison], rounds: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """Each side once to warm up, then in turns; the side that begins changes with each round."""
    for comparison in comparisons:
        say(f"  {comparison.name} against {comparison.against} …")
        figure = Figure(comparison)
        figure.ours_did, figure.baseline_did = _timed(comparison.ours)[0], _timed(comparison.baseline)[0]
        for number in range(rounds):
            sides = [(comparison.ours, figure.ours), (comparison.baseline, figure.baseline)]
            for side, into in sides if number % 2 == 0 else reversed(sides):
                count, took_s = _timed(side)
                into.append(count / took_s)
        yield figure


def _timed(side: Side) -> tuple[int, float]:
    began = time.perf_counter()
    done = side()
    return done if isinstance(done, tuple) else (done, time.perf_counter() - began)


def _spread(rates: list[float]) -> str:
    """Median, and how far the rounds lie apart."""
    middle = statistics.median(rates)
    return f"{middle:,.0f} (±{(max(rates) - min(rates)) / 2 / middle:.0%})"


HEAD = ("Measured", "Against", "Ours", "Baseline", "Ratio", "Target", "")


def table(figures: list[Figure]) -> str:
    rows = [HEAD, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def write(path: Path, figures: list[Figure], versions: dict[str, str], failed: dict[str, str]) -> None:
    document = {
        "machine": {**machine(), **versions},
        "figures": [figure.as_dict() for figure in figures],
        "failed": failed,
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
