"""gunicorn -c python:q2c.serving: its own lines are structured, too, and slow senders hold no thread."""

from __future__ import annotations

from q2c import logs

worker_class = "q2c.gathering.GatheringWorker"
# Sent by the kernel, a file would be sent for as long as its reader likes.
sendfile = False

_SETTINGS = logs.settings()
logconfig_dict = {
    **_SETTINGS,
    # To the one handler of the root, instead of gunicorn's own.
    "loggers": {
        **_SETTINGS["loggers"],
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
    },
}
