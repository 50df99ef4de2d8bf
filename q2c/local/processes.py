"""The processes of the control room: what production runs, too.

{braces} are filled in at start: host, ports, the folder of this start.
"""

from __future__ import annotations

from dataclasses import dataclass

# One worker a queue: a flood in one stage leaves the others their threads.
QUEUES = ("intake", "provisioning", "posting", "finance", "outbound", "inbound")
# Of each worker 2, but for these: one for the stage, one for each task that may take long and two to sweep; one for
# each question that may wait for a platform and four to read what changed.
THREADS = {"outbound": 8, "inbound": 10}


@dataclass(frozen=True)
class Process:
    """`command` is run as `python -m command`; `name` is its log file and its Q2C_PROCESS."""

    name: str
    command: str

    def arguments(self, **places: object) -> list[str]:
        return [part.format(**places) for part in self.command.split()]


_GUNICORN = "-c python:q2c.serving --worker-class gthread --no-control-socket --forwarded-allow-ips 127.0.0.1"
_WORKER = "celery -q -A q2c.celery worker -P threads --without-gossip --without-mingle -l INFO"

WEB = Process(
    "web",
    f"gunicorn q2c.wsgi:application --bind {{host}}:{{web_port}} --workers 2 --threads 8 --timeout 60 "
    f"--graceful-timeout 5 {_GUNICORN}",
)
# One process: the sandboxes keep what was posted to them together.
SANDBOXES = Process(
    "sandboxes",
    f"gunicorn q2c.connectors.sandboxes:app --bind {{host}}:{{sandbox_port}} --workers 1 --threads 32 --timeout 120 "
    f"--keep-alive 65 --graceful-timeout 3 {_GUNICORN}",
)
WORKERS = tuple(Process(queue, f"{_WORKER} -c {THREADS.get(queue, 2)} -Q {queue} -n {queue}@%h") for queue in QUEUES)
BEAT = Process("beat", "celery -q -A q2c.celery beat -s {folder}/beat-schedule --pidfile= -l INFO")

# In the order they are started; all but the sandboxes are production's.
TABLE = (SANDBOXES, WEB, *WORKERS, BEAT)
