"""bin/manage: a command of manage.py, on the servers of the demo that runs here."""

from __future__ import annotations

import os

from q2c.local import demo, places, venv
from q2c.local.stop import Stop

USAGE = "bin/manage COMMAND [ARGUMENTS]    runs a command of manage.py on the demo that runs here"


def main(arguments: list[str]) -> int:
    if not arguments:
        raise Stop("bin/manage runs a command", "Say which, such as: bin/manage make_api_key webshop")
    kept = places.read_json(demo.ENV)
    if not kept or demo.already_runs(places.read_json(demo.LOCK)) is None:
        raise Stop("No demo runs here", "Start it with bin/demo, and try again once it is ready")
    os.chdir(places.ROOT)
    python = str(venv.python())
    os.execve(python, [python, "manage.py", *arguments], {**os.environ, **kept})  # noqa: S606
