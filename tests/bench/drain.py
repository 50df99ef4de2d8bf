"""A worker of one stage for a measurement: drains it whenever a line comes in, and says how many steps it ran."""

from __future__ import annotations

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "q2c.settings"

import django

if __name__ == "__main__":
    django.setup()
    from q2c.engine import run, wake

    # Measured is this stage alone: what it emits waits.
    wake.send = None
    if len(sys.argv) > 2:
        from tests.bench import posting

        posting.install(sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(run.drain(sys.argv[1]), flush=True)
