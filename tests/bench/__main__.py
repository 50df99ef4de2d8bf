"""python -m tests.bench, as bin/bench runs it: in the environment of a control room of its own."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "q2c.settings"

import django

from q2c.local.bench import PARTS
from tests.bench import measure
from tests.bench.sizes import TINY, Sizes


def main() -> int:
    parser = argparse.ArgumentParser("tests.bench")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sizes = TINY if options.tiny else Sizes()
    if options.size:
        sizes = dataclasses.replace(sizes, rows=options.size)
    django.setup()
    figures: list[measure.Figure] = []
    failed: dict[str, str] = {}
    for name in options.only or PARTS:
        _measure(name, sizes, options.rounds, figures, failed)
    versions = _versions()
    print("\n" + measure.table(figures))
    about = {**measure.machine(), **versions}
    print("\n" + ", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"Medians of {options.rounds} rounds in turns; ± half the range.")
    if options.tiny:
        print("Tiny: that all parts run, and nothing about their speed.")
    if options.json:
        measure.write(options.json, figures, versions, failed)
    for name, text in failed.items():
        print(f"{name} failed: {text}", file=sys.stderr)
    return 1 if failed else 0


def _measure(name: str, sizes: Sizes, rounds: int, figures: list[measure.Figure], failed: dict[str, str]) -> None:
    """One part; its rows are shown as it ends. What breaks in it breaks no other part."""
    print(f"{name} …", flush=True)
    own: list[measure.Figure] = []
    try:
        part = import_module(f"tests.bench.{name}")
        with part.comparisons(sizes) as comparisons:
            for figure in measure.run(comparisons, rounds, lambda line: print(line, flush=True)):
                own.append(figure)
                figures.append(figure)
    except Exception as error:
        traceback.print_exc()
        failed[name] = f"{type(error).__name__}: {error}"
        print(f"{name} failed: {failed[name]}", file=sys.stderr, flush=True)
    if own:
        print(f"\n{measure.table(own)}\n", flush=True)


def _versions() -> dict[str, str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return {"postgresql": cursor.fetchone()[0], "django": django.get_version()}


if __name__ == "__main__":
    sys.exit(main())
