"""Structured logs: one JSON object a line, each with the correlation id of what it is about."""

from __future__ import annotations

import logging
import os
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _with_correlation_id(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """Every line has the field; it is empty where nothing in particular is being done, as at start."""
    line.setdefault("correlation_id", "")
    return line


def settings() -> dict[str, Any]:
    """By Q2C_LOG_LEVEL and Q2C_LOG_PLAIN; for Django, Celery and gunicorn alike."""
    plain = os.environ.get("Q2C_LOG_PLAIN", "").lower() in {"1", "true", "yes", "on"}
    level = os.environ.get("Q2C_LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise ImproperlyConfigured(
            f"Q2C_LOG_LEVEL is {level!r}: set it to one of {', '.join(LEVELS)}, or unset it for INFO"
        )
    return structlog_settings(level, as_json=not plain)


def structlog_settings(level: str, *, as_json: bool) -> dict[str, Any]:
    """Django's LOGGING, and structlog set up to go through it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _with_correlation_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    logging.captureWarnings(True)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), *shared],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "django.server": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            # Says hello at every start of every process.
            "axes": {"level": "WARNING"},
        },
    }
