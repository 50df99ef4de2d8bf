"""gunicorn -c python:q2c.serving: its own lines are structured, too."""

from __future__ import annotations

from q2c import logs

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
