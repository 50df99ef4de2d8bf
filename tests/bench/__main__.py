"""python -m tests.bench, as bin/bench runs it: in the environment of a control room of its own."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "q2c.settings"

import django

PARTS = ("intake", "journals", "calls", "queue", "trace")


def main() -> int:
    parser = argparse.ArgumentParser("tests.bench")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    django.setup()
    from tests.bench import measure

    figures = []
    for name in options.only or PARTS:
        print(f"{name} …", flush=True)
        part = import_module(f"tests.bench.{name}")
        with part.comparisons(options.size) as comparisons:
            figures += measure.run(comparisons, options.rounds, lambda line: print(line, flush=True))
    versions = _versions()
    print("\n" + measure.table(figures))
    about = {**measure.machine(), **versions}
    print("\n" + ", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"Medians of {options.rounds} rounds in turns; ± half the range.")
    if options.json:
        measure.write(options.json, figures, versions)
    return 0


def _versions() -> dict[str, str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return {"postgresql": cursor.fetchone()[0], "django": django.get_version()}


if __name__ == "__main__":
    sys.exit(main())
